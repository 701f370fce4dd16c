"""Parsing of options: addresses, URLs, modes, access and storage, with one sentence for each error."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tapehead.cli.config_search import find_table
from tapehead.cli.option_types import DEFAULT_BACKLOG
from tapehead.errors import UsageError
from tapehead.live.live_settings import LiveSettings
from tapehead.network.access_policy import ANY_LOGIN, AccessPolicy, Network, parse_network
from tapehead.network.upstream_proxy import find_upstream_proxy, modes_through
from tapehead.protocol.backend_limits import TIMEOUTS, Timeouts
from tapehead.protocol.routes import API_PATH, ENDPOINT_DOMAIN
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.recording.paths import STDIN, compressed, find_inputs, new_recording
from tapehead.recording.recorder_settings import StoreSettings, Sync, parse_rotation, parse_size
from tapehead.remote.url_paths import UrlPath
from tapehead.replay.on_miss import OnMiss

# A port, behind a host in visible ASCII if there is one, which is in brackets where it is an IPv6 address.
_ADDRESS = re.compile(r"(?:(?:(?P<host>[!-Z^-~]+)|\[(?P<bracketed>[!-Z^-~]+)\])?:)?(?P<port>[0-9]{1,5})")
# What ends a URL of the API.
_API = re.compile(rf"{API_PATH}(?:/(?:sessions|downloaded|schemas)(?:/.*)?)?$")

LOOPBACK = "127.0.0.1"
# Reverse mode needs a target; this name never resolves (RFC 6761), and nothing connects to it.
OFFLINE_MODE = "reverse:http://collection.invalid"
_EXAMPLE_URL = f"https://company.{ENDPOINT_DOMAIN}"
# mitmproxy splits a login at its colon, and takes no second one.
_LOGIN = re.compile(f"{ANY_LOGIN}|@.+|[^:]+:[^:]+", re.DOTALL)
# Of a page, as browsers send it: lower case, without a path.
_WEB_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")
# The options of the live page.
LIVE_OPTIONS = ("--live", "--token", "--live-origin")
_TOKEN = re.compile(r"[A-Za-z0-9._-]{16,200}")


class Target(NamedTuple):
    """The endpoint behind a reverse proxy: mitmproxy's mode, and the path in front of the API's own."""

    mode: str
    prefix: str

    @property
    def url(self) -> str:
        """The URL before the API's own path, without a slash at its end."""
        return f"{self.mode.removeprefix('reverse:')}{self.prefix}"


