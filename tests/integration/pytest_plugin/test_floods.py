"""Tests whose player sends more than the audit can follow, or than is kept: their own calls alone decide."""

from secrets import token_bytes

import pytest

from support.plugin_runs import install_plugin, run_tests
from tapehead.server.uvicorn_server import Server
from tapehead.simulator.endpoint import Simulator

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(autouse=True)
def plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugin(pytester, monkeypatch)


# The audit takes 2 ms for a call, and has room for 40.
SLOW = """
import time
from tapehead.auditor.live_audit import LiveAudit
from tapehead.journal.backlog import Backlog

Backlog.__init__.__defaults__ = (40, 32_000_000)
add = LiveAudit.add

def add_slowly(self, entry):
    time.sleep(0.002)
    return add(self, entry)

LiveAudit.add = add_slowly
"""
FLOOD = """
from concurrent.futures import ThreadPoolExecutor
from player import play, post, start

PLAYERS, PINGS = 4, 30

def flood(url):
    def send(number):
        events = start(url, **{"media.id": f"clip-{number}", "media.name": f"clip {number}"})
        for number in range(PINGS):
            post(events, "ping", number, number)

    with ThreadPoolExecutor(PLAYERS) as pool:
        list(pool.map(send, range(PLAYERS)))
"""
COMPLETE = f"""{FLOOD}
def test_before(media_collection):
    play(media_collection.url)
    media_collection.assert_clean()

def test_flood(media_collection):
    flood(media_collection.url)
    assert len(media_collection.events("ping")) == PLAYERS * PINGS
    assert [session.events for session in media_collection.sessions] == [1 + PINGS] * PLAYERS
"""


def test_a_test_that_sends_faster_than_the_audit_gets_all_of_its_calls(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(SLOW)
    run_tests(pytester, COMPLETE, "-p", "no:randomly").assert_outcomes(passed=2)


# 20 calls are kept.
SMALL = """
from tapehead.journal import journal_run, stored_rows

kept = stored_rows.Limits(calls=20)
stored_rows.Limits = lambda **_: kept
"""
LOST = f"""{FLOOD}
def test_judged(media_collection):
    flood(media_collection.url)
    media_collection.assert_clean()

def test_after(media_collection):
    play(media_collection.url)
    media_collection.assert_clean()

def test_not_judged(media_collection):
    flood(media_collection.url)

def test_sessions(media_collection):
    flood(media_collection.url)
    assert media_collection.sessions

def test_after_all(media_collection):
    play(media_collection.url)
    media_collection.assert_clean()
"""
MISSING = "104 calls of this test missing: more came than can be kept; send fewer in one test"


def test_a_test_whose_calls_are_missing_fails_alone(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(SMALL)
    done = run_tests(pytester, LOST, "--tapehead-keep", "kept", "-p", "no:randomly")

    done.assert_outcomes(passed=3, failed=2, errors=1)
    done.stdout.fnmatch_lines(["*ERROR at teardown of test_not_judged*", MISSING])
    done.stdout.fnmatch_lines([f"E *TapeheadError: {MISSING}", "*- tapehead -*", "recording: *", MISSING])
    kept = {path.name.split("-")[1]: path.read_text().count("\n") for path in (pytester.path / "kept").iterdir()}
    assert kept == {"test_judged": 20, "test_after": 5, "test_not_judged": 20, "test_sessions": 20, "test_after_all": 5}


def test_nothing_is_recorded_of_a_test_whose_calls_are_missing(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(SMALL)
    with Server(Simulator(random_bytes=token_bytes)) as real:
        options = ("--tapehead-record", real.url, "--tapehead-keep", "kept", "-k", "not_judged or after_all")
        done = run_tests(pytester, LOST, *options)

    done.assert_outcomes(passed=2, errors=1)
    done.stdout.fnmatch_lines([f"{MISSING}*"])
    (kept,) = (pytester.path / "kept").iterdir()
    assert kept.name.startswith("test_suite-test_after_all-")
