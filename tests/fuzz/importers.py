"""Importers fed with files of any bytes: nothing is raised, and warnings are sentences."""

import contextlib
import io
from collections.abc import Callable

from tapehead.errors import RecordingError
from tapehead.interop.collector import CallCollector
from tapehead.interop.flow_files import read_flow_file
from tapehead.interop.har import read_har
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.hosts import EndpointHosts
from tapehead.recording.reader import MOST_WARNINGS

# Complaints are lines, whatever they are about.
MOST_TOLD = 400


def har_of_bytes(data: bytes) -> list[Exchange]:
    """The exchanges of what may be a HAR."""
    return _sift(lambda collector, _warn: read_har("a.har", data, collector))


def flow_file_of_bytes(data: bytes) -> list[Exchange]:
    """The exchanges of what may be a flow file."""
    return _sift(lambda collector, warn: read_flow_file("a.flow", io.BytesIO(data), collector, warn))


def _sift(read: Callable[[CallCollector, Callable[[str], None]], None]) -> list[Exchange]:
    told: list[str] = []
    collector = CallCollector(EndpointHosts(["example.com"]), told.append)
    with contextlib.suppress(RecordingError):
        try:
            read(collector, told.append)
        except RecordingError as problem:
            told.append(str(problem))
            raise
    with contextlib.suppress(RecordingError):
        collector.finish_file()
    assert len(told) <= MOST_WARNINGS + 2
    assert all(line.isprintable() and len(line) < MOST_TOLD for line in [*told, *collector.elsewhere.lines_on_more()])
    assert len(collector.calls) + collector.others + collector.malformed == collector.entries
    return [call.exchange for call in collector.calls]
