"""The conclusions of a test: with faults of its own, of several sessions, and when other calls came than expected."""

import pytest

from support.plugin_runs import install_plugin, run_tests

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(autouse=True)
def plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugin(pytester, monkeypatch)


FAULTS = """
from contextlib import suppress
import pytest
from player import play, post, start

def sends(*calls):
    for call, *arguments in calls:
        with suppress(OSError):
            call(*arguments)

@pytest.mark.parametrize("effect", ["400", "410", "503", "302", "drop", "cut", "503+delay:1"])
def test_an_answer_that_the_test_asked_for_is_no_mistake_of_the_player(media_collection, effect):
    media_collection.fault(f"event:ping={effect}")
    events = start(media_collection.url)
    sends((post, events, "play"), (post, events, "ping", 10, 10))
    assert media_collection.findings
    media_collection.assert_clean("warning")
    media_collection.wait_for("findings:0", timeout=30)

@pytest.mark.tapehead(fault=["session:1=500", "session:2=201", "preflight=204"])
def test_the_same_for_starts(media_collection):
    sends((start, media_collection.url), (start, media_collection.url))
    play(media_collection.url)
    assert {each.rule for each in media_collection.findings} == {"rejected", "no-location"}
    media_collection.assert_clean("info")

@pytest.mark.tapehead(fault="event:ping:1=410")
def test_what_the_player_makes_of_it_counts(media_collection):
    events = start(media_collection.url, **{"media.length": 60})
    post(events, "play")
    sends(*((post, events, "ping", 10 * n, 10 * n) for n in range(1, 6)))
    media_collection.assert_clean()
    with pytest.raises(AssertionError, match="1 finding: kept-sending"):
        media_collection.assert_clean("warning")

@pytest.mark.tapehead(fault="event:adBreakComplete=503")
def test_mistakes_in_a_refused_event_count(media_collection):
    sends((play, media_collection.url, "adBreakComplete"))
    with pytest.raises(AssertionError, match="1 finding: ad-break-not-open"):
        media_collection.assert_clean()
    media_collection.wait_for("findings:1", timeout=30)
    with pytest.raises(AssertionError, match=r"no 'findings:0' within 0 s; 1 error: ad-break-not-open:\\sadBreakC"):
        media_collection.wait_for("findings:0", timeout=0)
"""


def test_findings_that_show_a_fault_of_the_test_do_not_fail_it(pytester: pytest.Pytester) -> None:
    done = run_tests(pytester, FAULTS)
    done.assert_outcomes(passed=10)


SEVERAL = """
import threading
import pytest
from player import play, post, start

def test_metrics_are_those_of_one_session(media_collection):
    assert media_collection.metrics == {}
    play(media_collection.url)
    assert media_collection.metrics == media_collection.sessions[0].metrics
    with pytest.raises(OSError):
        media_collection.fault("session:1=500")
        start(media_collection.url)
    assert media_collection.metrics["content_completes"] == 1
    play(media_collection.url, **{"media.id": "other"})
    with pytest.raises(Exception, match=r"2 sessions have metrics of their own; choose one, as sessions"):
        media_collection.metrics
    counted = [session.metrics.get("content_completes") for session in media_collection.sessions]
    assert sorted(counted, key=str) == [1, 1, None]

def test_a_wait_may_be_for_a_later_event(media_collection):
    play(media_collection.url)
    first = media_collection.wait_for("sessionComplete", timeout=30)
    assert (first.type, first.sid) == ("sessionComplete", media_collection.sessions[0].session)
    assert media_collection.wait_for("event:sessionComplete", timeout=30) == first
    assert media_collection.wait_for("calls:5", timeout=30) is None
    for condition in ("sessionComplete", "calls:2"):
        with pytest.raises(AssertionError):
            media_collection.wait_for(condition, timeout=0, after=first)
    media_collection.wait_for("calls:1", timeout=30, after=first)
    player = threading.Timer(0.2, play, [media_collection.url])
    player.start()
    second = media_collection.wait_for("sessionComplete", timeout=30, after=first)
    player.join()
    assert (second.type, second.sid) == ("sessionComplete", media_collection.sessions[1].session)
    with pytest.raises(Exception, match="'after' goes with an event type or calls:COUNT, not with 'quiet:1'"):
        media_collection.wait_for("quiet:1", after=first)

def test_a_type_of_the_players_own_is_found_where_it_came(media_collection):
    with pytest.raises(OSError):
        post(start(media_collection.url), "adStrat")
    assert len(media_collection.events("adStrat")) == 1
    assert media_collection.events("adStart") == []
"""


