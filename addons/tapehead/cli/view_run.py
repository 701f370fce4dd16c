"""Recordings on the live page."""

import contextlib
import signal
import sys
import threading
from collections.abc import Sequence
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
from tapehead.recording.paths import name_of


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
        warn(f"no session in {', '.join(map(name_of, reader.files))}; {RECORD_A_PLAYER}")
    stopped, opener = threading.Event(), PageOpener()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with contextlib.closing(opener), live_page(LiveSettings(port=port), "view", InternalErrors()) as page:
        if page:
            page.serve(journal, is_stored=True, on_open=opener.close)
        for line in link_lines(page):
            write_line(sys.stdout, line)
        if page and open_browser:
            opener.open(page.link)
        stopped.wait()
    return 2 if reader.unreadable else 0
