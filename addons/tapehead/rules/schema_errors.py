"""Rules on what a schema finds: parameters that are missing, wrong, misplaced or unknown.

Findings never quote a value that identifies a person or a device.
"""

from collections.abc import Callable, Iterator, Sequence

from tapehead.protocol import keys
from tapehead.protocol.event_types import metadata_types
from tapehead.protocol.exchange import Finding, Severity
from tapehead.protocol.parameters import MISNAMED_KEYS, PARAMETERS, parameters_of
from tapehead.protocol.schemas import SchemaError
from tapehead.rules.support.event_body import PERSON_KEYS, EventBody
from tapehead.rules.support.rule import Rule
from tapehead.text import json_type_of, nearest, quote, shorten

# A key of two sections stands for the first, where the reference's own table has it.
_ROWS = {row.key: row for row in reversed(PARAMETERS)}
_TOP_KEYS = (keys.EVENT_TYPE, keys.PLAYER_TIME, "params", keys.QUALITY, keys.METADATA)
MOST_LISTED = 30
# Why a key is missed that only the settings ask for.
EXPECTED_BY_SETTINGS = "the settings expect it"
_ARTICLES = {"integer": "an integer", "object": "an object", "array": "an array", "null": "null"}


def findings_for(body: EventBody, error: SchemaError) -> Iterator[Finding]:
    """Yield the findings for an error of the schema; none where the schema is stricter than the rules."""
    yield from _CHECKS.get(error.keyword, check_value)(body, error)


MISSING_PARAMETER = Rule(
    id="missing-parameter",
    severity=Severity.ERROR,
    when="A required key is absent: eventType, playerTime, playhead, ts, or a required parameter.",
    why="The endpoint answers 400 and drops the event; without sessionStart no session is reported at all.",
    fix="Send the parameter with every event of that type.",
    bad='sessionStart without "media.length"',
    good='"media.length": 86400 for live content of unknown length',
    source="Reference: request parameters",
    contradictions=(
        "media.streamType is required on one page only, and media.ad.playerName is missing in "
        "one sample: the first is optional here, the second required."
    ),
)


def check_required(body: EventBody, error: SchemaError) -> Iterator[Finding]:
    """Yield a finding for a key that is required and missing."""
    path, row = body.join((*error.path, error.expected)), _ROWS.get(str(error.expected))
    wanted = f" ({row.type[0]}{f', {row.unit}' if row.unit else ''})" if row else ""
    yield MISSING_PARAMETER.finding(path, f"{body.name}: {path} is missing; it is required{wanted}")


def join_missing(findings: Sequence[Finding]) -> Finding:
    """Return one finding for all keys that a body lacks, at the object that they are missing in."""
    if len(findings) == 1:
        return findings[0]
    paths = [finding.path for finding in findings]
    parents = {path.split("].", 1)[-1].partition(".")[0] for path in paths}
    prefix = paths[0][: paths[0].find("]") + 1] if paths[0].startswith("[") else ""
    parent = ".".join(filter(None, (prefix, parents.pop() if len(parents) == 1 else "")))
    name = findings[0].message.partition(":")[0]
    reasons = [finding.message.rpartition("; ")[2] for finding in findings]
    expected = [path for path, reason in zip(paths, reasons, strict=True) if reason == EXPECTED_BY_SETTINGS]
    why = "they are required"
    if len(expected) == len(paths):
        why = "the settings expect them"
    elif expected:
        why = f"required, or expected by the settings ({', '.join(expected)})"
    message = f"{name}: {', '.join(paths[:-1])} and {paths[-1]} are missing; {why}"
    return MISSING_PARAMETER.finding(parent, message)


WRONG_TYPE = Rule(
    id="wrong-type",
    severity=Severity.ERROR,
    when="A value's JSON type is not the documented one.",
    why="The endpoint answers 400 and drops the event.",
    fix="Send numbers and booleans as such, without quotes, and strings in quotes.",
    bad='"media.length": "60"',
    good='"media.length": 60',
    source="Reference: request parameters; validating event requests",
    contradictions=(
        "Some dimensions' pages call podSecond and the chapters' offset and length integers; any number is fine."
    ),
)


