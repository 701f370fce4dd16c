"""Logging in at the proxy: mitmproxy's own addon, shut where it fails, and with no login left in any request.

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
from tapehead.network.access_policy import ANY_LOGIN

logger = logging.getLogger(__name__)

Check = Callable[[str, str], bool]

_REFUSED = "tapehead.refused"
# A bcrypt hash takes long to check on purpose, and players log in with each call.
_REMEMBERED = 256


class _Validator(Validator):
    """Asks `check`, and remembers what it said."""

    def __init__(self, check: Check) -> None:
        self._check = functools.lru_cache(_REMEMBERED)(check)

    def __call__(self, username: str, password: str) -> bool:
        return self._check(username, password)


class Login(ProxyAuth):
    """Lets nobody further who does not log in: no addon behind this one sees what is refused.

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
        loader.add_option("proxyauth", str, "asked", "Whether a login is asked for.")

    def configure(self, updated: set[str]) -> None:
        """Take nothing from options."""

    def socks5_auth(self, data: Socks5AuthData) -> None:
        """Judge a login of SOCKS5, which is refused until it is known to be right."""
        try:
            super().socks5_auth(data)
        except Exception:  # noqa: BLE001 - whatever it is, it opens nothing
            data.valid = False
            self._log()

    def http_connect(self, f: http.HTTPFlow) -> None:
        """Judge who wants a tunnel."""
        self._judge(f, super().http_connect)

    def requestheaders(self, f: http.HTTPFlow) -> None:
        """Judge who sends a request."""
        self._judge(f, super().requestheaders)

    def _judge(self, flow: http.HTTPFlow, check: Callable[[http.HTTPFlow], None]) -> None:
        try:
            check(flow)
        except Exception:  # noqa: BLE001 - whatever it is, it opens nothing
            flow.response = http.Response.make(500)
            self._log()
        flow.metadata.pop("proxyauth", None)
        flow.request.headers.pop("proxy-authorization", None)
        flow.metadata[_REFUSED] = flow.response is not None
        self._stop_refused(flow)

    def _stop_refused(self, flow: http.HTTPFlow) -> None:
        if flow.metadata.get(_REFUSED):
            raise exceptions.AddonHalt

    request = responseheaders = response = error = http_connected = http_connect_error = _stop_refused

    def _log(self) -> None:
        """Say of the first failure where it was; all of them refuse alike."""
        if not self._has_failed:
            self._has_failed = True
            logger.exception("tapehead failed to check a login, which is refused")


def check_of(login: str) -> Check:
    """What tells whether a user and a password are right.

    Raises:
        StartupError: the file cannot be used.
    """
    if login == ANY_LOGIN:
        return lambda _user, _password: True
    if login.startswith("@"):
        return _htpasswd(login[1:]).check_password
    return lambda user, password: hmac.compare_digest(_bytes(f"{user}:{password}"), _bytes(login))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _htpasswd(name: str) -> HtpasswdFile:
    # What mitmproxy says of such a file quotes its lines, so none of it is passed on.
    try:
        users = HtpasswdFile(Path(name).expanduser().read_text("utf-8"))
    except (OSError, RuntimeError) as error:
        raise StartupError(f"--proxyauth @{name} cannot be read: {getattr(error, 'strerror', error)}") from None
    except ValueError:
        users = None
    if users is None or not users.users:
        raise StartupError(f"--proxyauth @{name} holds no users with bcrypt or SHA; make it with htpasswd -B -c")
    return users
