"""Log messages of tapehead and of mitmproxy on stderr, a line each; tracebacks only for internal errors."""

import logging

from tapehead.cli.messages import warn

# `CertificateCheck` says it once, and what to do; mitmproxy with each connection.
_TOLD_ELSEWHERE = "Client TLS handshake failed. The client "


class _LineHandler(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record; with its traceback, if it is one of tapehead's own."""
        if record.name.startswith("tapehead"):
            warn(self.format(record))
        elif not (message := record.getMessage()).startswith(_TOLD_ELSEWHERE):
            warn(message)


def log_to_stderr() -> None:
    """Send the warnings of all loggers to stderr, a line each."""
    root = logging.getLogger()
    # mitmproxy logs there why a server did not start, which the command itself reports.
    logging.getLogger("mitmproxy.addons.proxyserver").disabled = True
    root.handlers[:] = [_LineHandler()]
    root.setLevel(logging.WARNING)
