"""The fixture `media_collection`: what a test gets from it, and what a failing one says."""

import json
import re
from pathlib import Path

import pytest

from support.paths import RECORDINGS_FOLDER
from support.plugin_runs import install_plugin, run_tests

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(autouse=True)
def plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugin(pytester, monkeypatch)


PASSING = """
import threading, urllib.error
from pathlib import Path
import pytest
from player import play, post, start

def test_a_test_sees_what_its_player_sent(media_collection):
    play(media_collection.url, "bufferStart", "play")
    media_collection.wait_for("sessionComplete", timeout=30)
    types = [event.type for event in media_collection.events()]
    assert types == ["sessionStart", "play", "bufferStart", "play", "ping", "sessionComplete", "sessionEnd"]
    assert [event.index for event in media_collection.events(type="play")] == [1, 3]
    assert media_collection.events("sessionStart")[0].params["media.name"] == "News"
    (session,) = media_collection.sessions
    assert (session.content, session.events, session.key) == ("News", 7, media_collection.key)
    assert media_collection.findings == []
    assert media_collection.metrics["content_completes"] == 1
    media_collection.assert_clean(fail_on="info")

def test_nothing_of_another_test_is_left(media_collection):
    assert (media_collection.sessions, media_collection.events(), media_collection.metrics) == ([], [], {})
    with pytest.raises(AssertionError, match="no event came to http://127.0.0.1:"):
        media_collection.assert_clean()
    with pytest.raises(AssertionError, match="no 'adStart' within 0.1 s; no"):
        media_collection.wait_for("adStart", timeout=0.1)

def test_a_wait_ends_with_the_call(media_collection):
    player = threading.Timer(0.2, play, [media_collection.url])
    player.start()
    media_collection.wait_for("sessionEnd", timeout=30)
    player.join()

def test_waits_are_for_numbers_of_calls_and_findings_and_for_silence_too(media_collection):
    play(media_collection.url, "adBreakComplete")
    for condition in ("calls:6", "findings:1", "event:adBreakComplete", "quiet:0.1"):
        media_collection.wait_for(condition, timeout=30)
    for condition in ("calls:7", "findings:100", "event:adStart", "quiet:60"):
        with pytest.raises(AssertionError, match="no '"):
            media_collection.wait_for(condition, timeout=0)

def test_findings_are_those_of_the_audit(media_collection):
    play(media_collection.url, "adBreakComplete")
    assert [(finding.rule, finding.event.index) for finding in media_collection.findings] == [("ad-break-not-open", 2)]
    with pytest.raises(AssertionError, match="error ad-break-not-open: adBreakComplete: "):
        media_collection.assert_clean()
    media_collection.assert_clean(ignore=["ad-break-not-open"])

def test_findings_may_be_less_severe_than_those_that_count(media_collection):
    play(media_collection.url, **{"media.length": 60})
    media_collection.assert_clean()
    with pytest.raises(AssertionError, match="warning complete-early"):
        media_collection.assert_clean(fail_on="warning")

def test_a_fault_is_injected(media_collection):
    media_collection.fault("event:ping=503")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        play(media_collection.url)
    (ping,) = media_collection.events(type="ping")
    assert ping.status == 503

@pytest.mark.tapehead(fault=["session=500"])
class TestMarks:
    def test_a_marker_sets_a_fault(self, media_collection):
        with pytest.raises(urllib.error.HTTPError, match="500"):
            start(media_collection.url)

    @pytest.mark.tapehead(fault=None, replay="recording.jsonl", on_miss="error")
    def test_the_marker_that_is_closest_wins(self, media_collection):
        play(media_collection.url)

@pytest.mark.parametrize("mode", [pytest.param("x", marks=pytest.mark.tapehead(on_miss="simulate")), "default"])
@pytest.mark.tapehead(replay="recording.jsonl")
def test_a_miss_is_simulated_unless_it_must_not_be(media_collection, mode):
    start(media_collection.url, **{"media.id": "other", "media.name": "other"})

def test_it_does_not_differ_from_a_recording_of_the_same(media_collection):
    play(media_collection.url)
    media_collection.assert_matches("recording.jsonl")

def test_it_does_not_differ_in_what_is_not_compared(media_collection):
    play(media_collection.url, **{"media.genre": "drama"})
    with pytest.raises(AssertionError, match="media.genre"):
        media_collection.assert_matches("recording.jsonl")
    media_collection.assert_matches("recording.jsonl", ignore=["media.genre"], tolerance=5)

def test_calls_with_the_header_count_as_well(media_collection):
    start(media_collection.url.removesuffix(f"/k/{media_collection.key}"), key=media_collection.key)
    assert [event.type for event in media_collection.events()] == ["sessionStart"]

@pytest.mark.tapehead(scenario="chapters")
def test_a_scenario_is_shown(media_collection):
    events = start(media_collection.url)
    post(events, "play")
    chapter = {"media.chapter.index": 1, "media.chapter.offset": 0, "media.chapter.length": 10}
    post(events, "chapterStart", 0.1, 0, **chapter)
    post(events, "chapterComplete", 10, 10)
    post(events, "chapterStart", 10.1, 10, **chapter | {"media.chapter.index": 2, "media.chapter.offset": 10})
    post(events, "chapterComplete", 20, 20)
    post(events, "sessionComplete", 20.1, 20)
"""

