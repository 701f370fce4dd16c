"""WireMock as an oracle: with the same stubs it answers the same requests with the same statuses as tapehead."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from support.processes import running, start_program
from support.recordings import CAPTURES, failing, record_capture
from support.resend import in_order, resend, write
from tapehead.protocol.events import read_event
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.http_wire import end_to_end
from tapehead.protocol.messages import Response

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tapehead-tests"
JAR = "node_modules/wiremock/build/wiremock-standalone-*.jar"


def missing(what: str) -> None:
    """Skip, and say why; where everything is to be there, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def jar() -> Path:
    """WireMock, as .ci/run installs it."""
    jars = sorted(CACHE.glob(JAR))
    if not shutil.which("java"):
        missing("there is no java; WireMock needs a Java 17 runtime")
    if not jars:
        missing(f"WireMock is not there; npm install --prefix {CACHE} wiremock@3")
    return jars[-1]


def stubs_of(exchanges: list[Exchange]) -> Iterator[dict[str, Any]]:
    """A recording as stub mappings: the nth request of a kind gets the nth answer."""
    seen: Counter[str] = Counter()
    for exchange in exchanges:
        path, body = urlsplit(exchange.request.url).path, exchange.request.json()
        event_type = read_event(body).key.event_type
        scenario = f"{exchange.request.method} {path} {event_type}"
        nth = seen[scenario]
        seen[scenario] += 1
        matched: dict[str, Any] = {"method": exchange.request.method, "urlPath": path}
        if event_type:
            told = {"expression": "$.eventType", "equalTo": event_type}
            matched |= {"bodyPatterns": [{"matchesJsonPath": told}]}
        yield {
            "scenarioName": scenario,
            "requiredScenarioState": str(nth) if nth else "Started",
            "newScenarioState": str(nth + 1),
            "request": matched,
            "response": _stubbed(exchange.response),
        }


def _stubbed(response: Response | None) -> dict[str, Any]:
    if response is None:
        return {"fault": "EMPTY_RESPONSE"}
    headers = {name: value for name, value in end_to_end(response.headers) if name.lower() != "date"}
    return {"status": response.status, "headers": headers, "body": response.content().decode()}


def by_wiremock(jar: Path, folder: Path, exchanges: list[Exchange]) -> list[httpx.Response | None]:
    """Return WireMock's answers to the recorded requests."""
    (folder / "mappings").mkdir(parents=True)
    (folder / "mappings" / "all.json").write_text(json.dumps({"mappings": list(stubs_of(exchanges))}))
    command = ["java", "-jar", jar, "--port", 0, "--bind-address", "127.0.0.1", "--root-dir", folder]
    with start_program(*command, "--disable-gzip") as server, httpx.Client() as player:
        port = server.wait_for(lambda line: line.startswith("port:")).split()[-1]
        return resend(player, f"http://127.0.0.1:{port}", exchanges)


def by_tapehead(recordings: list[Path], exchanges: list[Exchange]) -> list[httpx.Response | None]:
    """Return tapehead's answers to them."""
    with running("serve", *recordings, "--strict") as opened, httpx.Client() as player:
        answers = resend(player, opened.url, exchanges)
        assert opened.stop() == 0
    return answers


def test_wiremock_with_the_same_stubs_gives_the_same_answers(jar: Path, tmp_path: Path) -> None:
    captured = [record_capture(name, tmp_path / name) for name in CAPTURES]
    recordings = [*captured, write(tmp_path / "failing.jsonl", failing())]
    exchanges = [exchange for recording in recordings for exchange in in_order(recording)]
    theirs = by_wiremock(jar, tmp_path / "wiremock", exchanges)
    ours = by_tapehead(recordings, exchanges)

    assert [told(each) for each in ours] == [told(each) for each in theirs]
    assert [told(each)[0] for each in theirs] == [each.response and each.response.status for each in exchanges]


def told(answer: httpx.Response | None) -> tuple[int | None, bytes, str | None]:
    """Return the parts in which both have to agree: status, body and type."""
    if answer is None:
        return None, b"", None
    return answer.status_code, answer.content, answer.headers.get("Content-Type")