def check_type(body: EventBody, error: SchemaError) -> Iterator[Finding]:
    """Yield a finding for a value of the wrong type."""
    # Draft-04 takes 3.0 for no integer; the endpoint's own serialisers write it for one.
    if error.expected == ["integer"] and isinstance(error.value, float) and error.value.is_integer():
        return
    path = body.join(error.path)
    wanted = " or ".join(_ARTICLES.get(name, f"a {name}") for name in error.expected)
    unit = _ROWS[key].unit if (key := str(error.path[-1:] and error.path[-1])) in _ROWS else ""
    message = f"{body.name}: {path} is {_shown(error)}; expected {wanted}{f' ({unit})' if unit else ''}"
    yield WRONG_TYPE.finding(path, message)


def check_depth(body: EventBody, _error: SchemaError) -> Iterator[Finding]:
    """Yield a finding for a body that nests too deep to be validated."""
    message = f"{body.name}: the body nests deeper than any documented value; expected flat params"
    yield WRONG_TYPE.finding(body.prefix.rstrip("."), message)


# The expectations of the keywords of a schema, in words.
_WANTED = {
    "enum": "one of {expected}",
    "const": "{expected}",
    "minimum": "at least {expected}",
    "maximum": "at most {expected}",
    "exclusiveMinimum": "more than {expected}",
    "exclusiveMaximum": "less than {expected}",
    "minLength": "a string of {expected} characters or more",
    "maxLength": "a string of at most {expected} characters",
    "format": "a string in the format {expected}",
    "pattern": "a match of {expected}",
}


BAD_VALUE = Rule(
    id="bad-value",
    severity=Severity.ERROR,
    when="A value of the right type is not allowed: an unlisted choice, an empty required string, a negative length.",
    why=(
        "The value is refused or means nothing: an empty media.id drops the session from the reports, an empty "
        "media.ad.id the ad."
    ),
    fix="Send one of the documented values.",
    bad='"media.ad.length": -1',
    good='"media.ad.length": 15',
    source="Reference: request parameters; variables, core/content-id, ads/ad-id, standard-metadata. SDK sources",
    contradictions=(
        "media.showType is a free string whose sample is sitcom, or one of 0 to 3; the endpoint takes any, and any "
        "media.pass.auth and errorSource: a warning. Numbers and seconds that only the vendor's SDKs refuse are an "
        "information."
    ),
)


def check_value(body: EventBody, error: SchemaError) -> Iterator[Finding]:
    """Yield a finding for a value that the schema does not allow; an unknown eventType has a rule of its own."""
    if error.path == (keys.EVENT_TYPE,):
        return
    path, expected = body.join(error.path), error.expected
    row = _ROWS.get(str(error.path[-1:] and error.path[-1]))
    known = (("enum", list(row.enum or ())), ("pattern", row.pattern)) if row else ()
    advised = (error.keyword, expected) in known
    if isinstance(expected, list):
        more = f" and {len(expected) - MOST_LISTED} more" if len(expected) > MOST_LISTED else ""
        listed = ", ".join(map(quote, expected[:MOST_LISTED])) + more
    else:
        listed = shorten(str(expected))
    wanted = _WANTED.get(error.keyword, "a value that satisfies {keyword} in the schema")
    wanted = "a string that is not empty" if (error.keyword, expected) == ("minLength", 1) else wanted
    wanted = wanted.format(expected=listed, keyword=error.keyword)
    message = f"{body.name}: {path or 'the body'} is {_shown(error)}; expected {wanted}"
    yield BAD_VALUE.finding(path, message, Severity.WARNING if advised else None)


UNKNOWN_PARAMETER = Rule(
    id="unknown-parameter",
    severity=Severity.WARNING,
    when="A key that no page documents.",
    why="The published sample schema forbids unknown keys, so the endpoint may answer 400; at best the value is lost.",
    fix="Use the documented spelling, or send the value as customMetadata.",
    bad='"qoeData": {"bitrate": 3200000}',
    good='"qoeData": {"media.qoe.bitrate": 3200000}',
    source="Reference: validating event requests; request parameters",
    contradictions="The second timeline sends bitrate itself; the sample schema refuses it.",
)


