"""Honest traffic: the vendor's SDK and the mended timelines give no error; the documented ones exactly their slips."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.paths import DATA
from support.sessions import BEGIN_MS, make_exchange, of_bodies, run
from support.timelines import TIMELINES
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import Outcome
from tapehead.demo.timelines import bodies
from tapehead.interop.reader import read_recordings
from tapehead.protocol.exchange import Exchange, Severity
from tapehead.protocol.routes import Call, find_call, location_of

CAPTURES = sorted((DATA / "captures").glob("*.jsonl"))


def load_capture(path: Path) -> list[Exchange]:
    requests = [json.loads(line) for line in path.read_text().splitlines()]
    first = next(json.loads(request["body"]) for request in requests if request["body"])
    began = first["playerTime"]["ts"]
    calls = [find_call(request["method"], request["url"]) for request in requests]
    sid = next(call.sid for call in calls if call and call.sid)
    return [_exchange(request, call.call, sid, began) for request, call in zip(requests, calls, strict=True) if call]


def _exchange(request: dict[str, Any], call: Call, sid: str, began: float) -> Exchange:
    path = request["url"].removeprefix("https://example.hb-api.omtrdc.net")
    return make_exchange(
        path,
        (request["body"] or "").encode(),
        call=call,
        sid=sid if "events" in path or call is Call.SESSION else None,
        status={Call.SESSION: 201, Call.EVENT: 204}.get(call, 200),
        arrived_ms=began + request["t"] * 1000,
        elapsed_ms=300 if call is Call.SESSION else 20,
        location=location_of(sid) if call is Call.SESSION else None,
    )


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_captures_have_no_error_and_no_warning(path: Path) -> None:
    (result,) = run(load_capture(path))
    assert {(each.rule, each.severity) for each in result.findings} == {
        "sdk-every-event": {("equal-timestamps", Severity.INFO), ("ad-duration", Severity.INFO)},
        # Its second chapter says offset 30, and begins at 15; its time to start is 1.
        "sdk-sample-player": {
            ("equal-timestamps", Severity.INFO),
            ("chapter-mismatch", Severity.INFO),
            ("time-to-start-grows", Severity.INFO),
        },
    }[path.stem]
    assert len(result.findings) == len({each.rule for each in result.findings})


# The findings in sessions of an honest player on the vendor's SDKs, by SDK and session, in which an auditor finds more
# than a moment of equal timestamps. `buffer` begins to play and to buffer in one millisecond, and the order decides;
# the time to start of `qoe-error` is in seconds on the one SDK, and changes on the other.
ONE_MOMENT = {("equal-timestamps", Severity.INFO)}
SDK_FINDINGS = {
    "javascript-sdk-3.1.0": {
        "buffer": {("equal-timestamps", Severity.WARNING)},
        "qoe-error": ONE_MOMENT | {("time-to-start-grows", Severity.INFO)},
        "leave-silent": ONE_MOMENT | {("session-not-closed", Severity.INFO)},
    },
    "chromecast-sdk-3.0.3": {
        "buffer": {("equal-timestamps", Severity.WARNING)},
        "qoe-error": ONE_MOMENT | {("time-to-start-grows", Severity.WARNING)},
        "leave-silent": ONE_MOMENT | {("session-not-closed", Severity.INFO)},
    },
}


@pytest.mark.parametrize("sdk", SDK_FINDINGS)
def test_sessions_of_a_vendors_sdk_have_no_false_alarm(sdk: str) -> None:
    results = list(audit(read_recordings([DATA / "sdk_sessions" / f"{sdk}.jsonl.zst"])))

    assert len(results) == 22
    for result in results:
        found = {(each.rule, each.severity) for each in result.findings}
        assert found == SDK_FINDINGS[sdk].get(str(result.id), ONE_MOMENT), result.id
        assert len(result.findings) == len(found)


@pytest.mark.parametrize("number", TIMELINES)
def test_mended_timelines_have_no_findings(number: int) -> None:
    (result,) = run(of_bodies(bodies(TIMELINES[number], BEGIN_MS)))
    assert result.findings == []
    assert result.outcome is (Outcome.ENDED if number == 2 else Outcome.COMPLETED)
