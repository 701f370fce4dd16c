"""With `explain`, the note of a sessionStart says which values tied it to its recording."""

from secrets import token_bytes

from support.exchanges import HOST, Player, index_of, opened, request, start, start_with
from support.replay import SCHEMAS
from tapehead.redaction.excerpts import ExcerptRedactor
from tapehead.redaction.redactor import Redactor
from tapehead.replay.replayer import Replayer


def player_of_two(*, redact_key: str = "", explain: bool = True) -> Player:
    excerpts = ExcerptRedactor(Redactor(b"key", [redact_key])) if redact_key else None
    index = index_of([opened("a", start()), opened("b", start()), opened("c", start_with({"media.id": "clip-2"}))])
    return Player(Replayer(index, SCHEMAS, random_bytes=token_bytes, explain=explain, excerpts=excerpts))


EQUAL = (
    "equal: media.id clip-1, media.name First clip, media.contentType VOD, media.playerName sample-player,"
    " media.channel sample-channel, media.length 60"
)
RECORDED_HOST = "host: example.hb-api.omtrdc.net, which was recorded"


def test_values_host_and_turn_of_an_exact_match() -> None:
    player = player_of_two()
    notes = []
    for _ in range(3):
        player.call(request(start()))
        notes.append(player.answer.note)

    begins = "line {} (sessionStart at 0), session; "
    ends = "turn: one of 2 sessions that fit so, followed {} before"
    assert notes == [
        f"{begins.format(line)}{EQUAL}; {RECORDED_HOST}; {ends.format(times)}"
        for line, times in ((1, "0 times"), (2, "0 times"), (1, "1 time"))
    ]


def test_values_that_differ_or_are_absent_on_both_sides() -> None:
    player = player_of_two()
    live = start_with({"media.id": "clip-2", "media.name": "Other", "media.channel": None, "media.length": 61})
    player.call(request(live).with_url("http://127.0.0.1:8080/api/v1/sessions"))

    assert player.answer.note == (
        "line 3 (sessionStart at 0), session; equal: media.id clip-2, media.contentType VOD,"
        " media.playerName sample-player; different: media.name Other here, First clip there,"
        " media.channel - here, sample-channel there, media.length 61 here, 60 there;"
        " host: 127.0.0.1:8080 was not recorded with this content; example.hb-api.omtrdc.net there;"
        " turn: the only session that fits so, followed 0 times before"
    )


def test_values_that_neither_has_are_ignored() -> None:
    index = index_of([opened("a", start_with({"media.name": None}))])
    player = Player(Replayer(index, SCHEMAS, random_bytes=token_bytes, explain=True))
    player.call(request(start_with({"media.name": None})))

    assert "; ignored, since absent: media.name; host: " in player.answer.note


def test_a_live_value_is_quoted_as_a_pseudonym_where_it_identifies() -> None:
    player = player_of_two(redact_key="media.name")
    player.call(request(start_with({"media.name": "Jane Doe"})))

    assert "media.name" in player.answer.note
    assert "Jane" not in player.answer.note


def test_without_it_a_note_stays_short() -> None:
    player = player_of_two(explain=False)
    player.call(request(start()))

    assert player.answer.note == "line 1 (sessionStart at 0), session"
    assert HOST not in player.answer.note
