"""Settings of an audit: severities, thresholds and expectations, for all sessions or for some.

They come from a table as a TOML parser gives it; files are read elsewhere:

    [rules]
    clock-skew = "off"
    ad-position = "error"
    [thresholds]
    ping-gap-seconds = 15
    [metadata]
    sessionStart = ["programmer"]
    [expect.play]  # a JSON Schema
    [[overrides]]
    player = "TV*"
    rules.ping-gap = "off"

An override counts where all of its patterns `player`, `channel` and `path` (of the recording) match; later ones win.

A table is checked against a tree of msgspec structs with a field for each rule, threshold and event type, so that
errors name the exact key; the JSON Schema of tapehead.toml is generated from the same tree.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType, inspect

from tapehead.errors import UsageError
from tapehead.protocol import keys
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.exchange import Severity
from tapehead.protocol.schemas import Schema, Schemas
from tapehead.rules.catalog import RULES
from tapehead.rules.support.thresholds import Thresholds
from tapehead.text import format_number, nearest

Grades = Mapping[str, str]
PATTERNS = ("player", "channel", "path")


class Grade(StrEnum):
    """The severity that a rule's findings get; OFF for no findings."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OFF = "off"


class SettingsError(UsageError):
    """Settings that mean nothing; the message names the key and, if there is one, the nearest known."""


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """Severities and thresholds for the sessions that match all of its patterns."""

    player: str = "*"
    channel: str = "*"
    path: str = "*"
    rules: Grades = {}
    thresholds: Mapping[str, int | float] = {}

    def matches(self, player: str, channel: str, path: str) -> bool:
        """Return whether it counts for a session of this player and channel in the recording at `path`."""
        asked = ((player, self.player), (channel, self.channel), (path, self.path))
        return all(fnmatchcase(value, pattern) for value, pattern in asked)


class Policy(msgspec.Struct, frozen=True):
    """The settings that count for one session: its thresholds, and the rules with another severity or none."""

    thresholds: Thresholds
    grades: Grades

    def grade(self, rule: str, severity: Severity) -> Severity | None:
        """Return the severity of a finding of `rule`, which came as `severity`; None if the rule is off."""
        graded = self.grades.get(rule, severity)
        return None if graded == Grade.OFF else Severity(graded)


class AuditSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of an audit; see the module.

    Attributes:
        rules: rule to severity or `off`.
        thresholds: the thresholds that differ from the defaults.
        overrides: changes for some sessions.
        metadata: event type to the customMetadata keys that it must have.
        expect: event type to a JSON Schema that its bodies must satisfy besides the documented one; draft-04, unless
            its $schema names a later draft.
    """

    rules: Grades = {}
    thresholds: Mapping[str, int | float] = {}
    overrides: tuple[Override, ...] = ()
    metadata: Mapping[str, tuple[str, ...]] = {}
    expect: Mapping[str, Schema] = {}

    def policy(self, player: str = "", channel: str = "", path: str = "") -> Policy:
        """Return what counts for a session of this player and channel in the recording at `path`."""
        grades, limits = dict(self.rules), dict(self.thresholds)
        for override in self.overrides:
            if override.matches(player, channel, path):
                grades |= override.rules
                limits |= override.thresholds
        return Policy(msgspec.convert(limits, Thresholds), grades)

    def expectations(self) -> Schemas | None:
        """Return the schemas of `expect`, next to the built-in ones; None if there are none.

        Raises:
            SettingsError: one of them is not a JSON Schema.
        """
        try:
            return Schemas(self.expect) if self.expect else None
        except ValueError as error:
            raise SettingsError(f"expect: {error}") from error


def read_settings(table: Mapping[str, Any]) -> AuditSettings:
    """Return the settings in a table of plain objects, as a TOML parser gives it.

    Raises:
        SettingsError: a key, a rule, a severity, a threshold or an event type is unknown, or a value has a wrong type.
    """
    convert(table, section("Settings", audit_fields()))
    expect = convert(table.get("expect", {}), dict[str, dict[str, Any]], "expect")
    settings = msgspec.convert({**table, "expect": expect}, AuditSettings)
    settings.expectations()
    return settings


# ---- The tree ----


def section(name: str, fields: Iterable[tuple[str, Any, str]], doc: str = "") -> Any:
    """Return a struct that refuses keys other than those of `fields`: key, type and description, all optional."""
    rows = [(key, Annotated[kind, Meta(description=text)] | UnsetType, UNSET) for key, kind, text in fields]
    keys = {key.replace("-", "_"): key for key, _, _ in rows}
    return msgspec.defstruct(
        name,
        [(key.replace("-", "_"), kind, default) for key, kind, default in rows],
        namespace={"__doc__": doc},
        rename=keys,
        forbid_unknown_fields=True,
    )


def describe_attributes(kind: type) -> dict[str, str]:
    """Return the descriptions of a class's attributes, from the section `Attributes:` of its docstring."""
    # Python 3.13 takes the indentation away, older ones do not.
    from inspect import cleandoc  # which takes long to load

    _, _, listed = cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", listed, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def threshold_fields() -> list[tuple[str, Any, str]]:
    """Return the thresholds: key, type and description."""
    texts = describe_attributes(Thresholds)
    # TOML's numbers have no bounds, a float's whole numbers have.
    bounds = {int: Annotated[int, Meta(ge=0, le=2**53)], float: Annotated[float, Meta(ge=0)]}
    return [
        (field.encode_name, bounds[field.type], f"{texts.get(field.name, '')} Default: {format_number(field.default)}.")
        for field in msgspec.structs.fields(Thresholds)
    ]


