"""tapehead as options of any mitmproxy tool: what `mitmdump -s addons/collection.py` loads.

The tool stays its user's: only collection calls are recorded or answered, everything else is left to the tool.
"""

import logging
import secrets
from collections.abc import Sequence
from pathlib import Path

from mitmproxy import command, ctx, exceptions, http, types
from mitmproxy.addonmanager import Loader

from tapehead.audit.session_audit import audit
from tapehead.errors import TapeheadError, UsageError
from tapehead.internal_errors import InternalErrors
from tapehead.protocol.routes import ENDPOINT_DOMAIN
from tapehead.proxy.addons import CallSelector, RecorderAddon, ReplayAddon
from tapehead.proxy.error_boundary import contained, contained_async
from tapehead.proxy.flows import route_of
from tapehead.proxy.hosts import Hosts
from tapehead.recording.paths import COMPRESSED_SUFFIX, new_recording
from tapehead.recording.reader import RecordingReader, read_recordings
from tapehead.recording.recorder import Recorder
from tapehead.recording.recorder_settings import StoreSettings, Sync, parse_rotation
from tapehead.redaction.excerpts import excerpts_for
from tapehead.replay.index import build_index, schemas_of
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.replayer import Replayer
from tapehead.replay.summary import summary_lines

logger = logging.getLogger(__name__)


# To forward is what the tool does anyway, without tapehead.
MISSES = [OnMiss.SIMULATE.value, OnMiss.ERROR.value]


# Options of which a change begins a recording anew.
_OF_RECORDING = frozenset(
    {"tapehead_record", "tapehead_redact", "tapehead_redact_key", "tapehead_sync", "tapehead_rotate"}
)
# The same of replay.
_OF_REPLAY = frozenset(
    {"tapehead_replay", "tapehead_on_miss", "tapehead_endpoint", "tapehead_redact", "tapehead_redact_key"}
)


