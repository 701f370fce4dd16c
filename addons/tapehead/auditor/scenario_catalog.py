"""The scenarios: documented test cases of the media player's tracking, one table each.

Sources: the reference's validation test cases (legacy/validation), its scenarios, and its pages on tracking playback,
ads, chapters, player states, errors and interrupted or resumed sessions. Steps that need more than one session, such as
the next media in a playlist, are rules (`session-restarted`, `stray-pings`) and no steps.
"""

from tapehead.auditor.scenario_conditions import (
    answered,
    ends_chapter,
    follows_clock,
    has,
    has_one,
    is_beyond_start,
    is_live,
    is_second_of_day,
    lasts,
    pings,
    resumes_at,
    same,
    says,
    seeks_from,
    stands_still,
)
from tapehead.auditor.scenarios import Phase, Scenario, ScenarioStep
from tapehead.protocol import keys
from tapehead.protocol.parameters import required_of
from tapehead.text import nearest

MINUTE = 60

_OPEN = ScenarioStep(
    "sessionStart opens the session, with all that it needs",
    ("sessionStart",),
    None,
    (answered(201), has(*required_of("sessionStart"))),
    "start",
)
_PLAY = ScenarioStep("play comes with the first frame of content", ("play",), Phase.BEGINNING, (), "play")
_PAUSE = ScenarioStep("pauseStart pauses the content", ("pauseStart",), Phase.CONTENT, (), "pause")
_COMPLETE = ScenarioStep("sessionComplete comes at the end of the content", ("sessionComplete",), Phase.CONTENT)
_END = ScenarioStep("sessionEnd closes the session", ("sessionEnd",))
_SILENCE = ScenarioStep("nothing comes after sessionEnd", (), Phase.ENDED, never=True)


def _content(seconds: int) -> ScenarioStep:
    return ScenarioStep(
        f"content plays for {seconds} s, with pings and a playhead in step",
        (),
        Phase.CONTENT,
        (lasts(seconds), pings, follows_clock),
    )


