"""Rewriting of recorded answers, so that they name the host that was called and no other.

A recorded answer may lead a player out of the replay: by an absolute Location, by a header that sends it elsewhere
(Alt-Svc, say), or by a URL of the recorded endpoint in a body. URLs are read as browsers read them (WHATWG URL): with
backslashes for slashes, any number of slashes after a scheme, blanks around them and tabs inside.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from tapehead.protocol.hosts import authority_of
from tapehead.protocol.messages import Response
from tapehead.protocol.routes import ENDPOINT_DOMAIN

# Headers that send a player or its reports to other hosts, bind it to other ways of calling this one, or name proxies.
_LEFT_OUT = frozenset(
    {
        "alt-svc",
        "alternate-protocol",
        "content-security-policy",
        "content-security-policy-report-only",
        "expect-ct",
        "nel",
        "public-key-pins",
        "public-key-pins-report-only",
        "report-to",
        "reporting-endpoints",
        "strict-transport-security",
        "via",
    }
)
# Headers with the origins of the pages that may read the answer.
ORIGINS = frozenset({"access-control-allow-origin", "timing-allow-origin"})
# Of those, the values that name no page.
ANY_PAGE = ("*", "null")
# Headers with URLs that may be relative; the second group of a match is one.
_ONE_URL = re.compile(r"()(.*)", re.DOTALL)
_URLS = {
    "location": _ONE_URL,
    "content-location": _ONE_URL,
    "sourcemap": _ONE_URL,
    "x-sourcemap": _ONE_URL,
    "refresh": re.compile(r"(\s*[\d.]*\s*[;,]?\s*(?:url\s*=\s*)?[\"']?)(.*)", re.IGNORECASE | re.DOTALL),
    "link": re.compile(r"(<)([^>]*)"),
}
# What browsers ignore around a URL, and inside.
_AROUND, _INSIDE = "".join(map(chr, range(0x21))), str.maketrans("", "", "\t\n\r")
# The beginning of a URL that names a host: one alone, one in a text, and one in a text that is percent-encoded. A
# userinfo may have characters that end a host elsewhere.
_ALONE = re.compile(
    r"(?P<scheme>(?:https?|wss?|ftp):[\\/]*|(?:[a-z][a-z0-9+.-]*:)?[\\/]{2,})(?P<authority>[^\\/?#]*)", re.IGNORECASE
)
_IN_TEXT = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]*:[\\/]{2,})(?P<authority>(?:[^\s\\/?#\"'<>]*@)?[^\s\\/?#\"'<>,;()@]*)",
    re.IGNORECASE,
)
_ENCODED = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]*%3a(?:%2f|%5c){2,})"
    r"(?P<authority>(?:(?!%2[0236f]|%3[cef]|%5c)[^\s\\/?#\"'<>,;()&])*)",
    re.IGNORECASE,
)
# Where a name in a text may begin: after an escape of JSON or of a URL (also one encoded twice), whose characters
# are no part of it; or after anything that no name has.
_NAME_START = (
    r"(?:(?<=%[0-9a-f]{2})(?!(?<=%25)[0-9a-f]{2})|(?<=%25[0-9a-f]{2})"
    r"|(?<=(?<!\\)\\u[0-9a-f]{4})|(?<=(?<!\\)\\[bfnrt])"
    r"|(?<![\w.-])(?!(?<=%)[0-9a-f]{2})(?!(?<=(?<!\\)\\)(?:u[0-9a-f]{4}|[bfnrt])))"
)
_COOKIE_DOMAIN = re.compile(r"\s*;\s*domain\s*=\s*\.?([^;]*)", re.IGNORECASE)


def find_host(url: str) -> re.Match[str] | None:
    """Return the beginning of a URL as groups `scheme` and `authority`; None if it is relative to a host."""
    return _ALONE.match(url.strip(_AROUND).translate(_INSIDE))


class Rewrite(NamedTuple):
    """A place in which a recorded answer named another host: a header or `the body`; the host is empty if left out."""

    place: str
    host: str

    def explain(self) -> str:
        """Return in one line what replayed answers have instead."""
        if not self.host:
            return f"{self.place} of recorded answers is left out of replayed ones: it leads to other hosts"
        return f"{self.place} of recorded answers names '{self.host}'; replayed answers name the called host instead"


class HostRewriter:
    """A rewriter of recorded answers, which then name no other host than the called one.

    Args:
        hosts: the recorded hosts, each with or without a port, which no text may name; those of the vendor's domain are
            added.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        names = {re.sub(r":\d+$", "", host.lower()) for host in hosts} - {""}
        vendor = rf"(?:[\w-]+\.)*{re.escape(ENDPOINT_DOMAIN)}"
        named = "|".join([*map(re.escape, sorted(names, key=len, reverse=True)), vendor])
        # A name without a dot, as of a container, may be any word of a text.
        dotted = "|".join([*(re.escape(name) for name in sorted(names, key=len, reverse=True) if "." in name), vendor])
        self._parts = (ENDPOINT_DOMAIN, *names)
        self._mention = re.compile(
            rf"(?:(?P<scheme>\bhttps?:)?(?P<slashes>(?:\\?/|\\u002f){{2}})(?:[^\s\\/?#\"'<>@]*@)?(?P<host>{named})"
            rf"|{_NAME_START}(?P<bare>{dotted}))(?P<port>:\d+)?(?![\w-]|\.\w)",
            re.IGNORECASE,
        )

    def rewrite(self, response: Response, url: str, page: str | None) -> tuple[Response, list[Rewrite]]:
        """Return a recorded response as it may be replayed, and what was rewritten in it.

        Args:
            response: the recorded response.
            url: the URL that was called.
            page: the Origin of the page that called it; None if there is none.
        """
        called = _CalledHost(url)
        headers = []
        for name, value in response.headers:
            lowered = name.lower()
            if lowered in _LEFT_OUT:
                called.rewrites.append(Rewrite(name, ""))
            elif lowered in ORIGINS:
                headers.append((name, value if value.strip() in (*ANY_PAGE, page) else page or "*"))
            else:
                headers.append((name, self._rewrite_header(called, name, value)))
        if headers != response.headers:
            response = response.with_headers(headers)
        if content := b"" if response.coded else response.content():
            text = content.decode("latin-1")
            changed = self._replace_mentions(called, "the body", text)
            response = response if changed == text else response.with_content(changed.encode("latin-1"))
        return response, called.rewrites

    def _rewrite_header(self, called: "_CalledHost", name: str, value: str) -> str:
        lowered = name.lower()
        if pattern := _URLS.get(lowered):
            value = pattern.sub(lambda match: match[1] + called.replace_alone(name, match[2]), value)
        elif lowered == "set-cookie":
            value = _COOKIE_DOMAIN.sub(called.replace_domain(name), value)
        if ":" in value:
            value = _IN_TEXT.sub(called.replace_url(name), value)
        if "%" in value:
            value = _ENCODED.sub(called.replace_url(name), value)
        return self._replace_mentions(called, name, value)

    def _replace_mentions(self, called: "_CalledHost", place: str, text: str) -> str:
        lowered = text.lower()
        if not any(part in lowered for part in self._parts):
            return text
        return self._mention.sub(called.replace_mention(place), text)


