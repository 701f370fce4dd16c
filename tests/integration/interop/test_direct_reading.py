"""HAR and flow files given to the commands that read, as they are, in folders, and together with recordings."""

import gzip
import io
import re
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

import tapehead
from support.audits import audited
from support.captured_traffic import read
from support.exchanges import exchange, opened, request, session, start, start_with
from support.har_files import entry, flow_file, flow_of, har, har_of
from tapehead.auditor.arrival_order import sort_by_arrival
from tapehead.cli.app import run
from tapehead.cli.offline_run import EngineRun, EngineSettings
from tapehead.errors import RecordingError
from tapehead.interop.collector import CallCollector
from tapehead.interop.har import read_har
from tapehead.interop.har_bodies import Attachments
from tapehead.protocol.arrival import ArrivalClock
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import encode
from tapehead.protocol.messages import Response

CALLS = session("s1", [(1, 0, "play", {}), (9, 8, "ping", {}), (12, 11, "sessionComplete", {})])
OTHER = session("s2", [(1, 0, "play", {}), (12, 11, "sessionComplete", {})], began=100)
SESSIONS = {"s1": 4, "s2": 3}
FORMS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "HAR": ("a.har", lambda: har_of(CALLS)),
    "HAR over lines": ("a.har", lambda: orjson.dumps(orjson.loads(har_of(CALLS)), option=orjson.OPT_INDENT_2)),
    "HAR with a BOM": ("a.har", lambda: b"\xef\xbb\xbf" + har_of(CALLS)),
    "HAR in UTF-16": ("a.har", lambda: har_of(CALLS).decode().encode("utf-16")),
    "HAR in UTF-16 without a BOM": ("a.har", lambda: har_of(CALLS).decode().encode("utf-16-le")),
    "HAR in UTF-16 of the other order": ("a.har", lambda: har_of(CALLS).decode().encode("utf-16-be")),
    "gzip": ("a.har.gz", lambda: gzip.compress(har_of(CALLS))),
    "flows": ("a.flow", lambda: flow_file(*map(flow_of, CALLS))),
    "another suffix": ("a.txt", lambda: har_of(CALLS)),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_every_command_reads_a_file_as_if_it_had_been_imported(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, make = FORMS[form]
    Path(name).write_bytes(make())
    assert run(["import", name, "--out", "out.jsonl"]) == 0
    capsys.readouterr()
    outputs = []
    for path in (name, "out.jsonl"):
        assert run(["audit", path, "--fail-on", "never"]) == 0
        assert run(["show", path]) == 0
        assert run(["show", path, "s1"]) == 0
        told = capsys.readouterr()
        outputs.append((re.sub(r", [-\d]+ [:\d]+[-+][:\d]+", "", told.out.replace(path, "FILE"), count=1), told.err))

    assert outputs[0] == outputs[1]
    assert "completed" in outputs[0][0]
    assert outputs[0][1] == ""
    assert run(["diff", name, "out.jsonl"]) == 0
    engine = EngineRun(EngineSettings(recordings=(Path(name),)), pytest.fail)
    assert [(each.sid, len(each.calls)) for each in engine._loader.indexes[0].sessions] == [("s1", 3)]


@pytest.mark.parametrize("form", FORMS)
def test_stdin_may_be_any_of_them(
    form: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    buffered = io.BufferedReader(io.BytesIO(FORMS[form][1]()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(buffered))

    assert audited(capsys, "-") == ({"s1": 4}, [])


def test_python_reads_them_too() -> None:
    Path("a.har").write_bytes(har_of(CALLS))
    entries = list(tapehead.read_recordings(["a.har"]))

    assert [each.line for each in entries] == [1, 2, 3, 4]
    assert {each.recording for each in entries} == {each.exchange.source for each in entries} == {"a.har"}
    assert [each.exchange.order for each in entries] == [0, 1, 2, 3]


def test_identifiers_are_pseudonyms_and_the_same_as_in_recordings_beside(capsys: pytest.CaptureFixture[str]) -> None:
    visitor = "12345678901234567890123456789012345678"
    Path("a.har").write_bytes(har_of([opened("s1", start_with({"visitor.marketingCloudUserId": visitor}))]))
    run(["import", "a.har", "--out", "out.jsonl"])
    (direct,), (stored,) = (list(tapehead.read_recordings([name])) for name in ("a.har", "out.jsonl"))

    assert direct.exchange == stored.exchange
    assert visitor.encode() not in direct.exchange.request.content()
    assert direct.exchange.findings == read(Path("out.jsonl"))[0].findings


# ---- Folders ----


def test_a_folder_is_read_with_all_that_is_in_it_in_order_of_time(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in/deep").mkdir(parents=True)
    Path("in/a.har").write_bytes(har_of([CALLS[2], CALLS[0]]))
    Path("in/deep/b.flow").write_bytes(flow_file(flow_of(CALLS[1])))
    Path("in/c.jsonl").write_bytes(b"".join(map(encode, [CALLS[3], *OTHER])))
    for name in ("notes.txt", "deep/report.html", ".hidden"):
        Path("in", name).write_text("<html>")
    entries = list(tapehead.read_recordings(["in"], warn=lambda _line: None))

    assert [each.exchange.started for each in entries] == [each.started for each in (*CALLS, *OTHER)]
    assert audited(capsys, "in") == (SESSIONS, ["tapehead: 2 other files not read: report.html, notes.txt"])


def test_a_folder_without_anything_to_read_names_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    Path("in/session.saz").write_bytes(b"PK\x03\x04")

    assert run(["show", "in"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "tapehead: there is no recording (*.jsonl, *.jsonl.zst, *.jsonl.gz), HAR or flow file in 'in'; "
    )
    assert "1 other file not read: session.saz (a Fiddler archive: in Fiddler, choose File > Export Sessions" in line


def test_what_may_be_in_a_folder_without_a_recording_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    Path("in/notes.txt").write_text("<html>")

    assert run(["audit", "in"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "tapehead: there is no recording (*.jsonl, *.jsonl.zst, *.jsonl.gz), HAR or flow file in 'in'; "
        "1 other file not read: notes.txt",
    ]


def test_broken_files_of_saved_traffic_are_named_before_others(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    Path("in/good.har").write_bytes(har_of(CALLS))
    for name in ("a.txt", "b.txt", "c.txt", "d.txt", "e.txt", "x.har.gz", "y.flow", "z.HAR"):
        Path("in", name).write_text("<html>")

    assert run(["show", "in"]) == 0
    line = "tapehead: 8 other files not read: x.har.gz, y.flow, z.HAR, a.txt, b.txt and 3 more"
    assert line in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("command", ["audit", "show"])
def test_recordings_without_a_session_are_told_of(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = request(method="OPTIONS")
    Path("a.jsonl").write_bytes(encode(exchange(asked, Response(status=200, headers=[]))))

    assert run([command, "a.jsonl"]) == int(command == "audit")
    shown = capsys.readouterr()
    assert shown.err == "tapehead: no session in 'a.jsonl'; record or save traffic while the player plays\n"
    assert "outcome" not in shown.out
    assert run([command, "a.jsonl", "--json" if command == "show" else "--format=json"]) == int(command == "audit")
    assert orjson.loads(capsys.readouterr().out)["sessions"] == []


def test_a_har_without_a_call_hides_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    Path("in/a.har").write_bytes(har_of(CALLS))
    Path("in/b.har").write_bytes(har(entry("https://example.com/")))
    line = "tapehead: no Media Collection call among 1 request in 'in/b.har'; save the traffic while the player plays"

    assert audited(capsys, "in") == ({"s1": 4}, [line])
    assert audited(capsys, "in/a.har", "in/b.har", code=2) == ({"s1": 4}, [line])


# ---- Files that cannot be read ----


def zip_of(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.har", data)
    return packed.getvalue()


def test_a_broken_har_costs_the_others_of_its_zip_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.zip").write_bytes(zip_of(a=har_of(CALLS), b=b"{nope", c=har_of(OTHER), d=b""))
    found, lines = audited(capsys, "a.zip")

    assert found == SESSIONS
    assert [line.partition(" is ")[0] for line in lines] == ["tapehead: 'a.zip/b.har'", "tapehead: 'a.zip/d.har'"]
    assert run(["import", "a.zip", "--out", "out.jsonl"]) == 0
    assert "imported 7 exchanges of 2 sessions" in capsys.readouterr().out


def test_a_file_that_breaks_in_its_middle_takes_no_call_from_another(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.har").write_bytes(har_of(CALLS))
    Path("b.har").write_bytes(har_of(CALLS))

    def break_off(name: str, data: bytes, collector: CallCollector, attachments: Attachments) -> None:
        read_har(name, data, collector, attachments)
        if name == "a.har":
            raise RecordingError("a.har breaks off")

    monkeypatch.setattr("tapehead.interop.detect.read_har", break_off)

    assert audited(capsys, "a.har", "b.har", code=2) == ({"s1": 4}, ["tapehead: a.har breaks off"])
    assert run(["import", "a.har", "b.har", "--out", "out.jsonl"]) == 2
    assert {each.source for each in read(Path("out.jsonl"))} == {"b.har"}


def test_a_har_that_is_too_large_is_named_and_not_unpacked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapehead.interop.attachments.ArchiveFolder.read_member.__defaults__", (40_000_000,))
    monkeypatch.setattr("tapehead.interop.detect.MOST_OF_MEMBER", 40_000_000)
    tracemalloc.start()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.har", b" " * 50_000_000)
    Path("a.zip").write_bytes(packed.getvalue())
    tracemalloc.reset_peak()
    _, lines = audited(capsys, "a.zip", code=2)
    peak = tracemalloc.get_traced_memory()[1] - tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert lines[0] == "tapehead: 'a.zip/a.har' is damaged, or larger than 40,000,000 bytes; save it again"
    assert peak < 20_000_000


def test_a_zip_whose_har_files_are_broken_is_not_said_to_have_none(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.zip").write_bytes(zip_of(a=b"{nope"))
    _, lines = audited(capsys, "a.zip", code=2)

    assert lines[0].startswith("tapehead: 'a.zip/a.har' is not a HAR file: JSON is malformed")


# ---- Several saves ----


@pytest.mark.parametrize("outputs", [("a.jsonl", "a.jsonl"), ("a.jsonl", "b.jsonl")])
def test_a_later_import_of_a_file_of_the_same_name_keeps_its_times(
    outputs: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    saves = CALLS, session("s2", [(1, 0, "play", {}), (12, 11, "sessionComplete", {})], began=3000)
    for calls, out in zip(saves, outputs, strict=True):
        Path("page.har").write_bytes(har_of(calls))
        assert run(["import", "page.har", "--out", out, *(["--append"] if Path(out).exists() else [])]) == 0
    clock, entries = ArrivalClock(), sort_by_arrival(tapehead.read_recordings(sorted(set(outputs))))

    assert [clock.arrived_ms(each.exchange) for each in entries] == [
        arrival_of(call) for calls in saves for call in calls
    ]


def test_files_of_one_name_are_different_sources(capsys: pytest.CaptureFixture[str]) -> None:
    """Browsers name each HAR after the page. One player sends much at first, the other all the time."""
    many = session("s1", [(1 + number / 10, 0, "bufferStart", {}) for number in range(40)])
    few = session("s2", [(10.0 * number, 10.0 * number, "ping", {}) for number in range(1, 30)])
    times: dict[str, list[float | None]] = {}
    for name, folder, calls in (("page.har", "x", many), ("page.har", "y", few)):
        Path(folder).mkdir()
        Path(folder, name).write_bytes(har_of(calls))
    clock = ArrivalClock()
    for each in sort_by_arrival(tapehead.read_recordings(["x", "y"])):
        times.setdefault(each.exchange.session or "", []).append(clock.arrived_ms(each.exchange))

    assert times == {name: list(map(arrival_of, calls)) for name, calls in (("s1", many), ("s2", few))}


def test_two_saves_of_one_capture_are_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("save1.har").write_bytes(har_of(CALLS[:3]))
    Path("save2.har").write_bytes(har_of(CALLS))
    line = "tapehead: 3 exchanges in several files (save1.har, save2.har) counted once"

    assert audited(capsys, "save1.har", "save2.har") == ({"s1": 4}, [line])
    assert run(["import", "save1.har", "save2.har", "--out", "out.jsonl"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("imported 4 exchanges of 1 session from save1.har, save2.har into out.jsonl: ")
    assert told.err.splitlines() == [line]
    assert [each.source for each in read(Path("out.jsonl"))] == ["save1.har"] * 3 + ["save2.har"]


def test_formats_of_one_capture_are_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.har").write_bytes(har_of(CALLS))
    Path("a.flow").write_bytes(flow_file(*map(flow_of, CALLS)))
    assert run(["import", "a.har", "--out", "a.jsonl"]) == 0
    Path("b.jsonl").write_bytes(b"".join(map(encode, CALLS)))
    capsys.readouterr()

    sessions, lines = audited(capsys, ".")
    assert sessions == {"s1": 4}
    assert lines == [
        "tapehead: 4 exchanges in several files (a.flow, a.har) counted once",
        "tapehead: 8 exchanges in several files (a.flow, a.jsonl, b.jsonl) counted once",
    ]


def test_a_later_save_adds_what_is_new(capsys: pytest.CaptureFixture[str]) -> None:
    Path("save1.har").write_bytes(har_of(CALLS[:3]))
    Path("save2.har").write_bytes(har_of(CALLS))
    run(["import", "save1.har", "--out", "out.jsonl"])
    capsys.readouterr()

    assert run(["import", "save2.har", "--out", "out.jsonl", "--append"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("imported 1 exchange of 1 session from save2.har into out.jsonl: ")
    assert said.endswith("; 3 were in it already\n")
    assert audited(capsys, "out.jsonl") == ({"s1": 4}, [])


def test_a_tracker_that_is_bound_twice_is_seen_in_one_save(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.har").write_bytes(har_of([CALLS[0], *CALLS[1:], *CALLS[1:]]))

    assert audited(capsys, "a.har") == ({"s1": 7}, [])


# ---- Without headers ----


def bare_har() -> bytes:
    """A HAR whose answers have no headers."""
    answers = [Response(status=each.response.status, headers=[]) for each in CALLS if each.response]
    stripped = [exchange(each.request, answer) for each, answer in zip(CALLS, answers, strict=True)]
    made = orjson.loads(har_of(stripped))
    for each, call in zip(made["log"]["entries"], CALLS, strict=True):
        each["startedDateTime"] = call.started
    return orjson.dumps(made)


def test_a_session_without_location_is_one_and_can_be_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.har").write_bytes(bare_har())
    line = "tapehead: 1 session start had no Location, which was taken from the URLs of the calls that follow"

    assert audited(capsys, "a.har") == ({"s1": 4}, [line])
    assert run(["import", "a.har", "--out", "out.jsonl"]) == 0
    assert capsys.readouterr().err.splitlines() == [line]
    engine = EngineRun(EngineSettings(recordings=(Path("out.jsonl"),)), pytest.fail).engine
    answer = engine.answer(request(start()), 0.0).response
    assert answer
    assert (answer.header("Location") or "").startswith("/api/v1/sessions/")
    assert run(["diff", "a.har", "out.jsonl"]) == 0
