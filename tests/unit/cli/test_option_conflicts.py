"""Options that would be ignored: refused on the command line, left out where they come from a file or a variable."""

import functools
import os
from pathlib import Path
from typing import Any

import pytest

from support.captured_options import capture_options
from tapehead.cli.app import load_command, run
from tapehead.cli.option_conflicts import EXCLUSIONS, NEEDS
from tapehead.cli.option_defaults import COMMANDS, NOT_IN_FILES

NAMES = ("record", "replay", "serve", "view", "test")
TO, GIVEN, ONCE = ["--to", "http://x"], ["a.jsonl"], ["--on-miss", "once", "--to", "http://x"]
# Options that no combination ignores, and why.
HARMLESS = {
    "allow": "other requests come in every mode of a proxy",
    "allow_client": "every listener has clients",
    "backlog": "every recording may have to wait for its disk",
    "command": "it is what runs",
    "config": "it is read in any case",
    "endpoint": "recordings can be read in any run, with --live while it runs, too",
    "fault": "faults change answers of any origin",
    "insecure": "a permission, of which an endpoint without TLS makes no use",
    "listen": "every run listens",
    "open": "a permission, of which a closed proxy makes no use",
    "live": "every run has calls to show",
    "otlp": "every run has metrics",
    "open_": "likewise; and a page can always be opened",
    "port": "every page has a port",
    "proxy": "it adds a way to call",
    "proxyauth": "proxies of each mode ask for it",
    "recordings": "they are played, or made by once",
    "replay": "they are played",
    "set_": "mitmproxy refuses what it does not know",
    "strict": "without recordings, a run without a call fails",
    "summary": "every run has a summary",
    "sync": "every recording is synced or not",
    "verbose": "see its exclusions",
}
# For each command the options of which one is left out; how they are given, in an order of the command line.
BASE = {
    "record": ["record"],
    "replay": ["replay", "a.jsonl"],
    "serve": ["serve"],
    "test": ["test"],
    "import": ["import", "a.har"],
    "audit": ["audit", "a.jsonl"],
}
WORDS: dict[str, tuple[str, ...]] = {
    "allow": ("--allow", "host.test"),
    "append": ("--append",),
    "compress": ("--compress",),
    "engine": ("--engine", "spark"),
    "explain": ("--explain",),
    "fail_on": ("--fail-on", "error"),
    "jobs": ("--jobs", "2"),
    "keep_ids": ("--keep-ids",),
    "latency": ("--latency", "recorded"),
    "live": ("--live", "0"),
    "live_origin": ("--live-origin", "http://x"),
    "master": ("--master", "spark://h:7077"),
    "mode": ("--mode", "regular"),
    "no_audit": ("--no-audit",),
    "on_miss": ("--on-miss", "forward"),
    "otlp": ("--otlp", "http://127.0.0.1:4318"),
    "out": ("--out", "b.jsonl"),
    "over_limit": ("--over-limit", "410"),
    "overwrite": ("--overwrite",),
    "quiet": ("--quiet",),
    "redact_key": ("--redact-key", "userId"),
    "rotate": ("--rotate", "1h"),
    "second_end": ("--second-end", "410"),
    "ship": ("--ship", "s3://bucket/folder"),
    "ship_delete": ("--ship-delete",),
    "strict_schema": ("--strict-schema",),
    "table": ("--table",),
    "time_scale": ("--time-scale", "2"),
    "to": ("--to", "http://x"),
    "token": ("--token", "t" * 16),
    "upstream_proxy": ("--upstream-proxy", "http://x"),
    "verbose": ("--verbose",),
    "workers": ("--workers", "2"),
}
SIMULATION = ("time_scale", "strict_schema", "second_end", "over_limit")
STORED = ("append", "overwrite", "rotate", "compress")
# Command lines in which an option would be ignored: the command, the option and its words, and the other words.
IGNORED: list[tuple[str, str, tuple[str, ...], list[str]]] = [
    *((command, "workers", WORDS["workers"], ["-"]) for command in ("serve", "replay")),
    ("replay", "on_miss", ("--on-miss", "once"), ["a.jsonl", "b.jsonl"]),
    ("serve", "on_miss", ("--on-miss", "error"), []),
    ("replay", "on_miss", ("--on-miss", "error"), ["--mode", "regular"]),
    ("test", "on_miss", ("--on-miss", "error"), ["true"]),
    ("serve", "latency", WORDS["latency"], []),
    ("replay", "latency", WORDS["latency"], ["--mode", "regular"]),
    ("test", "latency", WORDS["latency"], ["true"]),
    ("test", "allow", WORDS["allow"], ["true"]),
    *(("replay", name, WORDS[name], GIVEN) for name in ("to", "upstream_proxy")),
    ("replay", "out", WORDS["out"], [*GIVEN, *ONCE]),
    *(("serve", name, WORDS[name], [*GIVEN, "--on-miss", "error"]) for name in SIMULATION),
    *(("replay", name, WORDS[name], [*GIVEN, "--on-miss", "error"]) for name in SIMULATION),
    *(("serve", name, WORDS[name], []) for name in STORED),
    *(("replay", name, WORDS[name], [*GIVEN, "--on-miss", "forward", *TO, "--out", "b.jsonl"]) for name in STORED),
    *(("record", name, WORDS[name], TO) for name in ("append", "overwrite", "ship", "ship_delete")),
    *((command, name, WORDS[name], GIVEN) for command in ("serve", "replay") for name in ("token", "live_origin")),
    *(("record", name, WORDS[name], TO) for name in ("token", "live_origin")),
    ("audit", "master", WORDS["master"], GIVEN),
]
EXCLUDED = [
    (command, each.first, each.second)
    for each in EXCLUSIONS
    for command in (each.commands or COMMANDS)
    if {each.first, each.second} <= {parameter.name for parameter in load_command(command).params}
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use an empty folder, without variables."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TAPEHEAD_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    return capture_options(monkeypatch, *NAMES, "audit")


@functools.cache
def parameters(command: str) -> dict[str, Any]:
    return {str(each.name): each for each in load_command(command).params if each.name != "help"}


def variable_of(command: str, option: str, words: tuple[str, ...]) -> tuple[str, str]:
    if option == "token":
        return "TAPEHEAD_TOKEN", words[-1]
    return f"TAPEHEAD_{command}_{option}".upper(), words[-1] if len(words) > 1 else "1"


def in_file(command: str, words: tuple[str, ...]) -> str:
    """The settings file with an option of a command."""
    kind = next(each for each in parameters(command).values() if words[0] in each.opts)
    value = f'"{words[-1]}"' if len(words) > 1 else "true"
    value = words[-1] if kind.name in ("jobs", "live", "time_scale", "workers") else value
    return f"[{command}]\n{words[0].removeprefix('--')} = {f'[{value}]' if kind.multiple else value}\n"


def test_every_option_is_in_the_table_or_harmless() -> None:
    checked = {need.option for need in NEEDS} | {name for each in EXCLUSIONS for name in (each.first, each.second)}

    for command in NAMES:
        assert set(parameters(command)) - checked - set(HARMLESS) == set(), command
    assert set(HARMLESS) <= {name for command in NAMES for name in parameters(command)} | {"open"}


def test_every_need_has_its_command_lines() -> None:
    tested = {(command, option) for command, option, *_ in IGNORED}

    for need in NEEDS:
        for command in need.commands or [each for each in COMMANDS if need.option in parameters(each)]:
            assert (command, need.option) in tested, need


@pytest.mark.parametrize(("command", "option", "words", "others"), IGNORED)
def test_on_the_command_line_it_is_refused(
    command: str,
    option: str,
    words: tuple[str, ...],
    others: list[str],
    calls: list[dict[str, Any]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run([command, *words, *others]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"tapehead: {words[0]} ")
    assert " needs " in line or "has no effect with" in line
    assert (option, calls) == (option, [])


@pytest.mark.parametrize("source", ["file", "variable"])
@pytest.mark.parametrize(("command", "option", "words", "others"), IGNORED)
def test_from_elsewhere_it_is_left_out(
    source: str,
    command: str,
    option: str,
    words: tuple[str, ...],
    others: list[str],
    calls: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if source == "variable":
        monkeypatch.setenv(*variable_of(command, option, words))
    elif command in COMMANDS and words[0].removeprefix("--") not in NOT_IN_FILES:
        Path("tapehead.toml").write_text(in_file(command, words))
    assert run([command, *others]) == 0
    assert str(calls[0][option] or "") == str(parameters(command)[option].default or "")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("command", "first", "second"), EXCLUDED)
def test_two_that_exclude_each_other(
    command: str, first: str, second: str, calls: list[dict[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    both = [*WORDS[first], *WORDS[second]]
    base = [*BASE[command], *(TO if command == "record" and "to" not in (first, second) else [])]

    assert run([*base, *both]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "exclude each other" in line
    assert WORDS[first][0] in line
    assert WORDS[second][0] in line
    for given, other in ((first, second), (second, first)):
        if WORDS[other][0].removeprefix("--") in NOT_IN_FILES:
            continue
        Path("tapehead.toml").write_text(in_file(command, WORDS[other]))
        # Others of the table: a recording that is added to needs its name.
        named = ["--out", "b.jsonl"] if {given, other} & {"append", "overwrite"} else []
        assert run([*base, *WORDS[given], *named]) == 0, capfd.readouterr().err
        assert str(calls[-1][other] or "") == str(parameters(command)[other].default or "")
        assert calls[-1][given] or given == "live"
