"""SARIF 2.1.0 as the reports of audit and diff share it: the log, places in recordings, and fingerprints."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from tapehead import __version__
from tapehead.recording.paths import TRAFFIC_SUFFIXES
from tapehead.reports.json_output import stream_json

SCHEMA_URI = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/main/sarif-2.1/schema/sarif-schema-2.1.0.json"


def render_log(
    rules: list[dict[str, Any]], results: Iterator[dict[str, Any]], properties: dict[str, Any]
) -> Iterator[str]:
    """Yield the parts of a log of one run, indented."""
    run = {
        "tool": {"driver": {"name": "tapehead", "version": __version__, "rules": rules}},
        "invocations": [{"executionSuccessful": True}],
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": properties,
    }
    return stream_json({"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]})


def location_of(recording: str, line: int, sid: str | None, event_type: str | None) -> dict[str, Any]:
    """Return a line, and the event there; a recording's URI is relative unless its path is absolute.

    HAR and flow files have entries and no lines: their number stands in a message, and the line is the first.
    """
    path = PurePath(recording)
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    name = f"{sid or 'no session'}/{event_type or ''}"
    has_lines = TRAFFIC_SUFFIXES.isdisjoint(path.name.lower().split("."))
    return {
        **({} if has_lines else {"message": {"text": f"entry {line}"}}),
        "physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": line if has_lines else 1}},
        "logicalLocations": [{"name": event_type or "exchange", "fullyQualifiedName": name}],
    }


class Fingerprints:
    """Fingerprints of results: a hash of what makes a result the same in another run, numbered where several are alike.

    Args:
        name: the fingerprints' name, with the version of their recipe.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._counts: Counter[tuple[str, ...]] = Counter()

    def next_of(self, *identity: str) -> dict[str, str]:
        """Return the fingerprint of the next result with that identity."""
        hashed = "\0".join((*identity, str(self._counts[identity]))).encode("utf-8", "surrogatepass")
        self._counts[identity] += 1
        return {self._name: hashlib.sha256(hashed).hexdigest()[:32]}
