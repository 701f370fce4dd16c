"""The words of findings: those of each pair of sessions are the ones that were read and approved."""

from docs.generate_rule_messages import TARGET, message_lines


def test_findings_say_what_was_approved() -> None:
    """After a change of words: `cd tests && python -m docs.generate_rule_messages`, and read the difference."""
    assert list(message_lines()) == TARGET.read_text().splitlines()
