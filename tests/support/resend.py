"""Recorded requests sent again as a player of today would, and the answers."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from support.captured_traffic import read
from tapehead.protocol.exchange import Exchange, encode
from tapehead.protocol.http_wire import end_to_end, pack
from tapehead.protocol.messages import Response
from tapehead.protocol.routes import sid_of_location

Change = Callable[[Any], bytes]
COMMANDS = ("replay", "serve")


def write(path: Path, exchanges: Iterable[Exchange]) -> Path:
    """A recording of these exchanges."""
    path.write_bytes(b"".join(map(encode, exchanges)))
    return path


def resend(
    client: httpx.Client, base_url: str, exchanges: Sequence[Exchange], change: Change | None = None
) -> list[httpx.Response | None]:
    """Send recorded requests in order, each under its playback's new id; None where no answer came."""
    return [answer for _, answer in resend_by_sid(client, base_url, exchanges, change)]


def resend_by_sid(
    client: httpx.Client, base_url: str, exchanges: Sequence[Exchange], change: Change | None = None
) -> list[tuple[str | None, httpx.Response | None]]:
    """The same, each answer with the id that was issued for its session."""
    issued: dict[str, str] = {}
    answers = []
    for exchange in exchanges:
        answer = _resend_one(client, base_url, exchange, issued, change)
        if exchange.call == "session" and exchange.session and answer is not None:
            issued[exchange.session] = sid_of_location(answer.headers.get("Location")) or ""
        answers.append((issued.get(exchange.session or ""), answer))
    return answers


def _resend_one(
    client: httpx.Client, base_url: str, exchange: Exchange, issued: dict[str, str], change: Change | None
) -> httpx.Response | None:
    recorded, sid = exchange.request, exchange.session or ""
    path = urlsplit(recorded.url).path.replace(sid, issued.get(sid, sid)) if sid else urlsplit(recorded.url).path
    headers = [(name, value) for name, value in end_to_end(recorded.headers) if name.lower() != "host"]
    body = pack(recorded) if change is None else _changed(recorded.content(), change)
    try:
        return client.request(recorded.method, base_url + path, headers=headers, content=body or None)
    except (httpx.RemoteProtocolError, httpx.ReadError):
        return None


def _changed(content: bytes, change: Change) -> bytes:
    try:
        return change(json.loads(content))
    except ValueError:
        return content


def assert_as_recorded(
    exchanges: Sequence[Exchange], answers: Sequence[tuple[str | None, httpx.Response | None]]
) -> None:
    """Every answer is the recorded one, in status, headers and body."""
    assert len(answers) == len(exchanges)
    for exchange, (sid, answer) in zip(exchanges, answers, strict=True):
        if exchange.response is None:
            assert answer is None
        else:
            assert answer is not None
            _assert_same(exchange.response, exchange.session, answer, sid)


def _assert_same(recorded: Response, recorded_sid: str | None, answer: httpx.Response, sid: str | None) -> None:
    assert answer.status_code == recorded.status
    assert answer.content == recorded.content()
    came = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers.raw]
    assert comparable(came) == comparable(recorded.headers, recorded_sid, sid)
    if recorded.header("Date"):
        assert abs(parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()) < 60


def comparable(
    headers: Iterable[tuple[str, str]], recorded_sid: str | None = None, sid: str | None = None
) -> list[tuple[str, str]]:
    """Headers without those of one connection, without the time in Date, and with a playback's id in Location.

    Names are in lower case: a plain server writes them so, and they mean the same.
    """
    found = []
    for name, value in end_to_end(list(headers)):
        if name.lower() == "location" and recorded_sid and sid:
            value = value.replace(recorded_sid, sid)
        found.append((name.lower(), "" if name.lower() == "date" else value))
    return found


def another_run(body: Any) -> bytes:
    """The same event as another run of the player would send it: later, by another viewer, spelled in another way."""
    for event in body if isinstance(body, list) else [body]:
        if isinstance(event, dict):
            _move(event)
    return spell(body).encode()


def _move(event: dict[str, Any]) -> None:
    time_of, params = event.get("playerTime"), event.get("params")
    if isinstance(time_of, dict) and isinstance(time_of.get("ts"), int):
        time_of["ts"] += 5 * 3_600_000
    if isinstance(params, dict) and event.get("eventType") == "sessionStart":
        params["visitor.marketingCloudUserId"] = "99999999999999999999999999999999999999"
        params["analytics.visitorId"] = "another-viewer"
        params["media.libraryVersion"] = params["media.sdkVersion"] = "another-9.9.9"


def spell(value: object) -> str:
    """JSON with its keys in another order and its numbers spelled in another way: 60.0 for 60, 1e1 for 10."""
    if isinstance(value, dict):
        return "{" + " , ".join(f"{spell(key)} : {spell(value[key])}" for key in reversed(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(spell, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value // 10}e1" if value and value % 10 == 0 else f"{value}.0"
    if isinstance(value, float):
        return f"{value}0"
    return json.dumps(value)


def summary_of(path: Path) -> Any:
    """Return what a run wrote with --summary."""
    return orjson.loads(path.read_bytes())


def assert_all_hits(path: Path, hits: int) -> None:
    """The summary tells of hits only, and of nothing unused."""
    replay = summary_of(path)["replay"]
    assert (replay["hits"], replay["misses"], replay["missed"], replay["unused"]) == (hits, 0, [], [])


def in_order(recording: Path) -> list[Exchange]:
    """A recording's exchanges in the order in which the player sent them."""
    return sorted(read(recording), key=lambda exchange: exchange.started)
