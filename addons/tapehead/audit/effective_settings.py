"""The settings in force, in words: where they came from and what they change."""

from collections.abc import Iterator, Mapping

import msgspec

from tapehead.audit.settings import Override, Settings
from tapehead.protocol.schemas import draft_of
from tapehead.rules.catalog import RULES
from tapehead.rules.support.thresholds import Thresholds

_USUAL = {field.encode_name: field.default for field in msgspec.structs.fields(Thresholds)}
_PATTERNS = ("player", "channel", "path")


def lines_in_force(settings: Settings, source: str | None = None) -> list[str]:
    """What the settings change, a line each; `source` is the file they came from, None without one.

    Grades and limits show in brackets what they would be without the settings.
    """
    head = f"settings from {source}" if source else "no file with settings"
    changes = [f"  {line}" for line in _changes(settings)]
    return [f"{head}:", *changes] if changes else [f"{head}; every rule and limit as usual"]


def _changes(settings: Settings) -> Iterator[str]:
    yield from _grades(settings.rules)
    yield from _limits(settings.thresholds)
    for override in settings.overrides:
        where = _where(override)
        yield from (f"{where}: {line}" for line in [*_grades(override.rules), *_limits(override.thresholds)])
    for event_type, keys in settings.metadata.items():
        yield f"{event_type} must have customMetadata {', '.join(keys) or 'without any key'}"
    for event_type, schema in settings.expect.items():
        yield f"{event_type} must satisfy a schema of its own ({draft_of(schema)})"


def _grades(grades: Mapping[str, str]) -> Iterator[str]:
    return (f"{rule} = {grade} ({RULES[rule].severity})" for rule, grade in grades.items())


def _limits(limits: Mapping[str, int | float]) -> Iterator[str]:
    return (f"{name} = {limit:g} ({_USUAL[name]:g})" for name, limit in limits.items())


def _where(override: Override) -> str:
    patterns = [f"{name} {pattern}" for name in _PATTERNS if (pattern := getattr(override, name)) != "*"]
    return f"where {', '.join(patterns)}" if patterns else "everywhere"
