"""Recognition of Adobe's other protocols for the same tracking: heartbeats, and the Media Edge API."""

import re
from enum import StrEnum

_HEARTBEAT_HOST = re.compile(r"(?:^|\.)(?:hb|heartbeats)\.omtrdc\.net$", re.IGNORECASE)
# Such as s:event:type, s:sp:channel, l:event:playhead.
_HEARTBEAT_QUERY = re.compile(r"[?&][sl]:[a-z]+:[a-z_]+=")
_EDGE_HOST = re.compile(r"(?:^|\.)edge\.adobedc\.net$", re.IGNORECASE)
_EDGE_PATH = re.compile(r"/ee[^/]*/(?:[^/]+/)?va/v1/\w+")


class OtherProtocol(StrEnum):
    """A protocol, with the words for it in messages."""

    HEARTBEAT = "heartbeats of an older media SDK"
    MEDIA_EDGE = "calls of the Media Edge API"


def protocol_of_request(host: str, target: str) -> OtherProtocol | None:
    """Return the other protocol that a request speaks, by its host, path and query; None for none of them."""
    if _EDGE_PATH.search(target.partition("?")[0]):
        return OtherProtocol.MEDIA_EDGE
    if _HEARTBEAT_HOST.search(host) or _HEARTBEAT_QUERY.search(target.replace("%3A", ":").replace("%3a", ":")):
        return OtherProtocol.HEARTBEAT
    return None


def protocol_of_host(host: str) -> OtherProtocol | None:
    """Return the other protocol that a host speaks; None if its name does not tell."""
    if _HEARTBEAT_HOST.search(host):
        return OtherProtocol.HEARTBEAT
    return OtherProtocol.MEDIA_EDGE if _EDGE_HOST.search(host) else None
