"""Calls in temporary rows are shown as calls in memory are."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support import reports
from tapehead import files
from tapehead.auditor.recordings_audit import audit
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.reports.show.recorded_calls import calls_by_session
from tapehead.reports.show.stored_calls import StoredCalls

EXCHANGES = [
    *reports.faulty("faulty"),
    *reports.documented(1, "good"),
    reports.exchange("", reports.event(0, "sessionStart", 0, {"media.id": "refused"}), 3, 400),
    reports.exchange("nobody", b"no JSON", 5, 404),
]


def ignore(_error: OSError) -> None:
    """Take no notice."""


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(chosen=st.lists(st.sampled_from(EXCHANGES), max_size=30), sid=st.sampled_from([None, "", "-", "fa", "good"]))
def test_calls_are_the_same(chosen: Sequence[Exchange], sid: str | None) -> None:
    ordered = sorted(chosen, key=lambda each: each.started)
    entries = [Entry(line, each, "recording.jsonl") for line, each in enumerate(ordered, start=1)]
    whole = calls_by_session(entries, audit(entries))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(files.TemporaryRows.__init__, "__defaults__", (0,))
        stored = StoredCalls(ignore)
        for result in audit(stored.keep(entries, sid)):
            stored.add(result)

    wanted = [session for session in whole if sid is None or (session or "-").startswith(sid)]
    assert list(stored) == wanted
    assert [stored[session] for session in wanted] == [whole[session] for session in wanted]