def parse_target(url: str, option: str = "--to") -> Target:
    """Return the target that `--to URL` names, or another option; the URL may be that of a call.

    Raises:
        UsageError: it is not an http or https URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    path = parts.path.rstrip("/")
    prefix = _API.sub("", path)
    has_rest = bool(parts.query or parts.fragment) and prefix == path
    if parts.scheme not in ("http", "https") or not parts.hostname or has_rest or parts.username:
        raise UsageError(f"invalid {option} '{url}': expected an http or https URL, such as {_EXAMPLE_URL}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Target(f"reverse:{parts.scheme}://{host}{f':{port}' if port else ''}", prefix)


def parse_listen(listen: str) -> tuple[str, int]:
    """Return the host and port of `--listen HOST:PORT`; without a host, loopback, and never every interface.

    Brackets stand around an IPv6 address.

    Raises:
        UsageError: it is malformed.
    """
    match = _ADDRESS.fullmatch(listen)
    if not match or int(match["port"]) > 65535:
        raise UsageError(f"invalid --listen '{listen}': expected HOST:PORT or PORT, such as 127.0.0.1:8080")
    return match["host"] or match["bracketed"] or LOOPBACK, int(match["port"])


def proxy_modes(mode: Sequence[str] | None, target: Target | None) -> Sequence[str]:
    """Return mitmproxy's modes: those of `--mode`, or reverse mode to the target of `--to`.

    Raises:
        UsageError: neither was given.
    """
    if not mode and not target:
        raise UsageError("missing endpoint: pass --to URL (reverse proxy) or --mode regular (forward proxy)")
    return mode or [target.mode if target else ""]


class MissHandling(NamedTuple):
    """The handling of calls that are not in the recordings.

    Attributes:
        on_miss: the answer, with ONCE resolved.
        recordings: the recordings to be played; none if there is no recording yet.
        target: the endpoint that misses are forwarded to; None if they are not.
        out: the recording of forwarded calls; None if none are forwarded.
        proxy_url: the proxy on the way to the endpoint, as `--upstream-proxy` gives it; None for none.
    """

    on_miss: OnMiss
    recordings: tuple[Path, ...]
    target: Target | None = None
    out: Path | None = None
    proxy_url: str | None = None


def parse_misses(
    on_miss: OnMiss,
    recordings: Sequence[Path],
    to: str | None,
    out: Path | None,
    upstream_proxy: str | None,
) -> MissHandling:
    """Return how misses are answered; forwarded ones are recorded in the recording itself, or in `--out`.

    Raises:
        UsageError: an option is missing, or there is not one recording in a file.
    """
    if on_miss not in (OnMiss.FORWARD, OnMiss.ONCE):
        return MissHandling(on_miss, tuple(recordings))
    if not to:
        raise UsageError(f"--on-miss {on_miss} needs --to URL, the endpoint, and no --mode")
    target = parse_target(to)
    if on_miss is OnMiss.ONCE:
        (path,) = recordings
        if isinstance(path, UrlPath):
            raise UsageError(f"--on-miss {on_miss} records into the recording, and '{path}' is a URL; name a file")
        if path.exists() and path.stat().st_size:
            return MissHandling(OnMiss.ERROR, (path,))
        return MissHandling(OnMiss.FORWARD, (), target, path, upstream_proxy)
    if out is None:
        if url := next((path for path in recordings if isinstance(path, UrlPath)), None):
            raise UsageError(f"forwarded calls cannot be recorded into '{url}'; pass --out FILE")
        files = find_inputs(recordings).files
        if len(files) != 1 or not files[0].named or files[0].path == STDIN:
            raise UsageError("forwarded calls need a recording; pass --out FILE, unless one file is replayed")
        out = files[0].path
    return MissHandling(on_miss, tuple(recordings), target, out, upstream_proxy)


def store_settings(
    out: Path | None,
    *,
    append: bool,
    overwrite: bool,
    keep_ids: bool,
    redact_key: Sequence[str] | None,
    compress: bool,
    sync: Sync = Sync.SECOND,
    rotate: Sequence[str] | None = None,
    backlog: str = DEFAULT_BACKLOG,
) -> StoreSettings:
    """Return how a new recording is stored, in ./recordings without `--out`.

    Raises:
        UsageError: an option is malformed, or options exclude each other.
    """
    rotation, most_waiting = parse_rotation(rotate), parse_size(backlog, "--backlog")
    redact_keys = parse_redact_keys(redact_key)
    out = out or new_recording(Path("recordings"))
    return StoreSettings(
        out=compressed(out) if compress else out,
        append=append,
        overwrite=overwrite,
        keep_ids=keep_ids,
        redact_keys=redact_keys,
        sync=sync,
        rotation=rotation,
        backlog=most_waiting,
    )


def parse_redact_keys(names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names that `--redact-key` gives.

    Raises:
        UsageError: one is empty.
    """
    if not all(name.strip() for name in names or ()):
        raise UsageError("--redact-key is empty; expected the name of a key, such as userId")
    return tuple(names or ())


def parse_clients(texts: Sequence[str] | None) -> tuple[Network, ...]:
    """Return the networks that `--allow-client` names.

    Raises:
        UsageError: one is malformed.
    """
    networks = []
    for text in texts or ():
        try:
            networks.append(parse_network(text))
        except ValueError as error:
            reason = "it has bits beyond its prefix; " if "host bits" in str(error) else ""
            example = "a network such as 192.168.1.0/24, or an address such as 192.168.1.5"
            raise UsageError(f"invalid --allow-client '{text}': {reason}expected {example}") from error
    return tuple(networks)