_SCENARIOS = (
    Scenario(
        "standard-playback",
        "Play content, pause it for 30 seconds, and watch it to its end.",
        "legacy/validation/test1-standard-playback; events/session/overview",
        (
            _OPEN,
            ScenarioStep("it names the visitor (ECID)", conditions=(has(keys.ECID),), of="start"),
            _PLAY,
            _content(10),
            _PAUSE,
            ScenarioStep(
                "the pause lasts 30 s, with pings and a playhead that rests",
                (),
                Phase.PAUSE,
                (lasts(30), pings, stands_still),
            ),
            ScenarioStep("play goes on from there", ("play",), Phase.PAUSE, (resumes_at("pause"),)),
            _COMPLETE,
            _SILENCE,
        ),
    ),
    Scenario(
        "ads",
        "Watch a break with an ad to its end, and then content.",
        "legacy/validation/test1-standard-playback; events/ads/overview",
        (
            _OPEN,
            ScenarioStep(
                "adBreakStart opens the break, with index and start",
                ("adBreakStart",),
                None,
                (has(*required_of("adBreakStart")),),
                "break",
            ),
            ScenarioStep(
                "adStart follows in the break, with all that it needs",
                ("adStart",),
                Phase.BREAK,
                (has(*required_of("adStart")),),
            ),
            ScenarioStep("the ad pings, and the playhead rests", ("ping",), Phase.AD, (pings, stands_still)),
            ScenarioStep("adComplete ends the ad", ("adComplete",), Phase.AD),
            ScenarioStep("adBreakComplete closes the break", ("adBreakComplete",), Phase.BREAK),
            ScenarioStep(
                "content plays after the break, with pings and a playhead in step",
                ("ping", "pauseStart", "sessionComplete", "sessionEnd"),
                Phase.CONTENT,
                (lasts(1), pings, follows_clock),
            ),
            ScenarioStep("no content plays within the break", ("play",), Phase.BREAK, never=True),
        ),
    ),
    Scenario(
        "pause-and-seek",
        "Pause and go on, then move to another place.",
        "legacy/validation/test1-standard-playback; events/playback/overview; timelines 1 and 3",
        (
            _OPEN,
            _PLAY,
            _PAUSE,
            ScenarioStep("pings come in the pause, and the playhead rests", ("ping",), Phase.PAUSE, (stands_still,)),
            ScenarioStep("play goes on from there", ("play",), Phase.PAUSE, (resumes_at("pause"),)),
            ScenarioStep("pauseStart begins the seek", ("pauseStart",), Phase.CONTENT, (), "seek"),
            ScenarioStep("play ends it at the new place", ("play",), Phase.PAUSE, (seeks_from("seek"),), "place"),
            ScenarioStep(
                "content plays on from there, with a playhead in step", (), Phase.CONTENT, (lasts(1), follows_clock)
            ),
        ),
    ),
    Scenario(
        "buffering",
        "Let playback run out of data, and go on.",
        "events/playback/overview; events/session/overview",
        (
            _OPEN,
            _PLAY,
            ScenarioStep("bufferStart begins the buffering", ("bufferStart",), Phase.CONTENT, (), "buffer"),
            ScenarioStep("the playhead rests", (), Phase.BUFFER, (stands_still,)),
            ScenarioStep("play ends it at the same place", ("play",), Phase.BUFFER, (resumes_at("buffer"),)),
            ScenarioStep("content plays on, with a playhead in step", (), Phase.CONTENT, (lasts(1), follows_clock)),
        ),
    ),
    Scenario(
        "background",
        "Play for five minutes, move the app to the background and back, play for five minutes, close the player.",
        "legacy/validation/test2-media-interrupt; events/session/overview",
        (
            _OPEN,
            _PLAY,
            _content(5 * MINUTE),
            ScenarioStep("pauseStart comes with the background", ("pauseStart",), Phase.CONTENT, (), "pause"),
            ScenarioStep("the playhead rests in the background", (), Phase.PAUSE, (stands_still,)),
            ScenarioStep("play comes with the foreground", ("play",), Phase.PAUSE, (resumes_at("pause"),)),
            _content(5 * MINUTE),
            _END,
            _SILENCE,
            ScenarioStep(
                "only pings come from the background",
                ("adBreakStart", "adStart", "bitrateChange", "bufferStart", "chapterStart", "sessionStart"),
                Phase.PAUSE,
                never=True,
            ),
        ),
    ),
    Scenario(
        "resume",
        "Go on with content that was left in another session.",
        "events/session/overview; events/session/session-start",
        (
            _OPEN,
            ScenarioStep(
                "it says that it resumes, at the place where the viewer left",
                conditions=(says(keys.MEDIA_RESUME, True), is_beyond_start),
                of="start",
            ),
            ScenarioStep("play goes on from there", ("play",), Phase.BEGINNING, (resumes_at("start"),)),
            _content(10),
        ),
    ),
    Scenario(
        "live",
        "Watch live content, and leave.",
        "legacy/validation/test1-standard-playback; media-collection-api, sessions request",
        (
            _OPEN,
            ScenarioStep("it is of a live type, with the length of live content", conditions=(is_live,), of="start"),
            ScenarioStep(
                "play has the second of the day as playhead", ("play",), Phase.BEGINNING, (is_second_of_day("start"),)
            ),
            _content(10),
            _END,
            ScenarioStep("no sessionComplete: a live stream has no end", ("sessionComplete",), never=True),
            _SILENCE,
        ),
    ),
    Scenario(
        "chapters",
        "Watch content with chapters: one to its end.",
        "events/chapters/overview; scenarios/chapter-start-end",
        (
            _OPEN,
            ScenarioStep(
                "chapterStart begins a chapter, with index, offset and length",
                ("chapterStart",),
                None,
                (has(*required_of("chapterStart")),),
                "chapter",
            ),
            ScenarioStep(
                "chapterComplete comes at the chapter's end", ("chapterComplete",), None, (ends_chapter("chapter"),)
            ),
            _COMPLETE,
        ),
    ),
    Scenario(
        "states",
        "Enter and leave a player state, such as full screen.",
        "events/player-state/overview",
        (
            _OPEN,
            ScenarioStep("stateStart begins a state by its name", ("stateStart",), None, (has(keys.STATE_NAME),), "on"),
            ScenarioStep(
                "stateEnd ends the same state",
                ("stateEnd",),
                None,
                (has(keys.STATE_NAME), same(keys.STATE_NAME, "on")),
            ),
        ),
    ),
    Scenario(
        "errors",
        "Let the player fail.",
        "events/error",
        (
            _OPEN,
            ScenarioStep(
                "error comes with an id and a source",
                ("error",),
                None,
                (has_one(keys.ERROR_ID, keys.ERROR_ID_TOO), has_one(keys.ERROR_SOURCE, keys.ERROR_SOURCE_TOO)),
            ),
            ScenarioStep("playback goes on, or sessionEnd closes the session", ("play", "ping", "sessionEnd")),
            _SILENCE,
        ),
    ),
)
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _SCENARIOS}


def find_scenario(name: str) -> Scenario:
    """Return the scenario of this name.

    Raises:
        ValueError: there is none; the message names all, and the nearest one.
    """
    if name not in SCENARIOS:
        raise ValueError(f"unknown scenario '{name}'{nearest(name, SCENARIOS)} (scenarios: {', '.join(SCENARIOS)})")
    return SCENARIOS[name]
