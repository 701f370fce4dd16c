"""JSON as all reports print it."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

_INDENTED = orjson.OPT_INDENT_2
# No JSON has these bytes in it.
_PLACE = re.compile(rb"\n( *)(.*)\0(\d+)\0")


def render_json(document: object) -> str:
    """Return a report as JSON, indented, with a newline at its end."""
    return orjson.dumps(document, option=_INDENTED | orjson.OPT_APPEND_NEWLINE).decode()


def stream_json(document: dict[str, Any]) -> Iterator[str]:
    """Yield the parts of a report as `render_json` returns it, whose longest lists may be any iterables."""
    streamed: list[Iterable[object]] = []

    def mark(items: Any) -> orjson.Fragment:
        if not isinstance(items, Iterable):
            raise TypeError(f"{type(items).__name__} is not JSON")
        streamed.append(items)
        return orjson.Fragment(b"\0%d\0" % (len(streamed) - 1))

    frame = orjson.dumps(document, mark, _INDENTED | orjson.OPT_APPEND_NEWLINE)
    at = 0
    for place in _PLACE.finditer(frame):
        yield frame[at : place.end(2)].decode()
        yield from _list_items(streamed[int(place[3])], b"\n" + place[1])
        at = place.end()
    yield frame[at:].decode()


def _list_items(items: Iterable[object], margin: bytes) -> Iterator[str]:
    """Yield the parts of a list at a margin: the end of the line before, and its spaces."""
    before = b"[" + margin + b"  "
    for item in items:
        yield (before + orjson.dumps(item, option=_INDENTED).replace(b"\n", margin + b"  ")).decode()
        before = b"," + margin + b"  "
    yield "[]" if before.startswith(b"[") else (margin + b"]").decode()
