"""A connection to Spark in this process, as far as the audit uses one: data is pickled, as between machines."""

import pickle
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any


class LocalData:
    """An RDD: partitions that are made when they are asked for."""

    def __init__(self, partitions: Sequence[Callable[[], Iterator[Any]]]) -> None:
        self.partitions = partitions

    def _mapped(self, function: Callable[[Iterator[Any]], Iterable[Any]]) -> "LocalData":
        function = pickle.loads(pickle.dumps(function))
        return LocalData([lambda each=each: iter(function(each())) for each in self.partitions])  # type: ignore[misc]

    def map(self, function: Callable[[Any], Any]) -> "LocalData":
        function = pickle.loads(pickle.dumps(function))
        return LocalData([lambda each=each: map(function, each()) for each in self.partitions])  # type: ignore[misc]

    def flatMap(self, function: Callable[[Any], Iterable[Any]]) -> "LocalData":  # noqa: N802 - as in pyspark
        function = pickle.loads(pickle.dumps(function))
        return LocalData(
            [lambda each=each: (made for item in each() for made in function(item)) for each in self.partitions]  # type: ignore[misc]
        )

    def mapPartitions(self, function: Callable[[Iterator[Any]], Iterable[Any]]) -> "LocalData":  # noqa: N802
        return self._mapped(function)

    def partitionBy(self, count: int, number_of: Callable[[Any], int]) -> "LocalData":  # noqa: N802
        # Blocks come in no order.
        pairs = pickle.loads(pickle.dumps(self.collect()))[::-1]
        own = [[pair for pair in pairs if number_of(pair[0]) % count == part] for part in range(count)]
        return LocalData([lambda each=each: iter(each) for each in own])  # type: ignore[misc]

    def persist(self, _level: object) -> "LocalData":
        made = [list(each()) for each in self.partitions]
        return LocalData([lambda each=each: iter(each) for each in made])  # type: ignore[misc]

    def unpersist(self) -> None:
        """Do nothing."""

    def count(self) -> int:
        return len(self.collect())

    def collect(self) -> list[Any]:
        return [item for each in self.partitions for item in each()]


class _NoTracker:
    def getActiveStageIds(self) -> list[int]:  # noqa: N802
        return []


class LocalExecutors:
    """A SparkContext.

    Args:
        folder: gets the files that are sent to executors.
    """

    defaultParallelism = 2  # noqa: N815
    _jvm = _jsc = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def parallelize(self, items: Sequence[Any], slices: int) -> LocalData:
        cut = [items[number::slices] for number in range(slices)]
        return LocalData([lambda each=each: iter(each) for each in cut])  # type: ignore[misc]

    def union(self, parts: Iterable[LocalData]) -> LocalData:
        return LocalData([each for part in parts for each in part.partitions])

    def runJob(self, data: LocalData, function: Callable[[Any], Any], partitions: Iterable[int]) -> list[Any]:  # noqa: N802
        return [item for number in partitions for item in function(data.partitions[number]())]

    def addFile(self, path: str) -> None:  # noqa: N802
        # A cluster has one file of a name, and its tasks fail if they are sent another one.
        assert not (self._folder / Path(path).name).exists(), f"{path}: a file of that name was sent before"
        shutil.copy(path, self._folder)

    def statusTracker(self) -> _NoTracker:  # noqa: N802
        return _NoTracker()
