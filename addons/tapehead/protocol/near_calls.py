"""Hints at the calls that requests to the endpoint were meant to be which are none."""

import re

from tapehead.protocol.routes import PATHS, allowed_method, find_route
from tapehead.text import nearest

# Parts of paths that are meant for the API: its version, or one of its nouns.
_LIKE_THE_API = re.compile(r"/api/|sessions?\b|/events?$|downloaded", re.IGNORECASE)


def near_path_hint(method: str, path: str) -> str:
    """Return a hint at the call that an unmatched request was probably meant to be; empty if it resembles none."""
    path = path.partition("?")[0]
    if route := find_route(path):
        return f"wrong method {method}; did you mean {allowed_method(route.call)}?"
    if not _LIKE_THE_API.search(path):
        return ""
    # The path as the documentation writes it: from /api on, with {sid} for what stands for a session id.
    documented = re.sub(r"(/sessions?/)[^/]+(?=/)", r"\1{sid}", path[max(path.lower().rfind("/api/"), 0) :])
    return "not a Media Collection call" + (nearest(documented, PATHS) or f"; the API has {', '.join(PATHS)}")
