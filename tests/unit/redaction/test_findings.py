"""Findings on a call say the same of the recorded exchange as the audit finds in it, and name nobody."""

from collections.abc import Iterator

import msgspec
import pytest

from support.exchanges import event, opened, response, sent
from support.planted_identifiers import PLANTED, events, opening
from tapehead.protocol.exchange import Exchange, Finding
from tapehead.protocol.parameters import PARAMETERS
from tapehead.protocol.schemas import Schemas
from tapehead.redaction.redactor import Redactor
from tapehead.rules.exchange_checks import check_exchange

SCHEMAS = Schemas()
VALUES = (
    PLANTED["analytics.visitorId"],
    PLANTED["visitor.marketingCloudUserId"],
    f"Clip of {PLANTED['analytics.visitorId']}",
    "4669201609-answered",
    1234567890123,
    -7777777777771,
)


def check(exchange: Exchange) -> list[Finding]:
    return check_exchange(
        exchange.call, exchange.request, exchange.response, exchange.error, 0.0, SCHEMAS, closed_by=exchange.closed_by
    )


def calls(value: str | int) -> Iterator[Exchange]:
    """Calls of a session with a value in all the wrong places."""
    yield opened("s1", opening(PLANTED, **{"media.length": value}))
    yield from (sent("s1", body) for body in events(PLANTED))
    yield from (sent("s1", event("adStart", 1, 1, {row.key: value, "note": value})) for row in PARAMETERS)
    times = {"playhead": value, "ts": value}
    yield sent("s1", {"eventType": value, "playerTime": times, "params": {}, "extra": value})
    quality = {"media.qoe.bitrate": value}
    yield sent("s1", {"eventType": "ping", "playerTime": times, "params": value, "qoeData": quality})
    yield sent("s1", event("ping", 1, 1, {str(value): value}, customMetadata={"x": value}))
    yield sent("s1", event("play", 1, 1), answered=response(400, content=f"no {value} here".encode()))


@pytest.mark.parametrize("sees_start", [True, False])
@pytest.mark.parametrize("value", VALUES)
def test_a_finding_says_what_the_audit_of_the_recording_says(value: str | int, *, sees_start: bool) -> None:
    redactor, found = Redactor(b"k" * 32), 0
    for exchange in list(calls(value))[not sees_start :]:
        stored = redactor.redact(msgspec.structs.replace(exchange, findings=check(exchange)))
        assert stored.findings == check(stored)
        found += len(stored.findings)
        if sees_start and isinstance(value, str):
            assert PLANTED["analytics.visitorId"] not in str(stored.findings)
    assert found > 20
