"""A bar on a terminal while large recordings are read: nowhere else, and without harm where the terminal is gone."""

import os
import pty
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import pytest

from support.exchanges import session
from support.replay import STEPS
from support.resend import write
from tapehead.cli import engine_loader
from tapehead.cli.offline_run import EngineRun, EngineSettings
from tapehead.cli.progress import progress

TEXT = "recordings, {task.fields[read]:,} exchanges"


@contextmanager
def terminal() -> Iterator[int]:
    """A terminal as stderr; its other end."""
    outer, inner = pty.openpty()
    with open(inner, "w", encoding="utf-8") as stream, patch.object(sys, "stderr", stream):  # noqa: PTH123
        yield outer


def read_all(end: int) -> str:
    """Return what a terminal got that is closed now."""
    printed = b""
    with suppress(OSError):  # all is read
        while part := os.read(end, 4096):
            printed += part
    os.close(end)
    return printed.decode()


def test_a_bar_stands_on_a_terminal_and_leaves_it() -> None:
    with terminal() as end, progress(2, TEXT) as show:
        show(1, 1234)

    printed = read_all(end)
    assert "1,234" in printed
    assert printed.endswith("\x1b[2K")


def test_a_terminal_that_is_gone_does_no_harm() -> None:
    with terminal() as end, progress(2, TEXT) as show:
        os.close(end)
        show(1, 1)


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("shows_progress", [True, False])
def test_only_large_recordings_get_one_and_only_where_it_is_asked_for(
    large: bool, shows_progress: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.jsonl", session("abc", STEPS))
    monkeypatch.setattr(engine_loader, "LARGE_BYTES", path.stat().st_size + (not large))
    with terminal() as end:
        EngineRun(EngineSettings(recordings=(path,)), pytest.fail, shows_progress=shows_progress)

    assert ("1/1" in read_all(end)) is (large and shows_progress)
