"""The file that forwards a browser to the live page: where a browser that is a snap can read it."""

import threading
import webbrowser
from pathlib import Path

import pytest

from tapehead.cli import page_opener
from tapehead.cli.page_opener import PageOpener


@pytest.mark.parametrize("has_snaps", [False, True])
def test_a_browser_that_is_a_snap_can_read_the_file(
    has_snaps: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, temporary, snaps = (tmp_path / name for name in ("home", "temporary", "snaps"))
    home.mkdir()
    temporary.mkdir()
    if has_snaps:
        snaps.mkdir()
    monkeypatch.setattr(page_opener, "_SNAPS", snaps)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("HOME", str(home))
    started, urls = threading.Event(), list[str]()

    def open_url(url: str) -> bool:
        urls.append(url)
        started.set()
        return True

    monkeypatch.setattr(webbrowser, "open", open_url)
    opener = PageOpener()
    opener.open("http://127.0.0.1:1/#token")
    assert started.wait(30)

    (folder,) = (home if has_snaps else temporary).iterdir()
    assert not folder.name.startswith(".")
    assert urls == [(folder / "open.html").as_uri()]
    assert folder.stat().st_mode & 0o077 == 0
    opener.close()
    assert [*home.iterdir(), *temporary.iterdir()] == []
