"""A login for the proxy: mitmproxy's own addon, made to fail closed and to remove logins from requests.

As a proxy it asks for `Proxy-Authorization`, in reverse mode as a server for `Authorization`, in SOCKS5 as that does.
"""

import asyncio
import contextlib
import functools
import hmac
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcrypt
from mitmproxy import connection, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.proxyauth import ProxyAuth, Validator, http_auth_header, is_http_proxy, parse_http_basic_auth
from mitmproxy.proxy.layers.modes import Socks5AuthData
from mitmproxy.utils.htpasswd import HtpasswdFile

from tapehead.errors import StartupError
from tapehead.files import read_regular
from tapehead.network.access_policy import ANY_LOGIN
from tapehead.text import count_of

logger = logging.getLogger(__name__)

# Returns whether a user and a password are right.
Check = Callable[[str, str], bool]

_REFUSED = "tapehead.refused"
# A bcrypt hash is slow to check on purpose, and players log in with each call.
_REMEMBERED = 256
# Addresses whose refused requests are counted, and that are named.
_MOST_ADDRESSES, _MOST_NAMED = 1000, 5
# The largest file of users, in bytes.
MOST_BYTES = 10_000_000


class _Validator(Validator):
    """A validator that remembers the results of `check`."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._known: dict[tuple[str, str], bool] = {}
        # One check at a time: a flood of wrong logins takes one core at most.
        self._thread = ThreadPoolExecutor(1, "logins")

    def __call__(self, username: str, password: str) -> bool:
        known = self._known.get((username, password))
        return self._remember(username, password) if known is None else known

    def _remember(self, username: str, password: str) -> bool:
        result = self._check(username, password)
        self._known[username, password] = result
        while len(self._known) > _REMEMBERED:
            self._known.pop(next(iter(self._known)), None)
        return result

    async def prepare(self, username: str, password: str) -> None:
        """Check a login in a thread, so that other traffic flows meanwhile; a failure comes again with the call."""
        if (username, password) not in self._known:
            with contextlib.suppress(Exception):
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._thread, self._remember, username, password)


class Login(ProxyAuth):
    """An addon that refuses flows without a login; no addon behind this one sees them.

    Args:
        login: `USER:PASS`, `@FILE` of htpasswd, or `any`.

    Raises:
        StartupError: the file cannot be used.
    """

    def __init__(self, login: str) -> None:
        super().__init__()
        self._logins = self.validator = _Validator(check_of(login))
        self._has_failed = False
        # By address, until a login of a client there is right: browsers send none in their first request.
        self._refused: Counter[str] = Counter()

    def load(self, loader: Loader) -> None:
        """Declare the option that makes SOCKS5 ask for a login; the login itself is in no option."""
        loader.add_option("proxyauth", str, "asked", "Whether a login is required.")

    def configure(self, updated: set[str]) -> None:
        """Take nothing from options."""

    async def socks5_auth(self, data: Socks5AuthData) -> None:  # type: ignore[override]
        """Check a login of SOCKS5; a failure refuses it."""
        await self._logins.prepare(data.username, data.password)
        try:
            super().socks5_auth(data)
        except Exception:  # noqa: BLE001 - a failure never grants access
            data.valid = False
            self._log_failure()
        self._count(data.client_conn, accepted=data.valid)

    async def http_connect(self, f: http.HTTPFlow) -> None:  # type: ignore[override]
        """Check the login of a tunnel."""
        await self._prepare(f)
        self._check_flow(f, super().http_connect)

    async def requestheaders(self, f: http.HTTPFlow) -> None:  # type: ignore[override]
        """Check the login of a request."""
        if f.client_conn not in self.authenticated:
            await self._prepare(f)
        self._check_flow(f, super().requestheaders)

    async def _prepare(self, flow: http.HTTPFlow) -> None:
        with contextlib.suppress(Exception):  # what is no login is refused as such
            header = flow.request.headers.get(http_auth_header(is_http_proxy(flow)), "")
            _, username, password = parse_http_basic_auth(header)
            await self._logins.prepare(username, password)

    def _check_flow(self, flow: http.HTTPFlow, check: Callable[[http.HTTPFlow], None]) -> None:
        try:
            check(flow)
        except Exception:  # noqa: BLE001 - a failure never grants access
            flow.response = http.Response.make(500)
            self._log_failure()
        flow.metadata.pop("proxyauth", None)
        flow.request.headers.pop("proxy-authorization", None)
        flow.metadata[_REFUSED] = flow.response is not None
        self._count(flow.client_conn, accepted=flow.response is None)
        self._stop_refused(flow)

    def _count(self, client: connection.Client, *, accepted: bool) -> None:
        address = client.peername[0]
        if accepted:
            self._refused.pop(address, None)
        elif address in self._refused or len(self._refused) < _MOST_ADDRESSES:
            self._refused[address] += 1

    def done(self) -> None:
        """Log how many requests were refused from addresses without a single right login."""
        for address, count in self._refused.most_common(_MOST_NAMED):
            logger.warning(
                "refused %s from '%s' with a missing or wrong login; set that of --proxyauth in the player",
                count_of(count, "request"),
                address,
            )

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
        return functools.partial(check_user, read_htpasswd(login[1:]))
    credentials = login.encode("utf-8", "surrogateescape")
    return lambda user, password: hmac.compare_digest(
        f"{user}:{password}".encode("utf-8", "surrogateescape"), credentials
    )


def check_user(users: HtpasswdFile, username: str, password: str) -> bool:
    """Check a password, an unknown user's in the time that the slowest hash of the file takes: names stay secret."""
    if username not in users.users:
        slow = [each.encode() for each in users.users.values() if not each.startswith("{SHA}")]
        if slow:
            # The cost stands first: "$2b$12$".
            bcrypt.checkpw(password.encode(), max(slow, key=lambda each: each[4:6]))
        return False
    return users.check_password(username, password)


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
