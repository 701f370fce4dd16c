"""TLS that players refuse because they do not trust the proxy's certificate authority, and what to do about it."""

import logging
from collections.abc import Callable
from pathlib import Path

from mitmproxy import connection, ctx, tls

from tapehead.internal_errors import InternalErrors
from tapehead.proxy.error_boundary import contained
from tapehead.recording.calls_elsewhere import CallsElsewhere
from tapehead.text import escape_controls

# What mitmproxy says of a player's alert, of other failures, and of a player that hangs up instead of sending one.
_UNTRUSTED = ("The client does not trust", "The client may not trust", "The client disconnected during the handshake")
# Firefox on Android ends the handshake, and sends its alert after it, which mitmproxy only logs.
_LATE_ALERT, _ALERTS = "TLS Error: ", ("unknown ca", "bad certificate", "certificate unknown")
_LOGGER = logging.getLogger("mitmproxy.proxy.server")
_AUTHORITY = "mitmproxy-ca-cert.pem"


class CertificateCheck:
    """Warns, once for each host, of players that do not trust the certificate that they are shown.

    Args:
        elsewhere: counts the connections.
        warn: called with one line.
        internal_errors: records failures of the hook.
        has_page: whether devices get the certificate from http://mitm.it.
    """

    def __init__(
        self,
        elsewhere: CallsElsewhere,
        warn: Callable[[str], None],
        internal_errors: InternalErrors,
        *,
        has_page: bool = False,
    ) -> None:
        self.internal_errors = internal_errors
        self._elsewhere = elsewhere
        self._warn = warn
        self._has_page = has_page
        # The names that open connections asked for, by the players' addresses.
        self._names: dict[object, str] = {}

    @contained
    def running(self) -> None:
        """Begin to read what mitmproxy logs."""
        _LOGGER.addFilter(self._read_log)

    @contained
    def done(self) -> None:
        """Stop to read it."""
        _LOGGER.removeFilter(self._read_log)

    @contained
    def tls_established_client(self, data: tls.TlsData) -> None:
        """Remember the name in a player's TLS."""
        self._names[data.conn.peername] = self._name_of(data)

    @contained
    def client_disconnected(self, client: connection.Client) -> None:
        """Forget that of a connection that is over."""
        self._names.pop(client.peername, None)

    def _read_log(self, record: logging.LogRecord) -> bool:
        """Return whether a line of the log is to be shown: not the alert of a player, of which ours says more."""
        message, name = record.getMessage(), self._names.get(getattr(record, "client", None))
        if name is None or not message.startswith(_LATE_ALERT) or not any(alert in message for alert in _ALERTS):
            return True
        self._tell(name)
        return False

    @contained
    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Count TLS that a player refused."""
        if not (data.conn.error or "").startswith(_UNTRUSTED):
            return
        self._tell(self._name_of(data))

    def _name_of(self, data: tls.TlsData) -> str:
        host, *_ = data.context.server.address or ("",)
        return escape_controls(data.conn.sni or host or "this proxy")

    def _tell(self, name: str) -> None:
        authority = Path(ctx.options.confdir).expanduser().absolute() / _AUTHORITY
        page = ", which it gets from http://mitm.it through this proxy," if self._has_page else ""
        line = (
            f"a player refused the certificate for {name}, so that its calls do not come: have its device trust "
            f"the authority in '{authority}'{page} (in its system, its browser or its Java)"
        )
        if self._elsewhere.add_untrusted(name, line):
            self._warn(line)
