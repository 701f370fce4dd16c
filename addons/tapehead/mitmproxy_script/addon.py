"""tapehead as options of any mitmproxy tool; `mitmdump -s addons/collection.py` loads it.

Only collection calls are recorded, answered or marked with findings; everything else is left to the tool.
"""

import asyncio
import logging
import sys
import time

from mitmproxy import contentviews, ctx, exceptions, http
from mitmproxy.addonmanager import Loader

from tapehead.cli.offline_run import EngineRun
from tapehead.errors import TapeheadError
from tapehead.internal_errors import InternalErrors
from tapehead.interop.reader import open_recordings
from tapehead.journal.journal import Journal
from tapehead.mitmproxy_script import options as script_options
from tapehead.mitmproxy_script.commands import CommandsAddon
from tapehead.mitmproxy_script.options import LIVE_OPTIONS, OF_ENGINE, OF_JOURNAL
from tapehead.mitmproxy_script.page import ScriptPage
from tapehead.mitmproxy_script.run import ScriptRun
from tapehead.protocol.routes import Route
from tapehead.proxy.addons import CallSelector, RecorderAddon
from tapehead.proxy.called_host import name_upstream
from tapehead.proxy.content_view import CollectionView
from tapehead.proxy.error_boundary import contained, contained_async
from tapehead.proxy.flow_findings import FlowFindings
from tapehead.proxy.flow_keys import KeyPermission
from tapehead.proxy.flows import route_of
from tapehead.proxy.hosts import Hosts
from tapehead.proxy.replay_addon import ReplayAddon
from tapehead.recording.capture import source_of_run
from tapehead.recording.paths import check_outputs
from tapehead.text import count_of, nearest

logger = logging.getLogger(__name__)

# The time that the end of the tool waits for recordings and their audit, which have limits of their own.
END_SECONDS = 120.0


