"""The option `--tapehead-record`: a real endpoint answers the tests, and what passes is recorded."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from secrets import token_bytes

import pytest

from support.plugin_runs import install_plugin, run_tests
from tapehead.protocol.messages import Request
from tapehead.server.uvicorn_server import Server
from tapehead.simulator.endpoint import Simulator

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class RealEndpoint:
    """An endpoint with what it was asked."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.server = Server(
            Simulator(random_bytes=token_bytes), observers=[lambda request, *_: self.requests.append(request)]
        )


@pytest.fixture(autouse=True)
def plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugin(pytester, monkeypatch)


@pytest.fixture
def real() -> Iterator[RealEndpoint]:
    endpoint = RealEndpoint()
    with endpoint.server:
        yield endpoint


MARKED = """
import pytest
from player import START, play, start

@pytest.mark.tapehead(replay="recordings/news.jsonl", on_miss="error")
def test_news(media_collection):
    play(media_collection.url)
    media_collection.wait_for("sessionEnd")
    media_collection.assert_clean()

def test_headers(media_collection):
    events = start(media_collection.url.partition("/k/")[0], key=media_collection.key)
    assert "/k/" not in events
    assert [event.status for event in media_collection.events()] == [201]
"""


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "workers"])
def test_the_real_endpoint_is_recorded_where_that_is_asked_for_and_replayed_otherwise(
    pytester: pytest.Pytester, real: RealEndpoint, options: tuple[str, ...]
) -> None:
    url = real.server.url
    done = run_tests(pytester, MARKED, "--tapehead-record", url, "--tapehead-keep", "kept", *options)

    done.assert_outcomes(passed=2)
    assert len(real.requests) == 6
    # Of the test's key and server the endpoint sees nothing.
    assert {request.header("Host") for request in real.requests} == {url.removeprefix("http://")}
    assert not [request for request in real.requests if "/k/" in request.url or request.header("X-Tapehead-Key")]
    recording = pytester.path / "recordings/news.jsonl"
    lines = [json.loads(line) for line in recording.read_text().splitlines()]
    assert [line["response"]["status"] for line in lines] == [201, 204, 204, 204, 204]
    assert {line["answered"]["outcome"] for line in lines} == {"forwarded"}
    assert "12345678901234567890123456789012345678" not in recording.read_text()
    assert recording.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in recording.parent.iterdir()] == ["news.jsonl"]
    (kept,) = (pytester.path / "kept").iterdir()
    assert kept.name.startswith("test_suite-test_headers-")

    run_tests(pytester, MARKED).assert_outcomes(passed=2)
    assert len(real.requests) == 6


def apart_from_times(recording: Path) -> list[object]:
    """The exchanges of a recording without times, session ids, and the names of runs and ports."""
    text = recording.read_text()
    for sid in {line["session"] for line in map(json.loads, text.splitlines())}:
        text = text.replace(sid, "SID")
    text = re.sub(r"127\.0\.0\.1:\d+", "HOST", re.sub(r'"ts": ?\d+', '"ts":0', text))
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        assert line.pop("elapsed_ms") >= 0
        assert line.pop("started")
        line["response"]["headers"] = [pair for pair in line["response"]["headers"] if pair[0].lower() != "date"]
    return lines


def test_a_recording_is_the_same_in_each_run(pytester: pytest.Pytester, real: RealEndpoint) -> None:
    made = []
    for _ in range(2):
        options = ("--tapehead-record", real.server.url, "--tapehead-keep", "kept", "-p", "no:randomly")
        run_tests(pytester, MARKED, *options).assert_outcomes(passed=2)
        made.append([apart_from_times(path) for path in sorted(pytester.path.rglob("*.jsonl"))])

    assert len(made[0]) == 2
    assert made[0] == made[1]


FAULTS = """
import time, urllib.error
import pytest
from player import play, post, start

@pytest.mark.tapehead(replay="faults.jsonl", fault=["event:ping=503", "event:play=delay:300"])
def test_faults(media_collection):
    events = start(media_collection.url)
    began = time.monotonic()
    post(events, "play")
    assert time.monotonic() - began > 0.3
    with pytest.raises(urllib.error.HTTPError, match="503"):
        post(events, "ping", 10, 10)
"""


