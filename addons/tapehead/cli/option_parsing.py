"""What arguments mean: addresses, URLs, modes; and what is wrong with them, in one sentence."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tapehead.errors import UsageError
from tapehead.live.page_settings import LiveSettings
from tapehead.network.access_policy import ANY_LOGIN, AccessPolicy, Network, parse_network
from tapehead.protocol.routes import API_PATH, ENDPOINT_DOMAIN
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.recording.paths import STDIN, find_inputs
from tapehead.recording.recorder_settings import StoreSettings
from tapehead.replay.on_miss import OnMiss
from tapehead.simulator.faults import Fault, Latency, parse_fault, parse_latency

# A host in visible ASCII, in brackets where it is an IPv6 address; an empty one would mean every interface.
_ADDRESS = re.compile(r"(?:(?P<host>[!-Z^-~]+)|\[(?P<bracketed>[!-Z^-~]+)\]):(?P<port>[0-9]{1,5})")


class Target(NamedTuple):
    """The endpoint behind a reverse proxy: mitmproxy's mode, and the path that stands before the API's own."""

    mode: str
    prefix: str


def parse_target(url: str) -> Target:
    """The target that a URL names.

    Raises:
        UsageError: it is no http or https URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise UsageError(f"--to {url} is no http or https URL; expected one like https://company.{ENDPOINT_DOMAIN}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    prefix = parts.path.rstrip("/").removesuffix(API_PATH)
    return Target(f"reverse:{parts.scheme}://{host}{f':{port}' if port else ''}", prefix)


def parse_listen(listen: str) -> tuple[str, int]:
    """The host and port that `HOST:PORT` names; brackets round an IPv6 address.

    Raises:
        UsageError: it names none.
    """
    match = _ADDRESS.fullmatch(listen)
    if not match or int(match["port"]) > 65535:
        raise UsageError(f"--listen {listen} is no address; expected HOST:PORT, such as 127.0.0.1:8080")
    return match["host"] or match["bracketed"], int(match["port"])


def proxy_modes(mode: Sequence[str] | None, target: Target | None) -> Sequence[str]:
    """Return mitmproxy's modes: those of `--mode`, or reverse mode to the target of `--to`.

    Raises:
        UsageError: neither or both were given.
    """
    if bool(mode) == bool(target):
        raise UsageError("missing endpoint: pass --to URL (reverse proxy) or --mode regular (forward proxy)")
    return mode or [target.mode if target else ""]


def forward_target(on_miss: OnMiss, to: str | None, mode: Sequence[str] | None) -> Target | None:
    """The endpoint that misses are forwarded to; None where they are not.

    Raises:
        UsageError: the arguments do not fit together.
    """
    if on_miss is not OnMiss.FORWARD:
        if to:
            raise UsageError("--to is for --on-miss forward; say that, too, or leave --to out")
        return None
    if not to or mode:
        raise UsageError("--on-miss forward needs --to URL, the endpoint, and no --mode")
    return parse_target(to)


def episodes_file(target: Target | None, out: Path | None, recordings: Sequence[Path]) -> Path | None:
    """Where forwarded calls are recorded; None where nothing is forwarded.

    Raises:
        UsageError: it is not clear where.
    """
    if target is None:
        if out:
            raise UsageError("--out is for --on-miss forward; replay records nothing else")
        return None
    if out:
        return out
    files = find_inputs(recordings)
    if len(files) != 1 or not files[0].named or files[0].path == STDIN:
        raise UsageError("say with --out where to record what is forwarded: there is not one recording in a file")
    return files[0].path


def check_append(*, append: bool, overwrite: bool) -> None:
    """Make sure that it is clear what becomes of a recording that is there.

    Raises:
        UsageError: it is not.
    """
    if append and overwrite:
        raise UsageError("--append and --overwrite exclude each other; say one of them")


def episodes_store(
    target: Target | None, out: Path | None, recordings: Sequence[Path], *, keep_ids: bool, redact_keys: tuple[str, ...]
) -> StoreSettings | None:
    """How forwarded calls are recorded; None where nothing is forwarded.

    Raises:
        UsageError: it is not clear where to.
    """
    file = episodes_file(target, out, recordings)
    return StoreSettings(out=file, append=True, keep_ids=keep_ids, redact_keys=redact_keys) if file else None


def redact_keys(names: Sequence[str] | None, *, keep_ids: bool) -> tuple[str, ...]:
    """The names that `--redact-key` gives.

    Raises:
        UsageError: one is empty, or identifiers are to be kept.
    """
    if names and keep_ids:
        raise UsageError("--redact-key and --keep-ids exclude each other; say one of them")
    if not all(name.strip() for name in names or ()):
        raise UsageError("--redact-key is empty; expected the name of a key, such as userId")
    return tuple(names or ())


def parse_faults(texts: Sequence[str] | None) -> tuple[Fault, ...]:
    """The faults that `--fault` names.

    Raises:
        UsageError: one is none.
    """
    return tuple(parse_fault(text) for text in texts or ())


def parse_waiting(text: str | None) -> Latency | None:
    """The latency that `--latency` names.

    Raises:
        UsageError: it is none.
    """
    return parse_latency(text) if text is not None else None


def parse_clients(texts: Sequence[str] | None) -> tuple[Network, ...]:
    """The networks that `--allow-client` names.

    Raises:
        UsageError: one is none.
    """
    return tuple(map(_parse_client, texts or ()))


def _parse_client(text: str) -> Network:
    try:
        return parse_network(text)
    except ValueError as error:
        said = "has bits beyond its prefix" if "host bits" in str(error) else "is no address and no network"
        example = "192.168.1.0/24 for a network, or 192.168.1.5 for one client"
        raise UsageError(f"--allow-client {text} {said}; expected one like {example}") from error


def parse_protection(login: str | None, clients: Sequence[str] | None, *, open_: bool = False) -> AccessPolicy:
    """What keeps strangers out, by the arguments that say it.

    Raises:
        UsageError: one cannot be used; the message does not repeat the login.
    """
    if login is not None and not (login == ANY_LOGIN or login[:1] == "@" != login or _LOGIN.fullmatch(login)):
        raise UsageError("--proxyauth is no login; expected USER:PASS with that one colon, or @FILE made by htpasswd")
    return AccessPolicy(login=login, clients=parse_clients(clients), open=open_)


# A password with a colon in it would never be taken: mitmproxy parses no such thing.
_LOGIN = re.compile("[^:]+:[^:]+")


def proxy_settings(
    listen: str,
    modes: Sequence[str],
    extra: Sequence[str],
    protection: AccessPolicy,
    *,
    insecure: bool = False,
    offline: bool = False,
) -> ProxySettings:
    """How the proxy runs, by the arguments that all doors share.

    Raises:
        UsageError: one cannot be used.
    """
    host, port = parse_listen(listen)
    for option in extra:
        if "=" not in option:
            raise UsageError(f"--set {option} has no value; expected NAME=VALUE, such as ssl_insecure=true")
        if option.startswith("proxyauth="):
            raise UsageError("--set proxyauth is not how a login is said here; say --proxyauth")
    more = ("ssl_insecure=true",) if insecure else ()
    return ProxySettings(
        modes=tuple(modes), host=host, port=port, offline=offline, extra=(*more, *extra), access=protection
    )


def live_settings(port: int | None, title: str, workers: int = 1) -> LiveSettings | None:
    """The live page that `--live` asks for, if it does.

    Raises:
        UsageError: several processes answer.
    """
    if port is None:
        return None
    if workers > 1:
        raise UsageError("--live shows what one process answers; leave --workers out, or --live")
    return LiveSettings(port=port, title=title)
