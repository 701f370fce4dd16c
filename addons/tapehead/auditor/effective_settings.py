"""Description of the settings in force: their source and their changes."""

from collections.abc import Iterator

import msgspec

from tapehead.auditor.settings import PATTERNS, AuditSettings, Override
from tapehead.protocol import keys
from tapehead.protocol.schemas import draft_of
from tapehead.rules.catalog import RULES
from tapehead.rules.support.thresholds import Thresholds
from tapehead.text import format_number

DEFAULTS = {field.encode_name: field.default for field in msgspec.structs.fields(Thresholds)}


def lines_in_force(settings: AuditSettings, source: str | None = None) -> list[str]:
    """Return a line for each change of the settings, with the default in brackets, below a line that names the source.

    Args:
        settings: the settings.
        source: the file that they were read from; None without one.
    """
    head = f"settings from {source}" if source else "no settings file"
    changes = list(changed_rules(settings))
    for override in settings.overrides:
        patterns = [f"{name} {pattern}" for name in PATTERNS if (pattern := getattr(override, name)) != "*"]
        where = f"where {', '.join(patterns)}" if patterns else "everywhere"
        changes += [f"{where}: {line}" for line in changed_rules(override)]
    for event_type, expected in settings.metadata.items():
        changes.append(f"{event_type} must have {keys.METADATA} {', '.join(expected) or 'without any key'}")
    for event_type, schema in settings.expect.items():
        changes.append(f"{event_type} must satisfy a schema of its own ({draft_of(schema)})")
    if not changes:
        return [f"{head}; all rules and limits have their defaults"]
    return [f"{head}:", *(f"  {line}" for line in changes)]


def changed_rules(settings: AuditSettings | Override) -> Iterator[str]:
    """Yield a line for each severity and threshold that settings change."""
    for rule, grade in settings.rules.items():
        yield f"{rule} = {grade} ({RULES[rule].severity})"
    for name, limit in settings.thresholds.items():
        yield f"{name} = {format_number(limit)} ({format_number(DEFAULTS[name])})"
