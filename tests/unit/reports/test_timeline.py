"""The timeline of a session, and the bodies of its events."""

import orjson
import pytest

from support import reports
from tapehead.auditor.timeline import Span, Timeline, timeline_of
from tapehead.protocol.exchange import FORMAT_VERSION, Entry, Exchange
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call
from tapehead.reports.audit.body_store import MOST_CHARACTERS, BodyStore
from tapehead.reports.audit.html_report import Detail, view_of
from tapehead.reports.audit.json_report import session_of


def picture(*events: reports.Body) -> Timeline:
    start = reports.event(0, "sessionStart", 0, reports.START)
    (result,) = reports.results_of(reports.session("s", [start, *events]))
    drawn = timeline_of(result)
    assert drawn
    return drawn


def spans(drawn: Timeline, title: str) -> list[Span]:
    return [span for lane in drawn.lanes if lane.title == title for span in lane.spans]


def documented(number: int) -> Timeline:
    (result,) = reports.results_of(reports.documented(number, "s"))
    drawn = timeline_of(result)
    assert drawn
    return drawn


def test_the_lanes_of_a_documented_timeline() -> None:
    drawn = documented(3)
    rounded = {
        lane.title: [(span.kind, round(span.start), round(span.end), span.name) for span in lane.spans]
        for lane in drawn.lanes
    }

    assert round(drawn.seconds) == 88
    assert rounded == {
        "content": [("content", 22, 33, ""), ("content", 36, 46, ""), ("content", 54, 64, ""), ("content", 74, 88, "")],
        "ads": [
            ("break", 0, 22, "ad_pod1"),
            ("break", 46, 54, "ad_pod2"),
            ("ad", 0, 15, "Ad 1"),
            ("ad", 15, 22, "Ad 2"),
            ("ad", 46, 54, "Ad 3"),
        ],
        "chapters": [("chapter", 23, 45, "Chapter Uno"), ("chapter", 55, 87, "Chapter Dos")],
        "pauses": [("pause", 64, 74, "")],
        "buffers": [("buffer", 33, 36, "")],
        "errors": [],
    }


def test_each_player_state_has_a_lane() -> None:
    mute = {"media.state.name": "mute"}
    drawn = picture(
        reports.event(1, "play"),
        reports.event(2, "stateStart", 1, mute),
        reports.event(5, "stateEnd", 4, mute),
        reports.event(6, "statesUpdate", 5, {"statesStart": [{"media.state.name": "pictureInPicture"}]}),
        reports.event(9, "sessionEnd", 8),
    )

    assert spans(drawn, "mute") == [("state", 2.0, 5.0, "mute")]
    assert spans(drawn, "pictureInPicture") == [("state", 6.0, 9.0, "pictureInPicture")]


def test_open_spans_end_at_the_last_event() -> None:
    drawn = picture(reports.event(1, "play"), reports.event(5, "pauseStart", 4), reports.event(9, "ping", 4))

    assert spans(drawn, "pauses") == [("pause", 5.0, 9.0, "")]


@pytest.mark.parametrize("ts", [0, 10**17, None])
def test_an_event_with_a_wrong_timestamp_stands_at_its_arrival(ts: int | None) -> None:
    odd = reports.event(5, "ping", 4)
    made = list(
        reports.session("s", [reports.event(0, "sessionStart", 0, reports.START), reports.event(1, "play"), odd])
    )
    odd["playerTime"] = {"playhead": 4} | ({} if ts is None else {"ts": ts})
    made[2] = reports.exchange("s", odd, 5)
    (result,) = reports.results_of(made)
    drawn = timeline_of(result)

    assert drawn
    assert [round(event.at) for event in drawn.events] == [0, 1, 5]


def test_a_retry_with_a_finding_is_on_the_timeline() -> None:
    play = reports.event(1, "play")
    made = list(reports.session("s", [reports.event(0, "sessionStart", 0, reports.START), play, play | {}]))
    made[2] = reports.exchange("s", reports.event(1, "play"), 2)
    (result,) = reports.results_of(made)
    drawn = timeline_of(result)

    assert drawn
    assert "repeated-event" in {finding.rule for finding in result.findings}
    assert [event.index for event in drawn.events] == [0, 1, 2]
    assert {finding.event.index for finding in result.findings if finding.event} <= {0, 1, 2}


def test_no_playhead_is_larger_than_a_line_can_show() -> None:
    play = reports.event(1, "play", 1e300)
    made = list(reports.session("s", [reports.event(0, "sessionStart", 0, reports.START), play, play | {}]))
    made[2] = reports.exchange("s", reports.event(1, "play", 1e300), 2)
    (result,) = reports.results_of(made)
    drawn = timeline_of(result)

    assert drawn
    assert [(event.index, event.playhead) for event in drawn.events] == [(0, 0), (1, None), (2, None)]


