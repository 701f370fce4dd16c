"""The script for stock mitmproxy tools: its options and commands, and messages about wrong ones."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme
from mitmproxy import exceptions
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.test import taddons

from support.certificates import SCRIPT, mitmdump
from support.exchanges import opened, start
from support.har_files import har_of
from support.script_options import MISSING, script_options
from tapehead.cli.option_defaults import COMMANDS, options_of
from tapehead.mitmproxy_script.addon import OptionsAddon
from tapehead.protocol.routes import ENDPOINT_DOMAIN

RECORDINGS = SCRIPT.parent.parent / "recordings"
RECORDED = str(RECORDINGS / "timeline-1.jsonl")


@pytest.fixture
def script() -> OptionsAddon:
    return OptionsAddon()


@pytest.fixture
def tool(script: OptionsAddon) -> Iterator[taddons.context]:
    with taddons.context(Proxyserver(), TlsConfig(), script) as context:
        yield context


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tapehead_replay": ["/nowhere.jsonl"]}, "there is no file '/nowhere.jsonl'"),
        ({"tapehead_on_miss": "forward"}, "expected one of simulate, error"),
        (
            {"tapehead_endpoint": ["a.example", "b.example/x"]},
            "is 'a.example, b.example/x'; expected HOST, HOST:PORT",
        ),
        ({"tapehead_record": RECORDED, "tapehead_replay": [RECORDED]}, "is an input and would be overwritten"),
        ({"tapehead_simulate": True, "tapehead_replay": [RECORDED]}, "exclude each other"),
        ({"tapehead_simulate": True, "tapehead_fault": ["event:pnig=410"]}, "invalid tapehead_fault 'event:pnig=410'"),
        ({"tapehead_simulate": True, "tapehead_latency": "soon"}, "invalid tapehead_latency 'soon': expected"),
        ({"tapehead_simulate": True, "tapehead_time_scale": "0"}, "tapehead_time_scale is '0'; expected a number"),
        ({"tapehead_simulate": True, "tapehead_second_end": "200"}, "is '200'; expected one of 204, 410"),
        ({"tapehead_fault": ["event:ping=410"]}, "tapehead_fault needs tapehead_simulate or tapehead_replay"),
        ({"tapehead_time_scale": "60"}, "tapehead_time_scale needs tapehead_simulate or tapehead_replay"),
        ({"tapehead_live": 65536}, "tapehead_live is 65536; expected a port from 0 to 65535"),
        ({"tapehead_live": 0, "tapehead_token": "short"}, "invalid tapehead_token: expected 16 to 200 of"),
        ({"tapehead_live_origin": ["http://a"]}, "tapehead_live_origin needs tapehead_live PORT"),
        ({"tapehead_live": 0, "tapehead_live_origin": ["a"]}, "invalid tapehead_live_origin 'a': expected a scheme"),
        ({"tapehead_config": "/nowhere.toml"}, "there is no file '/nowhere.toml'"),
        (
            {"tapehead_backlog": "much", "tapehead_record": "a.jsonl"},
            "invalid tapehead_backlog 'much': expected",
        ),
        ({"tapehead_fail_on": "some"}, "tapehead_fail_on is 'some'; expected one of error, warning, never"),
        ({"tapehead_fail_on": "error", "tapehead_no_audit": True}, "tapehead_fail_on and tapehead_no_audit exclude"),
        ({"tapehead_redact": False, "tapehead_redact_key": ["a"]}, "tapehead_redact_key needs tapehead_redact"),
        ({"tapehead_redact_key": [" "]}, "tapehead_redact_key is empty; expected the name of a key"),
    ],
)
def test_a_wrong_option_is_refused_in_words(
    script: OptionsAddon, tool: taddons.context, options: dict[str, object], said: str
) -> None:
    with pytest.raises(exceptions.OptionsError, match=said):
        tool.configure(script, **options)


def test_the_script_has_the_options_of_the_commands() -> None:
    of_commands = {option.key for command in COMMANDS for option in options_of(command)}
    of_script = {option.key for option in script_options()}

    assert of_commands == {*(of_script - {"RECORDING", "serve"}), *MISSING}
    assert not of_script & set(MISSING)


def test_an_option_that_there_is_not_is_told(tmp_path: Path, authority: trustme.CA) -> None:
    with mitmdump(tmp_path, authority, "tapehead_recrod=x", "other_typo=x", "tapehead_sync=none") as tool:
        tool.stop()

    (line,) = (line for line in tool.lines if "there is no option" in line)
    assert line.endswith("tapehead: there is no option tapehead_recrod; did you mean tapehead_record?")


def test_har_files_are_replayed(tmp_path: Path, authority: trustme.CA) -> None:
    (tmp_path / "a.har").write_bytes(har_of([opened("s1", start())]))
    with mitmdump(tmp_path, authority, f"tapehead_replay={tmp_path / 'a.har'}") as tool:
        with httpx.Client(proxy=tool.url) as player:
            answer = player.post(f"http://company.{ENDPOINT_DOMAIN}/api/v1/sessions", json=start())
        tool.stop()

    assert answer.status_code == 201
    assert any("1 hit, 0 misses" in line for line in tool.lines)


def test_a_recording_is_audited_by_command(script: OptionsAddon, tool: taddons.context) -> None:
    lines = tool.master.commands.call("tapehead.audit", str(RECORDINGS / "mistakes.jsonl"))

    assert any(line.startswith("error ad-outside-break: ") for line in lines)
    assert tool.master.commands.call("tapehead.audit", str(RECORDINGS / "timeline-1.jsonl")) == []


def test_sessions_are_listed_by_command(script: OptionsAddon, tool: taddons.context, tmp_path: Path) -> None:
    assert tool.master.commands.call("tapehead.sessions") == []