RECORDED = """
from player import play

def test_recorded(media_collection):
    play(media_collection.url)
    media_collection.assert_clean()
    assert media_collection.recording.parent.name == "kept"
    assert not media_collection.recording.exists()
    print("kept:", media_collection.recording.name)
"""


def test_a_test_gets_the_calls_of_its_player_their_audit_and_the_answers_that_it_wants(
    pytester: pytest.Pytester,
) -> None:
    recorded = run_tests(pytester, RECORDED, "--tapehead-keep", "kept", "-s")
    recorded.assert_outcomes(passed=1)
    (recording,) = (pytester.path / "kept").iterdir()
    recorded.stdout.fnmatch_lines([f"*kept: {recording.name}"])
    assert recording.stat().st_mode & 0o777 == 0o600
    recording.rename(pytester.path / "recording.jsonl")

    done = run_tests(pytester, PASSING)

    done.assert_outcomes(passed=PASSING.count("def test_") + 1)
    # Those of tests that passed are not kept unless that was asked for.
    assert not list(pytester.path.rglob("tapehead/*.jsonl"))


FAILING = """
import pytest
from player import play, start, post

def test_an_assertion(media_collection):
    play(media_collection.url, "adBreakComplete")
    media_collection.assert_clean()

def test_another_assertion(media_collection):
    start(media_collection.url)
    assert media_collection.events("play")

def test_a_wait(media_collection):
    post(start(media_collection.url), "play")
    media_collection.wait_for("sessionComplete", timeout=0.1)

def test_a_difference(media_collection):
    play(media_collection.url, "bufferStart", "play")
    media_collection.assert_matches("SAMPLE")

@pytest.fixture
def player(media_collection):
    yield media_collection.url
    media_collection.assert_clean("warning")

def test_an_assertion_in_a_fixture(player):
    play(player, **{"media.length": 60})

@pytest.mark.tapehead(replay="SAMPLE", on_miss="error")
def test_a_miss(media_collection):
    with pytest.raises(OSError):
        start(media_collection.url)

@pytest.mark.tapehead(scenario="standard-playback")
def test_a_scenario(media_collection):
    play(media_collection.url)
"""


def test_a_failing_test_shows_its_sessions_and_their_findings_and_keeps_their_recording(
    pytester: pytest.Pytester,
) -> None:
    suite = FAILING.replace("SAMPLE", str(RECORDINGS_FOLDER / "timeline-1.jsonl"))
    done = run_tests(pytester, suite, "--tapehead-keep", "kept", "--tb=short")

    done.assert_outcomes(passed=1, failed=6, errors=1)
    printed = done.stdout.str()
    for lines in (
        ["E   AssertionError: 1 finding: ad-break-not-open", "*error ad-break-not-open: adBreakComplete: *"],
        ["*- tapehead -*", "event *time*", "    0 *sessionStart *", "*", "*error ad-break-not-open: *", "recording: *"],
        ["*no 'sessionComplete' within 0.1 s; what came*", "E   *play"],
        ["*other calls than in '*timeline-1.jsonl' (-):", "*- ClickMe, sample-html5-api-player  session missing"],
        ["*ERROR at teardown of test_an_assertion_in_a_fixture*", "*- tapehead -*", "*warning complete-early*"],
        ["1 call not in the recording", "  sessionStart of news-1: no recorded session has this content"],
        ["scenario standard-playback: * of 9 steps shown*", "  missing * pauseStart pauses the content"],
    ):
        done.stdout.fnmatch_lines(lines)
    # Nothing of the plugin's own code, and nothing wider than the terminal but paths.
    assert "pytest_plugin/" not in printed
    told = printed.partition("= FAILURES =")[2].partition("short test summary")[0].splitlines()
    assert [line for line in told if len(line) > 80 and "/" not in line] == []
    for name in (line.partition(": ")[2] for line in told if line.startswith("recording: ")):
        first = json.loads(Path(name).read_text().partition("\n")[0])
        assert first["request"]["body"]["eventType"] == "sessionStart"


