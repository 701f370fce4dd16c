"""The benchmarks run, in a very short form, and come up with numbers."""

from collections.abc import Callable, Sequence

import pytest

from bench import recording, replaying, serving
from bench.load import Score

SHORT = ["--requests", "200", "--pairs", "1", "--connections", "4"]


@pytest.mark.parametrize("main", [serving.main, recording.main, replaying.main], ids=lambda main: main.__module__)
def test_a_benchmark_measures_all_of_its_contestants(
    main: Callable[[Sequence[str]], list[Score]], capsys: pytest.CaptureFixture[str]
) -> None:
    scores = main(SHORT)

    assert len(scores) >= 3
    assert all(score.rate > 0 and score.ratio > 0 for score in scores)
    assert scores[0].ratio == 1
    assert all(score.name in capsys.readouterr().out for score in scores[:1])
