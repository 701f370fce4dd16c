"""Times that people read are those of their own zone, with its offset from UTC; what is stored stays in UTC."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from support.exchanges import exchange, request, session
from support.processes import running
from support.resend import write
from tapehead.cli import terminal
from tapehead.cli.app import run
from tapehead.text import local_time

CALLS = session("s1", [(0, 0, "play", {}), (5, 5, "sessionComplete", {})])
# Half an hour is part of the offset, and it is another day there.
ZONE = "AAA-13:30"


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setenv("TZ", ZONE)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def recording(tmp_path: Path) -> str:
    return str(write(tmp_path / "a.jsonl", CALLS))


def test_a_line_of_a_call_has_local_time() -> None:
    shown = exchange(request(), None)
    (line, *_) = terminal.lines_of(shown)

    assert line.startswith(local_time(shown.started, timespec="milliseconds")[11:])
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3}\+13:30  ", line)
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3}\+13:30  ", terminal.unmatched_line("GET", "/x", 404, ""))


def test_a_line_of_an_answer_has_local_time() -> None:
    with running("serve") as server:
        import httpx

        httpx.post(f"{server.url}/api/v1/sessions", json={})
        server.wait_for(lambda line: bool(re.match(r"\d\d:\d\d:\d\d\.\d{3}\+13:30  ", line)))


def test_show_has_local_times(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    started = local_time(CALLS[0].started)
    assert run(["show", recording]) == 0
    table = capsys.readouterr().out
    assert started[5:] in table
    assert "UTC" not in table
    assert run(["show", recording, "s1"]) == 0
    assert f"{started[11:19]}.000+13:30" in capsys.readouterr().out
    assert run(["show", recording, "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out)["sessions"][0]["started"] == CALLS[0].started


def test_reports_have_local_times_unless_they_are_to_be_equal(
    recording: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = str(tmp_path / "a.html")
    for given, offset in ((None, "+13:30"), ("1795977000", "+00:00")):
        if given:
            monkeypatch.setenv("SOURCE_DATE_EPOCH", given)
        assert run(["audit", recording, "--format", "text", "--format", "html", "--output", page]) == 0
        assert re.search(rf"^audit of \S+, [-\d]+ \d\d:\d\d{re.escape(offset)}$", capsys.readouterr().out, re.MULTILINE)
        assert f"{local_time(CALLS[0].started)[:-6] if not given else '2026'}" in Path(page).read_text()
        assert Path(page).read_text().count(offset) >= 2


@pytest.mark.parametrize("moment", ["", "x", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-13-01"])
def test_what_is_no_time_stays_as_it_is(moment: str) -> None:
    assert isinstance(local_time(moment), str)
