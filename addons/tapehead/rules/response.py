"""Rules on the endpoint's answer: its status, its Location, or its absence."""

from collections.abc import Iterator

from tapehead.protocol import routes
from tapehead.protocol.exchange import ClosedBy, Finding, Severity
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import DOCUMENTED_STATUSES, Call, sid_of_location
from tapehead.rules.cors import check_preflight
from tapehead.rules.support.rule import Rule
from tapehead.text import shorten_words

# Characters of an answer's message that a finding repeats.
MOST_OF_REASON = 300
# The answers that a mistake in the body may explain.
BODY_REFUSED = (400, 415, 422)

REJECTED = Rule(
    id="rejected",
    severity=Severity.ERROR,
    when="The endpoint answered 4xx or 5xx, and no other finding explains it.",
    why="The event is lost; after 404 or 410 so is everything that follows in that session.",
    fix="Read the answer's message; after 404 and 410 open a new session.",
    bad='ping answered 400 {"message": "..."}',
    good="ping answered 204",
    source="Reference: events request; sessions request",
    contradictions=(
        "One page says that events are answered by a bare status, another that a 400 has a message. Where another "
        "finding explains the answer, it has it as a detail. A second sessionEnd, and what was under way when the "
        "session closed, may get a 404 or 410."
    ),
)


UNEXPECTED_STATUS = Rule(
    id="unexpected-status",
    severity=Severity.ERROR,
    when="The answer has a status that the call does not document.",
    why="Something else than the endpoint answered, such as a captive portal or a redirect: the event is lost.",
    fix="Check the endpoint's URL and what stands between.",
    bad="sessionStart answered 302",
    good="sessionStart answered 201",
    source="Reference: sessions request; events request",
)


NO_LOCATION = Rule(
    id="no-location",
    severity=Severity.ERROR,
    when="A 201 to a session call without a Location header that carries a session id.",
    why="The player cannot send any event: the session ends up with its start alone.",
    fix="Check what stands between player and endpoint; in browsers, that CORS exposes Location.",
    bad="201 without Location",
    good="201 with Location: /api/v1/sessions/bbc582e1",
    source="Reference: obtaining the session id",
    contradictions="Session ids are about 22 letters and digits on one page, 64 hex digits on others: any is fine.",
)


NO_RESPONSE = Rule(
    id="no-response",
    severity=Severity.ERROR,
    when="The connection failed or timed out before an answer, and it was not the client that closed it.",
    why="Whether the event counts is unknown; SDKs do not send an event again.",
    fix="Check the network and the endpoint's URL; send again, in order, what has no answer.",
    bad="ping, connection reset",
    good="ping answered 204",
    source="Observed: SDK 3.1.0 tries a session start three times, an event once",
)


CLIENT_LEFT = Rule(
    id="client-left",
    severity=Severity.INFO,
    when="The client closed the connection before the answer, as a page does that is left or closed.",
    why=(
        "The endpoint gets a request that arrived whole, and counts it most likely; one that was cut is lost. "
        "On a slow network browsers cut the last events, sessionEnd among them."
    ),
    fix="Send what goes out as the page is left with fetch(..., {keepalive: true}) or navigator.sendBeacon.",
    bad="fetch(url, {method: 'POST', body}) in a pagehide handler",
    good="fetch(url, {method: 'POST', body, keepalive: true}) in a pagehide handler",
    source="Observed: sentry-javascript#5697, umami#3489",
)


def check_answer(
    call: Call, request: Request, response: Response | None, error: str | None, closed_by: ClosedBy | None = None
) -> Iterator[Finding]:
    """Yield the finding in the answer to a call, or for its absence."""
    if closed_by == "client":
        sent = "its body is whole" if request.saved else "its body is not, or was not saved"
        instead = error if response is None else response.status
        yield CLIENT_LEFT.finding("", f"the client closed the connection before the answer ({instead}); {sent}")
    if response is None:
        if closed_by != "client":
            yield NO_RESPONSE.finding("", f"no answer: {error}")
    elif response.status >= 400:
        yield REJECTED.finding("", f"the endpoint answered {response.status}{_reason(response)}")
    # Browsers take any 2xx, and gateways that answer in the endpoint's place have 204.
    elif call is Call.PREFLIGHT and response.status in range(200, 300):
        yield from check_preflight(request, response)
    elif response.status not in DOCUMENTED_STATUSES[call]:
        wanted = ", ".join(map(str, sorted(DOCUMENTED_STATUSES[call])))
        message = f"the answer's status is {response.status}; the {call} call has {wanted}"
        yield UNEXPECTED_STATUS.finding("", message)
    # The answer to an array, the old form of downloaded content, opens no session to send events to.
    elif (
        call is Call.SESSION
        and not sid_of_location(response.header("Location"))
        and request.content().lstrip()[:1] != b"["
    ):
        yield NO_LOCATION.finding("", f"the 201 has no Location that ends in {routes.SESSIONS_PATH}/{{sid}}")


def _reason(response: Response) -> str:
    """Return the message of a failed answer, after a colon; empty if it has none."""
    body = response.json()
    message = body.get("message") if isinstance(body, dict) else None
    return "" if message is None else f": {shorten_words(str(message), MOST_OF_REASON)}"
