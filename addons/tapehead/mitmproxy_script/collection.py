"""tapehead for stock mitmproxy tools, which load this file as a script; `tapehead addon-path` prints its path.

tapehead has to be installed where the mitmproxy tool is.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tapehead.internal_errors import InternalErrors
from tapehead.interop.reader import open_recordings
from tapehead.journal.journal import Journal
from tapehead.live.live_settings import LiveSettings
from tapehead.proxy.script import OptionsAddon, Page


@contextmanager
def open_page(port: int, journal: Journal, internal_errors: InternalErrors) -> Iterator[Page]:
    """Serve the live page of a journal inside a `with` block, on a port of this machine; 0 picks a free one."""
    from tapehead.live.server import LiveServer

    with LiveServer(LiveSettings(port=port), "mitmproxy", internal_errors) as page:
        page.serve(journal)
        yield page


addons = [OptionsAddon(open_recordings, open_page)]
