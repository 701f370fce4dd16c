"""Recordings on the live page."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tapehead.cli.config_file import load_config
from tapehead.cli.messages import RECORD_A_PLAYER, nothing_read, warn
from tapehead.cli.page_opener import PageOpener
from tapehead.cli.printer import write_line
from tapehead.internal_errors import InternalErrors
from tapehead.interop.reader import open_recordings
from tapehead.live.live_page import link_lines, live_page
from tapehead.live.live_settings import LiveSettings
from tapehead.live.stored_audit import journal_of
from tapehead.recording.paths import quoted_names


class Signals:
    """Signals that end a command, kept from now on for a thread that waits for one.

    They are bytes in a pipe: a handler that sets an event waits for the event's lock, for ever where it interrupts a
    thread that holds this lock.
    """

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda *_: None)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        os.close(self._reading)
        os.close(self._writing)

    def wait(self) -> None:
        """Wait until a signal has come."""
        os.read(self._reading, 1)


def view_recordings(
    recordings: Sequence[Path], endpoints: Sequence[str], config: Path | None, port: int, *, open_browser: bool
) -> int:
    """Serve the page with some recordings until SIGINT or SIGTERM, and return the exit code.

    Args:
        recordings: files, folders and patterns, as for the audit.
        endpoints: hosts that count as the endpoint in HAR and flow files, besides Adobe's own.
        config: the settings file; None to look for it.
        port: the port on 127.0.0.1; 0 picks a free one.
        open_browser: whether to open the page in a browser.

    Raises:
        StartupError: nothing can listen on the port.
    """
    reader = open_recordings(recordings, warn, strict=False, endpoints=endpoints)
    journal = journal_of(reader.entries(), load_config(config).settings)
    if not reader.exchanges:
        return nothing_read("view", recordings)
    if not journal.totals().sessions:
        warn(f"no session in {quoted_names(reader.files)}; {RECORD_A_PLAYER}")
    opener, signals = PageOpener(), Signals((signal.SIGINT, signal.SIGTERM))
    with signals, contextlib.closing(opener), live_page(LiveSettings(port=port), "view", InternalErrors()) as page:
        if page:
            page.serve(journal, is_stored=True, on_open=opener.close)
        for line in link_lines(page):
            write_line(sys.stdout, line)
        if page and open_browser:
            opener.open(page.link)
        signals.wait()
    return 2 if reader.unreadable else 0
