"""Sessions whose start has lost its Location: exporters such as chrome-har save answers without headers.

The session id is in the URLs of the calls that follow. A start belongs to it if that is certain: among the calls of
one client, with one start that has no id, and one id that has no start.
"""

from collections.abc import Sequence

import msgspec

from tapehead.protocol.backend_limits import IDLE_MINUTES
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.routes import Call, location_of
from tapehead.text import count_of

# The error of a call whose answer a HAR file does not have.
NO_ANSWER = "the HAR file has no response"


def join_sessions(exchanges: Sequence[Exchange]) -> tuple[list[Exchange], list[str]]:
    """Return exchanges with the session ids and Locations that starts have lost, and lines on what was done.

    Args:
        exchanges: the exchanges, in order of time.
    """
    joined, known, ambiguous = list(exchanges), set[str](), set[int]()
    open_starts: dict[tuple[str, str | None], list[tuple[float, int]]] = {}
    count = 0
    for index, exchange in enumerate(exchanges):
        sid, arrived = exchange.session, arrival_of(exchange) or 0.0
        client = exchange.endpoint, exchange.request.header("User-Agent")
        if exchange.call is Call.SESSION and sid is None:
            if _may_have_opened(exchange):
                open_starts.setdefault(client, []).append((arrived, index))
        elif exchange.call is Call.SESSION and sid:
            known.add(sid)
        elif exchange.call is Call.EVENT and sid and sid not in known:
            known.add(sid)
            waiting = [start for start in open_starts.get(client, ()) if start[0] > arrived - IDLE_MINUTES * 60_000]
            if len(waiting) == 1:
                ((_, start),) = waiting
                joined[start] = _with_session(exchanges[start], sid)
                open_starts[client] = []
                count += 1
            else:
                ambiguous |= {index for _, index in waiting}
    lines = []
    if count:
        starts = count_of(count, "session start")
        lines.append(f"{starts} had no Location, which was taken from the URLs of the calls that follow")
    if ambiguous:
        starts = count_of(len(ambiguous), "session start")
        lines.append(f"{starts} had no Location, and it is not certain which calls follow them")
    return joined, lines


def _may_have_opened(start: Exchange) -> bool:
    """Return whether a start without an id may have opened a session: not if it was refused, or not answered."""
    if start.response is None:
        return start.error == NO_ANSWER
    return 200 <= start.response.status < 300 and not isinstance(start.request.json(), list)


def _with_session(start: Exchange, sid: str) -> Exchange:
    response = start.response
    if response:
        response = response.with_headers([*response.headers, ("Location", location_of(sid))])
    return msgspec.structs.replace(start, session=sid, response=response)
