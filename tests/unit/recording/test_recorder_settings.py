"""Sizes and times of options, and the defaults that the README promises."""

from pathlib import Path

import pytest

from tapehead.errors import UsageError
from tapehead.recording.recorder_settings import Rotation, StoreSettings, parse_rotation, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("7KB", 7_000), ("256MB", 256_000_000), ("1.5 gb", 1_500_000_000), ("2KiB", 2048), ("1MiB", 2**20)],
)
def test_a_size_is_a_number_of_bytes(text: str, size: int) -> None:
    assert parse_size(text, "--backlog") == size


@pytest.mark.parametrize("text", ["", "0", "0.4", "MB", "5XB", "-1MB", "1h", "256MB "])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"^invalid --backlog '{text}': expected a size such as 256MB$"):
        parse_size(text, "--backlog")


@pytest.mark.parametrize(
    ("texts", "rotation"),
    [
        ([], Rotation()),
        (["256MB"], Rotation(size=256_000_000)),
        (["1.5h"], Rotation(seconds=5400)),
        (["1d", "10KB"], Rotation(size=10_000, seconds=86_400)),
        (["30s", "2m"], Rotation(seconds=120)),
    ],
)
def test_a_rotation_has_a_size_and_a_time(texts: list[str], rotation: Rotation) -> None:
    assert parse_rotation(texts) == rotation


@pytest.mark.parametrize("text", ["0s", "1w", "h", "1 H"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"^invalid --rotate '{text}': expected a size or a time such as 256MB or 1h$"):
        parse_rotation([text])


def test_the_backlog_is_as_large_as_the_readme_says() -> None:
    assert StoreSettings(out=Path("a.jsonl")).backlog == 64_000_000
