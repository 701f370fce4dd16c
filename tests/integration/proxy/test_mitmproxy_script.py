"""The script for stock mitmproxy tools: its options and commands, and messages about wrong ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy import exceptions
from mitmproxy.test import taddons

from support.certificates import SCRIPT
from tapehead.proxy.script import OptionsAddon

RECORDINGS = SCRIPT.parent.parent / "recordings"


@pytest.fixture
def script() -> OptionsAddon:
    return OptionsAddon()


@pytest.fixture
def tool(script: OptionsAddon) -> Iterator[taddons.context]:
    with taddons.context(script) as context:
        yield context


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tapehead_replay": ["/nowhere.jsonl"]}, "there is no file /nowhere.jsonl"),
        ({"tapehead_on_miss": "forward"}, "expected one of simulate, error"),
        ({"tapehead_record": "/tmp/a.jsonl", "tapehead_replay": ["/tmp/a.jsonl"]}, "exclude each other"),
    ],
)
def test_a_wrong_option_is_refused_in_words(
    script: OptionsAddon, tool: taddons.context, options: dict[str, object], said: str
) -> None:
    with pytest.raises(exceptions.OptionsError, match=said):
        tool.configure(script, **options)


def test_a_recording_is_audited_by_command(script: OptionsAddon, tool: taddons.context) -> None:
    lines = tool.master.commands.call("tapehead.audit", str(RECORDINGS / "mistakes.jsonl"))

    assert any(line.startswith("error ad-outside-break: ") for line in lines)
    assert tool.master.commands.call("tapehead.audit", str(RECORDINGS / "timeline-1.jsonl")) == []


def test_sessions_are_listed_by_command(script: OptionsAddon, tool: taddons.context, tmp_path: Path) -> None:
    assert tool.master.commands.call("tapehead.sessions") == []
