"""tapehead as options of any mitmproxy tool; `mitmdump -s addons/collection.py` loads it.

Only collection calls are recorded or answered; everything else is left to the tool.
"""

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mitmproxy import command, ctx, exceptions, http, types
from mitmproxy.addonmanager import Loader

from tapehead.auditor.recordings_audit import audit
from tapehead.errors import TapeheadError, UsageError
from tapehead.internal_errors import InternalErrors
from tapehead.protocol.hosts import parse_host
from tapehead.protocol.routes import ENDPOINT_DOMAIN
from tapehead.proxy.addons import CallSelector, RecorderAddon, ReplayAddon
from tapehead.proxy.called_host import name_upstream
from tapehead.proxy.error_boundary import contained, contained_async
from tapehead.proxy.flow_keys import KeyPermission
from tapehead.proxy.flows import route_of
from tapehead.proxy.hosts import Hosts
from tapehead.recording.paths import COMPRESSED_SUFFIX, new_recording
from tapehead.recording.reader import RecordingReader
from tapehead.recording.recorder import Recorder, source_of_run
from tapehead.recording.recorder_settings import StoreSettings, Sync, parse_rotation
from tapehead.redaction.excerpts import ExcerptRedactor
from tapehead.redaction.redactor import Redactor
from tapehead.replay.index import build_index, schemas_of
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.replayer import Replayer
from tapehead.replay.summary import summary_lines
from tapehead.simulator.keyed_engine import KeyedEngine
from tapehead.text import nearest

logger = logging.getLogger(__name__)

# Forwarding is what the tool does anyway, without tapehead.
MISSES = [OnMiss.SIMULATE.value, OnMiss.ERROR.value]
# Options whose change starts a new recording.
_OF_RECORDING = frozenset(
    {"tapehead_record", "tapehead_redact", "tapehead_redact_key", "tapehead_sync", "tapehead_rotate"}
)
# Options whose change starts a new replay.
_OF_REPLAY = frozenset(
    {"tapehead_replay", "tapehead_on_miss", "tapehead_endpoint", "tapehead_redact", "tapehead_redact_key"}
)


# Opens files, given what warns of the problems in them.
OpenRecordings = Callable[[Sequence[str | Path], Callable[[str], None]], RecordingReader]


