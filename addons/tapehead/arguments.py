"""What arguments mean: addresses, URLs, modes; and what is wrong with them, in one sentence."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from tapehead.problems import UsageProblem
from tapehead.settings import ProxySettings


class Target(NamedTuple):
    """The endpoint behind a reverse proxy: mitmproxy's mode, and the path that stands before the API's own."""

    mode: str
    prefix: str


def parse_target(url: str) -> Target:
    """The target that a URL names.

    Raises:
        UsageProblem: it is no http or https URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise UsageProblem(f"--to {url} is no http or https URL; expected one like https://company.hb-api.omtrdc.net")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    prefix = parts.path.rstrip("/").removesuffix("/api/v1")
    return Target(f"reverse:{parts.scheme}://{host}{f':{port}' if port else ''}", prefix)


def parse_listen(listen: str) -> tuple[str, int]:
    """The host and port that `HOST:PORT` names; brackets round an IPv6 address.

    Raises:
        UsageProblem: it names none.
    """
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageProblem(f"--listen {listen} is no address; expected HOST:PORT, such as 127.0.0.1:8080")
    return host.strip("[]"), int(port)


def proxy_settings(
    listen: str, modes: Sequence[str], extra: Sequence[str], *, insecure: bool = False, offline: bool = False
) -> ProxySettings:
    """How the proxy runs, by the arguments that all doors share.

    Raises:
        UsageProblem: one cannot be used.
    """
    host, port = parse_listen(listen)
    for option in extra:
        if "=" not in option:
            raise UsageProblem(f"--set {option} has no value; expected NAME=VALUE, such as ssl_insecure=true")
    more = ("ssl_insecure=true",) if insecure else ()
    return ProxySettings(modes=tuple(modes), host=host, port=port, offline=offline, extra=(*more, *extra))
