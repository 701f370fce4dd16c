"""tapehead as options of any mitmproxy tool; `mitmdump -s addons/collection.py` loads it.

Only collection calls are recorded, answered or marked with findings; everything else is left to the tool.
"""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Protocol

from mitmproxy import contentviews, ctx, exceptions, http
from mitmproxy.addonmanager import Loader

from tapehead.errors import TapeheadError, UsageError
from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal import Journal
from tapehead.journal.journal_run import JournalRun
from tapehead.protocol.routes import Route
from tapehead.proxy import script_options
from tapehead.proxy.addons import CallSelector, RecorderAddon, ReplayAddon
from tapehead.proxy.called_host import name_upstream
from tapehead.proxy.content_view import CollectionView
from tapehead.proxy.error_boundary import contained, contained_async
from tapehead.proxy.flow_findings import FlowFindings
from tapehead.proxy.flow_keys import KeyPermission
from tapehead.proxy.flows import route_of
from tapehead.proxy.hosts import Hosts
from tapehead.proxy.script_commands import CommandsAddon
from tapehead.proxy.script_options import OF_ENGINE, OF_JOURNAL, Answers, OpenRecordings
from tapehead.recording.paths import check_outputs
from tapehead.recording.pipeline import words_of
from tapehead.recording.reader import RecordingReader
from tapehead.recording.recorder import source_of_run
from tapehead.replay.summary import summary_lines
from tapehead.text import nearest

logger = logging.getLogger(__name__)


class Page(Protocol):
    """A live page that is served; `link` is the URL to open."""

    link: str


# Serves a live page on a port inside a `with` block, given the journal and what records its failures.
OpenPage = Callable[[int, Journal, InternalErrors], AbstractContextManager[Page]]


class OptionsAddon:
    """An addon with options, and with the commands in an addon of its own; those of `proxy.addons` do the work.

    Args:
        open_recordings: opens the files that are replayed or audited.
        open_page: serves the live page; None for no such option.

    Attributes:
        addons: the addon of the commands, for mitmproxy.
    """

    def __init__(self, open_recordings: OpenRecordings = RecordingReader, open_page: OpenPage | None = None) -> None:
        self._open_recordings = open_recordings
        self._open_page = open_page
        self.internal_errors = InternalErrors(report=_warn)
        self.addons = [CommandsAddon(self, open_recordings)]
        self._findings = FlowFindings(self.internal_errors)
        self._select = CallSelector(Hosts(), internal_errors=self.internal_errors)
        self._key_permission = KeyPermission(self.internal_errors)
        self._record_addon: RecorderAddon | None = None
        self._replay_addon: ReplayAddon | None = None
        self._run: JournalRun | None = None
        self._page = ExitStack()
        self._answers: Answers | None = None

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
            self._set_answers(hosts)
        if not updated.isdisjoint(OF_JOURNAL):
            self._close()
            if ctx.options.tapehead_record:
                self._open_run()
        if not updated.isdisjoint({*OF_JOURNAL, "tapehead_live"}):
            self._set_page()

    def _set_answers(self, hosts: Hosts) -> None:
        self._replay_addon = self._answers = None
        self._answers = script_options.make_answers(self._open_recordings, logger.warning)
        if self._answers is None:
            return
        self._replay_addon = ReplayAddon(self._answers.engine, hosts, internal_errors=self.internal_errors)
        # An endpoint that is recorded or simulated need not be up: connect upstream only for requests that are not
        # answered here. Answers name the host that the player called.
        ctx.options.update(connection_strategy="lazy", upstream_cert=False, keep_host_header=True)

    def _open_run(self) -> None:
        """Begin a journal, and its recording if there is one."""
        settings = script_options.journal_settings()
        if settings.store and self._answers:
            check_outputs([settings.store.out], map(Path, self._answers.names))
        self._run = JournalRun(settings, _warn, self.internal_errors)
        self._run.__enter__()
        self._record_addon = RecorderAddon(self._run, self.internal_errors)
        self._findings.follow(self._run.journal)
        if settings.store:
            logger.info("tapehead records into %s", settings.store.out)

    def _set_page(self) -> None:
        self._page.close()
        port = ctx.options.tapehead_live
        if port is None or self._open_page is None:
            return
        if self._run is None:
            self._open_run()
        if journal := self.journal:
            try:
                page = self._page.enter_context(self._open_page(port, journal, self.internal_errors))
            except TapeheadError as error:
                raise UsageError(str(error).replace("--live", "tapehead_live")) from error
            logger.info("tapehead live page: %s", page.link)

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
        if self._record_addon is None:
            self._open_run()
        if record := self._record_addon:
            if not record.source:
                proxy = ctx.master.addons.get("proxyserver")
                addresses = [address[:2] for address in proxy.listen_addrs()] if proxy else []
                record.source = source_of_run("mitmproxy", addresses, time.time())
            record.requestheaders(flow)
            if order := record.order_of(flow):
                self._findings.add(order, flow)
        if not self._replay_addon:
            self._key_permission.requestheaders(flow)

    @contained_async
    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer a collection call, when replaying or simulating."""
        if self._replay_addon and route_of(flow):
            await self._replay_addon.request(flow)

    @contained_async
    async def response(self, flow: http.HTTPFlow) -> None:
        """Mark and record an exchange that was answered."""
        if self._record_addon and route_of(flow):
            self._findings.check(flow)
            await self._record_addon.response(flow)
            if not self._replay_addon:
                self._key_permission.response(flow)

    @contained_async
    async def error(self, flow: http.HTTPFlow) -> None:
        """Mark and record an exchange that failed."""
        if self._record_addon and route_of(flow):
            self._findings.check(flow)
            await self._record_addon.error(flow)

    @contained
    def done(self) -> None:
        """Record the calls in hand, and log the summary."""
        self._page.close()
        self._close()
        if self._answers and self._answers.replayer:
            for line in summary_lines(self._answers.replayer.summary(), self._answers.names):
                logger.info(line)

    def _close(self) -> None:
        """End the journal and its recording."""
        if self._record_addon and (run := self._run):
            self._page.close()
            self._record_addon.done()
            run.close()
            self._findings.stop()
            if run.recorder:
                logger.info(run.recorder.summary(words_of(run.verdict.findings) if run.verdict else None))
        self._record_addon = self._run = None


def _warn(message: str) -> None:
    """Log an error, or only a warning while the tool starts and any error would end it."""
    checker = ctx.master.addons.get("errorcheck")
    is_starting = checker is not None and checker.logger in logging.getLogger().handlers
    logger.log(logging.WARNING if is_starting else logging.ERROR, message)
