"""Rules on preflights: calls that a browser did not send, since the answer to its question did not allow them."""

from collections.abc import Iterator

from tapehead.protocol.cors import refused_parts
from tapehead.protocol.exchange import Finding, Severity
from tapehead.protocol.messages import Request, Response
from tapehead.rules.support.rule import Rule
from tapehead.text import shorten_words

MOST_OF_MESSAGE = 400

CORS_REFUSED = Rule(
    id="cors-refused",
    severity=Severity.ERROR,
    when="The answer to a preflight does not allow the origin, the method or the headers that the browser asked for.",
    why="The browser does not send the call: the event, or the whole session, never comes.",
    fix=(
        "Have the endpoint, or what stands between, allow them in Access-Control-Allow-Origin, -Methods and -Headers; "
        "send no headers but Content-Type, which the endpoint allows."
    ),
    bad="Access-Control-Request-Headers: content-type, x-player; the answer allows Content-Type",
    good="Access-Control-Request-Headers: content-type; the answer allows Content-Type",
    source="Observed: the endpoint allows any origin, POST and Content-Type; Fetch standard, CORS-preflight fetch",
)


def check_preflight(request: Request, response: Response) -> Iterator[Finding]:
    """Yield the finding in the answer to a preflight; one without headers, which some exporters drop, tells nothing."""
    if response.headers and (refused := refused_parts(request, response)):
        parts = shorten_words("; ".join(refused), MOST_OF_MESSAGE)
        yield CORS_REFUSED.finding("", f"the call was not sent: the answer does not allow {parts}")
