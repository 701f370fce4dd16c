"""TLS that players refuse because they do not trust the proxy's certificate authority, and what to do about it."""

from collections.abc import Callable
from pathlib import Path

from mitmproxy import ctx, tls

from tapehead.internal_errors import InternalErrors
from tapehead.proxy.error_boundary import contained
from tapehead.recording.calls_elsewhere import CallsElsewhere
from tapehead.text import escape_controls

# What mitmproxy says of a player's alert, of other failures, and of a player that hangs up instead of sending one.
_UNTRUSTED = ("The client does not trust", "The client may not trust", "The client disconnected during the handshake")
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

    @contained
    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Count TLS that a player refused."""
        if not (data.conn.error or "").startswith(_UNTRUSTED):
            return
        host, *_ = data.context.server.address or ("",)
        name = escape_controls(data.conn.sni or host or "this proxy")
        authority = Path(ctx.options.confdir).expanduser().absolute() / _AUTHORITY
        page = ", which it gets from http://mitm.it through this proxy," if self._has_page else ""
        line = (
            f"a player refused the certificate for {name}, so that its calls do not come: have its device trust "
            f"the authority in '{authority}'{page} (in its system, its browser or its Java)"
        )
        if self._elsewhere.add_untrusted(name, line):
            self._warn(line)