def test_a_result_without_events_has_no_timeline() -> None:
    preflight = Exchange(
        tapehead=FORMAT_VERSION,
        started="2026-11-23T10:00:00.000Z",
        elapsed_ms=1,
        call=Call.PREFLIGHT,
        session=None,
        request=Request(method="OPTIONS", url=f"{reports.HOST}/api/v1/sessions", headers=[]),
        response=Response(status=403, headers=[]),
        findings=[],
    )
    results = reports.results_of([preflight])

    assert [timeline_of(result) for result in results] == [None] * len(results)
    assert not any(view_of(0, session_of(result), Detail()).strip for result in results)


def test_errors_and_refusals_have_a_lane() -> None:
    made = list(
        reports.session(
            "s",
            [
                reports.event(0, "sessionStart", 0, reports.START),
                reports.event(1, "play"),
                reports.event(2, "error", 1),
                reports.event(3, "ping", 2),
            ],
        )
    )
    made[-1] = reports.exchange("s", reports.event(3, "ping", 2), 3, 404)
    (result,) = reports.results_of(made)
    drawn = timeline_of(result)

    assert drawn
    assert spans(drawn, "errors") == [("failure", 2.0, 2.0, "error"), ("refused", 3.0, 3.0, "ping answered 404")]
    assert [event.is_refused for event in drawn.events] == [False, False, False, True]


def test_the_bitrate_is_in_kilobits_from_where_it_was_reported() -> None:
    drawn = picture(
        reports.event(1, "play", qoeData={"media.qoe.bitrate": 3_200}),
        reports.event(5, "bitrateChange", 4, qoeData={"media.qoe.bitrate": 4_200_000}),
        reports.event(6, "ping", 5),
    )

    assert drawn.bitrates == ((1.0, 3_200), (5.0, 4_200))


def test_a_session_is_over_once_it_ended() -> None:
    assert not picture(reports.event(1, "play")).is_over
    assert picture(reports.event(1, "play"), reports.event(2, "sessionEnd", 1)).is_over


def test_the_model_is_json_and_the_strip_within_its_length() -> None:
    (result,) = reports.results_of(reports.faulty("s"))
    drawn = timeline_of(result)
    assert drawn
    model = orjson.loads(orjson.dumps(drawn.model()))

    assert [lane["title"] for lane in model["lanes"]] == [lane.title for lane in drawn.lanes]
    assert [event["index"] for event in model["events"]] == [event.index for event in drawn.events]
    assert all(0 <= left <= left + width <= 101 for _, left, width in drawn.strip())


def test_a_session_without_spans_has_no_lanes() -> None:
    assert picture().lanes == ()


# ---- Bodies ----


def entry(body: bytes, call: Call = Call.EVENT) -> Entry:
    request = Request(method="POST", url=reports.HOST, headers=[]).with_content(body)
    made = reports.exchange("s", reports.event(0, "ping"), 0)
    return Entry(
        1,
        Exchange(**{name: getattr(made, name) for name in made.__struct_fields__} | {"request": request, "call": call}),
    )


def marked(*, in_array: bool = False, index: int = 0) -> Timeline:
    (result,) = reports.results_of(reports.session("s", [reports.event(0, "sessionStart", 0, reports.START)]))
    drawn = timeline_of(result)
    assert drawn
    fields = {name: getattr(drawn.events[0], name) for name in drawn.events[0].__struct_fields__}
    return drawn._replace(events=(type(drawn.events[0])(**fields | {"in_array": in_array, "index": index}),))


def kept(body: bytes, drawn: Timeline, bound: int = 1_000_000) -> dict[str, str]:
    bodies = BodyStore(bound)
    bodies.keep("recording.jsonl", entry(body))
    return bodies.of(drawn)


def test_a_body_is_kept_byte_for_byte() -> None:
    assert kept(b'{"a":1.0, "a":2e3}', marked()) == {"0": '{"a":1.0, "a":2e3}'}


def test_an_event_of_an_array_has_its_own_part() -> None:
    assert kept(b'[{"a":1}, {"b" : 2.50}]', marked(in_array=True, index=1)) == {"1": '{"b" : 2.50}'}


def test_invalid_utf8_is_replaced() -> None:
    assert kept(b'{"a": "\xff"}', marked()) == {"0": '{"a": "\ufffd"}'}


def test_a_long_body_is_cut() -> None:
    (text,) = kept(orjson.dumps("x" * 20_000), marked()).values()

    assert len(text) < MOST_CHARACTERS + 100
    assert text.endswith("more characters")


def test_bodies_beyond_the_limit_are_left_out() -> None:
    assert kept(b'{"a": 1}', marked(), bound=4) == {}