class OptionsAddon:
    """An addon with options, and with the commands in an addon of its own; those of `proxy.addons` do the work.

    Attributes:
        addons: the addon of the commands, for mitmproxy.
        internal_errors: failures of tapehead itself.
    """

    def __init__(self) -> None:
        self.internal_errors = InternalErrors(report=_warn)
        self.addons = [CommandsAddon(self, open_recordings)]
        self._findings = FlowFindings(self.internal_errors)
        self._select = CallSelector(Hosts(), internal_errors=self.internal_errors)
        self._key_permission = KeyPermission(self.internal_errors)
        self._replay_addon: ReplayAddon | None = None
        self._engine: EngineRun | None = None
        self._run: ScriptRun | None = None
        # Runs that are being closed.
        self._ending: list[ScriptRun] = []
        self._has_failed = False
        self._page = ScriptPage(self.internal_errors)

    @property
    def _recorder(self) -> RecorderAddon | None:
        return self._run.recorder if self._run else None

    @property
    def journal(self) -> Journal | None:
        """The journal of the calls so far; None if there was none."""
        return self._run.journal if self._run else None

    def mark(self, flow: http.HTTPFlow) -> Route | None:
        """Return the route of a flow if it is a collection call, which it is marked as from now on."""
        return route_of(flow) if self._select.mark(flow) else None

    def load(self, loader: Loader) -> None:
        """Declare the options, and add the view of calls."""
        script_options.declare(loader)
        contentviews.add(CollectionView(self._findings))

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
        script_options.check_together()
        hosts = Hosts(script_options.endpoints())
        self.internal_errors.add_identifying_keys(ctx.options.tapehead_redact_key)
        self._select = CallSelector(hosts, internal_errors=self.internal_errors)
        if not updated.isdisjoint(OF_ENGINE):
            self._set_engine(hosts)
        if not updated.isdisjoint(OF_JOURNAL) and (self._run or ctx.options.tapehead_record):
            self._begin_run()
        if not updated.isdisjoint({*OF_JOURNAL, *OF_ENGINE, *LIVE_OPTIONS}):
            self._set_page()

    def _set_engine(self, hosts: Hosts) -> None:
        settings = script_options.engine_settings()
        engine = EngineRun(settings, logger.warning, logger.info) if settings else None
        self._conclude_engine()
        self._engine, self._replay_addon = engine, None
        if engine is None:
            return
        self._replay_addon = ReplayAddon(engine.engine, hosts, internal_errors=self.internal_errors)
        # An endpoint that is recorded or simulated need not be up: connect upstream only for requests that are not
        # answered here. Answers name the host that the player called.
        ctx.options.update(connection_strategy="lazy", upstream_cert=False, keep_host_header=True)

    def _conclude_engine(self) -> None:
        if self._engine:
            for line in self._engine.result(self._engine.counts(None)).lines:
                logger.info(line)

    def _begin_run(self) -> None:
        """Begin a run, with what the one before has in hand; it ends."""
        options, before = script_options.journal_options(), self._run
        run = ScriptRun(options, self._findings, self.internal_errors, _warn)
        if run.out and self._engine:
            check_outputs([run.out], self._engine.recordings)
        if not any(each.writes(run.out) for each in (*self._ending, before) if each):
            run.open()
        self._run = run
        if before:
            run.take_over(before)
            self._name(run)
            self._end(before)
        if run.out:
            logger.info("tapehead records into %s", run.out)

    def _end(self, run: ScriptRun) -> None:
        self._ending.append(run)
        run.end(self._take_ended)

    def _take_ended(self, run: ScriptRun) -> None:
        if run in self._ending:
            self._ending.remove(run)
            self._conclude(run)

    @contained
    def _conclude(self, run: ScriptRun, *, has_page: bool = True) -> None:
        """Show the summary of a run that is closed, and open the one that waits for its recording."""
        lines, has_failed = run.conclude()
        self._has_failed |= has_failed
        for line in lines:
            logger.info(line)
        waiting = self._run
        if waiting and waiting.journal is None and not any(each.writes(waiting.out) for each in self._ending):
            waiting.open_later()
            if has_page:
                self._set_page()

    def _set_page(self) -> None:
        settings = script_options.live_settings()
        if settings and self._run is None:
            self._begin_run()
        if journal := self.journal:
            self._page.serve(settings, journal, self._engine.control if self._engine else None)

    @contained
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Mark a collection call before its body arrives."""
        self._select.take_key(flow)
        is_call = self._select.mark(flow)
        if is_call:
            self._begin(flow)
        elif self._replay_addon:
            name_upstream(flow)

    def _begin(self, flow: http.HTTPFlow) -> None:
        if self._run is None:
            self._begin_run()
        if run := self._run:
            self._name(run)
            run.recorder.requestheaders(flow)
            if order := run.recorder.order_of(flow):
                run.marks.add(order, flow)
        if not self._replay_addon:
            self._key_permission.requestheaders(flow)

    def _name(self, run: ScriptRun) -> None:
        """Name a run in its recording, once the tool listens."""
        if not run.recorder.source:
            proxy = ctx.master.addons.get("proxyserver")
            addresses = [address[:2] for address in proxy.listen_addrs()] if proxy else []
            run.recorder.source = source_of_run("mitmproxy", addresses, time.time())

    @contained_async
    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer a collection call, when replaying or simulating."""
        if self._replay_addon and route_of(flow) and (rest := self._replay_addon.request(flow)):
            await rest

    @contained_async
    async def response(self, flow: http.HTTPFlow) -> None:
        """Mark and record an exchange that was answered."""
        if self._recorder and route_of(flow):
            self._findings.check(flow)
            await self._recorder.response(flow)
            if not self._replay_addon:
                self._key_permission.response(flow)

    @contained_async
    async def error(self, flow: http.HTTPFlow) -> None:
        """Mark and record an exchange that failed."""
        if self._recorder and route_of(flow):
            self._findings.check(flow)
            await self._recorder.error(flow)

    @contained
    def done(self) -> None:
        """Record the calls in hand, and log the summary; wait for that, unless mitmproxy goes on without the script."""
        is_end = ctx.master.addons.get(type(self).__name__.lower()) is self
        self._page.close(wait=is_end)
        if self._run and self._run.journal:
            self._end_current()
        if is_end:
            self._finish()
        self._conclude_engine()
        self._engine = self._replay_addon = None

    def _end_current(self) -> None:
        if run := self._run:
            self._run = None
            self._end(run)

    def _finish(self) -> None:
        """Wait for recordings and their audit, for `END_SECONDS` at most; have the tool exit with 1 if they failed."""
        deadline = time.monotonic() + END_SECONDS
        while self._ending:
            run = self._ending.pop(0)
            if run.join(deadline - time.monotonic()):
                self._conclude(run, has_page=False)
            else:
                self._has_failed = True
                name = f"'{run.out}'" if run.out else "the audit"
                _warn(f"tapehead: {name} did not end within {END_SECONDS:.0f} s; calls may be missing")
            if self._run and self._run.journal:
                self._end_current()
        if self._run and (missing := self._run.missing):
            _warn(f"tapehead: {count_of(missing, 'exchange')} LOST: '{self._run.out}' could not be opened again")
        if self._has_failed and ctx.options.tapehead_fail_on != "never" and (main := asyncio.current_task()):
            # Not before the other addons have ended, too.
            main.add_done_callback(lambda _task: sys.exit(1))


def _warn(message: str) -> None:
    """Log an error, or only a warning while the tool starts and any error would end it."""
    checker = ctx.master.addons.get("errorcheck")
    is_starting = checker is not None and checker.logger in logging.getLogger().handlers
    logger.log(logging.WARNING if is_starting else logging.ERROR, message)
