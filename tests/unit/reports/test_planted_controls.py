"""Control characters from strangers, in every field of a recording and of a HAR: no command prints them."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from support.exchanges import AD, JSON, event, exchange, opened, request, response, sent, start_with
from tapehead.cli.app import run
from tapehead.protocol.exchange import Finding, Severity, encode
from tapehead.text import escape_controls

# A title, a cleared screen, hidden text and a colour of a terminal; the same by one byte; a turned direction; a bell.
PLANTED = "\x1b]0;t\x07\x1b[2J\x1b[8m\x1b[31m\x9b31m\x90\u202e\u2066\u200f\x85\x08z"
COMMANDS = [
    ["show", "FILE"],
    ["show", "FILE", "--format", "json"],
    ["show", "FILE", "abc", "--bodies"],
    ["show", "FILE", "abc", "--bodies", "--format", "json"],
    *(
        ["audit", "FILE", "-v", "--coverage", "--format", form]
        for form in ("text", "json", "junit", "sarif", "html", "csv")
    ),
    *(["diff", "FILE", "OTHER", "--format", form] for form in ("text", "json", "html")),
    ["diff", "OTHER", "FILE"],
]
EXCHANGES = [
    opened("abc", start_with({"analytics.visitorId": "v"})),
    sent("abc", event("adStart", 5, 5, AD, customMetadata={"k": "v"}), answered=response(400, [JSON], b'{"m":"x"}')),
    exchange(request(b"no JSON", "/api/v1/sessions/abc/events"), None, 7),
]


def lines() -> list[dict[str, Any]]:
    """The lines of a recording in which every field has a value."""
    whole = [orjson.loads(encode(each)) for each in EXCHANGES]
    finding = Finding("rejected", Severity.ERROR, "params.x", "the endpoint answered 400: no")
    whole[1]["findings"] = [{name: str(getattr(finding, name)) for name in finding.__struct_fields__}]
    whole[2] |= {"error": "connection lost", "session": "abc", "source": "record http://127.0.0.1:8080"}
    return whole


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each string in a value, and of each key, which ends in None."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths_of(part, (*path, key))
            if isinstance(value, dict):
                yield (*path, key, None)


def planted(value: Any, path: tuple[Any, ...]) -> Any:
    """Return a value with control characters behind the string, or the key, at a path."""
    if not path:
        return value + PLANTED
    copy = value.copy()
    if path[1:] == (None,):
        copy[f"{path[0]}{PLANTED}"] = copy[path[0]]
    else:
        copy[path[0]] = planted(copy[path[0]], path[1:])
    return copy


def write(path: Path, whole: list[Any]) -> Path:
    """Write lines as UTF-8, not as escapes."""
    path.write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in whole), encoding="utf-8")
    return path


def assert_clean(printed: str, command: list[str]) -> None:
    """Assert that the only controls are line breaks; tests print to no terminal, so there are no styles."""
    found = [line for line in printed.replace("\r\n", "\n").split("\n") if escape_controls(line) != line]
    assert found == [], (command, found[0])


def run_all(
    path: Path, other: Path, capsys: pytest.CaptureFixture[str], commands: Sequence[list[str]] = COMMANDS
) -> None:
    """Run commands on a file, and look at all that they print."""
    for command in commands:
        with contextlib.suppress(SystemExit):
            run([{"FILE": str(path), "OTHER": str(other)}.get(word, word) for word in command])
        printed = "".join(capsys.readouterr())
        assert printed, command
        assert_clean(printed, command)


def _name(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


PATHS = list(paths_of(lines()))
ENVELOPE = [path for path in PATHS if "body" not in path and "headers" not in path]


@pytest.mark.parametrize("where", ENVELOPE, ids=_name)
def test_no_command_prints_controls_of_a_recording(
    where: tuple[Any, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, other = write(tmp_path / "a.jsonl", planted(lines(), where)), write(tmp_path / "b.jsonl", lines())

    run_all(path, other, capsys, [["show", "FILE", "abc", "--bodies"], ["diff", "FILE", "OTHER"]])


def test_no_command_prints_controls_of_bodies_and_headers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, whole = lines(), []
    for number, where in enumerate(path for path in PATHS if path not in ENVELOPE):
        changed = [line | {"session": f"abc-{number}"} for line in planted(plain, where)]
        changed[0]["response"] = json.loads(json.dumps(changed[0]["response"]).replace("/abc", f"/abc-{number}"))
        whole += changed

    run_all(write(tmp_path / "a.jsonl", whole), write(tmp_path / "b.jsonl", plain), capsys)


def har() -> dict[str, Any]:
    """A HAR of the same calls."""
    entries = [
        {
            "startedDateTime": each.started,
            "time": 1,
            "request": {
                "method": each.request.method,
                "url": each.request.url,
                "headers": [{"name": name, "value": value} for name, value in each.request.headers[:1]],
                "postData": {"mimeType": "application/json", "text": each.request.content().decode()},
            },
            "response": {
                "status": each.response.status if each.response else 0,
                "statusText": "x",
                "headers": [{"name": n, "value": v} for n, v in (each.response.headers[:2] if each.response else [])],
                "content": {"mimeType": "application/json", "text": "{}"},
                "_error": "net::ERR",
            },
        }
        for each in EXCHANGES[:1]
    ]
    return {"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "comment": "x", "entries": entries}}


@pytest.mark.parametrize("where", list(paths_of(har())), ids=_name)
def test_no_command_prints_controls_of_a_har(
    where: tuple[Any, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.har", [planted(har(), where)])
    for command in (["show", str(path), "abc", "--bodies"], ["import", str(path), "--out", str(tmp_path / "b.jsonl")]):
        run(command)
        assert_clean("".join(capsys.readouterr()), command)


def test_no_command_prints_controls_of_file_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / f"f{PLANTED}"
    folder.mkdir()
    path, other, broken = (folder / f"{name}{PLANTED}.jsonl" for name in "abc")
    for file in (path, other):
        file.write_bytes(b"".join(map(encode, EXCHANGES)))
    broken.write_text(f"{{no {PLANTED}\n", encoding="utf-8")
    run_all(path, other, capsys)
    for command in (
        *(["audit", str(broken), "--format", form] for form in ("text", "json", "junit", "sarif", "html", "csv")),
        ["audit", str(folder)],
        ["audit", f"{folder}/missing{PLANTED}"],
        ["audit", str(path), "--output", f"{folder}/missing{PLANTED}/x/y"],
        ["audit", str(path), "--config", f"{folder}/missing{PLANTED}"],
        ["audit", str(path), "--fail-on", PLANTED],
        ["show", str(path), PLANTED],
        ["show", str(broken)],
        ["diff", str(path), f"{folder}/missing{PLANTED}"],
        ["import", str(path), "--out", str(folder / "d.jsonl")],
        ["import", str(broken), "--out", str(folder / "e.jsonl")],
        ["replay", f"{folder}/missing{PLANTED}"],
        ["serve", str(broken)],
        ["serve", str(broken), f"--listen={PLANTED}"],
        ["record", "--to", f"http://{PLANTED}", "--out", str(folder / "g.jsonl")],
        ["record", "--to", "http://127.0.0.1:9", "--out", str(path)],
        ["rules", PLANTED],
        ["schema", PLANTED],
        [PLANTED],
        ["audit", f"--{PLANTED}"],
    ):
        run(command)
        printed = "".join(capsys.readouterr())
        assert printed, command
        assert_clean(printed, command)
