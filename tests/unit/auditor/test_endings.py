"""Of sessions that are over, at least the latest half of the most that are kept is known."""

from hypothesis import given
from hypothesis import strategies as st

from tapehead.auditor.evaluation import ClosedSession
from tapehead.auditor.recordings_audit import Endings

STEPS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([True, False, None])), max_size=40)


@given(STEPS, st.integers(1, 9))
def test_the_latest_endings_are_known(steps: list[tuple[str, bool | None]], most: int) -> None:
    endings, noted = Endings(most), list[tuple[str, bool]]()
    for sid, ended in steps:
        if ended is None:
            endings.forget(sid)
            noted = [each for each in noted if each[0] != sid]
        else:
            endings.note(sid, ClosedSession(ended))
            noted.append((sid, ended))

    known = {sid: ending.ended for sid in "abcdefgh" if (ending := endings.of(sid))}
    assert known.items() >= dict(noted[-max(1, most // 2) :]).items()
    assert known.items() <= dict(noted).items()
    assert len(known) <= max(2, most)
