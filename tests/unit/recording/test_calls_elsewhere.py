"""The counts of what came instead of calls, in several processes together."""

from tapehead.recording.calls_elsewhere import CallsElsewhere


def test_hosts_whose_certificate_was_refused_in_several_processes_are_told_once() -> None:
    total = CallsElsewhere()
    for line in ("the line", "the line again"):
        other = CallsElsewhere()
        assert other.add_untrusted("a.example", line)
        total.add_all(other)
    assert total.lines_on_more() == ["the line"]
