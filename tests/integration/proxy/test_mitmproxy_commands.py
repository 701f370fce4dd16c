"""The script's commands, its view of calls, and the marks of flows in a mitmproxy tool that keeps flows."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from mitmproxy import contentviews, exceptions, flow, http
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.addons.view import View
from mitmproxy.test import taddons

from support.exchanges import BREAK, Step, event, opened, sent, session, start
from support.har_files import flow_of
from support.resend import write
from tapehead.auditor.results import SessionFinding
from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal import Journal
from tapehead.journal.stored_rows import NewFinding
from tapehead.mitmproxy_script.addon import OptionsAddon
from tapehead.mitmproxy_script.commands import MOST_CALLS, CommandsAddon
from tapehead.protocol.exchange import Severity, encode
from tapehead.proxy.flow_findings import FlowFindings
from tapehead.proxy.journal_marks import MOST_FINDINGS, JournalMarks

STEPS: list[Step] = [
    (0.2, 0, "play", {}),
    (1.2, 1, "adBreakStart", BREAK),
    (2.2, 2, "adBreakStart", BREAK),
    (3.2, 3, "sessionEnd", {}),
]
NESTED = 3
TIMEOUT_SECONDS = 30
MANY = 1_000


class Updates:
    """Waits until flows are told to have changed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def update(self, _flows: Sequence[flow.Flow]) -> None:
        self._event.set()

    async def wait(self) -> None:
        """Wait for the next change."""
        await asyncio.wait_for(self._event.wait(), TIMEOUT_SECONDS)
        self._event.clear()


@pytest.fixture
def view() -> View:
    return View()


@pytest.fixture
def script() -> OptionsAddon:
    return OptionsAddon()


@pytest.fixture
def tool(script: OptionsAddon, view: View) -> Iterator[taddons.context]:
    with taddons.context(Proxyserver(), TlsConfig(), view, script) as context:
        yield context
        script.done()


def flows(sid: str = "s1") -> list[http.HTTPFlow]:
    """Return a session's flows; a break is in another one in the fourth."""
    return [flow_of(each) for each in session(sid, STEPS)]


def found(message: str, call: int, *, rule: str = "ad-break-nested") -> SessionFinding:
    """Return a finding on a call."""
    return SessionFinding(
        rule=rule, severity=Severity.ERROR, message=message, path="", event=None, line=call, recording=""
    )


# ---- Commands ----


def test_the_audit_of_a_flow_knows_its_whole_session(tool: taddons.context, view: View) -> None:
    kept = flows()
    view.add(kept)
    view.focus.flow = kept[NESTED]

    (line,) = tool.master.commands.call("tapehead.audit", "@focus")
    assert line.startswith("error ad-break-nested: ")
    assert line.endswith(" (s1)")
    view.focus.flow = kept[1]
    assert tool.master.commands.call("tapehead.audit", "@focus") == []


def test_flows_are_audited_as_they_are_chosen(tool: taddons.context, view: View) -> None:
    first, second = flows(), flows("s2")
    view.add([*first, *second])
    first[NESTED].marked = ":default:"
    view.set_filter_cmd("~u s2")

    def sessions(spec: str) -> set[str]:
        return {line.rpartition("(")[2] for line in tool.master.commands.call("tapehead.audit", spec)}

    assert [sessions(spec) for spec in ("@marked", "~marked", "@shown", "@all")] == [
        {"s1)"},
        {"s1)"},
        {"s2)"},
        {"s1)", "s2)"},
    ]


def test_flows_without_a_call_are_told(tool: taddons.context, view: View) -> None:
    other = flow_of(sent("s1", event("play")))
    other.request.path = "/other"
    for kept in ([], [other]):
        view.add(kept)
        for spec in ("@focus", "@all", "~marked"):
            with pytest.raises(exceptions.CommandError, match=f"no Media Collection call among the flows of '{spec}'"):
                tool.master.commands.call("tapehead.audit", spec)


def test_what_is_neither_a_flow_nor_a_file_is_refused_in_words(tool: taddons.context) -> None:
    for command in ("tapehead.audit", "tapehead.audit.recording"):
        with pytest.raises(exceptions.CommandError, match=r"there is no file '/nowhere\.jsonl'"):
            tool.master.commands.call(command, "/nowhere.jsonl")


