"""The journal of a run of tests that cannot be made."""

import threading

import pytest

from support.exchanges import opened, start
from tapehead.answers import Answer
from tapehead.internal_errors import InternalErrors
from tapehead.pytest_plugin.late_journal import LateJournal

CALLS = 100


def test_calls_for_a_journal_that_cannot_be_made_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    late = LateJournal(InternalErrors(report=told.append))

    def fail(_late: LateJournal) -> None:
        raise MemoryError("planted")

    monkeypatch.setattr(LateJournal, "_make", fail)
    call = opened("s1", start())
    for _ in range(CALLS):
        late.capture.add(late.capture.begin(), call.request, Answer(response=call.response), has_left=False)
        for thread in threading.enumerate():
            if thread.name == "tapehead-journal":
                thread.join()

    assert late._waiting == []
    assert len(told) == 1
    assert "tapehead failed in making the journal; traffic continues untouched" in told[0]
    with pytest.raises(MemoryError, match="planted"):
        late.journal()
