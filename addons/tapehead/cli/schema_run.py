"""Fetching an endpoint's schemas, storing them beside recordings, and what changed since the last time.

It is the one command that calls an endpoint of its own accord.
"""

import http.client
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from tapehead.cli.option_parsing import parse_target
from tapehead.cli.progress import progress
from tapehead.errors import RecordingError, UsageError
from tapehead.files import create_folder, open_private
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.exchange import FORMAT_VERSION, Entry, Exchange, encode, format_time
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import SCHEMAS_PATH, Call
from tapehead.protocol.schema_changes import schema_changes
from tapehead.protocol.schemas import Schema, served_schema
from tapehead.recording.paths import check_outputs
from tapehead.recording.stored_schemas import read_stored
from tapehead.text import count_of, escape_controls, escape_output, format_number, local_time, shorten

TIMEOUT_SECONDS = 10.0
MOST_BYTES = 1_000_000
# The others of an answer may identify a person, such as a cookie.
_KEPT_HEADERS = ("Content-Type", "Date")


def fetch(url: str, out: Path, warn: Callable[[str], None], *, timeout_seconds: float = TIMEOUT_SECONDS) -> int:
    """Fetch the schemas of all event types, store them, print what changed, and return the exit code.

    One that cannot be used is a warning, and the exit code is 1; what was stored of it before is kept.

    Args:
        url: the endpoint's URL.
        out: the file for the schemas.
        warn: prints a line on stderr.
        timeout_seconds: how long an answer may take.

    Raises:
        UsageError: the URL is not one, or the endpoint does not answer.
        RecordingError: the file cannot be read or written, or is none of stored schemas.
    """
    target = parse_target(url, "--from")
    check_outputs([out], [])
    endpoint = target.mode.partition(":")[2] + target.prefix
    stored = read_stored(out) if out.is_file() and out.stat().st_size else []
    before = {event_type: (entry, schema) for entry in stored for event_type, schema in usable(entry.exchange)}
    kept: dict[str, Exchange] = {name: entry.exchange for name, (entry, _) in before.items()}
    fetched: dict[str, Schema] = {}
    with progress(len(EVENT_TYPES), "schemas") as show:
        for number, event_type in enumerate(EVENT_TYPES):
            exchange = fetch_one(f"{endpoint}{SCHEMAS_PATH}/{event_type}", number, timeout_seconds)
            try:
                served = served_schema(exchange)
                if served is None:
                    status = exchange.response.status if exchange.response else 0
                    raise ValueError(f"the endpoint has no schema of {event_type}: it answered {status}")
                fetched[event_type], kept[event_type] = served[1], exchange
            except ValueError as error:
                warn(f"{error}; {'the stored one is kept' if event_type in kept else 'the documented one counts'}")
            show(number + 1, number + 1)
    if not fetched:
        raise UsageError(f"nothing is stored: '{endpoint}' serves no schema that can be used")
    write(out, [kept[name] for name in EVENT_TYPES if name in kept])
    count = count_of(len(fetched), "schema")
    told = f"stored {count} of {endpoint} in '{out}'; audit, replay and serve use them for recordings in its folder"
    click.echo(escape_output(told))
    if before:
        report(before, fetched)
    return int(len(fetched) < len(EVENT_TYPES))


def usable(exchange: Exchange) -> Iterator[tuple[str, Schema]]:
    """Yield the event type and the schema of an exchange, if it has one that can be used."""
    try:
        served = served_schema(exchange)
    except ValueError:
        served = None
    if served:
        yield served


def report(before: dict[str, tuple[Entry, Schema]], fetched: dict[str, Schema]) -> None:
    """Print what changed in each schema since it was stored."""
    since = local_time(min(entry.exchange.started for entry, _ in before.values()), timespec="minutes")
    lines = [f"{name}: not stored before" for name in fetched if name not in before]
    for name, schema in fetched.items():
        if name in before:
            lines += [f"{name}: {change}" for change in schema_changes(before[name][1], schema)]
    click.echo(escape_output("\n".join(lines) if lines else f"no schema has changed since {since}"))


class _AnyStatus(urllib.request.HTTPErrorProcessor):
    """A handler that passes on answers of any status as they are; a redirect may lead to a host that nobody named."""

    def http_response(self, request: urllib.request.Request, response: http.client.HTTPResponse) -> Any:
        """Return an answer as it is."""
        return response

    https_response = http_response


_opener = urllib.request.build_opener(_AnyStatus)


def fetch_one(url: str, order: int, timeout_seconds: float) -> Exchange:
    """Return the exchange of one schema call, whatever its status.

    Raises:
        UsageError: no answer came.
    """
    began = time.time()
    try:
        with _opener.open(url, timeout=timeout_seconds) as answer:
            status, headers, body = answer.status, answer.headers, read_body(answer, timeout_seconds)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError):
            raise UsageError(f"'{url}' did not answer within {format_number(timeout_seconds)} s") from error
        why = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        raise UsageError(f"cannot fetch '{url}': {shorten(escape_controls(why))}") from error
    kept = [(name, value) for name in _KEPT_HEADERS if (value := headers.get(name))]
    return Exchange(
        tapehead=FORMAT_VERSION,
        started=format_time(began),
        order=order,
        elapsed_ms=round((time.time() - began) * 1000, 1),
        call=Call.SCHEMA,
        session=None,
        source="tapehead schema",
        request=Request(method="GET", url=url, headers=[]),
        response=Response(status=status, headers=kept).with_content(body),
        findings=[],
    )


def read_body(answer: http.client.HTTPResponse, timeout_seconds: float) -> bytes:
    """Return the body of an answer, up to a bound.

    Raises:
        TimeoutError: it did not end in time, although bytes of it may have come all the while.
    """
    deadline, body = time.monotonic() + timeout_seconds, bytearray()
    while len(body) < MOST_BYTES and (piece := answer.read1(MOST_BYTES - len(body))):
        body += piece
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(body)


def write(out: Path, exchanges: list[Exchange]) -> None:
    """Write the file of schemas as a whole, or leave it as it was.

    Raises:
        RecordingError: it cannot be written.
    """
    part = out.with_name(f"{out.name}.part")
    try:
        create_folder(out.parent)
        with open(part, "wb", opener=open_private) as file:
            file.write(b"".join(map(encode, exchanges)))
        os.replace(part, out)  # noqa: PTH105 - as one step
    except OSError as error:
        raise RecordingError(f"cannot write '{out}': {error.strerror}") from error