class OptionsAddon:
    """Options and commands; the work is done by the addons of `tapehead.addon`."""

    def __init__(self) -> None:
        self._record: RecorderAddon | None = None
        self._play: ReplayAddon | None = None
        self._recording: Recorder | None = None
        self.failures = InternalErrors(tell=_warn)
        self._pick = CallSelector(Hosts(), failures=self.failures)
        self._replay: Replayer | None = None
        self._names: tuple[str, ...] = ()

    def load(self, loader: Loader) -> None:
        """Declare the options."""
        loader.add_option(
            "tapehead_record", str, "", "Record calls into this .jsonl or .jsonl.zst file or this directory."
        )
        loader.add_option("tapehead_replay", Sequence[str], [], "Answer collection calls from these recordings.")
        loader.add_option(
            "tapehead_on_miss",
            str,
            OnMiss.SIMULATE.value,
            "What becomes of calls that were not recorded.",
            choices=MISSES,
        )
        loader.add_option("tapehead_redact", bool, True, "Store pseudonyms for what identifies people and devices.")
        loader.add_option(
            "tapehead_redact_key",
            Sequence[str],
            [],
            "Keys and headers whose values identify somebody, besides the usual.",
        )
        loader.add_option(
            "tapehead_sync",
            str,
            Sync.SECOND.value,
            "When the disk has to confirm what is written.",
            choices=[each.value for each in Sync],
        )
        loader.add_option(
            "tapehead_rotate", Sequence[str], [], "Begin a new file at these sizes or ages, as 256MB, 1h."
        )
        loader.add_option(
            "tapehead_endpoint", Sequence[str], [], f"Hosts that count as the endpoint besides *.{ENDPOINT_DOMAIN}."
        )

    def configure(self, updated: set[str]) -> None:
        """Take up options that changed."""
        if not any(name.startswith("tapehead_") for name in updated):
            return
        try:
            self._configure(updated)
        except TapeheadError as problem:
            # While a script loads, the tool shows what it raises with a traceback; an error in the log ends it, too.
            if updated.issuperset(ctx.options.keys()):
                logger.error("tapehead: %s", problem)
            else:
                raise exceptions.OptionsError(str(problem)) from problem

    def _configure(self, updated: set[str]) -> None:
        if ctx.options.tapehead_record and ctx.options.tapehead_replay:
            raise UsageError("tapehead_record and tapehead_replay exclude each other; set one of them")
        if ctx.options.tapehead_on_miss not in MISSES:
            said = ctx.options.tapehead_on_miss
            raise UsageError(f"tapehead_on_miss is {said}; expected one of {', '.join(MISSES)}")
        self.failures.add_identifying_keys(ctx.options.tapehead_redact_key)
        self._pick = CallSelector(Hosts(ctx.options.tapehead_endpoint), failures=self.failures)
        self._set_record(updated)
        self._set_replay(updated)

    def _set_record(self, updated: set[str]) -> None:
        if updated.isdisjoint(_OF_RECORDING):
            return
        self._close()
        if not ctx.options.tapehead_record:
            return
        said = Path(ctx.options.tapehead_record)
        out = said if said.suffix in (".jsonl", COMPRESSED_SUFFIX) else new_recording(said)
        store = StoreSettings(
            out=out,
            append=True,
            keep_ids=not ctx.options.tapehead_redact,
            redact_keys=tuple(ctx.options.tapehead_redact_key),
            sync=_sync(ctx.options.tapehead_sync),
            rotation=parse_rotation(ctx.options.tapehead_rotate, "tapehead_rotate"),
        )
        self._recording = Recorder(store, _warn, self.failures)
        self._record = RecorderAddon(self._recording.writer, self.failures)
        logger.info("tapehead records into %s", out)

    def _set_replay(self, updated: set[str]) -> None:
        if updated.isdisjoint(_OF_REPLAY):
            return
        paths = [Path(path) for path in ctx.options.tapehead_replay]
        self._play = self._replay = None
        if not paths:
            return
        entries = RecordingReader(paths, logger.warning).by_file()
        index = build_index(entries.values())
        self._names = tuple(map(str, entries))
        on_miss = OnMiss(ctx.options.tapehead_on_miss)
        key = secrets.token_bytes(32) if ctx.options.tapehead_redact else None
        excerpts = excerpts_for(ctx.options.tapehead_redact_key, key)
        schemas = schemas_of(index, self._names)
        self._replay = Replayer(
            index,
            schemas,
            random_bytes=secrets.token_bytes,
            on_miss=on_miss,
            files=self._names,
            excerpts=excerpts,
        )
        self._play = ReplayAddon(self._replay, Hosts(ctx.options.tapehead_endpoint), failures=self.failures)
        # A recorded endpoint need not be up: connect upstream only for requests that are not answered here.
        ctx.options.update(connection_strategy="lazy", upstream_cert=False)

    @contained
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Mark a collection call before its body comes."""
        self._pick.mark(flow)
        if self._record:
            self._record.requestheaders(flow)

    @contained_async
    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer a collection call, when replaying."""
        if self._play and route_of(flow):
            await self._play.request(flow)

    @contained_async
    async def response(self, flow: http.HTTPFlow) -> None:
        """Record an exchange that was answered."""
        if self._record:
            await self._record.response(flow)

    @contained_async
    async def error(self, flow: http.HTTPFlow) -> None:
        """Record an exchange that failed."""
        if self._record:
            await self._record.error(flow)

    @contained
    def done(self) -> None:
        """Record what is in hand, and say what was replayed."""
        self._close()
        if self._replay:
            for line in summary_lines(self._replay.summary(), self._names):
                logger.info(line)

    def _close(self) -> None:
        if self._record and self._recording:
            self._record.done()
            self._recording.close()
            logger.info(self._recording.summary())
        self._record = self._recording = None

    @command.command("tapehead.sessions")  # type: ignore[untyped-decorator]
    def sessions(self) -> Sequence[str]:
        """List the sessions that were recorded or replayed since the start."""
        if self._recording:
            return sorted(self._recording.pipeline.sessions)
        return self._replay.playbacks() if self._replay else []

    @command.command("tapehead.audit")  # type: ignore[untyped-decorator]
    def audit_recording(self, path: types.Path) -> Sequence[str]:
        """List what the audit finds in a recording."""
        try:
            results = list(audit((entry.recording, entry) for entry in read_recordings([path], warn=logger.warning)))
        except TapeheadError as problem:
            raise exceptions.CommandError(str(problem)) from problem
        return [
            f"{finding.severity} {finding.rule}: {finding.message} ({finding.recording}:{finding.line})"
            for result in results
            for finding in result.findings
        ]


def _warn(message: str) -> None:
    """Log an error; only a warning while the tool starts and would take an error for a reason to end."""
    watch = ctx.master.addons.get("errorcheck")
    starting = watch is not None and watch.logger in logging.getLogger().handlers
    logger.log(logging.WARNING if starting else logging.ERROR, message)


def _sync(said: str) -> Sync:
    try:
        return Sync(said)
    except ValueError as error:
        raise UsageError(f"tapehead_sync is {said}; expected one of {', '.join(Sync)}") from error


addons = [OptionsAddon()]
