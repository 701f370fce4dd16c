"""The scenarios: a session that shows every step of one, and for each step a neighbour that does not."""

import pytest

from support.scenarios import (
    FULL,
    MUTE,
    OPEN,
    SOUND,
    TEN,
    Change,
    Sent,
    Session,
    added,
    changed,
    checked,
    shorter,
    without,
)
from tapehead.auditor.scenario_catalog import SCENARIOS, find_scenario
from tapehead.auditor.scenarios import Scenario, StepResult, StepStatus, check_scenario, moments_of
from tapehead.protocol.events import Event
from tapehead.protocol.session_machine import UNOPENED, Step

MISSING, WRONG = StepStatus.MISSING, StepStatus.WRONG
ECID = "visitor.marketingCloudUserId"
NO_CHANNEL = changed("sessionStart", lacks="media.channel")


def both(*changes: Change) -> Change:
    """Apply changes one after the other."""

    def change(session: Session) -> Session:
        for each in changes:
            session = each(session)
        return session

    return change


def late(event_type: str = "ping") -> Change:
    """Send something after the end."""
    return lambda session: [*session, Sent(session[-1].second + 5, event_type, session[-1].playhead)]


def of_type(event_type: str) -> Change:
    """Leave out all events of a type."""
    return lambda session: [sent for sent in session if sent.type != event_type]


