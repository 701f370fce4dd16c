"""Summaries of replicas, merged: as the summary of one process that answered all of their players."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tapehead.cli.messages import warn
from tapehead.cli.run_report import VERSION, RunReport
from tapehead.cli.summary_file import check_summary_file, write_summary_file
from tapehead.counts import Count, Ordinal
from tapehead.errors import UsageError
from tapehead.replay.merged_summary import merge_summaries
from tapehead.reports.report_output import write_report
from tapehead.text import count_of, escape_controls, json_problem

if TYPE_CHECKING:
    from tapehead.cli.record_run import RecordSummary  # with the proxy, which takes long to load

_WRITTEN = "as --summary FILE of record, replay or serve writes it"
AUDITS_LEFT_OUT = (
    "audits are left out: each replica saw a part of the sessions; run tapehead audit on all their recordings together"
)


class _Form(msgspec.Struct):
    """The fields by which a summary differs from other files, and from summaries of other versions."""

    calls: Count | None = None
    exchanges: Count | None = None
    version: Ordinal | None = None


def merge(paths: Sequence[Path], out: Path | None, *, is_strict: bool, as_json: bool) -> int:
    """Print the summaries in some files as one, and return the exit code that one process would have had.

    Args:
        paths: the files.
        out: the file for the merged summary as JSON; None for none.
        is_strict: whether misses and unused exchanges count, and no call.
        as_json: whether it is printed as JSON.

    Raises:
        UsageError: a file cannot be read or written, is no summary, or is one of another run.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("a summary is given twice, so that it would count twice; name each file once")
    summaries = [read_summary(path) for path in paths]
    reports = [each for each in summaries if isinstance(each, RunReport)]
    records = [each for each in summaries if not isinstance(each, RunReport)]
    if reports and records:
        kinds = ["replay or serve" if isinstance(each, RunReport) else "record" for each in summaries]
        other = next(number for number, kind in enumerate(kinds) if kind != kinds[0])
        raise UsageError(
            f"cannot merge '{paths[0]}', a summary of {kinds[0]}, with '{paths[other]}', one of {kinds[other]}"
        )
    merged: RunReport | RecordSummary
    if reports:
        merged = _merge_reports(paths, reports)
        lines = merged.lines()
        if merged.offline_attempts:
            lines.append(f"offline: {merged.offline_attempts} connections and look-ups attempted")
        is_checked = is_strict and bool(merged.recordings)
        has_failed = merged.has_failed(is_strict=is_checked, needs_calls=is_strict) or _audit_fails(merged)
    else:
        merged = _merge_records(records)
        lost = f"; {merged.lost} lost" if merged.lost else ""
        lines = [f"recorded {count_of(merged.exchanges, 'exchange')}{lost}"]
        lines += [f"{count_of(merged.dead_workers, 'worker')} died"] if merged.dead_workers else []
        is_whole = merged.is_whole and not merged.dead_workers
        has_failed = not is_whole or (is_strict and not merged.exchanges) or _audit_fails(merged)
    check_summary_file(out, paths)
    write_summary_file(out, merged)
    if len(summaries) > 1 and any(each.audit and each.audit.sessions for each in summaries):
        warn(AUDITS_LEFT_OUT)
    if as_json:
        write_report(msgspec.json.format(msgspec.json.encode(merged)).decode() + "\n", None)
    else:
        title = f"{count_of(len(paths), 'summary', 'summaries')}, merged" if len(paths) > 1 else "1 summary"
        write_report("".join(f"{escape_controls(line)}\n" for line in (title, *lines)), None)
    return int(has_failed)


def _audit_fails(summary: "RunReport | RecordSummary") -> bool:
    """Return whether a run has failed by its audit, which several summaries have none of together."""
    return summary.audit is not None and summary.audit.fails


def read_summary(path: Path) -> "RunReport | RecordSummary":
    """Return the summary in a file.

    Raises:
        UsageError: the file cannot be read, or is no summary that this version knows.
    """
    try:
        content = path.read_bytes()
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
