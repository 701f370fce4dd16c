"""The three timelines exactly as the reference prints them: the audit finds their slips and nothing else.

Every step has its table's second, so what happens at once has one timestamp; bodies have the playhead they print.
"""

import json
from collections import Counter
from typing import Any

import pytest

from support.paths import DATA
from support.sessions import BEGIN_MS, of_bodies, run
from tapehead.auditor.results import SessionResult
from tapehead.protocol.exchange import Severity

HERE = DATA / "timelines"
# The slips: equal timestamps; podPosition 1 twice in a pod and 2 at the beginning of one; in timeline 2 the length of
# an ad that plays longer, `bitrate` instead of media.qoe.bitrate, and a playhead that runs 10 s in 3 s; its viewer
# leaves within an ad; in 3 a playhead of 0 in mid-session; in 1 and 3 a sessionComplete at 45 of 60 s.
SLIPS = {
    1: {"equal-timestamps": Severity.INFO, "ad-position": Severity.WARNING, "complete-early": Severity.WARNING},
    2: {
        "equal-timestamps": Severity.INFO,
        "ad-duration": Severity.INFO,
        "unknown-parameter": Severity.WARNING,
        "ad-break-left-open": Severity.INFO,
        "ad-left-open": Severity.INFO,
        "playhead-jump": Severity.WARNING,
    },
    3: {
        "equal-timestamps": Severity.INFO,
        "ad-position": Severity.WARNING,
        "playhead-jump": Severity.WARNING,
        "complete-early": Severity.WARNING,
    },
}
TWICE = {"ad-position", "unknown-parameter"}


def play(number: int) -> SessionResult:
    rows = [json.loads(line) for line in (HERE / f"{number}.jsonl").read_text().splitlines()]
    (result,) = run(of_bodies(map(body, rows)))
    return result


def body(row: dict[str, Any]) -> dict[str, Any]:
    time = {"playhead": row.pop("playhead"), "ts": BEGIN_MS + row.pop("at") * 1000}
    return row | {"playerTime": time}


@pytest.mark.parametrize("number", SLIPS)
def test_documented_timelines_have_exactly_their_slips_and_no_error(number: int) -> None:
    found = play(number).findings
    assert {(each.rule, each.severity) for each in found} == set(SLIPS[number].items())
    assert Counter(each.rule for each in found) == {rule: 2 if rule in TWICE else 1 for rule in SLIPS[number]}


def test_findings_say_where_in_the_session() -> None:
    (found,) = (finding for finding in play(2).findings if finding.rule == "ad-left-open")
    assert found.message == (
        "sessionEnd: the ad of event 13 is still open; expected adComplete or adSkip before it (event 14, 48.0 s in)"
    )
    assert found.event is not None
    assert (found.event.index, found.event.type, found.event.playhead) == (14, "sessionEnd", 33)
    assert found.line == 15
