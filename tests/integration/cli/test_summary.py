"""Summaries of replicas merge into that of one process, and nothing else passes for one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from support.summaries import STEPS, summaries_of
from tapehead.cli import summary_run
from tapehead.cli.app import run
from tapehead.replay.on_miss import OnMiss

ALL = list(range(len(STEPS)))
PARTS = [[0, 3], [], [1, 2]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(path: Path) -> dict[str, object]:
    told: dict[str, object] = orjson.loads(path.read_bytes())
    return told


def test_an_exchange_is_unused_if_no_replica_used_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (whole,) = summaries_of(folder, [ALL])
    one = read(whole)
    paths = [str(path.relative_to(folder)) for path in summaries_of(folder, PARTS)]

    assert all(read(Path(path))["replay"]["unused"] for path in paths)  # type: ignore[index]
    assert run(["summary", *paths, "--strict", "--out", "merged.json"]) == 0
    assert read(folder / "merged.json") == one
    assert (
        capsys.readouterr().out
        == "3 summaries, merged\nplayed 1 session: 5 hits, 0 misses, 0 recorded exchanges unused\n"
    )
    assert run(["summary", *paths, "--strict", "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out) == one


def test_what_no_replica_used_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(path.relative_to(folder)) for path in summaries_of(folder, [[0], [2]])]

    assert run(["summary", *paths]) == 0
    assert run(["summary", *paths, "--strict"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[:4] == told[4:] == [
        "2 summaries, merged",
        "played 1 session: 3 hits, 0 misses, 2 recorded exchanges unused",
        f"  unused: {folder / 'replayed.jsonl'}:3 pauseStart at 5",
        f"  unused: {folder / 'replayed.jsonl'}:5 sessionEnd at 17",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "strict", "code"),
    [
        ({"replay": {"misses": 1}}, False, 0),
        ({"replay": {"misses": 1}}, True, 1),
        ({"refused": 2}, False, 0),
        ({"refused": 2}, True, 1),
        ({"failures": 1}, False, 1),
        ({"offline_attempts": 3}, False, 1),
        ({"faults": 4}, True, 0),
        ({"calls": 0}, True, 0),
    ],
)
def test_it_exits_as_one_process_does(
    changes: dict[str, object], strict: bool, code: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = summaries_of(folder, [[0, 3], [1, 2]])
    told = read(paths[1])
    told |= {name: told[name] | each if isinstance(each, dict) else each for name, each in changes.items()}  # type: ignore[operator]
    paths[1].write_bytes(orjson.dumps(told))

    assert run(["summary", *map(str, paths), *(["--strict"] if strict else [])]) == code
    printed = capsys.readouterr().out
    for line in (
        *(["faults injected: 4"] if "faults" in changes else []),
        *(["1 internal error: see the log"] if "failures" in changes else []),
        *(["offline: 3 connections and look-ups attempted"] if "offline_attempts" in changes else []),
        *(["refused 2 other requests to the endpoint: no Media Collection call"] if "refused" in changes else []),
    ):
        assert line in printed.splitlines()


def test_misses_count_where_the_run_treats_them_as_errors(folder: Path) -> None:
    paths = summaries_of(folder, [[0], [1, 1]], on_miss=OnMiss.ERROR)

    assert run(["summary", *map(str, paths)]) == 1


def test_no_call_at_all_is_bad_news_under_strict(folder: Path) -> None:
    paths = summaries_of(folder, [[], []])
    for path in paths:
        path.write_bytes(orjson.dumps(read(path) | {"calls": 0, "replay": None}))

    assert [run(["summary", *map(str, paths), *more]) for more in ([], ["--strict"])] == [0, 1]


AUDIT = {
    "verdict": "error",
    "sessions": 1,
    "findings": {"error": 1, "warning": 0, "info": 0},
    "left_out_sessions": 0,
    "fails": True,
}


def test_audits_of_parts_are_left_out_with_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = summaries_of(folder, [[0, 3], [1, 2]])
    paths[0].write_bytes(orjson.dumps(read(paths[0]) | {"audit": AUDIT}))

    assert run(["summary", *map(str, paths), "--json"]) == 0
    captured = capsys.readouterr()
    assert orjson.loads(captured.out)["audit"] is None
    assert captured.err == (
        "tapehead: audits are left out: each replica saw a part of the sessions;"
        " pass --audit PATH with all their recordings\n"
    )
    assert run(["summary", str(paths[0]), "--json"]) == 1  # as that run itself
    captured = capsys.readouterr()
    assert (orjson.loads(captured.out), captured.err) == (read(paths[0]), "")


RECORD = {"recording": "a.jsonl", "exchanges": 3, "lost": 0, "is_whole": True, "audit": None}
SHIP = {"url": "s3://b/a", "shipped": 2, "waiting": 1, "failed": 0}


def test_summaries_of_recorders_merge_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.json").write_bytes(orjson.dumps(RECORD | {"ship": SHIP}))
    (folder / "b.json").write_bytes(orjson.dumps(RECORD | {"recording": "b.jsonl", "lost": 2, "is_whole": False}))
    (folder / "dead.json").write_bytes(orjson.dumps(RECORD | {"dead_workers": 1}))

    assert run(["summary", "a.json"]) == 0
    assert run(["summary", "a.json", "b.json", "--out", "c.json"]) == 1
    assert read(folder / "c.json") == RECORD | {
        "recording": "a.jsonl, b.jsonl", "exchanges": 6, "lost": 2, "is_whole": False, "ship": SHIP,
    }  # fmt: skip
    assert capsys.readouterr().out.splitlines() == [
        "1 summary", "recorded 3 exchanges", "2 summaries, merged", "recorded 6 exchanges; 2 lost",
    ]  # fmt: skip
    (folder / "audited.json").write_bytes(orjson.dumps(RECORD | {"audit": AUDIT}))
    assert run(["summary", "audited.json"]) == 1
    assert run(["summary", "dead.json"]) == 1
    capsys.readouterr()
    assert run(["summary", "a.json", "dead.json", "--json"]) == 1
    assert orjson.loads(capsys.readouterr().out)["dead_workers"] == 1
    assert run(["summary", "a.json", "dead.json"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 worker died"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "'b.json' is not a summary, as --summary FILE of record, replay or serve writes it: "),
        (b"{}", "'b.json' is not a summary, as --summary FILE of record, replay or serve writes it: "),
        (b"[]", "'b.json' is not a summary, as "),
        (b"\xff\x00", "'b.json' is not a summary, as "),
        (b'{"calls": "x"}', "'b.json' is not a summary, as "),
        (b'{"exchanges": 1}', "'b.json' is not a summary, as "),
        (orjson.dumps(RECORD | {"lost": -1}), "'b.json' is not a summary, as "),
        (orjson.dumps(RECORD | {"dead_workers": -1}), "'b.json' is not a summary, as "),
        (b'{"calls": 1}', "'b.json' is a summary without a version, of an older tapehead; run that replica anew"),
        (
            b'{"version": 9, "calls": {"all": 1}}',
            "'b.json' is not a summary, as ",
        ),
        (
            b'{"version": 9}',
            "'b.json' is a summary of version 9, and this tapehead reads version 1; use the tapehead that wrote it",
        ),
        (orjson.dumps(RECORD), "cannot merge 'a.json', a summary of replay or serve, with 'b.json', one of record"),
        ({"fingerprint": "0"}, "cannot merge 'b.json' with 'a.json': it is of other recordings; replicas have to be"),
        ({"recordings": ["x"]}, "cannot merge 'b.json' with 'a.json': it is of other recordings; replicas have to be"),
        ({"replay": None}, "cannot merge 'b.json' with 'a.json': it is of other recordings; replicas have to be"),
        ({"on_miss": "error"}, "cannot merge 'b.json' with 'a.json': it is of a run with --on-miss error; replicas"),
    ],
)  # fmt: skip
def test_what_does_not_merge_is_refused_in_one_sentence(
    content: bytes | dict[str, object], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = summaries_of(folder, [ALL])[0].rename(folder / "a.json")
    (folder / "b.json").write_bytes(content if isinstance(content, bytes) else orjson.dumps(read(path) | content))

    assert run(["summary", "a.json", "b.json", "--out", "c.json"]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith(f"tapehead: {message}")
    assert captured.out == ""
    assert not (folder / "c.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.json", "gone.json"], "cannot read 'gone.json': No such file or directory"),
        (["a.json", "."], "cannot read '.': Is a directory"),
        (["a.json", "./a.json"], "'a.json' is given twice, so that it would count twice; name each summary once"),
        (["a.json", "linked.json"], "'linked.json' is given twice, so that it would count twice"),
        (["a.json", "--out", "a.json"], "a.json"),
        (["a.json", "--out", "linked.json"], "'linked.json' is an input and would be overwritten"),
        (["large.json"], "cannot read 'large.json': it is larger than 1,000,000 bytes"),
        (["/dev/zero"], "cannot read '/dev/zero': it is larger than 1,000,000 bytes"),
        (["a.json", "--out", "no/such/b.json"], "there is no folder"),
        ([], "Missing argument 'FILE"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(
    arguments: list[str],
    message: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(summary_run, "_MOST_BYTES", 1_000_000)
    path = summaries_of(folder, [ALL])[0].rename(folder / "a.json")
    (folder / "linked.json").hardlink_to(path)
    (folder / "large.json").write_bytes(b" " * 1_000_001)
    before = path.read_bytes()

    assert run(["summary", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert path.read_bytes() == before


def test_a_control_character_in_a_name_is_not_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = summaries_of(folder, [[]])
    path.write_bytes(orjson.dumps(read(path) | {"recordings": ["\x1b[31m.jsonl"]}))

    assert run(["summary", str(path)]) == 0
    assert "\x1b" not in capsys.readouterr().out


def planted(replay: dict[str, object]) -> Callable[[dict[str, Any]], bytes]:
    return lambda whole: orjson.dumps(whole | {"replay": whole["replay"] | replay})


MISS = {"call": "play", "session": None, "reason": "no-such-event", "answered": "simulated"}
UNUSED = {"file": 0, "line": 2, "call": "play"}


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda _: b'{"a":' * 200_000, "it is nested too deeply"),
        (lambda whole: orjson.dumps(whole | {"calls": -1}), ">= 0 - at `$.calls`"),
        (lambda whole: orjson.dumps(whole | {"version": 0}), ">= 1 - at `$.version`"),
        (lambda whole: orjson.dumps(whole).replace(b'"hits":', b'"hits":' + b"9" * 400), "at `$.replay.hits`"),
        (planted({"misses": -1}), ">= 0 - at `$.replay.misses`"),
        (planted({"unused": [UNUSED | {"file": -1}]}), ">= 0 - at `$.replay.unused[0].file`"),
        (planted({"unused": [UNUSED | {"line": 0}]}), ">= 1 - at `$.replay.unused[0].line`"),
        (planted({"unused": [UNUSED | {"file": 1}]}), "it names recording 1 of 1, counted from 0"),
        (planted({"outdated": [UNUSED | {"file": 7}]}), "it names recording 7 of 1, counted from 0"),
        (
            planted({"missed": [MISS | {"nearest": [{"file": 2, "line": 1, "differences": []}]}]}),
            "it names recording 2 of 1, counted from 0",
        ),
    ],
)
def test_what_no_run_can_write_is_refused(
    damage: Callable[[dict[str, Any]], bytes], problem: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = summaries_of(folder, [ALL])[0]
    (folder / "b.json").write_bytes(damage(read(path)))

    assert run(["summary", "b.json"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "tapehead: 'b.json' is not a summary, as --summary FILE of record, replay or serve writes it: "
    )
    assert line.endswith(problem)