def parse_access(login: str | None, clients: Sequence[str] | None, *, open_: bool = False) -> AccessPolicy:
    """Return the access policy of a proxy.

    Raises:
        UsageError: an option is malformed; the message does not repeat the login.
    """
    if login is not None and not _LOGIN.fullmatch(login):
        raise UsageError("invalid --proxyauth: expected USER:PASS with that one colon, or @FILE made by htpasswd -B")
    return AccessPolicy(login=login, clients=parse_clients(clients), open=open_)


def proxy_settings(
    listen: str,
    modes: Sequence[str],
    extra: Sequence[str],
    access: AccessPolicy,
    *,
    upstream_proxy: str | None = None,
    insecure: bool = False,
    offline: bool = False,
    keep_host: bool = False,
) -> ProxySettings:
    """Return how the proxy runs; `extra` are options of mitmproxy, the other ones as in `ProxySettings`.

    Raises:
        UsageError: an option is malformed, or they exclude each other.
    """
    host, port = parse_listen(listen)
    endpoints = [mode.partition(":")[2] for mode in modes if mode.startswith("reverse:")]
    through = find_upstream_proxy(upstream_proxy, endpoints) if upstream_proxy else None
    for option in extra:
        if "=" not in option:
            raise UsageError(f"invalid --set '{option}': expected NAME=VALUE, such as ssl_insecure=true")
        if option.startswith("proxyauth="):
            raise UsageError("use --proxyauth instead of --set proxyauth")
        if through and option.startswith(("mode=", "connection_strategy=")):
            raise UsageError(f"--upstream-proxy and --set {option} exclude each other; leave one of them out")
    more = ("ssl_insecure=true",) if insecure else ()
    return ProxySettings(
        modes=modes_through(through, modes) if through else tuple(modes),
        host=host,
        port=port,
        offline=offline,
        keep_host=keep_host,
        extra=(*more, *extra),
        access=access,
        upstream_proxy=through,
    )


class SimulationSettings(NamedTuple):
    """Arguments of the simulated endpoint, as `SimulatedEndpoint` takes them."""

    strict: bool = False
    time_scale: float = 1.0
    timeouts: Timeouts = TIMEOUTS
    second_end: int = 204
    over_limit: int = 204


def simulation_settings(
    config: Path | None, strict: bool, time_scale: float, second_end: str, over_limit: str
) -> SimulationSettings:
    """Return how the endpoint is simulated.

    The timeouts are those among the thresholds of the settings file, which is known to be valid.
    """
    _, table = find_table(config)
    timeouts = TIMEOUTS
    if "thresholds" in table:
        from tapehead.auditor.settings import read_settings

        timeouts = read_settings({"thresholds": table["thresholds"]}).policy().thresholds.timeouts
    return SimulationSettings(strict, time_scale, timeouts, int(second_end), int(over_limit))


def parse_live(
    port: int | None, token: str | None, origins: Sequence[str] | None, options: Sequence[str] = LIVE_OPTIONS
) -> LiveSettings | None:
    """Return the settings of `--live`, `--token` and `--live-origin`; None without a port.

    Args:
        port: the port.
        token: the token.
        origins: the origins.
        options: the options that give them, for messages.

    Raises:
        UsageError: the token or an origin is invalid, or origins come without a port.
    """
    live_option, token_option, origin_option = options
    if port is None:
        if origins:
            raise UsageError(f"{origin_option} needs {live_option} PORT")
        return None
    if token and not _TOKEN.fullmatch(token):
        raise UsageError(f"invalid {token_option}: expected 16 to 200 of A-Z, a-z, 0-9, '.', '_', '-'")
    for origin in origins or ():
        if not _WEB_ORIGIN.fullmatch(origin):
            raise UsageError(
                f"invalid {origin_option} '{origin}': expected a scheme, a host and a port that is not the usual one, "
                "such as http://localhost:3000"
            )
    return LiveSettings(
        port=port,
        token=token or "",
        origins=tuple(origins or ()),
        option=live_option,
        origin_option=origin_option,
    )
