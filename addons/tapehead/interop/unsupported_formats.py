"""Formats of other tools that are not read, and how to get a HAR file out of each of those tools."""

import re
from typing import NamedTuple


class UnsupportedFormat(NamedTuple):
    """A format that is not read.

    Attributes:
        name: what a file of it is.
        advice: what to do instead.
        suffixes: the ends of its files' names.
        start: the beginning of its files; None if it tells nothing.
        is_traffic: whether it holds traffic.
    """

    name: str
    advice: str
    suffixes: tuple[str, ...] = ()
    start: re.Pattern[bytes] | None = None
    is_traffic: bool = True


_RECORD = "record the player with tapehead, or save the traffic as HAR in a browser or a proxy"

UNSUPPORTED_FORMATS = (
    UnsupportedFormat(
        "a Charles session",
        "in Charles, choose File > Export Session and the type HTTP Archive (.har)",
        (".chlsj", ".chls", ".chlsx", ".chlz"),
        re.compile(rb'\s*\[\s*\{\s*"status"\s*:\s*"[A-Z_]+"\s*,|<\?xml[^>]*>\s*<charles-session'),
    ),
    UnsupportedFormat(
        "a Fiddler archive",
        "in Fiddler, choose File > Export Sessions > All Sessions and the format HTTPArchive",
        (".saz",),
    ),
    UnsupportedFormat(
        "a Proxyman log",
        "in Proxyman, select the requests and choose File > Export > HAR",
        (".proxymanlog", ".proxymanlogv2", ".proxymansession"),
    ),
    UnsupportedFormat(
        "a log of Burp Suite",
        "save the traffic as HAR, with an extension of Burp Suite or with another proxy",
        (".burp",),
        re.compile(rb"<\?xml[^>]*>\s*(?:<!DOCTYPE items|<items burpVersion)"),
    ),
    UnsupportedFormat(
        "a network log of Chrome",
        "in the developer tools, open Network and choose Export HAR",
        (),
        re.compile(rb'\s*\{\s*"constants"\s*:\s*\{'),
    ),
    UnsupportedFormat(
        "a packet capture",
        f"its TLS cannot be read; {_RECORD}",
        (".pcap", ".pcapng", ".cap"),
        re.compile(rb"\xd4\xc3\xb2\xa1|\xa1\xb2\xc3\xd4|\x4d\x3c\xb2\xa1|\xa1\xb2\x3c\x4d|\x0a\x0d\x0d\x0a"),
    ),
    UnsupportedFormat("a PDF document", _RECORD, (".pdf",), re.compile(rb"%PDF-"), is_traffic=False),
    UnsupportedFormat("a picture", _RECORD, (), re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8"), is_traffic=False),
    UnsupportedFormat(
        "a web page",
        "save the traffic in the developer tools: open Network and choose Export HAR",
        (".html", ".htm", ".mhtml"),
        re.compile(rb"\s*<(?:!doctype html|html)", re.IGNORECASE),
        is_traffic=False,
    ),
)


def unsupported_format(name: str, start: bytes) -> UnsupportedFormat | None:
    """Return the format that a file has by its name or its beginning, if it is one of those; None for others."""
    lowered = name.lower()
    return next(
        (
            each
            for each in UNSUPPORTED_FORMATS
            if lowered.endswith(each.suffixes or ("\0",)) or (each.start and each.start.match(start))
        ),
        None,
    )
