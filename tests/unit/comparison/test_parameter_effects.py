"""A metric that changes because of a parameter comes with it, also if it is ignored or within the tolerance."""

from typing import Any

import pytest

from support.diff_variants import compare, told
from support.sessions import Timeline
from tapehead.comparison.differences import Change
from tapehead.protocol.exchange import Exchange

C = Change


def played(length: float, seconds: float = 95.2, **params: Any) -> list[Exchange]:
    """A session that plays to some second of content with a length."""
    timeline = Timeline().start(length=length, **params).at(0, "play").pings(10, 90)
    return timeline.at(seconds, "sessionEnd").exchanges


def test_a_length_within_the_tolerance_is_listed_if_a_marker_depends_on_it() -> None:
    found = compare(played(100), played(100.5))

    assert told(found, C.PARAMETER_CHANGED, C.METRIC_CHANGED) == [
        (C.PARAMETER_CHANGED, "params.media.length"),
        (C.METRIC_CHANGED, "progress_95"),
    ]
    (length, _) = found.sessions[0].differences
    assert length.message == "100 -> 100.5 (within the tolerance), changes progress_95"
    assert (length.base, length.new) == (100, 100.5)
    assert length.base_event is not None
    assert length.base_event.type == "sessionStart"


def test_a_length_on_which_no_metric_depends_is_not_listed() -> None:
    assert compare(played(100, 60), played(100.5, 60)).same


def test_a_length_is_not_named_for_metrics_that_changed_otherwise() -> None:
    """Paused for 40 s: the pause is no matter of the length."""
    base = Timeline().start(length=100).at(0, "play").at(60, "sessionEnd").exchanges
    paused = Timeline().start(length=100.5).at(0, "play").at(5, "pauseStart").at(45, "play")
    new = paused.at(100, "sessionEnd").exchanges

    assert (C.METRIC_CHANGED, "total_pause_duration") in told(compare(base, new))
    assert told(compare(base, new), C.PARAMETER_CHANGED) == []


def test_an_ignored_parameter_that_changes_a_metric_is_a_note() -> None:
    found = compare(played(100), played(200), ignore=("media.length",))

    assert told(found, C.PARAMETER_CHANGED) == []
    (note,) = found.sessions[0].notes
    assert note.startswith("params.media.length: 100 -> 200 (ignored), changes ")
    assert "progress_75" in note
    assert (C.METRIC_CHANGED, "progress_75") in told(found)


@pytest.mark.parametrize(("base", "new"), [({}, {"resume": True}), ({"resume": True}, {})])
def test_an_ignored_parameter_on_one_side_counts(base: dict[str, Any], new: dict[str, Any]) -> None:
    found = compare(played(100, **base), played(100, **new), ignore=("media.resume",))

    assert (C.METRIC_CHANGED, "content_resumes") in told(found)
    assert [note.partition(":")[0] for note in found.sessions[0].notes] == ["params.media.resume"]


def test_a_listed_parameter_is_listed_once() -> None:
    found = compare(played(100), played(200))

    assert told(found, C.PARAMETER_CHANGED) == [(C.PARAMETER_CHANGED, "params.media.length")]
    assert found.sessions[0].notes == ()
