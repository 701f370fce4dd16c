"""The checks of one exchange: its body by schema and beyond it, and its answer.

One mistake is one finding: the keys that a body lacks stand in one line, and a refusal that a finding in the body
explains is a detail of that finding.

Findings never quote a value that identifies a person or a device.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

import msgspec

from tapehead.protocol.exchange import ClosedBy, Finding, Severity
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import Schemas
from tapehead.rules.body import CONTENT_TYPE, check_body, check_content_type
from tapehead.rules.response import BODY_REFUSED, REJECTED, check_answer
from tapehead.rules.schema_errors import (
    MISPLACED_METADATA,
    MISPLACED_PARAMETER,
    MISSING_PARAMETER,
    UNKNOWN_PARAMETER,
    join_missing,
)
from tapehead.rules.values import PING_PARAMS, TIMESTAMP_UNIT

# Findings of one body that are listed; a hostile one could have a hundred thousand.
MOST_FINDINGS = 200
# The warnings that the published schema refuses.
_REFUSED_WARNINGS = {
    rule.id for rule in (UNKNOWN_PARAMETER, MISPLACED_PARAMETER, MISPLACED_METADATA, PING_PARAMS, CONTENT_TYPE)
}
_OF_KEYS = {UNKNOWN_PARAMETER.id, MISPLACED_PARAMETER.id}


def check_exchange(
    call: Call,
    request: Request,
    response: Response | None,
    error: str | None,
    arrived_ms: float,
    schemas: Schemas,
    expected: Iterable[Finding] = (),
    *,
    closed_by: ClosedBy | None = None,
) -> list[Finding]:
    """Return the findings in one exchange.

    Args:
        call: the call of the API that was made.
        request: as the player sent it.
        response: the answer, or None.
        error: why there was none.
        arrived_ms: when the request came, milliseconds since 1970.
        schemas: the schemas in use.
        expected: the findings about what users expect of the body; those that repeat one of its own are left out.
        closed_by: who closed the connection before the answer, or None.
    """
    found = check_request(call, request, arrived_ms, schemas, expected)
    # A ping takes no params at all: which of them are misplaced or unknown does not matter.
    needless = tuple(f"{finding.path}." for finding in found if finding.rule == PING_PARAMS.id)
    found = [each for each in found if not (needless and each.rule in _OF_KEYS and each.path.startswith(needless))]
    for answer in check_answer(call, request, response, error, closed_by):
        refused = response is not None and response.status in BODY_REFUSED
        cause = find_cause(found, answer.message) if refused and answer.rule == REJECTED.id else None
        if cause is None:
            found.append(answer)
        else:
            # An endpoint such as ours says just what the finding says.
            said = answer.message.partition(": ")
            detail = said[0] if said[2] and cause.message.startswith(said[2]) else answer.message
            found[found.index(cause)] = msgspec.structs.replace(cause, message=_join(cause.message, detail))
    return found


def check_request(
    call: Call, request: Request, arrived_ms: float, schemas: Schemas, expected: Iterable[Finding] = ()
) -> list[Finding]:
    """Return the findings in a request alone; none for calls without a body."""
    if call in (Call.PREFLIGHT, Call.SCHEMA):
        return []
    found = limit_findings(chain(check_content_type(request), check_body(call, request, arrived_ms, schemas)))
    if not expected:
        return list(merge_missing(found)) if found else found
    known = {(finding.rule, finding.path) for finding in found}
    found += limit_findings(finding for finding in expected if (finding.rule, finding.path) not in known)
    return list(merge_missing(found))


def limit_findings(findings: Iterator[Finding]) -> list[Finding]:
    """Return the findings of one body, as many as are listed, and one more that says so if there are others."""
    limited = list(islice(findings, MOST_FINDINGS))
    if more := next(findings, None):
        message = f"more than {MOST_FINDINGS} findings; the others are not listed"
        limited.append(msgspec.structs.replace(more, path="", message=message))
    return limited


def merge_missing(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings, those about missing keys as one for each body, in the place of its first."""
    listed = list(findings)
    missing: dict[str, list[Finding]] = {}
    for finding in listed:
        if finding.rule == MISSING_PARAMETER.id:
            missing.setdefault(_prefix_of(finding), []).append(finding)
    for finding in listed:
        if finding.rule != MISSING_PARAMETER.id:
            yield finding
        elif together := missing.pop(_prefix_of(finding), None):
            yield join_missing(together)


def _prefix_of(finding: Finding) -> str:
    """Return what a path in an array begins with, such as `[3].`; empty for a body of its own."""
    return finding.path[: finding.path.find("]") + 1] if finding.path.startswith("[") else ""


def find_cause(findings: Iterable[Finding], answer: str) -> Finding | None:
    """Return the finding in a body that explains why it was refused: best one whose key the `answer` names."""
    # The endpoint does not look at the value of a ts.
    listed = [finding for finding in findings if finding.rule != TIMESTAMP_UNIT.id]
    named = [finding for finding in listed if (key := finding.path.partition(".")[2]) and key in answer]
    errors = [finding for finding in listed if finding.severity is Severity.ERROR]
    refused = [finding for finding in listed if finding.rule in _REFUSED_WARNINGS]
    return next(iter([*named, *errors, *refused]), None)


def _join(message: str, detail: str) -> str:
    """Return two parts of a message as one; a spelling hint, which the first may end with, is a question."""
    return f"{message} {detail[:1].upper()}{detail[1:]}" if message.endswith("?") else f"{message}; {detail}"
