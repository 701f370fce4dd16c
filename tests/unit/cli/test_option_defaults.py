"""Options of commands from tapehead.toml and the environment: precedence, errors, refusals, and the JSON Schema."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any, get_args, get_type_hints

import jsonschema_rs
import pytest

from support.captured_options import capture_options
from support.paths import ROOT
from tapehead.cli.app import run
from tapehead.cli.config_file import load_config, load_options
from tapehead.cli.option_defaults import COMMANDS, NOT_IN_FILES, SCHEMA_ASSET, build_schema, options_of
from tapehead.cli.parameters import Option
from tapehead.errors import UsageError
from tapehead.web.asset_files import read_asset

SCHEMA = json.loads(read_asset(SCHEMA_ASSET))
RECORD = """
[record]
to = "https://company.hb-api.omtrdc.net"
out = "new/session.jsonl"
rotate = ["256MB", "1h"]
redact-key = ["userId"]
sync = "each"
live = 0
quiet = true
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    here = tmp_path / "project" / "player"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of each call of `serve`, `replay` and `record`, which then do nothing."""
    return capture_options(monkeypatch, *COMMANDS)


def write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")


# ---- Precedence ----


def test_options_of_a_file_are_defaults(calls: list[dict[str, Any]], capfd: pytest.CaptureFixture[str]) -> None:
    write(Path("tapehead.toml"), RECORD)

    assert run(["record"]) == 0
    (given,) = calls
    assert given["to"] == "https://company.hb-api.omtrdc.net"
    assert given["out"] == Path("new/session.jsonl")
    assert given["rotate"] == ["256MB", "1h"]
    assert given["redact_key"] == ["userId"]
    assert (str(given["sync"]), given["live"], given["quiet"], given["append"]) == ("each", 0, True, False)
    assert capfd.readouterr().err == (
        "tapehead: using options from 'tapehead.toml': --to https://company.hb-api.omtrdc.net --out new/session.jsonl"
        " --redact-key userId --sync each --rotate 256MB --rotate 1h --live 0 --quiet\n"
    )


def test_only_the_options_that_the_file_decided_are_printed(
    calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write(Path("tapehead.toml"), '[serve]\nlisten = "127.0.0.1:1"\nworkers = 2\nlatency = "5"')
    monkeypatch.setenv("TAPEHEAD_SERVE_WORKERS", "3")

    assert run(["serve", "--listen", "127.0.0.1:3"]) == 0
    assert run(["serve", "--listen", "127.0.0.1:3", "--latency", "7"]) == 0
    assert [given["workers"] for given in calls] == [3, 3]
    assert capfd.readouterr().err == "tapehead: using options from 'tapehead.toml': --latency 5\n"


def test_an_unusable_variable_is_named(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TAPEHEAD_SERVE_WORKERS", "many")

    assert run(["serve"]) == 2
    assert capfd.readouterr().err.startswith("tapehead: TAPEHEAD_SERVE_WORKERS: Invalid value for '--workers'")
    assert run(["serve", "--workers", "few"]) == 2
    assert capfd.readouterr().err.startswith("tapehead: Invalid value for '--workers'")


@pytest.mark.parametrize(
    ("variable", "command", "option"),
    [
        ("TAPEHEAD_AUDIT_FORMAT", "audit", "--format"),
        ("TAPEHEAD_DIFF_FORMAT", "diff", "--format"),
        ("TAPEHEAD_VIEW_PORT", "view", "--port"),
        ("TAPEHEAD_RECORD_OPEN", "record", "--open"),
        ("TAPEHEAD_SHOW_JSON", "show", "--json"),
    ],
)
def test_a_variable_is_named_like_its_option(
    variable: str, command: str, option: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "?")
    words = ["gone.jsonl"] * {"audit": 1, "summary": 1, "view": 1, "show": 1, "diff": 2}.get(command, 0)

    assert run([command, *words]) == 2
    assert f"{variable}: Invalid value for '{option}'" in capfd.readouterr().err


@pytest.mark.parametrize("source", ["command line", "environment", "file", "built in"])
def test_the_command_line_wins_over_the_environment_over_the_file(
    source: str, calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["serve"]
    if source != "built in":
        write(Path("tapehead.toml"), '[serve]\nlisten = "127.0.0.1:1"\nworkers = 2\nfault = ["session=500"]')
    if source in ("command line", "environment"):
        monkeypatch.setenv("TAPEHEAD_SERVE_LISTEN", "127.0.0.1:2")
        monkeypatch.setenv("TAPEHEAD_SERVE_WORKERS", "3")
        monkeypatch.setenv("TAPEHEAD_SERVE_FAULT", "event:ping=410 session=503")
    if source == "command line":
        arguments += ["--listen", "127.0.0.1:3", "--workers", "4", "--fault", "session=404"]
    expected: dict[str, tuple[str, int, list[str] | None]] = {
        "command line": ("127.0.0.1:3", 4, ["session=404"]),
        "environment": ("127.0.0.1:2", 3, ["event:ping=410", "session=503"]),
        "file": ("127.0.0.1:1", 2, ["session=500"]),
        "built in": ("127.0.0.1:8080", 1, None),
    }

    assert run(arguments) == 0
    assert [(each["listen"], each["workers"], each["fault"] or None) for each in calls] == [expected[source]]


@pytest.mark.parametrize("name", ["TAPEHEAD_VERSION", "TAPEHEAD_AUDIT_SCHEMA", "TAPEHEAD_DIFF_SCHEMA"])
def test_a_variable_does_not_turn_a_command_into_another(
    name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "1")
    command = name.split("_")[1].lower()

    assert run(["rules"] if command == "version" else [command, *["gone.jsonl"] * (1 + (command == "diff"))]) in (0, 2)
    assert not capfd.readouterr().out.startswith(("tapehead 0", "{"))


@pytest.mark.parametrize(
    ("command", "content", "arguments", "parameter"),
    [
        ("record", RECORD, ["--mode", "regular"], "to"),
        ("record", '[record]\nmode = ["regular"]', ["--to", "http://127.0.0.1:9"], "mode"),
        ("record", f"{RECORD}append = true", ["--overwrite"], "append"),
        ("replay", '[replay]\nredact-key = ["userId"]', ["a.jsonl", "--keep-ids"], "redact_key"),
    ],
)
def test_an_option_of_the_command_line_takes_the_place_of_one_that_it_excludes(
    command: str, content: str, arguments: list[str], parameter: str, calls: list[dict[str, Any]]
) -> None:
    write(Path("tapehead.toml"), content)

    assert run([command, *arguments]) == 0
    assert not calls[0][parameter]


def test_two_options_of_a_file_that_exclude_each_other_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    write(Path("tapehead.toml"), '[record]\nmode = ["regular"]\nto = "http://127.0.0.1:9"')

    assert run(["record"]) == 2
    assert capfd.readouterr().err.splitlines()[-1].startswith("tapehead: --to and --mode exclude each other: ")


# ---- Which file ----


def test_a_file_that_is_named_counts_alone(calls: list[dict[str, Any]], folder: Path) -> None:
    write(Path("tapehead.toml"), "[serve]\nworkers = 2")
    write(folder.parent / "other.toml", "[serve]\nstrict = true")

    assert run(["serve", "--config", "../other.toml"]) == 0
    assert (calls[0]["workers"], calls[0]["strict"]) == (1, True)


def test_a_file_for_other_commands_changes_and_prints_nothing(
    calls: list[dict[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    write(Path("pyproject.toml"), "[tool.tapehead]\nrules.ping-gap = 'off'\nrecord.quiet = true")

    assert run(["serve"]) == 0
    assert not calls[0]["quiet"]
    assert capfd.readouterr().err == ""


def test_paths_begin_at_the_file(folder: Path) -> None:
    write(folder.parent / "tapehead.toml", '[replay]\nout = "a.jsonl"\nsummary = "deep/summary.json"')
    _, options = load_options("replay")

    assert options == {
        "out": str(folder.parent / "a.jsonl"),
        "summary": str(folder.parent / "deep" / "summary.json"),
    }


def test_an_audit_reads_a_file_with_options_of_commands() -> None:
    write(Path("tapehead.toml"), f"rules.ping-gap = 'off'\n{RECORD}")

    assert load_config().settings.rules == {"ping-gap": "off"}


# ---- What is wrong ----

BAD = [
    ("[serve]\nworker = 2", "unknown key 'serve.worker'; did you mean workers?"),
    ("[serv]", "unknown key 'serv'; did you mean serve?"),
    ("serve = 3", "serve: expected a table, got a whole number"),
    ("[serve]\nworkers = 0", "serve.workers: expected 1 or more"),
    ("[serve]\nworkers = 65", "serve.workers: expected 64 at most"),
    ("[serve]\nworkers = '2'", "serve.workers: expected a whole number, got a string"),
    ("[serve]\nquiet = 1", "serve.quiet: expected true or false, got a whole number"),
    ("[serve]\nfault = 'session=500'", "serve.fault: expected a list, got a string"),
    ("[serve]\non-miss = 'simulat'", "serve.on-miss: unknown value 'simulat'; did you mean simulate?"),
    ("[serve]\non-miss = 3", "serve.on-miss: expected one of simulate, error, forward, once, got a whole number"),
    ("[record]\nlive = 70000", "record.live: expected 65535 at most"),
    ("[serve]\nqqq = true", "unknown key 'serve.qqq'; expected one of endpoint, on-miss, "),
    ("rules.ping-gap = 'of'", "rules.ping-gap: unknown value 'of'; did you mean off?"),
]


@pytest.mark.parametrize(("content", "message"), BAD)
def test_what_is_wrong_is_said_with_file_and_key(content: str, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    write(Path("tapehead.toml"), content)

    assert run(["serve"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"tapehead: tapehead.toml: {message}")


REFUSED = [(command, option.key) for command in COMMANDS for option in options_of(command) if option.refusal]


@pytest.mark.parametrize(("command", "key"), REFUSED)
def test_options_that_lower_security_are_refused_in_files(
    command: str, key: str, capfd: pytest.CaptureFixture[str]
) -> None:
    write(Path("tapehead.toml"), f"[{command}]\n{key} = true")

    assert run([command, *(["a.jsonl"] if command == "replay" else [])]) == 2
    variable = f"TAPEHEAD_{command}_{key}".upper().replace("-", "_")
    reason = f"{command}.{key} must not be set in a file, since it {NOT_IN_FILES[key]}; pass --{key} or set {variable}"
    assert capfd.readouterr().err == f"tapehead: tapehead.toml: {reason}\n"


def test_every_option_that_lowers_security_is_among_them() -> None:
    assert {key for _, key in REFUSED} == set(NOT_IN_FILES)


@pytest.mark.parametrize("path", ["/tmp/summary.json", "../summary.json", "link/summary.json", "\\u0000"])
def test_files_outside_the_folder_are_not_written(path: str, folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent)
    write(Path("tapehead.toml"), f'[serve]\nsummary = "{path}"')

    with pytest.raises(UsageError, match="is not below the folder of this file; pass --summary"):
        load_options("serve")


def test_a_url_is_no_file_to_write(folder: Path) -> None:
    write(Path("tapehead.toml"), '[record]\nout = "s3://key:secret@bucket/a.jsonl"')

    with pytest.raises(UsageError, match=r"record\.out: 's3://bucket/a\.jsonl' is a URL; expected a path$"):
        load_options("record")


# ---- The schema ----


def test_the_shipped_schema_is_the_one_of_the_tree() -> None:
    """If this fails, run `cd tests && python -m docs.generate_settings_schema`."""
    # Older versions of msgspec order the keys of a definition in another way.
    assert json.loads(build_schema()) == SCHEMA


@pytest.mark.parametrize("name", SCHEMA["$defs"])
def test_every_setting_is_described(name: str) -> None:
    properties = SCHEMA["$defs"][name].get("properties", {})
    texts = {key: each["description"].partition("Default:")[0].strip() for key, each in properties.items()}
    assert [key for key, text in texts.items() if not text] == []


def test_the_schema_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "--settings"]) == 0
    assert json.loads(capfd.readouterr().out) == SCHEMA
    assert run(["schema", "play", "--settings"]) == 2


README = (ROOT / "README.md").read_text()
EXAMPLES = [tomllib.loads(each) for each in (*re.findall(r"```toml\n(.*?)```", README, re.DOTALL), RECORD)]


@pytest.mark.parametrize("table", EXAMPLES, ids=list)
def test_examples_satisfy_the_schema(table: dict[str, Any]) -> None:
    jsonschema_rs.validate(SCHEMA, table)


@pytest.mark.parametrize("content", [content for content, _ in BAD])
def test_what_the_tree_refuses_the_schema_refuses(content: str) -> None:
    assert not jsonschema_rs.is_valid(SCHEMA, tomllib.loads(content))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_schema_has_every_option_of_a_command(command: str) -> None:
    properties = SCHEMA["$defs"][command.capitalize()]["properties"]
    options = [
        hint for hint in get_type_hints(COMMANDS[command], include_extras=True).values() if len(get_args(hint)) > 1
    ]
    long = {option.key for option in options_of(command)}

    assert len(long) == sum(isinstance(get_args(each)[1], Option) for each in options)
    assert set(properties) == long - set(NOT_IN_FILES)
    assert all(each["description"] for each in properties.values())
