"""What users set: limits, grades, and their own expectations, for all sessions or for some.

Settings come from a table as TOML has it (reading files is not the business of this room):

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
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.exchange import Severity
from tapehead.protocol.schemas import Schema, Schemas
from tapehead.rules.catalog import RULES
from tapehead.rules.support.thresholds import Thresholds
from tapehead.text import nearest

OFF = "off"
Grades = Mapping[str, str]


class SettingsError(ValueError):
    """Settings that mean nothing; the message names the key and, if there is one, the nearest known."""


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """Grades and limits for the sessions that match all of its patterns."""

    player: str = "*"
    channel: str = "*"
    path: str = "*"
    rules: Grades = {}
    thresholds: Mapping[str, int | float] = {}

    def matches(self, player: str, channel: str, path: str) -> bool:
        """Whether it counts for a session of this player and channel in the recording at `path`."""
        asked = ((player, self.player), (channel, self.channel), (path, self.path))
        return all(fnmatchcase(value, pattern) for value, pattern in asked)


class Policy(msgspec.Struct, frozen=True):
    """What counts for one session: its limits, and the rules that are graded anew or off."""

    thresholds: Thresholds
    grades: Grades

    def grade(self, rule: str, severity: Severity) -> Severity | None:
        """The severity of a finding of `rule`, which came as `severity`; None if the rule is off."""
        graded = self.grades.get(rule, severity)
        return None if graded == OFF else Severity(graded)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that users set; see the module.

    Attributes:
        rules: rule to severity or `off`.
        thresholds: limits that differ from the usual ones.
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
        """What counts for a session of this player and channel in the recording at `path`."""
        grades, limits = dict(self.rules), dict(self.thresholds)
        for override in self.overrides:
            if override.matches(player, channel, path):
                grades |= override.rules
                limits |= override.thresholds
        return Policy(msgspec.convert(limits, Thresholds), grades)

    def expectations(self) -> Schemas | None:
        """The schemas of `expect`, next to the built-in ones; None if there are none.

        Raises:
            SettingsError: one of them is no JSON Schema.
        """
        try:
            return Schemas(self.expect) if self.expect else None
        except ValueError as error:
            raise SettingsError(f"expect: {error}") from error


def read_settings(table: Mapping[str, Any]) -> Settings:
    """The settings that a table of plain objects holds, as a TOML parser gives it.

    Raises:
        SettingsError: a key, a rule, a severity, a limit or an event type is unknown, or a value has the wrong type.
    """
    _check_keys(table, Settings.__struct_fields__, "")
    overrides = convert(table.get("overrides", []), list[dict[str, Any]], "overrides")
    settings = Settings(
        **_read_part(table, ""),
        overrides=tuple(_read_override(part, f"overrides[{number}].") for number, part in enumerate(overrides)),
        metadata=_read_by_type(table, "metadata", tuple[str, ...]),
        expect=_read_by_type(table, "expect", dict[str, Any]),
    )
    settings.expectations()
    return settings


def _read_override(table: Mapping[str, Any], place: str) -> Override:
    _check_keys(table, Override.__struct_fields__, place)
    patterns: dict[str, Any] = {key: convert(table[key], str, f"{place}{key}") for key in _PATTERNS if key in table}
    return Override(**patterns, **_read_part(table, place))


def _read_part(table: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The grades and limits of the whole or of an override."""
    grades = convert(table.get("rules", {}), dict[str, Any], f"{place}rules")
    _check_keys(grades, RULES, f"{place}rules.", "tapehead rules lists them")
    grades = {rule: _word(grade) for rule, grade in grades.items()}
    for rule, grade in grades.items():
        _check_keys([grade], (*Severity, OFF), f"{place}rules.{rule} = ")
    limits = convert(table.get("thresholds", {}), dict[str, Any], f"{place}thresholds")
    kinds = {field.encode_name: field.type for field in msgspec.structs.fields(Thresholds)}
    _check_keys(limits, kinds, f"{place}thresholds.")
    checked = {name: _limit(value, kinds[name], f"{place}thresholds.{name}") for name, value in limits.items()}
    return {"rules": grades, "thresholds": checked}


def _word(value: object) -> str:
    try:
        return str(value)
    except ValueError:  # a number of thousands of digits
        return "such a number"


def _limit(value: object, kind: type, place: str) -> int | float:
    limit: int | float = convert(value, kind, place)
    if isinstance(limit, int) and abs(limit) > _LARGEST:
        raise SettingsError(f"{place}: the number is too large; expected {_LARGEST} at most")
    if not limit >= 0:
        raise SettingsError(f"{place}: {limit} is below 0; expected 0 or more")
    return limit


def _read_by_type[T](table: Mapping[str, Any], section: str, kind: type[T]) -> dict[str, T]:
    """A section that has a value for some event types."""
    part = convert(table.get(section, {}), dict[str, Any], section)
    _check_keys(part, EVENT_TYPES, f"{section}.")
    return {event_type: convert(value, kind, f"{section}.{event_type}") for event_type, value in part.items()}


def convert[T](value: object, kind: type[T], place: str) -> T:
    """`value` as `kind`.

    Raises:
        SettingsError: it has another type; the message says which, and where.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        wrong = _WRONG_TYPE.match(str(error))
        if not wrong:
            raise SettingsError(f"{place}: {error}") from error
        wanted, got = (_TYPES.get(name, name) for name in wrong.group(1, 2))
        raise SettingsError(f"{place}{wrong[3] or ''}: expected {wanted}, got {got}") from error


_PATTERNS = ("player", "channel", "path")
_LARGEST = 2**53
# What msgspec says of a value of the wrong type, and the types' names in TOML.
_WRONG_TYPE = re.compile(r"Expected `(\w+)`, got `(\w+)`(?: - at `\$(.*)`)?$")
_TYPES = {
    "array": "a list",
    "object": "a table",
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
}


def _check_keys(keys: Iterable[str], known: Iterable[str], place: str, otherwise: str = "") -> None:
    """Refuse keys that are not known, with the nearest known one, or with all of them, or what to do `otherwise`."""
    known = list(known)
    for key in keys:
        if key not in known:
            hint = nearest(key, known) or f"; {otherwise or f'expected one of {", ".join(known)}'}"
            raise SettingsError(f"{place}{key} is unknown{hint}")
