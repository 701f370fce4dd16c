"""The quality that events report: bitrate, dropped frames, time to start, errors.

Pages disagree on where a quality value stands (`qoeData` or `params`) and what an error's keys are called; all of
them are taken, `qoeData` first.
"""

from collections.abc import Iterable, Mapping
from math import floor
from typing import Any

from tapehead.metrics.assumptions import Assumptions
from tapehead.metrics.timers import Clock
from tapehead.protocol.events import Event, as_number
from tapehead.protocol.keys import (
    BITRATE,
    DROPPED_FRAMES,
    ERROR_ID,
    ERROR_ID_TOO,
    ERROR_SOURCE,
    ERROR_SOURCE_TOO,
    TIME_TO_START,
)
from tapehead.protocol.parameters import LOW_BITRATE

BUCKET_KBPS = 100
# Beyond this, JSON readers lose whole numbers, and no real value comes near.
LARGEST = 2**53


def number_of(value: object) -> float | None:
    """Return `value` if it is a number that a quantity can be: not negative, finite, no boolean; else None."""
    number = as_number(value)
    return number if number is not None and 0 <= number <= LARGEST else None


def reported_kilobits(event: Event) -> float | None:
    """Return the bitrate that an event reports, in kilobits per second; of a large number, bits are assumed."""
    bitrate = _first_number((event.quality, event.params), BITRATE)
    return bitrate / 1000 if bitrate is not None and bitrate >= LOW_BITRATE else bitrate


class Quality:
    """The quality of one session, from what its events report.

    Args:
        assume: units and weights of bitrates, and which time to start counts.

    Attributes:
        bitrate_changes: how many there were.
        dropped_frames: the last total reported, or None.
        errors: how many there were.
        player_errors, external_errors: the different ids of errors, by source.
    """

    def __init__(self, assume: Assumptions) -> None:
        self._assume = assume
        self._bitrate: float | None = None
        self._weights: dict[float, Clock] = {}
        self._start_ms: float | None = None
        self.bitrate_changes = 0
        self.dropped_frames: float | None = None
        self.errors = 0
        self.player_errors: set[str] = set()
        self.external_errors: set[str] = set()

    @property
    def weights(self) -> tuple[Clock, ...]:
        """The clock of the bitrate in use, as a tuple; empty if none was reported."""
        return () if self._bitrate is None else (self._weights[self._bitrate],)

    def report(self, event: Event) -> None:
        """Note what an event reports."""
        if event.type == "bitrateChange":
            self.bitrate_changes += 1
        elif event.type == "error":
            self._note_error({**event.params, **event.quality})
        if event.quality or event.params:
            self._note_values((event.quality, event.params))

    def _note_values(self, sections: tuple[Mapping[str, Any], ...]) -> None:
        if (bitrate := _first_number(sections, BITRATE)) is not None:
            self._bitrate = bitrate
            self._weights.setdefault(bitrate, Clock())
        if (dropped := _first_number(sections, DROPPED_FRAMES)) is not None:
            self.dropped_frames = dropped
        start = _first_number(sections, TIME_TO_START)
        if start is not None and (self._start_ms is None or self._assume.time_to_start == "last"):
            self._start_ms = start

    def _note_error(self, values: Mapping[str, Any]) -> None:
        self.errors += 1
        named = next((values[key] for key in (ERROR_ID, ERROR_ID_TOO) if key in values), None)
        source = next((values[key] for key in (ERROR_SOURCE, ERROR_SOURCE_TOO) if key in values), None)
        if not isinstance(named, str | int | float) or named == "":
            return
        if source == "player":
            self.player_errors.add(str(named))
        elif source == "external":
            self.external_errors.add(str(named))

    def average_bitrate(self) -> int | None:
        """Return the mean of the reported bitrates by the time of each, in whole kilobits per second; None without any.

        The last bitrate counts as it is, if none had any time.
        """
        if self._bitrate is None:
            return None
        total_ms = sum(clock.ms for clock in self._weights.values())
        weighted = sum(self._in_kilobits(bitrate) * clock.ms for bitrate, clock in self._weights.items())
        return floor((weighted / total_ms if total_ms else self._in_kilobits(self._bitrate)) + 0.5)

    def _in_kilobits(self, bitrate: float) -> float:
        in_bits = bitrate >= LOW_BITRATE if self._assume.bitrate_unit == "auto" else self._assume.bitrate_unit == "bps"
        return bitrate / 1000 if in_bits else bitrate

    def values(self) -> dict[str, Any]:
        """Return the metrics of quality; the time to start in seconds."""
        bitrate = self.average_bitrate()
        return {
            "time_to_start": None if self._start_ms is None else round(self._start_ms / 1000, 3),
            "bitrate_changes": self.bitrate_changes,
            "bitrate_change_impacted_streams": int(self.bitrate_changes > 0),
            "average_bitrate": bitrate,
            "average_bitrate_bucket": None if bitrate is None else bucket_of(bitrate),
            "dropped_frames": self.dropped_frames,
            "dropped_frame_impacted_streams": int(bool(self.dropped_frames)),
            "error_events": self.errors,
            "error_impacted_streams": int(self.errors > 0),
            "player_sdk_errors": sorted(self.player_errors),
            "external_errors": sorted(self.external_errors),
        }


def _first_number(sections: Iterable[Mapping[str, Any]], key: str) -> float | None:
    for section in sections:
        if key in section and (number := number_of(section[key])) is not None:
            return number
    return None


def bucket_of(bitrate: int) -> str:
    """Return the label of the bucket that an average bitrate in kilobits per second falls into, such as `3200-3299`."""
    low = bitrate // BUCKET_KBPS * BUCKET_KBPS
    return f"{low}-{low + BUCKET_KBPS - 1}"