# Scenario, the number of the step, a change that spoils it, its status then, and what is said of it.
NEIGHBOURS: list[tuple[str, int, Change, StepStatus, str]] = [
    *((name, 0, NO_CHANNEL, WRONG, "lacks media.channel") for name in SOUND),
    ("standard-playback", 1, changed("sessionStart", lacks=ECID), WRONG, f"lacks {ECID}"),
    ("standard-playback", 2, without("play"), MISSING, ""),
    ("standard-playback", 3, shorter(1, 8), WRONG, "lasts 7.0 s; expected 10 s at least"),
    ("standard-playback", 3, without("ping"), WRONG, "is 15.0 s without an event; expected a ping every 10 s"),
    ("standard-playback", 3, changed("pauseStart", playhead=3), WRONG, "moves the playhead by 10.0 s in 15.0 s"),
    ("standard-playback", 4, without("pauseStart"), MISSING, ""),
    ("standard-playback", 5, shorter(16, 10), WRONG, "lasts 24.0 s; expected 30 s at least"),
    ("standard-playback", 5, without("ping", 2), WRONG, "is 20.0 s without an event; expected a ping every 10 s"),
    (
        "standard-playback",
        5,
        changed("ping", 2, playhead=20),
        WRONG,
        "moves the playhead by 5.0 s; expected it to rest",
    ),
    (
        "standard-playback",
        5,
        changed("ping", 2, playhead=5),
        WRONG,
        "moves the playhead by -10.0 s; expected it to rest",
    ),
    (
        "standard-playback",
        6,
        changed("play", 1, playhead=0),
        WRONG,
        "is at 0 s; expected the playhead to go on from 15 s",
    ),
    ("standard-playback", 6, without("play", 1), MISSING, ""),
    ("standard-playback", 7, without("sessionComplete"), MISSING, ""),
    ("standard-playback", 8, late(), WRONG, "ping comes after sessionEnd"),
    ("ads", 1, changed("adBreakStart", lacks="media.ad.podIndex"), WRONG, "lacks media.ad.podIndex"),
    ("ads", 1, without("adBreakStart"), MISSING, ""),
    ("ads", 2, without("adStart"), MISSING, ""),
    ("ads", 2, changed("adStart", lacks="media.ad.playerName"), WRONG, "lacks media.ad.playerName"),
    ("ads", 3, changed("ping", playhead=4), WRONG, "moves the playhead by 4.0 s; expected it to rest"),
    ("ads", 4, changed("adComplete", type="adSkip"), MISSING, ""),
    ("ads", 5, without("adBreakComplete"), MISSING, ""),
    ("ads", 6, without("play"), MISSING, ""),
    (
        "ads",
        6,
        both(changed("ping", 4, playhead=0), changed("sessionEnd", playhead=0)),
        WRONG,
        "moves the playhead by 0.0 s in 10.0 s",
    ),
    (
        "ads",
        7,
        lambda session: [*session[:2], Sent(0, "play"), *session[2:]],
        WRONG,
        "play comes in a break without an ad",
    ),
    ("pause-and-seek", 1, without("play"), MISSING, ""),
    ("pause-and-seek", 2, of_type("pauseStart"), MISSING, ""),
    ("pause-and-seek", 3, changed("ping", playhead=9), WRONG, "moves the playhead by 4.0 s; expected it to rest"),
    ("pause-and-seek", 4, changed("play", 1, playhead=9), WRONG, "is at 9 s; expected the playhead to go on from 5 s"),
    ("pause-and-seek", 5, without("pauseStart", 1), MISSING, ""),
    ("pause-and-seek", 6, changed("play", 2, playhead=10), WRONG, "is at 10 s; expected another playhead than 10 s"),
    ("pause-and-seek", 7, changed("ping", 1, playhead=301), WRONG, "moves the playhead by 1.0 s in 10.0 s"),
    ("buffering", 1, without("play"), MISSING, ""),
    ("buffering", 2, without("bufferStart"), MISSING, ""),
    ("buffering", 3, added(Sent(7, "ping", 7)), WRONG, "moves the playhead by 2.0 s; expected it to rest"),
    ("buffering", 4, changed("play", 1, playhead=30), WRONG, "is at 30 s; expected the playhead to go on from 5 s"),
    ("buffering", 5, changed("ping", playhead=8), WRONG, "moves the playhead by 3.0 s in 10.0 s"),
    ("background", 1, without("play"), MISSING, ""),
    ("background", 2, shorter(11, 100), WRONG, "lasts 204.0 s; expected 300 s at least"),
    ("background", 3, without("pauseStart"), MISSING, ""),
    (
        "background",
        4,
        changed("ping", 32, playhead=330),
        WRONG,
        "moves the playhead by 26.0 s; expected it to rest",
    ),
    ("background", 5, changed("play", 1, playhead=0), WRONG, "is at 0 s; expected the playhead to go on from 304 s"),
    ("background", 6, shorter(361, 100), WRONG, "lasts 205.0 s; expected 300 s at least"),
    ("background", 7, without("sessionEnd"), MISSING, ""),
    ("background", 8, late(), WRONG, "ping comes after sessionEnd"),
    ("background", 9, added(Sent(330, "bitrateChange", 304)), WRONG, "bitrateChange comes in a pause"),
    ("resume", 1, changed("sessionStart", lacks="media.resume"), WRONG, "has media.resume unset; expected true"),
    ("resume", 1, changed("sessionStart", playhead=0), WRONG, "is at 0 s; expected the playhead where the viewer left"),
    ("resume", 2, changed("play", playhead=0), WRONG, "is at 0 s; expected the playhead to go on from 300 s"),
    ("resume", 3, shorter(1, 8), WRONG, "lasts 2.0 s; expected 10 s at least"),
    (
        "live",
        1,
        changed("sessionStart", params={"media.contentType": "vod"}),
        WRONG,
        'has media.contentType "vod"; expected live or linear',
    ),
    (
        "live",
        1,
        changed("sessionStart", params={"media.length": 86401}),
        WRONG,
        "has media.length 86401; expected 86400, or that of the programme",
    ),
    ("live", 2, changed("play", playhead=1), WRONG, "is at 1 s; expected the second of the day, 36001"),
    ("live", 3, shorter(1, 8), WRONG, "lasts 6.0 s; expected 10 s at least"),
    ("live", 4, without("sessionEnd"), MISSING, ""),
    ("live", 5, added(Sent(14, "sessionComplete", TEN + 14)), WRONG, "sessionComplete comes in main content"),
    ("live", 6, late(), WRONG, "ping comes after sessionEnd"),
    ("chapters", 1, changed("chapterStart", lacks="media.chapter.index"), WRONG, "lacks media.chapter.index"),
    ("chapters", 2, changed("chapterComplete", playhead=12), WRONG, "is at 12 s; expected the chapter's end, 21 s"),
    ("chapters", 2, without("chapterComplete"), MISSING, ""),
    ("chapters", 3, without("sessionComplete"), MISSING, ""),
    ("states", 1, changed("stateStart", lacks="media.state.name"), WRONG, "lacks media.state.name"),
    ("states", 2, changed("stateEnd", params=MUTE), WRONG, 'has media.state.name "mute"; expected "fullScreen"'),
    (
        "errors",
        1,
        changed("error", lacks="media.qoe.errorSource"),
        WRONG,
        "lacks media.qoe.errorSource or media.errorSource",
    ),
    ("errors", 2, without("sessionEnd"), MISSING, ""),
    ("errors", 3, late(), WRONG, "ping comes after sessionEnd"),
]