def test_a_test_of_several_sessions_gets_no_number_of_another_one(pytester: pytest.Pytester) -> None:
    done = run_tests(pytester, SEVERAL)
    done.assert_outcomes(passed=3)


CAME = """
import pytest
from contextlib import suppress
from player import post, start

def test_other_type(media_collection):
    events = start(media_collection.url)
    with suppress(OSError):
        post(events, "adStart")
    media_collection.fault("event:ping=drop")
    with suppress(OSError):
        post(events, "ping")
    media_collection.wait_for("event:adStrat", timeout=0)

def test_two_keys(media_collection):
    with suppress(OSError):
        start(media_collection.url, key="other")
    media_collection.wait_for("sessionStart", timeout=0)

def test_no_key(media_collection):
    start(media_collection.url.partition("/k/")[0])
    media_collection.assert_clean()

def test_nothing(media_collection):
    media_collection.assert_clean()

@pytest.mark.tapehead(replay="recording.jsonl", on_miss="error")
def test_missed(media_collection):
    with suppress(OSError):
        start(media_collection.url, **{"media.id": "news-2"})

def test_another_content(media_collection):
    start(media_collection.url, **{"media.id": "news-2", "media.channel": "two"})
    media_collection.assert_matches("recording.jsonl")

@pytest.mark.tapehead(fault="session=500")
def test_without_the_fixture(): pass

def test_to_be_recorded(media_collection):
    start(media_collection.url)
"""


def told_by(done: pytest.RunResult) -> dict[str, str]:
    """What each failed test says, on one line."""
    blocks = done.stdout.str().partition("= FAILURES =")[2].partition("short test summary")[0].split("\n____")[1:]
    return {block.split()[1]: " ".join(block.replace("\nE ", "\n").split()) for block in blocks}


def test_what_came_instead_is_told(pytester: pytest.Pytester) -> None:
    run_tests(pytester, CAME, "-k", "recorded", "--tapehead-keep", "kept").assert_outcomes(passed=1)
    (recording,) = (pytester.path / "kept").iterdir()
    recording.rename(pytester.path / "recording.jsonl")

    done = run_tests(pytester, CAME, "-p", "no:randomly")

    done.assert_outcomes(passed=1, failed=7)
    told = told_by(done)
    for test, words in {
        "test_other_type": "no 'event:adStrat' within 0 s; did you mean adStart?; what came: sessionStart, adStart "
        "refused with 400: ",
        "test_two_keys": ", but 1 call that had to be refused: two keys: 'other' in the header X-Tapehead-Key",
        "test_no_key": ", but 1 call without a key: sessionStart; does the player leave out '/k/test_suite-test_no_key",
        "test_nothing": "is it the endpoint that the player calls?",
        "test_missed": "1 call not in the recording sessionStart of news-2: no recorded session has this content "
        "nearest RECORDING:1 params.media.id news-1 there, news-2 here",
        "test_another_content": "News: media.id news-1 there, news-2 here; media.channel one there, two here",
        "test_without_the_fixture": "marker 'tapehead' has no effect without the fixture 'media_collection'; ask for",
    }.items():
        assert words.replace("RECORDING", f"{pytester.path}/recording.jsonl") in told[test]
    assert "ping without an answer" in told["test_other_type"]
