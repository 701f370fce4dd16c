"""A login for the proxy: mitmproxy's own addon, made to fail closed and to remove logins from requests.

As a proxy it asks for `Proxy-Authorization`, in reverse mode as a server for `Authorization`, in SOCKS5 as that does.
"""

import functools
import hmac
import logging
from collections.abc import Callable
from pathlib import Path

from mitmproxy import exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.proxyauth import ProxyAuth, Validator
from mitmproxy.proxy.layers.modes import Socks5AuthData
from mitmproxy.utils.htpasswd import HtpasswdFile

from tapehead.errors import StartupError
from tapehead.files import read_regular
from tapehead.network.access_policy import ANY_LOGIN

logger = logging.getLogger(__name__)

# Returns whether a user and a password are right.
Check = Callable[[str, str], bool]

_REFUSED = "tapehead.refused"
# A bcrypt hash is slow to check on purpose, and players log in with each call.
_REMEMBERED = 256
# The largest file of users, in bytes.
MOST_BYTES = 10_000_000


class _Validator(Validator):
    """A validator that remembers the results of `check`."""

    def __init__(self, check: Check) -> None:
        self._check = functools.lru_cache(_REMEMBERED)(check)

    def __call__(self, username: str, password: str) -> bool:
        return self._check(username, password)


class Login(ProxyAuth):
    """Refuses flows without a login; no addon behind this one sees them.

    Args:
        login: `USER:PASS`, `@FILE` of htpasswd, or `any`.

    Raises:
        StartupError: the file cannot be used.
    """

    def __init__(self, login: str) -> None:
        super().__init__()
        self.validator = _Validator(check_of(login))
        self._has_failed = False

    def load(self, loader: Loader) -> None:
        """Declare the option that makes SOCKS5 ask for a login; the login itself is in no option."""
        loader.add_option("proxyauth", str, "asked", "Whether a login is required.")

    def configure(self, updated: set[str]) -> None:
        """Take nothing from options."""

    def socks5_auth(self, data: Socks5AuthData) -> None:
        """Check a login of SOCKS5; a failure refuses it."""
        try:
            super().socks5_auth(data)
        except Exception:  # noqa: BLE001 - a failure never grants access
            data.valid = False
            self._log_failure()

    def http_connect(self, f: http.HTTPFlow) -> None:
        """Check the login of a tunnel."""
        self._check_flow(f, super().http_connect)

    def requestheaders(self, f: http.HTTPFlow) -> None:
        """Check the login of a request."""
        self._check_flow(f, super().requestheaders)

    def _check_flow(self, flow: http.HTTPFlow, check: Callable[[http.HTTPFlow], None]) -> None:
        try:
            check(flow)
        except Exception:  # noqa: BLE001 - a failure never grants access
            flow.response = http.Response.make(500)
            self._log_failure()
        flow.metadata.pop("proxyauth", None)
        flow.request.headers.pop("proxy-authorization", None)
        flow.metadata[_REFUSED] = flow.response is not None
        self._stop_refused(flow)

    def _stop_refused(self, flow: http.HTTPFlow) -> None:
        if flow.metadata.get(_REFUSED):
            raise exceptions.AddonHalt

    request = responseheaders = response = error = http_connected = http_connect_error = _stop_refused

    def _log_failure(self) -> None:
        """Log the first failure with its traceback; all of them refuse alike."""
        if not self._has_failed:
            self._has_failed = True
            logger.exception("tapehead failed to check a login, which is refused")


def check_of(login: str) -> Check:
    """Return the function that checks a user and a password.

    Raises:
        StartupError: the file cannot be used.
    """
    if login == ANY_LOGIN:
        return lambda _user, _password: True
    if login.startswith("@"):
        return read_htpasswd(login[1:]).check_password
    credentials = login.encode("utf-8", "surrogateescape")
    return lambda user, password: hmac.compare_digest(
        f"{user}:{password}".encode("utf-8", "surrogateescape"), credentials
    )


def read_htpasswd(name: str) -> HtpasswdFile:
    """Read a file of users; no message quotes its lines.

    Raises:
        StartupError: the file cannot be used.
    """
    try:
        users = HtpasswdFile(read_regular(Path(name).expanduser(), MOST_BYTES).decode())
    except (OSError, RuntimeError) as error:
        raise StartupError(f"--proxyauth @{name} cannot be read: {getattr(error, 'strerror', error)}") from None
    except ValueError:  # mitmproxy's message quotes the line
        users = None
    if users is None or not users.users:
        raise StartupError(f"--proxyauth @{name} holds no users with bcrypt or SHA; make it with htpasswd -B -c")
    return users