MISTAKES = {
    "tapehead(replai='x')": "marker 'tapehead': unknown argument 'replai'; did you mean replay?*",
    "tapehead('x')": "marker 'tapehead': an argument without a name; expected replay, on_miss, fault, scenario",
    "tapehead(replay='x.jsonl')": "no recording 'x.jsonl' at '*x.jsonl'; --tapehead-record URL makes one",
    "tapehead(on_miss='error')": "marker 'tapehead': invalid on_miss 'error': it needs 'replay'",
    "tapehead(replay='test_suite.py')": "*test_suite.py*",
    "tapehead(fault='event:ping')": "invalid fault 'event:ping'*",
    "tapehead(scenario='add')": "marker 'tapehead': unknown scenario 'add'*",
}


def test_a_mistake_is_told_in_one_line(pytester: pytest.Pytester) -> None:
    tests = [f"@pytest.mark.{mark}\ndef test_{n}(media_collection): pass\n" for n, mark in enumerate(MISTAKES)]
    done = run_tests(pytester, "\n".join(["import pytest", *tests]), "-p", "no:randomly")

    done.assert_outcomes(errors=len(MISTAKES))
    assert "Traceback" not in done.stdout.str()
    for line in MISTAKES.values():
        done.stdout.fnmatch_lines([line])


INVALID = {
    "wait_for('sessionCompleted')": "unknown condition 'sessionCompleted'; did you mean sessionComplete?*",
    "assert_clean(fail_on='eror')": "invalid fail_on 'eror': expected error, warning, info",
    "assert_clean(ignore=['ping-gab'])": "no rule is called 'ping-gab'; did you mean ping-gap?*",
    "assert_matches('no.jsonl')": "no recording 'no.jsonl' at '*no.jsonl'; *",
    "fault('event:pong=503')": "invalid fault 'event:pong=503': unknown event type 'pong'*",
    "fault(503)": "invalid fault 503: expected a text such as 'event:ping:3=410'",
    "wait_for(None)": "invalid condition null: expected a text such as 'sessionComplete'",
    "wait_for('adStart', timeout='x')": 'invalid timeout "x": expected a number of seconds from 0',
    "wait_for('adStart', timeout=float('nan'))": "invalid timeout *: expected a number of seconds from 0",
    "wait_for('adStart', after=3)": "invalid after 3: expected an event that wait_for() or events() returned",
    "events(type='adStrat')": "no event type is called 'adStrat'; did you mean adStart?",
    "events(type=3)": "invalid type 3: expected a text such as 'adStart'",
    "assert_clean(ignore=None)": "invalid ignore null: expected texts such as *RULE*",
    "assert_clean(ignore=[3])": "invalid ignore 3: expected a text such as 'RULE'",
    "assert_matches(None)": "invalid recording null: expected its path",
    "assert_matches('test_suite.py', tolerance='x')": 'invalid tolerance "x": expected a number of seconds from 0',
}
LOOP = "asyncio.run(media_collection.wait_for_async('sessionCompleted'))"


def test_an_invalid_argument_is_told_where_the_test_has_it(pytester: pytest.Pytester) -> None:
    calls = [*(f"media_collection.{call}" for call in INVALID), LOOP]
    tests = [f"def test_{number}(media_collection):\n    {call}\n" for number, call in enumerate(calls)]
    done = run_tests(pytester, "\n".join(["import asyncio", *tests]), "-p", "no:randomly")

    done.assert_outcomes(failed=len(calls))
    printed = done.stdout.str()
    for call, told in zip(calls, [*INVALID.values(), INVALID["wait_for('sessionCompleted')"]], strict=True):
        assert re.search(rf"^> +{re.escape(call)}$", printed, re.MULTILINE)
        done.stdout.fnmatch_lines([f"E *UsageError: {told}"])
    assert "pytest_plugin/" not in printed
    assert "thread.py" not in printed
