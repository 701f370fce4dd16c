"""The checks of one exchange: its body by schema and beyond it, and its answer.

Findings never quote a value that identifies a person or a device.
"""

from collections.abc import Iterator
from itertools import chain, islice

from tapehead.protocol.exchange import Finding
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import Schemas
from tapehead.rules.body import check_body, check_content_type
from tapehead.rules.catalog import RULES
from tapehead.rules.response import check_answer

# Findings of one body that are listed; a hostile one could have a hundred thousand.
MOST_FINDINGS = 200


def check_exchange(
    call: Call, request: Request, response: Response | None, error: str | None, arrived_ms: float, schemas: Schemas
) -> list[Finding]:
    """Return the findings in one exchange.

    Args:
        call: the call of the API that was made.
        request: as the player sent it.
        response: the answer, or None.
        error: why there was none.
        arrived_ms: when the request came, milliseconds since 1970.
        schemas: the schemas in use.
    """
    return [*check_request(call, request, arrived_ms, schemas), *check_answer(call, request, response, error)]


def check_request(call: Call, request: Request, arrived_ms: float, schemas: Schemas) -> list[Finding]:
    """Return the findings in a request alone; none for calls without a body."""
    if call in (Call.PREFLIGHT, Call.SCHEMA):
        return []
    return limit_findings(chain(check_content_type(request), check_body(call, request, arrived_ms, schemas)))


def limit_findings(findings: Iterator[Finding]) -> list[Finding]:
    """Return the findings of one body, as many as are listed, and one more that says so if there are others."""
    limited = list(islice(findings, MOST_FINDINGS))
    if more := next(findings, None):
        message = f"more than {MOST_FINDINGS} findings; the others are not listed"
        limited.append(RULES[more.rule].finding("", message))
    return limited
