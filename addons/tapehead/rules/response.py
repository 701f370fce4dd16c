"""Rules on the endpoint's answer."""

from collections.abc import Iterator

from tapehead.protocol.exchange import Finding
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import DOCUMENTED_STATUSES, Call, sid_of_location
from tapehead.rules.catalog import finding


def check_answer(call: Call, request: Request, response: Response | None, error: str | None) -> Iterator[Finding]:
    """Yield what is wrong with the answer to a call, or with its absence."""
    if response is None:
        yield finding("no-response", "", f"no answer: {error}")
    elif response.status >= 400:
        yield finding("rejected", "", f"the endpoint answered {response.status}{_reason(response)}")
    elif response.status not in DOCUMENTED_STATUSES[call]:
        wanted = ", ".join(map(str, sorted(DOCUMENTED_STATUSES[call])))
        yield finding(
            "unexpected-status", "", f"the answer's status is {response.status}; the {call} call has {wanted}"
        )
    elif call is Call.SESSION and not sid_of_location(response.header("Location")) and not _is_array(request):
        yield finding("no-location", "", "the 201 has no Location that ends in /api/v1/sessions/{sid}")


def _is_array(request: Request) -> bool:
    """Whether the request is the old form of downloaded content; its answer opens no session to send events to."""
    return request.content().lstrip()[:1] == b"["


def _reason(response: Response) -> str:
    """The message of a failed answer, after a colon; empty if it has none."""
    body = response.json()
    if not isinstance(body, dict) or "message" not in body:
        return ""
    message = body["message"]
    return f": {str(message)[:200]}"
