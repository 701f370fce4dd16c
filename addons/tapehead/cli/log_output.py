"""Warnings of tapehead and of mitmproxy, a line each on stderr; tracebacks only for failures of tapehead's own."""

import logging
from collections.abc import Callable


class _LineHandler(logging.Handler):
    def __init__(self, warn: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._warn = warn
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        self._warn(self.format(record) if record.name.startswith("tapehead") else record.getMessage())


def log_to_stderr(warn: Callable[[str], None]) -> None:
    """Send what libraries warn of to `complain`, a line each."""
    root = logging.getLogger()
    # It says why a server did not start, which the command says itself.
    logging.getLogger("mitmproxy.addons.proxyserver").disabled = True
    root.handlers[:] = [_LineHandler(warn)]
    root.setLevel(logging.WARNING)
