"""Libraries that only some commands need, which an extra of the package brings."""

from collections.abc import Iterator
from contextlib import contextmanager

from tapehead.errors import UsageError


@contextmanager
def needing(extra: str, subject: str) -> Iterator[None]:
    """Import what an extra brings; where it is not installed, say so.

    Args:
        extra: the name of the extra, such as `parquet`.
        subject: what needs it, such as `--parquet` or `s3://bucket/a.jsonl`.

    Raises:
        UsageError: a library is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"{subject}: {error.name} is not installed; run pip install 'tapehead[{extra}]'") from error