def test_every_scenario_has_a_sound_session() -> None:
    assert list(SOUND) == list(SCENARIOS)


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_session_shows_every_step(name: str) -> None:
    made = checked(name, SOUND[name])

    assert [(step.status, step.detail) for step in made.steps] == [(StepStatus.SHOWN, "")] * len(made.steps)
    assert made.passed
    assert made.scenario == name


@pytest.mark.parametrize(("name", "number", "change", "status", "detail"), NEIGHBOURS)
def test_a_neighbour_misses_a_step(name: str, number: int, change: Change, status: StepStatus, detail: str) -> None:
    made = checked(name, change(SOUND[name]))

    assert (made.steps[number].status, made.steps[number].detail) == (status, detail)
    assert not made.passed


def test_every_step_has_a_neighbour() -> None:
    steps = {(name, number) for name, scenario in SCENARIOS.items() for number in range(len(scenario.steps))}

    assert {(name, number) for name, number, *_ in NEIGHBOURS} == steps


def test_a_step_names_its_event_and_time() -> None:
    made = checked("standard-playback", SOUND["standard-playback"])

    assert made.steps[4] == StepResult(
        title="pauseStart pauses the content", status=StepStatus.SHOWN, event=3, seconds=16.0
    )


def test_a_play_that_goes_on_elsewhere_leaves_the_pause_sound() -> None:
    made = checked("standard-playback", changed("play", 1, playhead=0)(SOUND["standard-playback"]))

    assert [step.status for step in made.steps[5:7]] == [StepStatus.SHOWN, WRONG]


def test_a_refused_start_is_no_open_session() -> None:
    made = checked("errors", [OPEN], status=400)

    assert (made.steps[0].status, made.steps[0].detail) == (WRONG, "is answered 400; expected 201")


def test_an_event_that_comes_too_early_is_wrong_not_missing() -> None:
    """The state ends before it begins here."""
    early = [OPEN, Sent(1, "stateEnd", 0, FULL), Sent(5, "stateStart", 4, FULL)]
    made = checked("states", early)

    assert (made.steps[2].status, made.steps[2].event, made.steps[2].detail) == (
        WRONG,
        1,
        "comes before the steps above",
    )


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))
def test_a_scenario_is_described(scenario: Scenario) -> None:
    assert scenario.title.endswith(".")
    assert scenario.source
    titles = [step.title for step in scenario.steps]
    assert all(len(title) <= 68 and not title.endswith(".") for title in titles)


def test_an_unknown_scenario_is_refused_with_the_nearest_and_all() -> None:
    with pytest.raises(
        ValueError, match="unknown scenario 'standard-playbak'; did you mean standard-playback"
    ) as caught:
        find_scenario("standard-playbak")

    assert all(name in str(caught.value) for name in SCENARIOS)


def test_events_without_times_show_what_they_can() -> None:
    steps = [Step(Event(type=kind), UNOPENED, UNOPENED, ()) for kind in ("sessionStart", "play")]

    assert [step.status for step in check_scenario(find_scenario("live"), steps).steps][:1] == [WRONG]


def test_a_clock_that_goes_back_stands_still() -> None:
    steps = [Step(Event(type="ping", ts=ts), UNOPENED, UNOPENED, ()) for ts in (1000, 6000, 4000, 7000)]

    assert [(moment.seconds, moment.gap) for moment in moments_of(steps)] == [(0, 0), (5, 5), (5, 5), (6, 5)]
