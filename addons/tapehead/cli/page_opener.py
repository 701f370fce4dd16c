"""The live page opened in a browser, without its token on a command line, which `ps` shows to everybody."""

import html
import shutil
import tempfile
import threading
import webbrowser
from pathlib import Path

from tapehead.cli.messages import warn
from tapehead.files import open_private

_SNAPS = Path("/snap/bin")
_FORWARDING = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<title>tapehead</title>
<meta http-equiv="refresh" content="0; url={link}">
<p><a href="{link}">Open the page</a></p>
</html>
"""


class PageOpener:
    """A file that forwards a browser to the page, and that nobody but this user can read."""

    def __init__(self) -> None:
        self._folder: str | None = None

    def open(self, link: str) -> None:
        """Open a link in a browser.

        It is done in a thread, since some browsers let the call return only when they end.
        """
        # Browsers that are snaps see another /tmp, and of the home folder what is not hidden.
        parent = Path.home() if _SNAPS.is_dir() else None
        try:
            self._folder = tempfile.mkdtemp(prefix="tapehead-", dir=parent)
            path = Path(self._folder) / "open.html"
            with open(path, "w", encoding="ascii", opener=open_private) as file:
                file.write(_FORWARDING.format(link=html.escape(link)))
        except OSError as error:
            warn(f"--open cannot write '{error.filename}': {error.strerror}; open the link instead")
            return
        threading.Thread(target=self._start, args=(path.as_uri(),), daemon=True).start()

    def _start(self, url: str) -> None:
        if not webbrowser.open(url):
            warn("--open could not start a browser; open the link instead, or name a browser in BROWSER")

    def close(self) -> None:
        """Remove the file, which a browser has read, or never will."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
