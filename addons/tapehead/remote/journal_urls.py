"""URLs of journals: `http://127.0.0.1:PORT/#TOKEN`, as a running tapehead prints them for its live page."""

import os
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from tapehead.errors import UsageError
from tapehead.remote.urls import TOKEN_VARIABLE, without_secrets

HOST = "127.0.0.1"
API_PREFIX = "/tapehead/v1"
TOKEN_HEADER = "X-Tapehead-Token"  # noqa: S105 - the name of a header
# Of the answer with all calls: how many of the run are not in it, and how often the journal was reset.
MISSING_HEADER, RESETS_HEADER = "X-Tapehead-Missing", "X-Tapehead-Resets"
EXAMPLE = f"http://{HOST}:PORT/#TOKEN"

# Where the page and the API are.
_PATHS = ("", "/", API_PREFIX, f"{API_PREFIX}/")
_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,200}")


class JournalUrl(NamedTuple):
    """The URL of a journal on this machine, which shows no token as a text.

    Attributes:
        port: the port of the live page and the HTTP API.
        token: what they let in.
    """

    port: int
    token: str

    def __str__(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def with_token(self) -> str:
        """The URL as it was printed, which no message and no command line of another process may show."""
        return f"{self}/#{self.token}"

    def __repr__(self) -> str:
        return f"JournalUrl({str(self)!r})"


def parse_journal_url(text: str) -> JournalUrl | None:
    """Return the journal that a URL names; None for the URL of anything else.

    A live page is served on this machine alone, so the URL of another machine names none. The token is the one behind
    `#`, or else that of the environment.

    Raises:
        UsageError: the URL has a login or no port, neither it nor the environment has a token, or it is that of a live
            page on another machine; the message repeats no secret.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme != "http" or parts.path not in _PATHS or parts.query:
        return None
    problem = f"cannot read '{without_secrets(text)}'"
    if host not in (HOST, "localhost"):
        if host and port and parts.fragment and "@" not in parts.netloc:
            raise UsageError(
                f"{problem}: a live page answers on its own machine alone; run ssh -L {port}:{HOST}:{port} {host}, and"
                f" pass http://{HOST}:{port}/#TOKEN"
            )
        return None
    if "@" in parts.netloc:
        raise UsageError(f"{problem}: it contains a login; leave it out, and pass the token behind '#'")
    if not port:
        raise UsageError(f"{problem}: it has no port; pass the URL as tapehead printed it, such as {EXAMPLE}")
    token = parts.fragment or os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        raise UsageError(
            f"{problem}: it has no token; pass the URL as tapehead printed it, {EXAMPLE}, or set {TOKEN_VARIABLE}"
        )
    if not _TOKEN.fullmatch(token):
        where = "the token behind '#'" if parts.fragment else TOKEN_VARIABLE
        raise UsageError(f"{problem}: expected only letters, digits, '.', '_' and '-' in {where}")
    return JournalUrl(port, token)