def test_commands_audit_with_the_settings_file(tool: taddons.context, view: View, tmp_path: Path) -> None:
    settings, recording = tmp_path / "settings.toml", tmp_path / "a.jsonl"
    settings.write_text('[rules]\nad-break-nested = "off"\n')
    write(recording, session("s1", STEPS))
    view.add(flows())
    for config, is_found in ((settings, False), ("", True)):
        tool.master.options.update(tapehead_config=str(config))
        for chosen in ("@all", str(recording)):
            found_ = tool.master.commands.call("tapehead.audit", chosen)
            assert any("ad-break-nested" in line for line in found_) is is_found


def test_a_recording_that_traffic_would_wait_for_is_refused(tool: taddons.context, tmp_path: Path) -> None:
    write(tmp_path / "long.jsonl", session("s1", [(0.01 * number, 0, "ping", {}) for number in range(MOST_CALLS)]))
    with pytest.raises(exceptions.CommandError, match=r"long\.jsonl' has more than 3000 calls.* run tapehead audit"):
        tool.master.commands.call("tapehead.audit", str(tmp_path / "long.jsonl"))


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("tapehead.audit", "@all"), "_audit_flows"),
        (("tapehead.audit.recording",), "_settled_journal"),
        (("tapehead.sessions",), "_settled_journal"),
    ],
)
def test_a_bug_in_a_command_is_an_error_of_the_command(
    words: tuple[str, ...], part: str, tool: taddons.context, script: OptionsAddon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("planted")

    monkeypatch.setattr(CommandsAddon, part, fail)
    for number in (1, 2):
        with pytest.raises(exceptions.CommandError, match="tapehead failed in this command; the event log has"):
            tool.master.commands.call(*words)
        assert script.internal_errors.count == number


def test_a_tool_that_keeps_no_flows_says_so() -> None:
    said = "this tool keeps no flows; expected a recording instead of '@focus'"
    with taddons.context(OptionsAddon()) as context, pytest.raises(exceptions.CommandError, match=said):
        context.master.commands.call("tapehead.audit", "@focus")


def test_commands_know_the_calls_so_far(script: OptionsAddon, view: View) -> None:
    async def play() -> None:
        with taddons.context(Proxyserver(), TlsConfig(), view, script) as context:
            for each in flows():
                await context.cycle(script, each)
            (session_line,) = context.master.commands.call("tapehead.sessions")
            lines = context.master.commands.call("tapehead.audit.recording")
            assert script.journal
            for number in range(1_001):
                start_of = opened(f"more-{number}", start())
                script.journal.add(start_of, encode(start_of))
            assert len(context.master.commands.call("tapehead.sessions")) == 1_002
            script.done()
        assert session_line.startswith("s1, First clip: ended, 5 events, 1 error")
        assert any(line.startswith("error ad-break-nested: ") and "(s1, call 4" in line for line in lines)

    asyncio.run(play())


# ---- The view ----


@pytest.mark.usefixtures("tool")
def test_a_call_is_shown_with_its_findings_over_its_json(script: OptionsAddon) -> None:
    call = flow_of(sent("s1", event("adStart", 1, params={"media.ad.lenght": 1, "media.ad.id": 5})))
    script.mark(call)
    shown = contentviews.prettify_message(call.request, call)
    title, *lines = shown.text.splitlines()

    assert shown.view_name == "Media Collection"
    assert title == "# Media Collection: adStart at 1.0 s, 2 errors, 2 warnings"
    comments = [line for line in lines if line.startswith("#")]
    assert max(map(len, comments)) <= 82
    assert [line.partition(":")[0] for line in comments if not line.startswith("#  ")][:3] == [
        "# error missing-parameter",
        "# error wrong-type",
        "# warning unknown-parameter",
    ]
    assert lines[len(comments) + 1 :][:2] == ["{", '    "eventType": "adStart",']


@pytest.mark.usefixtures("tool")
@pytest.mark.parametrize("body", [b"", b"{", b"\xff\x00", b"[1, 2]", b"null"])
def test_any_body_is_shown(script: OptionsAddon, body: bytes) -> None:
    call = flow_of(sent("s1", body))
    script.mark(call)

    shown = contentviews.prettify_message(call.request, call)
    assert shown.text.startswith("# Media Collection: ")
    assert shown.view_name == "Media Collection"


@pytest.mark.usefixtures("tool")
def test_other_flows_keep_their_view() -> None:
    other = flow_of(sent("s1", start()))
    other.request.path = "/other"

    assert contentviews.prettify_message(other.request, other).view_name == "JSON"


# ---- Marks ----


def test_marks_follow_the_journal() -> None:
    async def follow() -> None:
        updates, journal, errors = Updates(), Journal(is_audited=True), InternalErrors()
        findings = JournalMarks(FlowFindings(errors), errors)
        with taddons.context(updates):
            exchange = msgspec.structs.replace(sent("s1", event("play")), order=7)
            call = flow_of(exchange)
            call.comment = "seen by Kim"
            findings.follow(journal)
            findings.add(7, call)
            journal.add(exchange, encode(exchange))

            journal.apply([NewFinding(1, "provisional", "s1", found("one", 1))])
            await updates.wait()
            assert call.comment == "seen by Kim\nerror ad-break-nested: one (provisional)"
            assert call.marked == ":heavy_multiplication_x:"
            journal.apply([NewFinding(1, "confirmed", "s1", found("two", 1))])
            await updates.wait()
            assert call.comment == "seen by Kim\nerror ad-break-nested: two"
            journal.apply([NewFinding(1, "withdrawn", "s1", found("two", 1))])
            await updates.wait()
            assert (call.comment, call.marked) == ("seen by Kim", "")
            findings.stop()

    asyncio.run(follow())


def test_many_findings_are_shown_in_steps_that_decode_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other work of the event loop is done between the steps."""

    class Steps:
        def __init__(self) -> None:
            self.sizes: list[int] = []
            self.others = 0

        def update(self, flows: Sequence[flow.Flow]) -> None:
            self.sizes.append(len(flows))
            asyncio.get_running_loop().call_soon(self.count)

        def count(self) -> None:
            self.others += 1

    async def follow() -> None:
        steps, journal, errors = Steps(), Journal(is_audited=True), InternalErrors()
        marks = JournalMarks(FlowFindings(errors), errors)
        monkeypatch.setattr("tapehead.journal.journal_rows.decode", None)
        with taddons.context(steps):
            calls = []
            for order in range(1, MANY + 1):
                exchange = msgspec.structs.replace(sent("s1", event("ping")), order=order)
                calls.append(flow_of(exchange))
                marks.add(order, calls[-1])
                journal.add(exchange, encode(exchange))
            marks.follow(journal)
            journal.apply([NewFinding(order, "confirmed", "s1", found("a gap", order)) for order in range(1, MANY + 1)])
            while sum(steps.sizes) < MANY:
                await asyncio.sleep(0.01)
            assert max(steps.sizes) <= MOST_FINDINGS
            assert steps.others >= MANY // MOST_FINDINGS - 1
            assert all("a gap" in call.comment for call in calls)
            marks.stop()
        assert errors.count == 0

    asyncio.run(follow())


def test_a_finding_goes_with_the_event_that_it_is_about() -> None:
    async def follow() -> None:
        updates, journal, errors = Updates(), Journal(is_audited=True), InternalErrors()
        findings = JournalMarks(FlowFindings(errors), errors)
        with taddons.context(updates):
            calls = []
            findings.follow(journal)
            for order in (1, 2):
                exchange = msgspec.structs.replace(sent("s1", event("ping")), order=order)
                calls.append(flow_of(exchange))
                findings.add(order, calls[-1])
                journal.add(exchange, encode(exchange))
            journal.apply([NewFinding(1, "provisional", "s1", found("silence", 1, rule="ping-gap"))])
            await updates.wait()
            journal.apply([NewFinding(1, "provisional", "s1", found("a gap", 2, rule="ping-gap"))])
            await updates.wait()
            findings.stop()
        assert [call.comment for call in calls] == ["", "error ping-gap: a gap (provisional)"]

    asyncio.run(follow())


def test_a_mark_and_a_comment_of_a_person_stay(script: OptionsAddon, view: View) -> None:
    async def play() -> None:
        with taddons.context(Proxyserver(), TlsConfig(), view, script) as context:
            call = flow_of(sent("s1", event("adStart", 1)))
            call.marked, call.comment = ":grapes:", "look here\nerror of mine: no"
            await context.cycle(script, call)
            first = call.comment
            await context.cycle(script, call)  # as from a flow file that was saved with it
            script.done()
        assert call.marked == ":grapes:"
        assert first.startswith("look here\nerror of mine: no\nerror missing-parameter: ")
        assert call.comment.count("missing-parameter") == 1

    asyncio.run(play())