class _CalledHost:
    """The host that was called, which takes the place of others.

    Attributes:
        rewrites: what was rewritten.
    """

    def __init__(self, url: str) -> None:
        self.rewrites: list[Rewrite] = []
        scheme, _, rest = url.partition("://")
        self._scheme, self._authority = f"{scheme}:", re.split(r"[\\/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
        self._key = authority_of(url)

    def replace_alone(self, place: str, url: str) -> str:
        """Return a URL, which may be relative, with the called host if it names another."""
        match = find_host(url)
        return self.replace_url(place)(match) + match.string[match.end() :] if match else url

    def replace_url(self, place: str) -> Callable[[re.Match[str]], str]:
        """Return a function that puts the called scheme and host in the place of a URL's."""

        def replace(match: re.Match[str]) -> str:
            scheme, authority = match["scheme"], match["authority"]
            ours = "//" if scheme[0] in "\\/" else f"{self._scheme}//"
            is_plain = scheme.lower() == ours and "@" not in authority
            if is_plain and authority_of(f"{self._scheme}//{authority}") == self._key:
                return match[0]
            host = re.split("@|%40", authority)[-1]
            self.rewrites.append(Rewrite(place, host))
            url = ours + self._authority
            return url.replace(":", "%3A").replace("/", "%2F") if "%" in scheme else url

        return replace

    def replace_mention(self, place: str) -> Callable[[re.Match[str]], str]:
        """Return a function that puts the called host in the place of a recorded one, in or outside of a URL."""

        def replace(match: re.Match[str]) -> str:
            host = (match["host"] or match["bare"]) + (match["port"] or "")
            scheme, slashes = match["scheme"] and self._scheme, match["slashes"] or ""
            if authority_of(f"{scheme or self._scheme}//{host}") == self._key and scheme in (None, match["scheme"]):
                return match[0]
            self.rewrites.append(Rewrite(place, host))
            return f"{scheme or ''}{slashes}{self._authority}"

        return replace

    def replace_domain(self, place: str) -> Callable[[re.Match[str]], str]:
        """Return a function that leaves the Domain of a cookie out, unless the called host is in it."""

        def replace(match: re.Match[str]) -> str:
            host, domain = re.sub(r":\d+$", "", self._authority).lower(), match[1].strip().lower()
            if host == domain or host.endswith(f".{domain}"):
                return match[0]
            self.rewrites.append(Rewrite(place, domain))
            return ""

        return replace
