"""A body that was not saved is never the player's mistake, nor are its neighbours judged as if it had not been sent."""

import msgspec
import pytest

from support.exchanges import exchange, request, response, start
from support.rules import CONTRACT, DOWNLOADED, EVENTS, PING, findings_of
from support.sessions import BEGIN_MS, BREAK, CHAPTER, Timeline, ad, entries, of_bodies, run
from support.timelines import TIMELINES
from tapehead.auditor.coverage import Coverage
from tapehead.auditor.results import Outcome, SessionResult
from tapehead.auditor.settings import AuditSettings
from tapehead.comparison.compare import diff
from tapehead.comparison.differences import Change
from tapehead.demo.timelines import bodies
from tapehead.protocol.exchange import Exchange, Severity
from tapehead.protocol.messages import Request
from tapehead.replay.index import build_index

# A session with everything that a lost body may have begun or ended, and no finding.
EVERYTHING = (
    Timeline()
    .start(length=60)
    .at(0, "adBreakStart", BREAK)
    .at(0, "adStart", ad(1, 5))
    .at(0, "play")
    .pings(1, 4, step=1)
    .at(5, "adComplete")
    .at(5, "adStart", ad(2, 5))
    .pings(6, 9, step=1)
    .at(10, "adSkip")
    .at(10, "adBreakComplete")
    .at(10, "play")
    .at(10, "chapterStart", CHAPTER)
    .at(12, "stateStart", {"media.state.name": "mute"})
    .at(20, "ping")
    .at(21, "stateEnd", {"media.state.name": "mute"})
    .at(22, "stateStart", {"media.state.name": "mute"})
    .at(23, "stateEnd", {"media.state.name": "mute"})
    .at(25, "pauseStart")
    .pings(35, 55)
    .at(60, "play")
    .at(65, "chapterComplete")
    .at(66, "bufferStart")
    .pings(76, 96)
    .at(100, "play")
    .pings(110, 130)
    .at(131, "sessionComplete")
    .at(132, "sessionEnd")
)
# An ad in the middle with a play in it, as the vendor's SDKs send it, and a playhead that rests.
MID_ROLL = (
    Timeline()
    .start()
    .at(1, "play")
    .at(10, "adBreakStart", BREAK | {"media.ad.podSecond": 9})
    .at(10, "adStart", ad(1, 30))
    .at(10, "play")
    .pings(20, 30)
    .at(40, "adComplete")
    .at(40, "adBreakComplete")
    .at(40, "play")
    .pings(50, 60)
    .at(61, "sessionEnd")
)
# The session goes on with another one, in the middle of a break.
RESUMED = (
    Timeline()
    .start(resume=True)
    .at(0, "adBreakStart", BREAK)
    .at(0, "adStart", ad(2, 5))
    .at(5, "adComplete")
    .at(5, "adBreakComplete")
    .at(5, "play")
    .at(10, "sessionEnd")
)
HONEST = {
    "everything": EVERYTHING.exchanges,
    "mid-roll": MID_ROLL.exchanges,
    "resumed": RESUMED.exchanges,
    "one play": Timeline().row("play", "ping", "ping", "sessionEnd").exchanges,
    **{f"timeline {number}": of_bodies(bodies(steps, BEGIN_MS)) for number, steps in TIMELINES.items()},
}


def without_body(sent: Exchange) -> Exchange:
    return msgspec.structs.replace(sent, request=unsaved(sent.request))


def unsaved(sent: Request) -> Request:
    return msgspec.structs.replace(sent.with_content(b""), saved=False)


def lose(exchanges: list[Exchange], *places: int) -> list[Exchange]:
    """The exchanges as an exporter saved them that lost the bodies at these places."""
    lost = [place % len(exchanges) for place in places]
    return [without_body(each) if place in lost else each for place, each in enumerate(exchanges)]


def judge(exchanges: list[Exchange]) -> SessionResult:
    (result,) = run(exchanges)
    return result


def mistakes(result: SessionResult) -> set[str]:
    return {finding.rule for finding in result.findings if finding.severity is not Severity.INFO}


@pytest.mark.parametrize("path", [EVENTS, DOWNLOADED, "/api/v1/sessions"])
def test_nothing_is_found_in_a_body_that_was_not_saved(path: str) -> None:
    (finding,) = findings_of(unsaved(request(PING, path)))

    assert (finding.rule, finding.severity, finding.path) == ("body-not-saved", Severity.INFO, "")
    assert finding.message.startswith("the body was not saved; ")


def test_the_finding_says_what_is_unknown() -> None:
    messages = {path: findings_of(unsaved(request(PING, path)))[0].message for path in (EVENTS, "/api/v1/sessions")}

    assert messages == {
        EVENTS: "the body was not saved; type, playhead, ts and parameters of this event are unknown, "
        "and no metric counts it",
        "/api/v1/sessions": "the body was not saved; content, player and ts of this sessionStart are unknown, "
        "and metrics that need them are empty",
    }