class OptionsAddon:
    """An addon with options and commands; the addons of `tapehead.proxy.addons` do the work.

    Args:
        open_recordings: opens the files that are replayed or audited.
    """

    def __init__(self, open_recordings: OpenRecordings = RecordingReader) -> None:
        self._open_recordings = open_recordings
        self._record_addon: RecorderAddon | None = None
        self._replay_addon: ReplayAddon | None = None
        self._recorder: Recorder | None = None
        self.internal_errors = InternalErrors(report=_warn)
        self._select = CallSelector(Hosts(), internal_errors=self.internal_errors)
        self._key_permission = KeyPermission(self.internal_errors)
        self._replayer: Replayer | None = None
        self._engine: KeyedEngine | None = None
        self._names: tuple[str, ...] = ()
        self._endpoints: Sequence[str] = ()

    def load(self, loader: Loader) -> None:
        """Declare the options."""
        add, names = loader.add_option, Sequence[str]
        add("tapehead_record", str, "", "Record calls into this .jsonl or .jsonl.zst file or this directory.")
        add("tapehead_replay", names, [], "Answer collection calls from these recordings.")
        text = "How to answer calls that are not in the recording."
        add("tapehead_on_miss", str, OnMiss.SIMULATE.value, text, choices=MISSES)
        add("tapehead_redact", bool, True, "Store pseudonyms for identifiers of people and devices.")
        add("tapehead_redact_key", names, [], "Keys and headers with identifying values, besides the built-in ones.")
        text = "When the disk has to confirm what was written."
        add("tapehead_sync", str, Sync.SECOND.value, text, choices=[sync.value for sync in Sync])
        add("tapehead_rotate", names, [], "Start a new file at these sizes or ages, such as 256MB, 1h.")
        add("tapehead_endpoint", names, [], f"Hosts that count as the endpoint besides *.{ENDPOINT_DOMAIN}.")

    def configure(self, updated: set[str]) -> None:
        """Apply options that changed."""
        if not any(name.startswith("tapehead_") for name in updated):
            return
        try:
            self._configure(updated)
        except TapeheadError as error:
            # While a script loads, the tool shows what it raises with a traceback; an error in the log ends it, too.
            if updated.issuperset(ctx.options.keys()):
                logger.error("tapehead: %s", error)
            else:
                raise exceptions.OptionsError(str(error)) from error

    def running(self) -> None:
        """Warn of options that there are not; the tool keeps them for scripts that it has not loaded."""
        names = [name for name, _option in ctx.options.items() if name.startswith("tapehead_")]
        for name in ctx.options.deferred:
            if name.startswith("tapehead"):
                logger.warning("tapehead: there is no option %s%s", name, nearest(name, names))

    def _configure(self, updated: set[str]) -> None:
        if ctx.options.tapehead_record and ctx.options.tapehead_replay:
            raise UsageError("tapehead_record and tapehead_replay exclude each other; set one of them")
        if ctx.options.tapehead_on_miss not in MISSES:
            value = ctx.options.tapehead_on_miss
            raise UsageError(f"tapehead_on_miss is {value}; expected one of {', '.join(MISSES)}")
        self._endpoints = parse_endpoints(ctx.options.tapehead_endpoint)
        self.internal_errors.add_identifying_keys(ctx.options.tapehead_redact_key)
        self._select = CallSelector(Hosts(self._endpoints), internal_errors=self.internal_errors)
        self._set_record(updated)
        self._set_replay(updated)

    def _set_record(self, updated: set[str]) -> None:
        if updated.isdisjoint(_OF_RECORDING):
            return
        self._close()
        if not ctx.options.tapehead_record:
            return
        try:
            sync = Sync(ctx.options.tapehead_sync)
        except ValueError as error:
            value = ctx.options.tapehead_sync
            raise UsageError(f"tapehead_sync is {value}; expected one of {', '.join(Sync)}") from error
        path = Path(ctx.options.tapehead_record)
        out = path if path.suffix in (".jsonl", COMPRESSED_SUFFIX) else new_recording(path)
        store = StoreSettings(
            out=out,
            append=True,
            keep_ids=not ctx.options.tapehead_redact,
            redact_keys=tuple(ctx.options.tapehead_redact_key),
            sync=sync,
            rotation=parse_rotation(ctx.options.tapehead_rotate, "tapehead_rotate"),
        )
        self._recorder = Recorder(store, _warn, self.internal_errors)
        self._record_addon = RecorderAddon(self._recorder.writer, self.internal_errors)
        logger.info("tapehead records into %s", out)

    def _set_replay(self, updated: set[str]) -> None:
        if updated.isdisjoint(_OF_REPLAY):
            return
        paths = ctx.options.tapehead_replay
        self._replay_addon = self._replayer = self._engine = None
        if not paths:
            return
        entries = self._open_recordings(paths, logger.warning).by_file()
        index = build_index(entries.values())
        self._names = tuple(map(str, entries))
        keys = ctx.options.tapehead_redact_key
        redactor = Redactor(secrets.token_bytes(32), keys) if ctx.options.tapehead_redact else None
        self._replayer = Replayer(
            index,
            schemas_of(index),
            random_bytes=secrets.token_bytes,
            on_miss=OnMiss(ctx.options.tapehead_on_miss),
            files=self._names,
            excerpts=ExcerptRedactor(redactor),
            warn=logger.warning,
        )
        self._engine = KeyedEngine(self._replayer)
        hosts = Hosts(self._endpoints)
        self._replay_addon = ReplayAddon(self._engine, hosts, internal_errors=self.internal_errors)
        # A recorded endpoint need not be up: connect upstream only for requests that are not answered here. Answers
        # name the host that the player called.
        ctx.options.update(connection_strategy="lazy", upstream_cert=False, keep_host_header=True)

    @contained
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Mark a collection call before its body arrives."""
        if self._record_addon or self._replay_addon:
            self._select.take_key(flow)
        is_call = self._select.mark(flow)
        if self._record_addon:
            if not self._record_addon.source:
                proxy = ctx.master.addons.get("proxyserver")
                addresses = [address[:2] for address in proxy.listen_addrs()] if proxy else []
                self._record_addon.source = source_of_run("mitmproxy", addresses, time.time())
            self._record_addon.requestheaders(flow)
            self._key_permission.requestheaders(flow)
        if self._replay_addon and not is_call:
            name_upstream(flow)

    @contained_async
    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer a collection call, when replaying."""
        if self._replay_addon and route_of(flow):
            await self._replay_addon.request(flow)

    @contained_async
    async def response(self, flow: http.HTTPFlow) -> None:
        """Record an exchange that was answered."""
        if self._record_addon:
            await self._record_addon.response(flow)
            self._key_permission.response(flow)

    @contained_async
    async def error(self, flow: http.HTTPFlow) -> None:
        """Record an exchange that failed."""
        if self._record_addon:
            await self._record_addon.error(flow)

    @contained
    def done(self) -> None:
        """Record the calls in hand, and log the summary of a replay."""
        self._close()
        if self._replayer:
            for line in summary_lines(self._replayer.summary(), self._names):
                logger.info(line)

    def _close(self) -> None:
        if self._record_addon and self._recorder:
            self._record_addon.done()
            self._recorder.close()
            logger.info(self._recorder.summary())
        self._record_addon = self._recorder = None

    @command.command("tapehead.sessions")  # type: ignore[untyped-decorator]
    def sessions(self) -> Sequence[str]:
        """List the sessions that were recorded or replayed since the start."""
        if self._recorder:
            return sorted(self._recorder.pipeline.sessions)
        engines = self._engine.engines().values() if self._engine else ()
        return [sid for engine in engines if isinstance(engine, Replayer) for sid in engine.playbacks()]

    @command.command("tapehead.audit")  # type: ignore[untyped-decorator]
    def audit_recording(self, path: types.Path) -> Sequence[str]:
        """List what the audit finds in a recording."""
        try:
            results = list(audit(self._open_recordings([path], logger.warning).entries(), measure=None))
        except TapeheadError as error:
            raise exceptions.CommandError(str(error)) from error
        return [
            f"{finding.severity} {finding.rule}: {finding.message} ({finding.recording}:{finding.line})"
            for result in results
            for finding in result.findings
        ]


def parse_endpoints(texts: Sequence[str]) -> list[str]:
    """Return the hosts that tapehead_endpoint names.

    Raises:
        UsageError: a text names none.
    """
    try:
        return [parse_host(text) for text in texts]
    except ValueError as error:
        raise UsageError(f"tapehead_endpoint is '{', '.join(texts)}'; {error}") from error


def _warn(message: str) -> None:
    """Log an error, or only a warning while the tool starts and any error would end it."""
    checker = ctx.master.addons.get("errorcheck")
    is_starting = checker is not None and checker.logger in logging.getLogger().handlers
    logger.log(logging.WARNING if is_starting else logging.ERROR, message)