MISPLACED_PARAMETER = Rule(
    id="misplaced-parameter",
    severity=Severity.WARNING,
    when="A documented key with an event type that it does not belong to.",
    why="The value is ignored where it stands, or the event is refused.",
    fix="Move the key to the event type that takes it.",
    bad='play with "media.ad.id"',
    good='adStart with "media.ad.id"',
    source="Reference: request parameters",
    contradictions=(
        "Quality values stand in params on some pages and in qoeData on others, "
        "media.ad.podFriendlyName with adStart in the timelines: all of that is fine."
    ),
)


MISPLACED_METADATA = Rule(
    id="misplaced-metadata",
    severity=Severity.WARNING,
    when="customMetadata with an event type other than sessionStart, adStart and chapterStart.",
    why="Custom metadata is reported for the session, an ad or a chapter only; elsewhere it is lost.",
    fix="Send it with the sessionStart, adStart or chapterStart that it describes.",
    bad='ping with "customMetadata"',
    good='adStart with "customMetadata"',
    source="Reference: custom metadata",
)


METADATA_KEY = Rule(
    id="metadata-key",
    severity=Severity.ERROR,
    when=(
        "A customMetadata key has other characters than letters, digits, _ and ., or begins with the reserved a. "
        "(with media.: a warning)."
    ),
    why="The endpoint refuses other characters; a. and media. collide with the reported variables' own names.",
    fix="Rename the key.",
    bad='"customMetadata": {"my key": "1"}',
    good='"customMetadata": {"my_key": "1"}',
    source="Reference: validating event requests; custom metadata",
)


def check_unexpected(body: EventBody, error: SchemaError) -> Iterator[Finding]:
    """Yield a finding for each key that the schema does not have."""
    for key in error.expected if body.event_type else ():
        place, path = body.join((*error.path, key)), error.path
        if path == (keys.METADATA,):
            message = f"{body.name}: {place} has characters other than letters, digits, _ and ."
            yield METADATA_KEY.finding(place, message)
        elif path == () and key == keys.METADATA:
            message = f"{body.name} takes no {keys.METADATA}; only {', '.join(metadata_types())} do"
            yield MISPLACED_METADATA.finding(place, message)
        elif path == ("params",) and key in _ROWS:
            message = f"{body.name}: {place} belongs to {', '.join(_ROWS[key].on)}"
            yield MISPLACED_PARAMETER.finding(place, message)
        else:
            known = key in _ROWS
            hint = (
                f"; it belongs into {_ROWS[key].section}"
                if known
                else nearest(key, _known_keys(body, path), MISNAMED_KEYS)
            )
            yield UNKNOWN_PARAMETER.finding(place, f"{body.name}: {place} is not documented{hint}")


def _known_keys(body: EventBody, path: tuple[str | int, ...]) -> tuple[str, ...]:
    match path:
        case ():
            return _TOP_KEYS
        case (keys.PLAYER_TIME,):
            return ("playhead", "ts")
        case (keys.QUALITY | "params" as section,):
            return tuple(row.key for row in parameters_of(body.event_type or "", section))
        case _:
            return ("id", "authState", keys.STATE_NAME)


_CHECKS: dict[str, Callable[[EventBody, SchemaError], Iterator[Finding]]] = {
    "required": check_required,
    "type": check_type,
    "additionalProperties": check_unexpected,
    "depth": check_depth,
}


def _shown(error: SchemaError) -> str:
    """Return the value at fault: its type, and itself if it is short, plain and not identifying."""
    hidden = error.path[:1] == (keys.METADATA,) or PERSON_KEYS.intersection(map(str, error.path))
    if hidden or isinstance(error.value, dict | list) or error.value is None:
        return json_type_of(error.value)
    return f"{json_type_of(error.value)}, {quote(error.value)}"
