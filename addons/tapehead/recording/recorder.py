"""A recorder: pipeline, writer and file, put together."""

from collections.abc import Callable, Sequence
from threading import Lock

from tapehead.internal_errors import InternalErrors, suppress_errors
from tapehead.recording.identifier_file import IdentifierFile
from tapehead.recording.line_places import Place
from tapehead.recording.pipeline import ExchangePipeline, OnStored
from tapehead.recording.pseudonym_keys import pseudonym_key
from tapehead.recording.recorder_settings import StoreSettings
from tapehead.recording.recording_file import RecordingFile
from tapehead.recording.rotation import RotatingFile
from tapehead.recording.writer import BackgroundWriter
from tapehead.redaction.redactor import Redactor
from tapehead.text import count_of


class Recorder:
    """A recording that is being made.

    Args:
        settings: the recording.
        warn: called with one line about each problem, in any thread.
        internal_errors: records internal errors.
        on_stored: subscribers, as for `ExchangePipeline`.

    Attributes:
        pipeline: turns calls into lines.
        writer: takes the calls.
        lines_before: the number of lines that were in the file at the start.

    Raises:
        RecordingError: the recording cannot be written.
    """

    def __init__(
        self,
        settings: StoreSettings,
        warn: Callable[[str], None],
        internal_errors: InternalErrors,
        on_stored: Sequence[OnStored] = (),
    ) -> None:
        out, warn = settings.out, suppress_errors(warn)
        redactor, identifiers = None, IdentifierFile(out.parent, warn)
        if not settings.keep_ids:
            key = pseudonym_key(out.parent)
            redactor = Redactor(key, settings.redact_keys, identifiers.open(key), Lock())
        file = RecordingFile(out, append=settings.append, overwrite=settings.overwrite)
        self.lines_before = file.count_lines()
        self._file = RotatingFile(file, settings.rotation, warn)
        self.internal_errors = internal_errors
        self.pipeline = ExchangePipeline(redactor, internal_errors, on_stored)
        self.writer = BackgroundWriter(
            self._file,
            self.pipeline.process_captured,
            warn,
            internal_errors,
            sync=settings.sync,
            backlog=settings.backlog,
            sync_before=identifiers.sync,
        )

    def close(self) -> None:
        """Store what waits, and remove the file if that is nothing; no more calls come."""
        self.writer.close()

    def place_of(self, number: int) -> Place | None:
        """Return the place of the line with a number, counted from 1 as they are stored; None while it has none."""
        return self._file.places.find(number)

    @property
    def is_whole(self) -> bool:
        """True if all captured calls are in the recording, checked and confirmed."""
        return not self.writer.lost and self.is_whole_so_far

    @property
    def is_whole_so_far(self) -> bool:
        """True if no captured call is known to be missing in the recording, or not to be confirmed."""
        writer = self.writer
        return not (writer.lost_so_far or writer.unconfirmed or self._file.is_changed or self.internal_errors.count)

    def summary(self, findings: str | None = None) -> str:
        """Return what was recorded, in one line, with findings in words; None for those of single calls."""
        writer, pipeline, path = self.writer, self.pipeline, self._file.path
        if writer.written:
            stored = pipeline.exchanges_summary(writer.written)
            summary = f"recorded {stored} in {path}: {findings or pipeline.findings_summary()}"
        else:
            place = f"; removed the empty file {path}" if self._file.is_discarded else f" in {path}"
            summary = f"recorded no exchange{place}"
        if writer.lost:
            summary += f"; {count_of(writer.lost, 'exchange')} LOST"
        if writer.unconfirmed:
            summary += f"; {count_of(writer.unconfirmed, 'exchange')} not confirmed by the disk"
        return f"{summary}{self.internal_errors}"
