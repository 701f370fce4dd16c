"""What is told of live requests: enough to recognise them, and nothing of who sent them."""

from secrets import token_bytes

import orjson
import pytest

from support.exchanges import AD, NOW, event, exchange, index_of, request, response, session, start_with
from tapehead.protocol.events import read_event
from tapehead.protocol.messages import Request
from tapehead.protocol.schemas import Schemas
from tapehead.redaction import excerpts
from tapehead.redaction.excerpts import MOST_QUOTED, MOST_STARTS, ExcerptRedactor, mask_exchange
from tapehead.redaction.redactor import Redactor
from tapehead.replay.replayer import Replayer

VISITOR = "jane.doe-7@example.com"
REDACTOR = Redactor(b"a key")
STANDS = REDACTOR.pseudonym(VISITOR)
START = request(start_with({"analytics.visitorId": VISITOR}))


def asked(body: object) -> Request:
    return request(body, "/api/v1/sessions/abc/events")


def ad_of(visitor: str) -> Request:
    return asked(event("adStart", 5, 4, AD | {"media.ad.id": f"ad for {visitor}"}))


def test_who_opened_a_session_is_not_quoted_in_it() -> None:
    redactor = ExcerptRedactor(Redactor(b"a key"))
    redactor.remember("abc", START)

    assert read_event(redactor.of(ad_of(VISITOR), "abc").json()).key.names == (f"ad for {STANDS}",)
    assert read_event(redactor.of(ad_of("user-77"), "abc").json()).key.names == ("ad for user-77",)


def test_where_nobody_knows_who_plays_no_telling_text_is_quoted() -> None:
    quoted = ExcerptRedactor(Redactor(b"a key")).of(ad_of(VISITOR), "abc").json()

    assert read_event(quoted).key.event_type == "adStart"
    assert str(read_event(quoted).key.names[0]).startswith("pseudonym-")
    assert read_event(quoted).position(None) == (5, None)
    assert quoted["params"]["media.ad.length"] == AD["media.ad.length"]


@pytest.mark.parametrize("name", ["ad-1", "fullscreen", "pictureInPicture"])
def test_plain_names_are_quoted_all_the_same(name: str) -> None:
    quoted = ExcerptRedactor(Redactor(b"a key")).of(
        asked(event("stateStart", params={"media.state.name": name})), "abc"
    )

    assert read_event(quoted.json()).key.names == (name,)


@pytest.mark.parametrize(("size", "is_quoted"), [(MOST_QUOTED, True), (MOST_QUOTED + 1, False)])
def test_a_huge_body_is_not_quoted(size: int, is_quoted: bool) -> None:
    empty = len(asked(event("play", customMetadata={"x": ""})).content())
    huge = asked(event("play", customMetadata={"x": "y" * (size - empty)}))

    assert len(huge.content()) == size
    assert (ExcerptRedactor(REDACTOR).of(huge, "abc").content() != b"") == is_quoted


def test_a_masked_exchange_keeps_no_telling_text_in_either_message() -> None:
    refused = response(400, content=orjson.dumps({"reason": f"no visitor {VISITOR}"}))
    masked = mask_exchange(exchange(START, refused), REDACTOR.pseudonym)

    assert masked.response
    assert masked.response.status == 400
    assert VISITOR not in f"{masked.request.json()} {masked.response.json()}"
    assert mask_exchange(exchange(START, None), REDACTOR.pseudonym).response is None


def test_with_ids_kept_requests_are_quoted_as_they_are() -> None:
    assert VISITOR in str(ExcerptRedactor().of(ad_of(VISITOR), "abc").json())
    assert ExcerptRedactor().of(START, None) is START


def test_only_the_last_sessions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excerpts, "MOST_STARTS", 2)
    redactor = ExcerptRedactor(Redactor(b"a key"))
    for sid in ("abc", "def", "ghi"):
        redactor.remember(sid, START)

    assert MOST_STARTS > 2
    assert "pseudonym-" in str(redactor.of(ad_of("user-77"), "abc").json())
    assert "user-77" in str(redactor.of(ad_of("user-77"), "ghi").json())


def test_a_replay_quotes_what_it_misses_in_a_session_that_it_opened() -> None:
    recorded = session("recorded", [(1, 0, "play", {})])
    replay = Replayer(
        index_of(recorded), Schemas(), excerpts=ExcerptRedactor(Redactor(b"a key")), random_bytes=token_bytes
    )
    opening = replay.answer(START, NOW).response
    assert opening
    path = f"{opening.header('Location')}/events"
    replay.answer(request(event("adStart", 5, 4, AD | {"media.ad.id": f"creative-4711 for {VISITOR}"}), path), NOW)

    (miss,) = replay.summary().missed
    assert miss.call == f"adStart creative-4711 for {STANDS} at 5"
    assert VISITOR not in str(replay.summary())