def test_a_body_that_was_sent_empty_is_the_players_mistake() -> None:
    assert [(each.rule, each.severity) for each in findings_of(request(b"", EVENTS))] == [
        ("not-json", CONTRACT["not-json"])
    ]


def test_the_headers_of_a_body_that_was_not_saved_are_checked() -> None:
    assert [each.rule for each in findings_of(unsaved(request(PING, EVENTS, Content_Type="text/plain")))] == [
        "content-type",
        "body-not-saved",
    ]


@pytest.mark.parametrize("name", HONEST)
def test_no_lost_body_makes_its_neighbours_wrong(name: str) -> None:
    exchanges = HONEST[name]
    whole = judge(exchanges)
    for place in range(len(exchanges)):
        result = judge(lose(exchanges, place))

        assert mistakes(result) <= mistakes(whole), place
        lost = [finding.event for finding in result.findings if finding.rule == "body-not-saved"]
        assert [event.index for event in lost if event] == [place]
        assert result.id == "s1"
        assert result.metrics


@pytest.mark.parametrize("name", HONEST)
def test_no_two_lost_bodies_make_their_neighbours_wrong(name: str) -> None:
    exchanges = HONEST[name]
    whole = judge(exchanges)
    for place in range(len(exchanges) - 1):
        result = judge(lose(exchanges, place, place + 1))

        assert mistakes(result) <= mistakes(whole), place
        assert [finding.rule for finding in result.findings].count("body-not-saved") == 2


@pytest.mark.parametrize("name", HONEST)
def test_the_whole_sessions_have_no_mistake_but_those_documented(name: str) -> None:
    assert mistakes(judge(HONEST[name])) <= ({"ad-position"} if name.startswith("timeline") else set())


# What follows the place of the lost body, and the outcome.
ENDS = [
    (Timeline().row("play", "ping", "sessionEnd"), -1, Outcome.END_NOT_SAVED),
    (Timeline().row("play", "ping", "sessionComplete"), -1, Outcome.END_NOT_SAVED),
    (Timeline().row("play", "ping", "sessionComplete", "ping"), -2, Outcome.END_NOT_SAVED),
    (Timeline().row("play", "ping", "sessionComplete", "sessionEnd"), -1, Outcome.COMPLETED),
    (Timeline().row("play", "ping", "sessionComplete", "sessionEnd"), -2, Outcome.ENDED),
    (Timeline().row("play", "ping", "play"), -2, Outcome.SILENT),
    (Timeline().row("play", "sessionEnd", "sessionEnd"), -1, Outcome.ENDED),
    (Timeline().row("play", "ping", "sessionEnd"), 0, Outcome.ENDED),
]


@pytest.mark.parametrize(("timeline", "place", "outcome"), ENDS)
def test_the_outcome_is_open_where_the_end_may_be_lost(timeline: Timeline, place: int, outcome: Outcome) -> None:
    result = judge(lose(timeline.exchanges, place))

    assert result.outcome is outcome
    assert ("session-not-closed" in [finding.rule for finding in result.findings]) == (outcome is Outcome.SILENT)


def test_a_mistake_after_a_lost_body_is_found_once_it_cannot_be_explained_by_it() -> None:
    played = Timeline().row("play", "ping", "adBreakStart", "adStart", "adBreakStart")

    assert "ad-break-nested" in mistakes(judge(lose(played.exchanges, 2)))
    assert "ad-break-nested" not in mistakes(judge(lose(played.exchanges, 4)))


def test_silence_after_a_lost_body_is_measured_from_its_arrival() -> None:
    quiet = Timeline().start().at(1, "play").at(300, "ping").at(599, "ping").at(1100, "ping")

    assert "expired-idle" not in mistakes(judge(quiet.exchanges))
    assert "expired-idle" not in mistakes(judge(lose(quiet.exchanges, 3)))
    assert "expired-idle" in mistakes(judge(lose([*quiet.exchanges[:3], *quiet.at(1800, "ping").exchanges[3:]], 3)))


def test_every_other_reader_takes_lost_bodies() -> None:
    lost = lose(EVERYTHING.exchanges, *range(0, 20, 3))
    coverage = Coverage(AuditSettings())
    coverage.add(judge(lost))
    comparison = diff(run(EVERYTHING.exchanges), run(lose(EVERYTHING.exchanges, 3)))
    index = build_index([list(entries(lost))])

    assert [kind.kind for kind in coverage.report().kinds]
    assert [each.name for each in comparison.all_differences() if each.change is Change.FINDING_NEW] == [
        "body-not-saved"
    ]
    assert [each.sid for each in index.sessions] == ["s1"]


def test_an_answer_whose_body_was_not_saved_is_judged_by_its_head() -> None:
    refused = response(400)
    sent = exchange(request(start()), msgspec.structs.replace(refused, saved=False))
    (result,) = run([sent])

    assert [finding.message for finding in result.findings if finding.rule == "rejected"] == [
        "the endpoint answered 400 (event 0 sessionStart, 0.0 s in)"
    ]
