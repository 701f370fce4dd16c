"""A recording in the making: pipeline, writer and file, put together."""

from collections.abc import Callable, Sequence

from tapehead.internal_errors import InternalErrors
from tapehead.recording.pipeline import ExchangePipeline, OnStored
from tapehead.recording.pseudonym_keys import pseudonym_key
from tapehead.recording.recorder_settings import StoreSettings
from tapehead.recording.recording_file import RecordingFile
from tapehead.recording.rotation import RotatingFile
from tapehead.recording.writer import BackgroundWriter
from tapehead.redaction.redactor import Redactor
from tapehead.text import count_of


class Recorder:
    """A recording that is being made: what takes exchanges, and what stores them.

    Args:
        settings: where to, and how.
        warn: prints a line, in any thread.
        failures: what failed of tapehead's own.
        on_stored: subscribers, as `ExchangePipeline` has them.

    Raises:
        RecordingError: it cannot be written.
    """

    def __init__(
        self,
        settings: StoreSettings,
        warn: Callable[[str], None],
        failures: InternalErrors,
        on_stored: Sequence[OnStored] = (),
    ) -> None:
        out = settings.out
        redactor = None if settings.keep_ids else Redactor(pseudonym_key(out.parent), settings.redact_keys)
        file = RecordingFile(out, append=settings.append, overwrite=settings.overwrite)
        self.failures = failures
        self.pipeline = ExchangePipeline(redactor, failures, on_stored)
        self.writer = BackgroundWriter(
            RotatingFile(file, settings.rotation, warn),
            self.pipeline.process_captured,
            warn,
            sync=settings.sync,
            backlog=settings.backlog,
        )

    def close(self) -> None:
        """Store what waits; nothing comes any more."""
        self.writer.close()

    def discard(self) -> None:
        """Close it, and remove the file if there is nothing in it, since the run never began."""
        self.writer.rolling.discard_if_empty()
        self.writer.close()

    @property
    def is_whole(self) -> bool:
        """Whether all that was seen is in it, checked and confirmed."""
        return not (self.writer.lost or self.writer.unsure or self.failures.count)

    def summary(self) -> str:
        """What was recorded, in one line."""
        writer, pipeline = self.writer, self.pipeline
        took = f"{count_of(writer.written, 'exchange')} of {count_of(pipeline.begun, 'session')}"
        lost = f"; {count_of(writer.lost, 'exchange')} LOST" if writer.lost else ""
        unsure = f"; {count_of(writer.unsure, 'exchange')} not confirmed by the disk" if writer.unsure else ""
        return f"recorded {took} in {writer.rolling.path}: {pipeline.verdict()}{lost}{unsure}{self.failures}"
