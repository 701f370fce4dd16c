"""A few words on the calls that came instead of those that a test expected."""

from collections import Counter
from collections.abc import Iterable, Sequence

from tapehead.journal.rows import CallRow
from tapehead.protocol.events import arrival_of, events_of
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.responses import REFUSED
from tapehead.text import count_of, shorten_words

MOST_OF_REASON = 120
# How the reasons begin that `protocol.request_key` has for keys that cannot be used.
KEY_PROBLEMS = ("invalid key", "two keys")


def describe_calls(entries: Iterable[Entry]) -> str:
    """Return which events came, and how those were answered that were refused; empty for no call."""
    named: Counter[str] = Counter()
    for entry in entries:
        exchange = entry.exchange
        events = events_of(exchange, arrival_of(exchange) or 0.0, line=entry.line)
        types = [event.type or "an event without a type" for event in events] or [f"a {exchange.call} call"]
        named.update(f"{name}{_refusal(exchange)}" for name in types)
    return f"what came: {_listed(named)}" if named else ""


def describe_strays(rows: Sequence[CallRow], url: str) -> str:
    """Return why calls did not count for a test: those without a key.

    Args:
        rows: the calls without a valid key that came while the test ran.
        url: the URL of the test.
    """
    if not rows:
        return f"no event came to {url}; is it the endpoint that the player calls?"
    reasons = [row.answered.reason for row in rows if row.answered and row.answered.reason.startswith(KEY_PROBLEMS)]
    if reasons:
        told = "; ".join(dict.fromkeys(reasons))
        return f"no event came to {url}, but {count_of(len(reasons), 'call')} that had to be refused: {told}"
    named = _listed(Counter(row.type for row in rows))
    path = url[url.index("/k/") :]
    counted = count_of(len(rows), "call")
    return f"no event came to {url}, but {counted} without a key: {named}; does the player leave out '{path}'?"


def _listed(named: Counter[str]) -> str:
    return ", ".join(name if count == 1 else f"{name} ({count})" for name, count in named.items())


def _refusal(exchange: Exchange) -> str:
    if exchange.response is None:
        return " without an answer"
    if exchange.response.status < REFUSED:
        return ""
    body = exchange.response.json()
    message = body.get("message") if isinstance(body, dict) else None
    reason = shorten_words(message, MOST_OF_REASON) if isinstance(message, str) else ""
    return f" refused with {exchange.response.status}{f': {reason}' if reason else ''}"
