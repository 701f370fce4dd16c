"""The command show: sessions and calls with the findings and the numbers of the audit, bodies, filters, JSON."""

import re
from pathlib import Path

import orjson
import pytest
from msgspec import structs

from support import reports
from support.sessions import Timeline, make_exchange
from tapehead.auditor.recordings_audit import audit
from tapehead.cli.app import run
from tapehead.protocol.exchange import Entry, encode
from tapehead.protocol.routes import Call
from tapehead.reports.json_output import render_json
from tapehead.reports.show.json_show import body_object, session_object
from tapehead.reports.show.recorded_calls import CallFilter, calls_by_session
from tapehead.reports.show.text_show import format_body, render_calls, render_sessions
from tapehead.reports.terminal_text import TextStyle

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A faulty session and a sound one."""
    return reports.write(tmp_path / "r.jsonl", reports.faulty("faulty-session"), reports.documented(1, "documented-1"))


def shown(capsys: Captured, *arguments: object) -> str:
    assert run(["show", *map(str, arguments)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    return told.out


# ---- The same sessions, findings and numbers as in the audit ----


def test_the_counts_of_sessions_are_those_of_the_audit(recording: Path, capsys: Captured) -> None:
    listed = orjson.loads(shown(capsys, recording, "--json"))["sessions"]
    run(["audit", str(recording), "--format", "json", "--order", "time"])
    audited = orjson.loads(capsys.readouterr().out)["sessions"]

    for ours, theirs in zip(listed, audited, strict=True):
        assert {key: ours[key] for key in ("id", "outcome", "events", "player", "recordings")} == {
            key: theirs[key] for key in ("id", "outcome", "events", "player", "recordings")
        }
        for severity in ("error", "warning", "info"):
            found = [each for each in theirs["findings"] if each["severity"] == severity]
            assert ours[f"{severity}s"] == len(found)


def test_the_number_type_and_time_of_a_finding_lead_to_its_call(recording: Path, capsys: Captured) -> None:
    run(["audit", str(recording), "--format", "json"])
    findings = orjson.loads(capsys.readouterr().out)["sessions"][0]["findings"]
    (session,) = orjson.loads(shown(capsys, recording, "faulty", "--json"))["sessions"]
    calls = {call["number"]: call for call in session["calls"]}

    assert len(findings) > 9
    for finding in findings:
        call = calls[finding["event"]["index"]]
        assert (call["type"], call["line"]) == (finding["event"]["type"], finding["line"])
        assert {"rule": finding["rule"], "message": finding["message"]}.items() <= {
            key: value for each in call["findings"] if each["rule"] == finding["rule"] for key, value in each.items()
        }.items()
        if seconds := re.search(r", (-?[\d.]+) s in\)", finding["message"]):
            assert f"{call['seconds']:.1f}" == seconds[1]


def test_severities_of_the_settings_file_count(recording: Path, tmp_path: Path, capsys: Captured) -> None:
    config = tmp_path / "tapehead.toml"
    config.write_text('rules.ad-outside-break = "off"\n')

    assert "ad-outside-break" in shown(capsys, recording, "faulty")
    assert "ad-outside-break" not in shown(capsys, recording, "faulty", "--config", config)


def test_retries_have_numbers_too() -> None:
    """The ping at 11 s is sent twice, byte for byte: the audit takes the second one for a retry."""
    exchanges = Timeline().start().at(1, "play").at(11, "ping").at(20, "sessionEnd").exchanges
    exchanges.insert(3, exchanges[2])
    entries = [Entry(line, each, "r.jsonl") for line, each in enumerate(exchanges, start=1)]
    calls = calls_by_session(entries, audit(entries))["s1"]

    assert [(call.number, call.name) for call in calls] == [
        (0, "sessionStart"),
        (1, "play"),
        (2, "ping"),
        (3, "ping"),
        (4, "sessionEnd"),
    ]


def test_the_events_of_an_array_are_calls_of_their_own() -> None:
    bodies = [
        reports.event(0, "sessionStart", 0, reports.START | {"media.downloaded": True}),
        reports.event(1, "play", params={"odd": 1}),
        reports.event(9, "sessionEnd", 8),
    ]
    exchange = make_exchange("/api/v1/downloaded", bodies, call=Call.DOWNLOADED, sid=None, status=201)
    entries = [Entry(1, exchange, "r.jsonl")]
    calls = calls_by_session(entries, audit(entries))[None]

    assert [(call.number, call.name) for call in calls] == [(0, "sessionStart"), (1, "play"), (2, "sessionEnd")]
    assert orjson.loads(calls[1].body) == bodies[1]
    assert ["unknown-parameter" in {finding.rule for finding in call.findings} for call in calls] == [
        False,
        True,
        False,
    ]


# ---- Widths ----


@pytest.mark.parametrize("width", [40, 80, 120])
def test_numbers_are_kept_whatever_the_width(width: int) -> None:
    exchanges = list(reports.faulty("faulty-session"))
    entries = [Entry(line, each, "r.jsonl") for line, each in enumerate(exchanges, start=1)]
    results = list(audit(entries))
    counts = [
        sum(finding.severity == severity for finding in results[0].findings)
        for severity in ("error", "warning", "info")
    ]
    table = "".join(render_sessions(list(map(session_object, results)), TextStyle(width))).splitlines()
    assert max(map(len, table)) <= width
    assert table[1].split()[-4:] == ["17", *map(str, counts)]

    calls = calls_by_session(entries, results)["faulty-session"]
    lines = "".join(render_calls([("", calls)], TextStyle(width), with_bodies=True)).splitlines()
    assert max(map(len, lines)) <= width
    rows = [line.split() for line in lines if re.match(r" {1,4}\d+  ", line)]
    assert sorted(int(row[0]) for row in rows) == list(range(17))
    for row, call in zip(rows, calls, strict=True):
        assert "-" in row if call.seconds is None else f"{call.seconds:.1f}" in row
        assert call.entry.exchange.response is not None
        assert str(call.entry.exchange.response.status) in row


def test_files_are_named_where_there_are_several(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanges = [encode(each) for each in reports.documented(1, "documented-1")]
    (tmp_path / "a.jsonl").write_bytes(b"".join(exchanges[:5]))
    (tmp_path / "b.jsonl").write_bytes(b"".join(exchanges[5:]))

    monkeypatch.chdir(tmp_path)
    assert "  a.jsonl, b.jsonl\n" in shown(capsys, ".")
    lines = shown(capsys, ".", "documented").splitlines()
    assert [line.split()[-1] for line in lines[5:7]] == ["a.jsonl:5", "b.jsonl:1"]


# ---- Bodies and filters ----


def test_bodies_are_printed_below_their_calls(recording: Path, capsys: Captured) -> None:
    text = shown(capsys, recording, "faulty", "--type", "bufferStart", "--bodies")

    assert '    sent:\n    {\n      "eventType": "bufferStart",\n      "playerTime": {\n        "playhead": 20,' in text
    assert text.count("sent:") == 1
    assert "answered" not in text


def test_answers_and_bodies_that_were_not_saved_are_told() -> None:
    """A ping whose answer has a body, and one whose bodies the exporter did not save."""
    refused = make_exchange("/api/v1/sessions/s1/events", {"eventType": "ping"}, status=400)
    assert refused.response
    refused = structs.replace(refused, response=refused.response.with_content(b'{"error": 1}'))
    lost = make_exchange("/api/v1/sessions/s1/events", b"")
    assert lost.response
    unsaved = structs.replace(lost.request, saved=False), structs.replace(lost.response, saved=False)
    lost = structs.replace(lost, request=unsaved[0], response=unsaved[1])
    entries = [Entry(line, each, "r.jsonl") for line, each in enumerate([refused, lost], start=1)]
    text = "".join(render_calls([("", calls_by_session(entries, [])["s1"])], TextStyle(80), with_bodies=True))

    assert '    answered:\n    {\n      "error": 1\n    }\n' in text
    assert "    sent: (not saved)\n    answered: (not saved)\n" in text


def test_a_body_is_printed_as_it_was_sent() -> None:
    assert format_body(b'{"a":1.0,"a":1e3}') == '{\n  "a": 1.0,\n  "a": 1e3\n}'
    assert format_body(b'{"eventType": ') == '{"eventType": '
    assert format_body(b"\xff") == "\ufffd"
    assert '{"a":1e3,"a":1.0}' in render_json({"body": body_object(b'{"a":1e3,"a":1.0}')})
    assert body_object(b"\xff") == "\ufffd"


def test_filters_select_calls_of_all_sessions(recording: Path, capsys: Captured) -> None:
    text = shown(capsys, recording, "--type", "adStart", "--type", "sessionEnd")

    assert re.findall(r"^(\S+)  (\d+) calls?$", text, flags=re.MULTILINE) == [
        ("documented-1", "3"),
        ("faulty-session", "3"),
    ]
    assert {line.split()[3] for line in text.splitlines() if re.match(r" +\d+ ", line)} == {"adStart", "sessionEnd"}


def test_only_calls_with_findings_are_shown_if_asked_for(recording: Path, capsys: Captured) -> None:
    sessions = orjson.loads(shown(capsys, recording, "--findings", "--json"))["sessions"]

    assert [session["id"] for session in sessions] == ["faulty-session"]
    assert all(call["findings"] for call in sessions[0]["calls"])
    assert CallFilter(("ping",), with_findings=True).types == ("ping",)


def test_json_has_bodies_as_sent_if_asked_for(recording: Path, capsys: Captured) -> None:
    (session,) = orjson.loads(shown(capsys, recording, "faulty", "--json", "--bodies"))["sessions"]
    calls = session["calls"]

    assert calls[0]["body"]["params"]["media.length"] == "600"
    assert [call["body"] for call in calls if isinstance(call["body"], str)] == ['{"eventType": "ping", "playerTime"']
    assert "body" not in orjson.loads(shown(capsys, recording, "faulty", "--json"))["sessions"][0]["calls"][0]


def test_calls_of_no_session_are_those_of_a_dash(tmp_path: Path, capsys: Captured) -> None:
    refused = Timeline(sid=None).start(status=400).exchanges
    path = reports.write(tmp_path / "r.jsonl", refused, reports.documented(1, "documented-1"))

    assert [call["number"] for call in orjson.loads(shown(capsys, path, "-", "--json"))["sessions"][0]["calls"]] == [0]


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--type", "adstart"], 2, "no call is a 'adstart'; did you mean adStart?"),
        (["--type", "chapterSkip"], 0, "matches --type or --findings"),
        (["nobody"], 2, "has no session 'nobody'; tapehead show "),
        (["--type", "qwertz"], 2, "no call is a 'qwertz'; there are calls of "),
    ],
)
def test_what_is_not_there_is_told(
    recording: Path, capsys: Captured, arguments: list[str], code: int, line: str
) -> None:
    assert run(["show", str(recording), *arguments]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert line in told.err
    assert len(told.err.splitlines()) == 1