def audit_fields() -> list[tuple[str, Any, str]]:
    """Return the sections of an audit's settings: key, type and description."""
    grades = [(rule.id, Grade, f"{rule.when} Default: {rule.severity}.") for rule in RULES.values()]
    grading: list[tuple[str, Any, str]] = [
        ("rules", section("Rules", grades), "Severities of rules, or off."),
        ("thresholds", section("Thresholds", threshold_fields()), "Limits of rules."),
    ]
    patterns = [(name, str, f"A pattern of the {name}, such as TV*. Default: any.") for name in PATTERNS]
    schemas = [(name, str | dict[str, Any], f"A JSON Schema for {name}, or a file with one.") for name in EVENT_TYPES]
    return [
        *grading,
        (
            "overrides",
            list[section("Override", [*patterns, *grading])],  # type: ignore[misc]
            "Severities and limits for the sessions that match all patterns; the last override wins.",
        ),
        (
            "metadata",
            section("Metadata", [(name, list[str], f"Keys that {name} must have.") for name in EVENT_TYPES]),
            f"Keys that the {keys.METADATA} of an event type must have.",
        ),
        (
            "expect",
            str | section("Expect", schemas),
            "JSON Schemas that bodies must satisfy besides the documented ones; paths are relative to this file.",
        ),
    ]


# ---- Errors ----

_TYPES = {
    "array": "a list",
    "object": "a table",
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
}


def convert[T](value: object, kind: type[T], place: str = "") -> T:
    """Return `value` as `kind`.

    Raises:
        SettingsError: it has another type, an unknown key or an unknown value; the message says where, below `place`.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        path = path.removesuffix("`")
        raise SettingsError(explain_problem(problem, path, place, choices_at(kind, path))) from error


def explain_problem(problem: str, path: str, place: str, choices: tuple[str, ...]) -> str:
    """Return one sentence about a problem that msgspec names, at a path of its own below `place`."""
    where = f"{place}{path}".removeprefix(".")
    listed = f"expected one of {', '.join(choices)}"
    if match := re.match("Object contains unknown field `(.*)`$", problem, re.DOTALL):
        hint = nearest(match[1], choices) or f"; {'tapehead rules lists them' if where.endswith('rules') else listed}"
        return f"unknown key '{f'{where}.{match[1]}'.removeprefix('.')}'{hint}"
    if match := re.match("Invalid enum value '(.*)'$", problem, re.DOTALL):
        return f"{where}: unknown value '{match[1]}'{nearest(match[1], choices) or f'; {listed}'}"
    if match := re.match(r"Expected `([\w |]+)`, got `(\w+)`", problem):
        wanted = " or ".join(_TYPES.get(name, name) for name in match[1].split(" | "))
        got = _TYPES.get(match[2], f"a {match[2]}")
        return f"{where}: {listed if choices and match[1] == 'str' else f'expected {wanted}'}, got {got}"
    if match := re.match(r"Expected `\w+` ([<>])= (\d+)", problem):
        return f"{where}: expected {match[2]} {'or more' if match[1] == '>' else 'at most'}"
    return f"{where}: {problem[:1].lower()}{problem[1:]}"


def choices_at(kind: object, path: str) -> tuple[str, ...]:
    """Return the keys of the struct, or the values of the enumeration, at a path of msgspec."""
    node: inspect.Type = inspect.type_info(kind)
    for key, _item in re.findall(r"\.([^.\[]+)|(\[)", path):
        node = unwrap(node)
        if isinstance(node, inspect.StructType):
            node = next(field.type for field in node.fields if field.encode_name == key)
        elif isinstance(node, inspect.ListType):
            node = node.item_type
        elif isinstance(node, inspect.DictType):
            node = node.value_type
    node = unwrap(node)
    if isinstance(node, inspect.StructType):
        return tuple(field.encode_name for field in node.fields)
    if isinstance(node, inspect.EnumType):
        return tuple(member.value for member in node.cls)
    return tuple(map(str, node.values)) if isinstance(node, inspect.LiteralType) else ()


def unwrap(node: inspect.Type) -> inspect.Type:
    """Return a type without its metadata, and of a union the table in it."""
    while isinstance(node, inspect.Metadata):
        node = node.type
    if isinstance(node, inspect.UnionType):
        tables = (inspect.StructType, inspect.DictType)
        node = next((each for each in node.types if isinstance(unwrap(each), tables)), node)
    return unwrap(node) if isinstance(node, inspect.Metadata) else node
