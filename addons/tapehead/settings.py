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

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from tapehead.api import EVENT_TYPES
from tapehead.exchange import Severity
from tapehead.rules import RULES
from tapehead.schemas import Schema, Schemas

OFF = "off"
Grades = Mapping[str, str]


class SettingsError(ValueError):
    """Settings that mean nothing; the message names the key and, if there is one, the nearest known."""


class Thresholds(msgspec.Struct, frozen=True, rename="kebab"):
    """The limits of the rules; the names in settings have hyphens.

    Attributes:
        ping_gap_seconds: the longest time without an event.
        downloaded_ping_gap_seconds: the same in downloaded sessions.
        ping_flood_seconds: the least time between two pings.
        main_ping_seconds: the least time between pings in main content, which may fail twice in a row.
        idle_minutes: the back end's timeout without events.
        stalled_minutes: its timeout without movement of the playhead.
        session_hours: the longest session.
        order_seconds: by how much ts may go back as a warning.
        playhead_slack_seconds: what playheads may be off.
        frozen_seconds: how long a playhead may stand still in main content.
        ad_duration_seconds: what an ad may last longer or shorter than its length.
        states: how many different states a session may have.
        kept_sending: how many events after a 404 or 410 are too many.
        clock_skew_seconds: how far ts may be from arrival.
    """

    ping_gap_seconds: float = 12
    downloaded_ping_gap_seconds: float = 60
    ping_flood_seconds: float = 0.9
    main_ping_seconds: float = 9
    idle_minutes: float = 10
    stalled_minutes: float = 30
    session_hours: float = 24
    order_seconds: float = 1
    playhead_slack_seconds: float = 1
    frozen_seconds: float = 10
    ad_duration_seconds: float = 2
    states: int = 10
    kept_sending: int = 3
    clock_skew_seconds: float = 60


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
        expect: event type to a JSON Schema (draft-04) that its bodies must satisfy besides the documented one.
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
    overrides = table.get("overrides", [])
    for number, part in enumerate(overrides if isinstance(overrides, list) else []):
        if isinstance(part, Mapping):
            _check_keys(part, Override.__struct_fields__, f"overrides[{number}].")
            _check_part(part, f"overrides[{number}].")
    _check_part(table, "")
    for section in ("metadata", "expect"):
        if isinstance(part := table.get(section), Mapping):
            _check_keys(part, EVENT_TYPES, f"{section}.")
    try:
        settings = msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(str(error)) from error
    settings.expectations()
    return settings


def _check_part(table: Mapping[str, Any], place: str) -> None:
    """Check grades and limits of the whole or of an override."""
    if isinstance(rules := table.get("rules"), Mapping):
        _check_keys(rules, RULES, f"{place}rules.")
        for rule, grade in rules.items():
            _check_keys([str(grade)], (*Severity, OFF), f"{place}rules.{rule} = ")
    if isinstance(limits := table.get("thresholds"), Mapping):
        _check_keys(limits, [field.encode_name for field in msgspec.structs.fields(Thresholds)], f"{place}thresholds.")
        try:
            msgspec.convert(limits, Thresholds)
        except msgspec.ValidationError as error:
            raise SettingsError(f"{place}thresholds: {error}") from error


def _check_keys(keys: Iterable[str], known: Iterable[str], place: str) -> None:
    known = list(known)
    for key in keys:
        if key not in known:
            close = get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"
            raise SettingsError(f"{place}{key} is unknown; {hint}")
