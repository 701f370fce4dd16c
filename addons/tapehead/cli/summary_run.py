"""Summaries of replicas, merged: as the summary of one process that answered all of their players."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tapehead.cli.messages import warn
from tapehead.cli.run_report import VERSION, RunReport
from tapehead.cli.summary_file import check_summary_file, write_summary_file
from tapehead.counts import Count, Ordinal
from tapehead.errors import UsageError
from tapehead.recording.paths import check_outputs, file_of
from tapehead.remote.journal_paths import JournalPath
from tapehead.replay.merged_summary import merge_summaries
from tapehead.reports.report_formats import FailOn
from tapehead.reports.report_output import write_report
from tapehead.text import count_of, escape_controls, json_problem

if TYPE_CHECKING:
    from tapehead.cli.record_run import RecordSummary  # with the proxy, which takes long to load

_WRITTEN = "as --summary FILE of record, replay or serve writes it"
AUDITS_LEFT_OUT = (
    "audits are left out: each replica saw a part of the sessions; pass --audit PATH with all their recordings"
)


# The largest summary in bytes, as of a device without an end.
_MOST_BYTES = 500_000_000


class _Form(msgspec.Struct):
    """The fields by which a summary differs from other files, and from summaries of other versions."""

    calls: Count | None = None
    exchanges: Count | None = None
    version: Ordinal | None = None


class AuditChoice(NamedTuple):
    """The audit of a merged summary, as its options ask for it.

    Attributes:
        recordings: the recordings; none to leave it to the inputs.
        fail_on: the least severe finding that makes the exit code 1.
        config: the settings file; None to look for it.
        expect: JSON Schemas that events must satisfy.
    """

    recordings: Sequence[Path] = ()
    fail_on: FailOn = FailOn.NEVER
    config: Path | None = None
    expect: Sequence[str] = ()

    @property
    def option(self) -> str:
        """The first option that is given besides the recordings; empty if none is."""
        given = ("--fail-on", self.fail_on is not FailOn.NEVER), ("--config", self.config), ("--expect", self.expect)
        return next((name for name, value in given if value), "")


def merge(
    paths: Sequence[Path], out: Path | None, choice: AuditChoice | None = None, *, is_strict: bool, as_json: bool
) -> int:
    """Print some summaries as one, and return the exit code that one process would have had.

    Args:
        paths: files, and journals of running replicas.
        out: the file for the merged summary as JSON; None for none.
        choice: the audit of it; None for the one that the inputs imply.
        is_strict: whether misses and unused exchanges count, and no call.
        as_json: whether it is printed as JSON.

    Raises:
        RecordingError: a recording to be audited cannot be read.
        UsageError: a file cannot be read or written, is no summary, or is one of another run.
    """
    choice = choice or AuditChoice()
    known = set[Path | tuple[int, int]]()
    for path in paths:
        if (file := file_of(path)) in known:
            raise UsageError(f"'{path}' is given twice, so that it would count twice; name each summary once")
        known.add(file)
    check_outputs(filter(None, [out]), [*paths, *choice.recordings])
    summaries = [read_summary(path) for path in paths]
    merged = _merge(paths, summaries)
    recordings = recordings_to_audit(paths, summaries, choice.recordings)
    lines_of_audit: list[str] = []
    if recordings:
        from tapehead.cli.summary_audit import audit_lines, audit_together  # with all rules

        has_calls = merged.calls if isinstance(merged, RunReport) else merged.exchanges
        audited = audit_together(recordings if has_calls or choice.recordings else (), choice)
        merged = msgspec.structs.replace(merged, audit=audited)
        lines_of_audit = audit_lines(audited, choice.fail_on)
    elif choice.option:
        raise UsageError(f"missing --audit PATH: {choice.option} is about the audit of what the replicas recorded")
    lines, has_failed = _judge(merged, is_strict=is_strict)
    check_summary_file(out, paths)
    write_summary_file(out, merged)
    if not recordings and len(summaries) > 1 and any(each.audit and each.audit.sessions for each in summaries):
        warn(AUDITS_LEFT_OUT)
    if as_json:
        write_report(msgspec.json.format(msgspec.json.encode(merged)).decode() + "\n", None)
    else:
        title = f"{count_of(len(paths), 'summary', 'summaries')}, merged" if len(paths) > 1 else "1 summary"
        write_report("".join(f"{escape_controls(line)}\n" for line in (title, *lines, *lines_of_audit)), None)
    return int(has_failed or (merged.audit is not None and merged.audit.fails))


def _merge(paths: Sequence[Path], summaries: "Sequence[RunReport | RecordSummary]") -> "RunReport | RecordSummary":
    reports = [each for each in summaries if isinstance(each, RunReport)]
    records = [each for each in summaries if not isinstance(each, RunReport)]
    if reports and records:
        kinds = ["replay or serve" if isinstance(each, RunReport) else "record" for each in summaries]
        other = next(number for number, kind in enumerate(kinds) if kind != kinds[0])
        raise UsageError(
            f"cannot merge '{paths[0]}', a summary of {kinds[0]}, with '{paths[other]}', one of {kinds[other]}"
        )
    return _merge_reports(paths, reports) if reports else _merge_records(records)


def _judge(merged: "RunReport | RecordSummary", *, is_strict: bool) -> tuple[list[str], bool]:
    """Return a summary in lines for people, without its audit, and whether that run has failed."""
    if isinstance(merged, RunReport):
        lines = merged.lines()
        if merged.offline_attempts:
            lines.append(f"offline: {merged.offline_attempts} connections and look-ups attempted")
        is_checked = is_strict and bool(merged.recordings)
        return lines, merged.has_failed(is_strict=is_checked, needs_calls=is_strict)
    lost = f"; {merged.lost} lost" if merged.lost else ""
    lines = [f"recorded {count_of(merged.exchanges, 'exchange')}{lost}"]
    lines += [f"{count_of(merged.dead_workers, 'worker')} died"] if merged.dead_workers else []
    is_whole = merged.is_whole and not merged.dead_workers
    return lines, not is_whole or (is_strict and not merged.exchanges)


def recordings_to_audit(
    paths: Sequence[Path], summaries: "Sequence[RunReport | RecordSummary]", given: Sequence[Path]
) -> Sequence[Path]:
    """Return what the audit of a merged summary is made of: what is given, or journals that are audited already.

    Journals are recordings, so those of replicas that all run and audit need not be named again.
    """
    if given:
        return given
    are_journals = all(isinstance(path, JournalPath) for path in paths)
    return paths if are_journals and all(each.audit for each in summaries) else ()


def read_summary(path: Path) -> "RunReport | RecordSummary":
    """Return the summary in a file, or that of a running replica so far.

    Raises:
        UsageError: it cannot be read, or is no summary that this version knows.
    """
    try:
        content = path.read_summary() if isinstance(path, JournalPath) else _read_file(path)
    except OSError as error:
        raise UsageError(f"cannot read '{path}': {error.strerror}") from error
    try:
        form = msgspec.json.decode(content, type=_Form)
        if form.exchanges is not None:
            from tapehead.cli.record_run import RecordSummary

            return msgspec.json.decode(content, type=RecordSummary)
        if form.version is not None and form.version > VERSION:
            raise UsageError(
                f"'{path}' is a summary of version {form.version}, and this tapehead reads version {VERSION};"
                " use the tapehead that wrote it"
            )
        if form.version is None and form.calls is not None:
            raise UsageError(f"'{path}' is a summary without a version, of an older tapehead; run that replica anew")
        report = msgspec.json.decode(content, type=RunReport)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"'{path}' is not a summary, {_WRITTEN}: {json_problem(error)}") from error
    if (number := _last_recording(report)) >= len(report.recordings):
        raise UsageError(
            f"'{path}' is not a summary, {_WRITTEN}: it names recording {number} of"
            f" {len(report.recordings)}, counted from 0"
        )
    return report


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:  # may be a pipe
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {_MOST_BYTES:,} bytes")
    return content


def _last_recording(report: RunReport) -> int:
    """Return the highest number of a recording that a summary names; -1 without any."""
    replay = report.replay
    if not replay:
        return -1
    nearest = (near.file for miss in replay.missed for near in miss.nearest)
    return max((*nearest, *(each.file for each in (*replay.unused, *replay.outdated))), default=-1)


def _merge_reports(paths: Sequence[Path], reports: Sequence[RunReport]) -> RunReport:
    first = reports[0]
    for path, other in zip(paths, reports, strict=True):
        for what, is_other in (
            ("of other recordings", other.fingerprint != first.fingerprint or not _has_same_files(first, other)),
            (f"of a run with --on-miss {other.on_miss}", other.on_miss is not first.on_miss),
        ):
            if is_other:
                raise UsageError(
                    f"cannot merge '{path}' with '{paths[0]}': it is {what}; replicas have to be started alike"
                )
    replays = [each.replay for each in reports if each.replay]
    return RunReport(
        version=VERSION,
        recordings=first.recordings,
        fingerprint=first.fingerprint,
        on_miss=first.on_miss,
        replay=merge_summaries(replays) if replays else None,
        calls=sum(each.calls for each in reports),
        session_starts=sum(each.session_starts for each in reports),
        faults=sum(each.faults for each in reports),
        refused=sum(each.refused for each in reports),
        internal_errors=sum(each.internal_errors for each in reports),
        offline_attempts=sum(each.offline_attempts for each in reports),
        audit=first.audit if len(reports) == 1 else None,
    )


def _has_same_files(one: RunReport, other: RunReport) -> bool:
    """Return whether two runs had the same recordings in the same order, in whatever folders."""
    names = [[Path(name).name for name in each.recordings] for each in (one, other)]
    return names[0] == names[1] and (one.replay is None) == (other.replay is None)


def _merge_records(records: "Sequence[RecordSummary]") -> "RecordSummary":
    first, shipped = records[0], [each.ship for each in records if each.ship]
    dead = [each.dead_workers for each in records if each.dead_workers is not None]
    if len(records) == 1:
        return first
    ship = None
    if shipped:
        ship = msgspec.structs.replace(
            shipped[0],
            url=", ".join(dict.fromkeys(each.url for each in shipped)),
            shipped=sum(each.shipped for each in shipped),
            waiting=sum(each.waiting for each in shipped),
            failed=sum(each.failed for each in shipped),
        )
    return msgspec.structs.replace(
        first,
        recording=", ".join(each.recording for each in records),
        exchanges=sum(each.exchanges for each in records),
        lost=sum(each.lost for each in records),
        is_whole=all(each.is_whole for each in records),
        audit=None,
        ship=ship,
        dead_workers=sum(dead) if dead else None,
    )
