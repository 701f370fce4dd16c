"""The file with the settings: which one counts, what is wrong with it in one line, and that everything takes effect."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.sessions import Timeline
from tapehead.auditor.effective_settings import lines_in_force
from tapehead.auditor.settings import AuditSettings, read_settings
from tapehead.cli.config_file import Config, load_config
from tapehead.cli.config_search import find_config
from tapehead.errors import UsageError
from tapehead.rules.catalog import RULES
from tapehead.rules.support.thresholds import Thresholds

SILENT = Timeline().row("play").at(20, "ping").at(21, "sessionEnd")
OFF = 'rules.ping-gap = "off"'
LATE_PLAY = {"properties": {"playerTime": {"properties": {"playhead": {"minimum": 5}}}}}
PLAY = {"properties": {"eventType": {"enum": ["play"]}}, "required": ["qoeData"]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    here = tmp_path / "project" / "player"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    return here


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def rules(config: Config, timeline: Timeline = SILENT) -> list[str]:
    return timeline.rules(config.settings)


def problem_of(*expect: str, config: Path | None = None) -> str:
    """What is said of settings that cannot be used."""
    with pytest.raises(UsageError) as caught:
        load_config(config, expect)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- Which file counts ----


def test_without_a_file_all_is_as_usual() -> None:
    assert load_config() == Config(AuditSettings(), None)


def test_the_current_folders_file_is_named_as_it_stands_there(folder: Path) -> None:
    write(folder / "tapehead.toml", OFF)
    assert load_config().source == Path("tapehead.toml")
    assert rules(load_config()) == []


@pytest.mark.parametrize(
    ("files", "counts"),
    [
        ({"tapehead.toml": OFF}, "tapehead.toml"),
        ({"pyproject.toml": f"[tool.tapehead]\n{OFF}"}, "pyproject.toml"),
        ({"../tapehead.toml": OFF}, "../tapehead.toml"),
        ({"tapehead.toml": OFF, "pyproject.toml": "[tool.tapehead]"}, "tapehead.toml"),
        ({"pyproject.toml": f"[tool.tapehead]\n{OFF}", "../tapehead.toml": ""}, "pyproject.toml"),
        ({"pyproject.toml": "[tool.ruff]", "../tapehead.toml": OFF}, "../tapehead.toml"),
        ({"pyproject.toml": "[project]", "../pyproject.toml": f"[tool.tapehead]\n{OFF}"}, "../pyproject.toml"),
        ({"tapehead.toml": f"\ufeff{OFF}\r\n"}, "tapehead.toml"),
    ],
)
def test_the_nearest_file_with_settings_counts(folder: Path, files: dict[str, str], counts: str) -> None:
    for name, content in files.items():
        write(folder / name, content)
    config = load_config()
    assert config.source
    assert config.source.resolve() == (folder / counts).resolve()
    assert rules(config) == []


def test_a_folder_of_that_name_is_no_file(folder: Path) -> None:
    (folder / "tapehead.toml").mkdir()
    assert find_config() is None


def test_a_file_that_is_named_counts_alone(folder: Path) -> None:
    write(folder / "tapehead.toml", OFF)
    other = write(folder / "others" / "strict.toml", 'rules.ping-gap = "error"')
    assert rules(load_config(other)) == ["ping-gap"]
    assert rules(load_config(write(folder / "empty.toml", ""))) == ["ping-gap"]
    assert rules(load_config(write(folder / "a" / "pyproject.toml", f"[tool.tapehead]\n{OFF}"))) == []


# ---- What is wrong with a file ----

BAD = [
    ("rule = {}", "tapehead.toml: unknown key 'rule'; did you mean rules?"),
    ('rules.ping-gaps = "off"', "tapehead.toml: unknown key 'rules.ping-gaps'; did you mean ping-gap?"),
    ('rules.ping-gap = "warn"', "tapehead.toml: rules.ping-gap: unknown value 'warn'; did you mean warning?"),
    ("thresholds.ping-gap = 3", "tapehead.toml: unknown key 'thresholds.ping-gap'; did you mean ping-gap-seconds?"),
    ("thresholds.states = -1", "tapehead.toml: thresholds.states: expected 0 or more"),
    ('thresholds.states = "x"', "tapehead.toml: thresholds.states: expected a whole number, got a string"),
    ("[[overrides]]\nplayr = 'x'", "tapehead.toml: unknown key 'overrides[0].playr'; did you mean player?"),
    ("metadata.sessionstart = []", "tapehead.toml: unknown key 'metadata.sessionstart'; did you mean sessionStart?"),
    ("metadata.play = 'a'", "tapehead.toml: metadata.play: expected a list, got a string"),
    ("expect.pong = {}", "tapehead.toml: unknown key 'expect.pong'; did you mean ping?"),
    ("expect.play = 2026-11-23", "tapehead.toml: expect.play: expected a string or a table, got a date"),
    ("expect = 3", "tapehead.toml: expect: expected a string or a table, got a whole number"),
    ("expect.play.type = 'zzz'", "tapehead.toml: expect: the schema of play is no JSON Schema: type: "),
    ("expect.play = 'gone.json'", "tapehead.toml: expect.play: there is no file 'gone.json'"),
    ("expect.play = 'list.json'", "tapehead.toml: expect.play: list.json: expected a table, got a list"),
    (
        "expect.play = 'torn.json'",
        "tapehead.toml: expect.play: 'torn.json' is not JSON: unexpected end of data: line",
    ),
    ("expect.play = '.'", "tapehead.toml: expect.play: cannot read '.': Is a directory"),
    ("expect = 'list.json'", "tapehead.toml: expect: list.json: it holds no JSON Schema; expected "),
    ("rules = [", "'tapehead.toml' is not TOML: Invalid value (at end of document)"),
    ("a = " + "[" * 5000, "'tapehead.toml' is not TOML that can be read: it nests too deep"),
    ("a." * 200_000 + "a = 1", "'tapehead.toml' is not TOML that can be read: it nests too deep"),
    ('"a" . ' * 100_000 + "a = 1", "'tapehead.toml' is not TOML that can be read: it nests too deep"),
    ("thresholds.states = " + "9" * 5000, "'tapehead.toml' is not TOML: Exceeds the limit (4300 digits)"),
    ("thresholds.states = 0x" + "f" * 5000, "tapehead.toml: thresholds.states: expected 9007199254740992 at most"),
    (
        "rules.ping-gap = 0x" + "f" * 5000,
        "tapehead.toml: rules.ping-gap: expected one of error, warning, info, off, g",
    ),
    ('expect = "\\u0000"', "tapehead.toml: expect: '\\x00' is not a path: embedded null"),
    ("rules = {}\nrules = {}", "'tapehead.toml' is not TOML: Cannot overwrite a value"),
    ("tool.tapehead = 3", "tapehead.toml: tool.tapehead: expected a table"),
]


@pytest.mark.parametrize(("content", "message"), BAD, ids=lambda value: value[:40])
def test_what_is_wrong_is_said_with_file_and_place(folder: Path, content: str, message: str) -> None:
    write(folder / "list.json", [1])
    write(folder / "torn.json", "{")
    write(folder / "tapehead.toml", content)
    assert problem_of().startswith(message)


def test_a_file_in_another_encoding_is_no_toml(folder: Path) -> None:
    (folder / "tapehead.toml").write_bytes(OFF.encode("utf-16"))
    assert problem_of().startswith("'tapehead.toml' is not TOML: 'utf-8' codec can't decode")


def test_a_broken_project_file_is_told(folder: Path) -> None:
    write(folder.parent / "pyproject.toml", "[")
    assert problem_of().startswith(f"'{folder.parent / 'pyproject.toml'}' is not TOML: ")


def test_a_named_file_must_be_there_and_have_settings(folder: Path) -> None:
    assert problem_of(config=Path("gone.toml")) == "there is no file 'gone.toml'"
    assert problem_of(config=folder).startswith(f"cannot read '{folder}': ")
    write(folder / "pyproject.toml", "[tool.ruff]")
    assert problem_of(config=Path("pyproject.toml")).startswith("'pyproject.toml' has no [tool.tapehead]")


# ---- Everything takes effect ----


def toml(folder: Path, content: str) -> AuditSettings:
    write(folder / "tapehead.toml", content)
    return load_config().settings


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_can_be_off(rule: str) -> None:
    policy = read_settings({"rules": {rule: "off"}}).policy()
    assert policy.grade(rule, RULES[rule].severity) is None


@pytest.mark.parametrize("grade", ["error", "warning", "info"])
def test_grades_take_effect(folder: Path, grade: str) -> None:
    (result,) = SILENT.audit(toml(folder, f'rules.ping-gap = "{grade}"'))
    assert [each.severity for each in result.findings] == [grade]


def test_limits_take_effect(folder: Path) -> None:
    assert SILENT.rules(toml(folder, "thresholds.ping-gap-seconds = 20")) == []
    assert SILENT.rules(toml(folder, "thresholds.ping-gap-seconds = inf")) == []


@pytest.mark.parametrize(
    ("override", "counts"),
    [
        ('player = "w*"', True),
        ('player = "tv"', False),
        ('channel = "one"', True),
        ('channel = "two"', False),
        ('path = "*.jsonl"', True),
        ('path = "nightly/*"', False),
        ('player = "web"\nchannel = "one"\npath = "rec*"', True),
        ('player = "web"\nchannel = "two"', False),
    ],
)
def test_overrides_take_effect_where_they_match(folder: Path, override: str, *, counts: bool) -> None:
    assert (SILENT.rules(toml(folder, f"[[overrides]]\n{override}\n{OFF}")) == []) is counts
    raised = "thresholds.ping-gap-seconds = 60"
    assert (SILENT.rules(toml(folder, f"[[overrides]]\n{override}\n{raised}")) == []) is counts


def test_an_override_wins_over_the_whole_and_the_last_one_over_others(folder: Path) -> None:
    error = '[[overrides]]\nplayer = "web"\nrules.ping-gap = "error"\n'
    off = f'[[overrides]]\nchannel = "one"\n{OFF}\n'
    (result,) = SILENT.audit(toml(folder, f"{OFF}\n{off}{error}"))
    assert [each.severity for each in result.findings] == ["error"]
    assert SILENT.rules(toml(folder, f"{error}{off}")) == []


def test_required_metadata_takes_effect(folder: Path) -> None:
    settings = toml(folder, 'rules.ping-gap = "off"\nmetadata.sessionStart = ["programmer"]')
    (result,) = SILENT.audit(settings)
    assert [(each.rule, each.path) for each in result.findings] == [("missing-parameter", "customMetadata.programmer")]


INLINE = 'required = ["qoeData"]'


@pytest.mark.parametrize(
    "content",
    [
        f"[expect.play]\n{INLINE}",
        'expect.play = "schemas/play.json"',
        'expect = "schemas/play.json"',
        'expect = "schemas/all.json"',
    ],
)
def test_schemas_take_effect(folder: Path, content: str) -> None:
    write(folder / "schemas" / "play.json", PLAY)
    write(folder / "schemas" / "all.json", {"play": PLAY, "ping": {}})
    assert SILENT.rules(toml(folder, content)) == ["missing-parameter", "ping-gap"]


def test_paths_of_schemas_begin_at_the_file_with_the_settings(folder: Path) -> None:
    write(folder.parent / "schemas" / "play.json", PLAY)
    write(folder.parent / "tapehead.toml", 'expect.play = "schemas/play.json"')
    assert rules(load_config()) == ["missing-parameter", "ping-gap"]


# ---- --expect ----


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("any.json", PLAY),
        ("any.json", {**PLAY, "properties": {"eventType": {"const": "play"}}}),
        ("any.json", {"play": PLAY}),
        ("any.json", {"$ref": "#/definitions/play", "definitions": {"play": PLAY}}),
        ("any.json", {"$ref": "#/definitions/it", "definitions": {"it": PLAY}}),
        ("play.json", {"required": ["qoeData"]}),
        ("play.schema.json", {"required": ["qoeData"]}),
        ("play.json", "\ufeff" + json.dumps({"required": ["qoeData"]})),
        ("any.json", {**PLAY, "$schema": "http://json-schema.org/draft-07/schema#"}),
    ],
)
def test_expect_takes_a_schema_or_several(folder: Path, name: str, content: object) -> None:
    write(folder / name, content)
    assert rules(load_config(expect=[name])) == ["missing-parameter", "ping-gap"]


def test_expect_may_say_the_event_type_itself(folder: Path) -> None:
    write(folder / "late.json", LATE_PLAY)
    assert rules(load_config(expect=["play=late.json"])) == ["bad-value", "ping-gap"]


def test_expect_wins_over_the_settings_event_type_by_event_type(folder: Path) -> None:
    write(folder / "tapehead.toml", f'expect.ping = {{required = ["none"]}}\n[expect.play]\n{INLINE}')
    write(folder / "play.json", {})
    assert rules(load_config()) == ["missing-parameter", "missing-parameter", "ping-gap"]
    assert rules(load_config(expect=["play=play.json"])) == ["missing-parameter", "ping-gap"]


WRONG: list[tuple[str, object, str]] = [
    ("x.json", {"pley": {}}, "--expect: x.json: pley is no event type; did you mean play?"),
    ("play.json", {"$schema": "x", "play": {}}, "--expect: play.json: $schema is no event type"),
    ("x.json", {"play": {}, "pong": {}}, "--expect: x.json: pong is no event type; did you mean ping?"),
    ("x.json", {"play": []}, "--expect: x.json: play: expected a JSON Schema, which is an object"),
    ("x.json", {}, "--expect: x.json: it holds no JSON Schema; expected an object, a schema or event types"),
    ("pley.json", {"required": []}, "--expect: pley.json: it does not say which event type it is for; did you mean pl"),
    ("x.json", {"required": ["a"]}, "--expect: x.json: it does not say which event type it is for; name the file pl"),
    ("x.json", "[", "--expect: 'x.json' is not JSON: "),
    ("play.json", {"type": "zzz"}, "--expect: expect: the schema of play is no JSON Schema: type: "),
    ("play.json", {"$ref": "http://127.0.0.1:9/x"}, "--expect: expect: the schema of play is no JSON Schema: a $ref"),
    ("play.json", {"$schema": "draft-4", "type": "object"}, "--expect: expect: the schema of play is no JSON Schema"),
]


@pytest.mark.parametrize(("name", "content", "message"), WRONG)
def test_expect_says_what_is_wrong(folder: Path, name: str, content: object, message: str) -> None:
    write(folder / name, content)
    assert problem_of(name).startswith(message)


def test_expect_names_files_that_are_not_there(folder: Path) -> None:
    assert problem_of("gone.json") == "--expect: there is no file 'gone.json'"
    assert problem_of("pley=gone.json").startswith("--expect: ")
    write(folder / "x.json", {})
    assert problem_of("pley=x.json") == "--expect: unknown key 'expect.pley'; did you mean play?"


# ---- Drafts ----

DRAFTS = [
    ({"properties": {"params": {"properties": {"x": {"minimum": 3, "exclusiveMinimum": True}}}}}, "draft-04", 3),
    ({"properties": {"params": {"properties": {"x": {"exclusiveMinimum": 3}}}}}, "draft-06", 3),
    ({"properties": {"params": {"if": {"required": ["x"]}, "then": {"required": ["y"]}}}}, "draft-07", 0),
    ({"properties": {"params": {"dependentRequired": {"x": ["y"]}}}}, "2019-09", 0),
    ({"properties": {"params": {"prefixItems": [{}], "properties": {"x": {"const": 4}}}}}, "2020-12", 3),
]
URIS = {
    "draft-04": "http://json-schema.org/draft-04/schema#",
    "draft-06": "http://json-schema.org/draft-06/schema#",
    "draft-07": "http://json-schema.org/draft-07/schema",
    "2019-09": "https://json-schema.org/draft/2019-09/schema",
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
}


@pytest.mark.parametrize(
    ("schema", "draft", "value"), DRAFTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_draft_is_spoken(schema: dict[str, Any], draft: str, value: int) -> None:
    timeline = Timeline().start().at(1, "play", {"x": value}).at(2, "sessionEnd")
    settings = read_settings(
        {"expect": {"play": {"$schema": URIS[draft]} | schema}, "rules": {"unknown-parameter": "off"}}
    )
    assert timeline.rules(settings) in (["missing-parameter"], ["bad-value"])
    assert f"  play must satisfy a schema of its own ({draft})" in lines_in_force(settings)


CLOSED: list[tuple[dict[str, Any], str]] = [
    ({"properties": {"x": {}}, "additionalProperties": False}, "params.media.qoe.bitrate is not expected"),
    ({"unevaluatedProperties": False}, "params.media.qoe.bitrate is not expected"),
    ({"additionalProperties": False}, "params has what the settings do not expect"),
]


@pytest.mark.parametrize(("closed", "message"), CLOSED)
def test_a_closed_schema_refuses_documented_keys_in_its_own_words(closed: dict[str, Any], message: str) -> None:
    schema = {"$schema": URIS["2020-12"], "properties": {"params": closed}}
    timeline = Timeline().start().at(1, "play", {"media.qoe.bitrate": 3}).at(2, "sessionEnd")
    (result,) = timeline.audit(read_settings({"expect": {"play": schema}}))
    (found,) = (each for each in result.findings if each.rule == "unknown-parameter")
    assert found.message.startswith(f"play: {message}")


# ---- What is in force ----


def test_settings_in_force_are_told_line_by_line(folder: Path) -> None:
    write(
        folder / "tapehead.toml",
        f"""
        {OFF}
        thresholds.ping-flood-seconds = 0.5
        metadata.sessionStart = ["programmer", "plan"]
        [expect.play]
        {INLINE}
        [[overrides]]
        player = "TV*"
        path = "nightly/*"
        rules.no-play = "error"
        [[overrides]]
        thresholds.states = 12
        """,
    )
    config = load_config()
    assert lines_in_force(config.settings, str(config.source)) == [
        "settings from tapehead.toml:",
        "  ping-gap = off (warning)",
        "  ping-flood-seconds = 0.5 (0.9)",
        f"  where player TV*, path nightly/*: no-play = error ({RULES['no-play'].severity})",
        f"  everywhere: states = 12 ({Thresholds().states})",
        "  sessionStart must have customMetadata programmer, plan",
        "  play must satisfy a schema of its own (draft-04)",
    ]


def test_nothing_set_is_told_too() -> None:
    assert lines_in_force(AuditSettings()) == ["no settings file; all rules and limits have their defaults"]
    assert lines_in_force(AuditSettings(), "a.toml") == [
        "settings from a.toml; all rules and limits have their defaults"
    ]
