"""The commands of the script for mitmproxy's tools: the audit of flows and recordings, and the sessions so far."""

import logging
import os
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

from mitmproxy import command, ctx, exceptions, flow, http, types

from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import FindingState, SessionFinding
from tapehead.errors import TapeheadError
from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal import Journal
from tapehead.mitmproxy_script.options import audit_settings
from tapehead.protocol.exchange import Entry, Exchange, Severity
from tapehead.protocol.routes import Route
from tapehead.proxy.error_boundary import contained_command
from tapehead.proxy.flows import capture, route_of
from tapehead.recording.capture import build_exchange
from tapehead.recording.reader import RecordingReader
from tapehead.text import count_of, escape_controls

logger = logging.getLogger(__name__)

# Opens files, given what warns of the problems in them.
OpenRecordings = Callable[[Sequence[str | Path], Callable[[str], None]], RecordingReader]
_NO_PATH = types.Path("")
# The audit of more takes so long that the tool's traffic would wait for it.
MOST_CALLS = 3_000
# The time that a command waits for the audit of the calls so far, in seconds.
SETTLE_SECONDS = 0.5


class Script(Protocol):
    """The part of the script that commands need."""

    internal_errors: InternalErrors

    @property
    def journal(self) -> Journal | None:
        """The journal of the calls so far; None if there was none."""
        ...

    def mark(self, flow: http.HTTPFlow) -> Route | None:
        """Return the route of a flow if it is a collection call, which it is marked as from now on."""
        ...


class CommandsAddon:
    """The commands.

    Args:
        script: has the journal of the calls so far, and knows which flows are calls.
        open_recordings: opens the files that are audited.

    Attributes:
        internal_errors: records what fails.
    """

    name = "tapehead-commands"

    def __init__(self, script: Script, open_recordings: OpenRecordings) -> None:
        self._script = script
        self.internal_errors = script.internal_errors
        self._open_recordings = open_recordings

    @command.command("tapehead.sessions")  # type: ignore[untyped-decorator]
    @contained_command
    def sessions(self) -> Sequence[str]:
        """List the sessions so far: id, content, state, number of events, findings."""
        journal = self._settled_journal()
        lines = []
        for row in journal.sessions() if journal else ():
            counts = row.findings
            each = ((severity, getattr(counts, severity)) for severity in Severity)
            found = ", ".join(count_of(count, severity) for severity, count in each if count) or "no findings so far"
            name = row.session or f"session {row.number}"
            content = row.content or row.content_id
            parts = (name, f"{content}: {row.state}" if content else row.state, count_of(row.events, "event"), found)
            lines.append(escape_controls(", ".join(parts)))
        return lines

    @command.command("tapehead.audit")  # type: ignore[untyped-decorator]
    @contained_command
    def audit(self, flows_or_path: str) -> Sequence[str]:
        """List findings on flows, such as @focus, @shown or a quoted filter ('~marked'), or in a recording."""
        path = os.path.expanduser(flows_or_path)  # noqa: PTH111 - it leaves a filter such as ~marked as it is
        if flows_or_path.startswith("@") or (flows_or_path.startswith("~") and not os.path.exists(path)):  # noqa: PTH110
            return self._audit_flows(flows_or_path)
        return self._audit_file(path)

    @command.command("tapehead.audit.recording")  # type: ignore[untyped-decorator]
    @contained_command
    def audit_recording(self, path: types.Path = _NO_PATH) -> Sequence[str]:
        """List what the audit finds in a recording; without a path, in the calls since the recording's start."""
        if path:
            return self._audit_file(path)
        journal = self._settled_journal()
        return [
            escape_controls(
                f"{row.severity} {row.rule}: {row.message} ({row.session or 'no session'}, call {row.call or '-'}"
                f"{'' if row.state == FindingState.CONFIRMED else f', {row.state}'})"
            )
            for row in (journal.findings() if journal else ())
        ]

    def _settled_journal(self) -> Journal | None:
        journal = self._script.journal
        if journal:
            journal.settle(SETTLE_SECONDS)
        return journal

    def _audit_file(self, path: str) -> list[str]:
        try:
            entries = list(islice(self._open_recordings([path], logger.warning).entries(), MOST_CALLS + 1))
        except TapeheadError as error:
            raise exceptions.CommandError(str(error)) from error
        if len(entries) > MOST_CALLS:
            raise exceptions.CommandError(
                f"'{path}' has more than {MOST_CALLS} calls, and traffic would wait for their audit; "
                f"run tapehead audit '{path}' in a shell"
            )
        return [
            finding_line(finding, f"{finding.recording}:{finding.line}")
            for result in audit(entries, audit_settings(), measure=None)
            for finding in result.findings
        ]

    def _audit_flows(self, spec: str) -> list[str]:
        """Audit the sessions of some flows, as far as the tool has them, and return the findings on the flows alone."""
        chosen = self._calls_of(spec)
        if not chosen:
            raise exceptions.CommandError(f"there is no Media Collection call among the flows of '{spec}'")
        sids = {sid for _flow, exchange in chosen if (sid := exchange.session)}
        ids = {each.id for each, _exchange in chosen}
        others = self._calls_of("@all", lambda flow: flow.id not in ids and sid_of(flow) in sids) if sids else []
        calls = sorted([*chosen, *others], key=lambda call: call[0].request.timestamp_start)
        wanted = {number for number, (each, _exchange) in enumerate(calls, start=1) if each.id in ids}
        entries = (Entry(number, exchange, "") for number, (_flow, exchange) in enumerate(calls, start=1))
        return [
            finding_line(finding, result.id or "no session")
            for result in audit(entries, audit_settings(), measure=None)
            for finding in result.findings
            if finding.line in wanted
        ]

    def _calls_of(
        self, spec: str, takes: Callable[[http.HTTPFlow], bool] = lambda _flow: True
    ) -> list[tuple[http.HTTPFlow, Exchange]]:
        if "view.flows.resolve" not in ctx.master.commands.commands:
            raise exceptions.CommandError(f"this tool keeps no flows; expected a recording instead of '{spec}'")
        found: Sequence[flow.Flow] = ctx.master.commands.call_strings("view.flows.resolve", [spec])
        calls = [each for each in found if isinstance(each, http.HTTPFlow) and self._script.mark(each) and takes(each)]
        if len(calls) > MOST_CALLS:
            raise exceptions.CommandError(
                f"{len(calls)} calls are too many, since traffic would wait for their audit; choose up to {MOST_CALLS}"
            )
        return [(each, build_exchange(capture(each, each.error.msg if each.error else None))) for each in calls]


def sid_of(flow: http.HTTPFlow) -> str | None:
    """Return the id of the session that a flow's call belongs to or opened; None if there is none."""
    route = route_of(flow)
    return route.sid if route and route.sid else capture(flow, None).sid


def finding_line(finding: SessionFinding, place: str) -> str:
    """Return a finding in one line, with its place."""
    return f"{finding.severity} {finding.rule}: {finding.message} ({place})"