def test_a_fault_breaks_the_answers_of_the_real_endpoint(pytester: pytest.Pytester, real: RealEndpoint) -> None:
    run_tests(pytester, FAULTS, "--tapehead-record", real.server.url).assert_outcomes(passed=1)

    assert len(real.requests) == 2
    lines = [json.loads(line) for line in (pytester.path / "faults.jsonl").read_text().splitlines()]
    assert [line["answered"]["outcome"] for line in lines] == ["forwarded", "forwarded", "fault"]


FAILING = """
import pytest
from player import play

@pytest.fixture
def broken(media_collection):
    yield
    assert False, "the teardown"

@pytest.mark.tapehead(replay="good.jsonl")
def test_marked(media_collection):
    play(media_collection.url)
    assert False, "the test"

@pytest.mark.tapehead(replay="better.jsonl")
def test_teardown(media_collection, broken):
    play(media_collection.url)

def test_kept(media_collection):
    play(media_collection.url)
    assert OK

@pytest.mark.tapehead(replay="best.jsonl")
def test_without_a_call(media_collection): pass

@pytest.mark.tapehead(replay="best.jsonl")
def test_expected(media_collection):
    pytest.xfail("not now")
"""


def test_a_test_that_fails_writes_nothing_over_a_recording(pytester: pytest.Pytester, real: RealEndpoint) -> None:
    for name in ("good.jsonl", "better.jsonl", "best.jsonl"):
        (pytester.path / name).write_text("good")
    asked = ("--tapehead-record", real.server.url, "--tapehead-keep", "kept", "-k")
    suite = FAILING.replace("OK", "media_collection")
    run_tests(pytester, suite, *asked, "not expected").assert_outcomes(passed=3, failed=1, errors=1)
    (kept,) = (pytester.path / "kept").iterdir()
    first = kept.read_bytes()

    failing = FAILING.replace("OK", "not media_collection")
    run_tests(pytester, failing, *asked, "kept or expected").assert_outcomes(failed=1, xfailed=1)

    assert first.count(b"\n") == 5
    assert kept.read_bytes() == first
    assert {path.read_text() for path in pytester.path.glob("*.jsonl")} == {"good"}


def test_an_endpoint_that_does_not_answer_is_not_recorded(pytester: pytest.Pytester, real: RealEndpoint) -> None:
    suite = """
import pytest, urllib.error
from player import start

@pytest.mark.tapehead(replay="good.jsonl")
def test_refused(media_collection):
    with pytest.raises(urllib.error.HTTPError, match="502"):
        start(media_collection.url)
"""
    (pytester.path / "good.jsonl").write_text("good")
    url = real.server.url
    real.server.stop()

    done = run_tests(pytester, suite, "--tapehead-record", url)

    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["1 call without an answer, so nothing is written to '*good.jsonl': no answer from *"])
    assert (pytester.path / "good.jsonl").read_text() == "good"


MISTAKES = """
import pytest

class TestOne:
    pytestmark = [pytest.mark.tapehead(replay="same.jsonl")]
    def test_first(self, media_collection): pass
    def test_second(self, media_collection): pass

def test_nowhere(media_collection): pass

@pytest.mark.tapehead(replay=["a.jsonl", "b.jsonl"])
def test_several(media_collection): pass

@pytest.mark.tapehead(replay="a.har")
def test_other_format(media_collection): pass
"""


def test_a_recording_that_cannot_be_made_is_told_in_one_line(pytester: pytest.Pytester, real: RealEndpoint) -> None:
    done = run_tests(pytester, MISTAKES, "--tapehead-record", real.server.url, "-p", "no:randomly")

    done.assert_outcomes(passed=1, errors=4)
    assert "Traceback" not in done.stdout.str()
    for line in (
        "'*same.jsonl' is recorded by '*::test_first' already; name another recording for '*::test_second'",
        "nowhere to record this test to: pass --tapehead-keep DIR or mark it with 'replay'",
        "marker 'tapehead': a test is recorded to one recording, not 2; name one in 'replay'",
        "marker 'tapehead': cannot record to '*a.har'; name a file that ends in .jsonl in 'replay'",
    ):
        done.stdout.fnmatch_lines([line])
    assert not list(Path(pytester.path).glob("*.jsonl"))

    refused = run_tests(pytester, MISTAKES, "--tapehead-record", "example.com")
    refused.stderr.fnmatch_lines(["ERROR: invalid --tapehead-record 'example.com': expected an http or https URL*"])
