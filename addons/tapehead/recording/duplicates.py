"""Recognition of equal exchanges in several files, such as two saves of one capture."""

import marshal
from collections import OrderedDict
from hashlib import blake2b

from tapehead.protocol.events import IDENTITY_KEYS, arrival_of
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.keys import EVENT_TYPE, PARAMS, PLAYER_TIME
from tapehead.protocol.messages import Request
from tapehead.protocol.outline import EventOutline
from tapehead.recording.capture import WORKER_MARK
from tapehead.text import count_of

# Exchanges that are remembered; files are merged by time, so that equal ones come close to each other.
MOST_REMEMBERED = 100_000
MOST_NAMED = 3


class DuplicateFilter:
    """A filter for exchanges that another file has brought already.

    Equal exchanges of one file, or of one proxy that has numbered them, are different calls, such as those of a tracker
    that is bound twice: as many are kept as the source with the most of them has.

    Attributes:
        count: the number of duplicates so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._files: dict[str, None] = {}
        # By exchange: the numbers of equal ones in each source that counted them, or else in each file; and the first
        # file with one.
        self._seen: OrderedDict[int, tuple[dict[str, set[object]], str]] = OrderedDict()

    def is_duplicate(self, entry: Entry) -> bool:
        """Return whether another file has brought an equal exchange for this one."""
        exchange = entry.exchange
        is_counted = exchange.order is not None and exchange.source
        # The workers of one run count on their own, and together they are one proxy.
        run = exchange.source.partition(WORKER_MARK)[0]
        origin = f"source {run}" if is_counted else f"file {entry.recording}"
        numbers, first = self._seen.setdefault(_key(exchange), ({}, entry.recording))
        most = max(map(len, numbers.values()), default=0)
        own = numbers.setdefault(origin, set())
        own.add((exchange.source, exchange.order) if is_counted else len(own))
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
        if len(own) > most:
            return False
        self.count += 1
        self._files |= {first: None, entry.recording: None}
        return True

    def summary(self) -> str:
        """Return a line on the duplicates."""
        names = ", ".join(list(self._files)[:MOST_NAMED])
        more = f" and {len(self._files) - MOST_NAMED} more" if len(self._files) > MOST_NAMED else ""
        return f"{count_of(self.count, 'exchange')} in several files ({names}{more}) counted once"


def _key(exchange: Exchange) -> int:
    """Return what equal exchanges have in common: in any format, and with pseudonyms or without."""
    arrived = arrival_of(exchange)
    known = exchange.content_key if isinstance(exchange, EventOutline) else None
    content = content_key(exchange) if known is None else known
    return hash((exchange.started if arrived is None else round(arrived * 1000) // 1000, content))


def content_key(exchange: Exchange) -> int:
    """Return what equal exchanges have in common besides their time, a number that is the same in all processes."""
    status = exchange.response.status if exchange.response else None
    parts = str(exchange.call), exchange.session, exchange.request.path, status, *_shape(exchange.request)
    # Version 2 tells nothing of which objects are the same.
    return int.from_bytes(blake2b(marshal.dumps(parts, 2), digest_size=7).digest())


def _shape(request: Request) -> tuple[str | bytes, ...]:
    """Return what pseudonyms leave of a body: type and time of an event, its parameters' names, and its content."""
    body = request.json()
    if not isinstance(body, dict):
        return (request.content(),)
    params = body.get(PARAMS)
    params = params if isinstance(params, dict) else {}
    content = [str(params.get(key)) for key in IDENTITY_KEYS]
    return str(body.get(EVENT_TYPE)), str(body.get(PLAYER_TIME)), *sorted(params), *content
