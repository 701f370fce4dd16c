"""Findings in stock mitmdump: comments and marks that filters find, and the event log."""

import socket
import sys
from pathlib import Path

import httpx
import pytest
import trustme
from mitmproxy import http
from mitmproxy.io import FlowReader

from support.certificates import SCRIPT, mitmdump
from support.current_player import CurrentPlayer
from support.exchanges import opened, start
from support.processes import run_program
from support.resend import write
from tapehead.protocol.exchange import decode

MITMDUMP = "from mitmproxy.tools.main import mitmdump\nmitmdump()"
SIMULATE = "tapehead_simulate=true"


def saved(path: Path) -> list[http.HTTPFlow]:
    with path.open("rb") as file:
        return [flow for flow in FlowReader(file).stream() if isinstance(flow, http.HTTPFlow)]


def played(url: str) -> str:
    """Play a session with mistakes through a proxy, and return its id."""
    with httpx.Client(proxy=url) as client:
        player = CurrentPlayer(client)
        player.play_with_mistakes()
    return player.sid


def filtered(path: Path, expression: str) -> list[str]:
    """Return the requests of a flow file that a plain mitmdump lists under a filter."""
    shown = run_program(sys.executable, "-c", MITMDUMP, "-n", "-r", path, "--flow-detail", "1", expression)
    return [line for line in shown.stdout.splitlines() if "POST " in line]


def test_filters_find_calls_by_their_findings(tmp_path: Path, authority: trustme.CA) -> None:
    flows = tmp_path / "flows"
    options = (SIMULATE, f"save_stream_file={flows}", "dumper_filter=~comment unknown-parameter")
    with mitmdump(tmp_path, authority, *options) as tool:
        played(tool.url)
        tool.stop()

    assert len([line for line in tool.lines if "POST http" in line]) == 1
    by_comment, by_mark = filtered(flows, "~comment 'warning unknown-parameter'"), filtered(flows, "~marked")
    assert len(by_comment) == 1
    assert by_comment == by_mark == filtered(flows, "~marker :warning:")
    assert len(filtered(flows, "~all")) == 6


def test_a_finding_of_a_session_has_a_line_in_the_log(tmp_path: Path, authority: trustme.CA) -> None:
    with mitmdump(tmp_path, authority, SIMULATE) as tool:
        sid = played(tool.url)
        tool.stop()

    (nested,) = (line for line in tool.lines if "ad-break-nested" in line)
    assert "tapehead: error ad-break-nested: adBreakStart: the break of event 2 is still open" in nested
    assert nested.endswith(f" (session {sid})")


def test_without_the_audit_single_calls_are_still_checked(tmp_path: Path, authority: trustme.CA) -> None:
    with mitmdump(tmp_path, authority, SIMULATE, "tapehead_no_audit=true") as tool:
        played(tool.url)
        tool.stop()

    assert any("warning unknown-parameter" in line for line in tool.lines)
    assert not any("ad-break-nested" in line for line in tool.lines)


def test_a_replay_is_recorded_and_its_flows_are_saved(tmp_path: Path, authority: trustme.CA) -> None:
    recording, out, flows = tmp_path / "a.jsonl", tmp_path / "out.jsonl", tmp_path / "flows"
    write(recording, [opened("s1", start())])
    options = (f"tapehead_replay={recording}", f"tapehead_record={out}", f"save_stream_file={flows}")
    with mitmdump(tmp_path, authority, *options) as tool:
        played(tool.url)
        tool.stop()

    assert len(saved(flows)) == 6
    answered = [decode(line).answered for line in out.read_bytes().splitlines()]
    assert [each.outcome for each in answered if each] == ["hit", *["miss"] * 5]
    assert any("recorded 6 exchanges of 1 session" in line and "error" in line for line in tool.lines)


def test_faults_and_latency_are_injected(tmp_path: Path, authority: trustme.CA) -> None:
    options = (SIMULATE, "tapehead_fault=event:play=410", "tapehead_latency=5")
    with mitmdump(tmp_path, authority, *options) as tool, httpx.Client(proxy=tool.url) as client:
        player = CurrentPlayer(client)
        statuses = [player.open().status_code, player.send("play").status_code, player.send("ping").status_code]

    assert statuses == [201, 410, 204]


def test_the_simulated_time_runs_faster(tmp_path: Path, authority: trustme.CA) -> None:
    # A million seconds in each: the session is closed before its first event.
    options = (SIMULATE, "tapehead_time_scale=1000000")
    with mitmdump(tmp_path, authority, *options) as tool, httpx.Client(proxy=tool.url) as client:
        player = CurrentPlayer(client)
        player.open()
        assert player.send("ping").status_code == 410


def test_the_live_page_shows_the_calls(tmp_path: Path, authority: trustme.CA) -> None:
    with mitmdump(tmp_path, authority, SIMULATE, "tapehead_live=0") as tool:
        (line,) = (line for line in tool.lines if "tapehead live page: " in line)
        page, _, token = line.rpartition(" ")[2].partition("#")
        sid = played(tool.url)
        answer = httpx.get(f"{page}tapehead/v1/sessions", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 200
    assert sid in answer.text


def test_a_port_that_is_taken_is_told_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        shown = run_program(sys.executable, "-c", MITMDUMP, "-n", "-s", SCRIPT, "--set", f"tapehead_live={port}")

    assert "Traceback" not in shown.stdout + shown.stderr
    assert f"tapehead: 127.0.0.1:{port} is in use; pass tapehead_live with another port" in shown.stdout


@pytest.mark.parametrize(("fail_on", "code"), [("never", 0), ("error", 1)])
def test_findings_decide_the_exit_code(fail_on: str, code: int, tmp_path: Path, authority: trustme.CA) -> None:
    flows = tmp_path / "flows"
    options = (SIMULATE, f"tapehead_fail_on={fail_on}", f"save_stream_file={flows}")
    with mitmdump(tmp_path, authority, *options) as tool:
        played(tool.url)
        assert tool.stop() == code

    assert len(saved(flows)) == 6
    assert not any("Traceback" in line for line in tool.lines)


def test_the_settings_file_counts(tmp_path: Path, authority: trustme.CA) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('[rules]\nad-break-nested = "off"\n')
    with mitmdump(tmp_path, authority, SIMULATE, f"tapehead_config={settings}") as tool:
        played(tool.url)
        tool.stop()

    assert any("warning unknown-parameter" in line for line in tool.lines)
    assert not any("ad-break-nested" in line for line in tool.lines)
