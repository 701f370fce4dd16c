"""A recording in the terminal: its sessions, or their calls."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import SessionResult
from tapehead.cli.config_file import load_config
from tapehead.cli.messages import RECORD_A_PLAYER, warn, warn_of_memory
from tapehead.errors import UsageError
from tapehead.interop.reader import read_recordings
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.routes import Call
from tapehead.recording.paths import quoted_names
from tapehead.reports.json_output import stream_json
from tapehead.reports.report_output import style_for, write_report
from tapehead.reports.show.json_show import calls_object, session_object
from tapehead.reports.show.recorded_calls import CallFilter
from tapehead.reports.show.text_show import render_calls, render_sessions, title_of
from tapehead.reports.stored_objects import StoredObjects
from tapehead.text import nearest


def show_recording(
    path: Path,
    sid: str | None,
    wanted: CallFilter,
    *,
    endpoints: Sequence[str] = (),
    with_bodies: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Print the sessions of the recording at `path`, or calls.

    Args:
        path: a recording or folder.
        sid: what the ids of the sessions begin with whose calls are printed; `-` for calls of no session; None for
            those of all sessions if there is a filter or bodies are asked for, or else for the table of sessions.
        wanted: which calls are printed.
        endpoints: hosts that count as the endpoint in HAR and flow files, besides Adobe's own.
        with_bodies: whether bodies are printed.
        as_json: whether JSON is printed.
        config: the settings file; None to look for it.

    Raises:
        RecordingError: it cannot be read.
        UsageError: it has no such session, or no such event type.
    """
    entries = read_recordings([path], endpoints=endpoints, warn=warn)
    settings = load_config(config).settings
    if sid is None and not with_bodies and wanted == CallFilter():
        _show_sessions(path, audit(entries, settings, measure=None), as_json=as_json)
        return
    from tapehead.reports.show.stored_calls import StoredCalls

    calls = StoredCalls(warn_of_memory)
    for result in audit(calls.keep(entries, sid), settings, measure=None):
        calls.add(result)
    if sid is not None and not calls:
        raise UsageError(f"'{path}' has no session '{sid}'; tapehead show '{path}' lists them")
    unknown = [name for name in wanted.types if name not in EVENT_TYPES and name not in Call]
    selected = [session for session in calls if wanted.select(calls[session])]
    if not selected and unknown:
        known = [*EVENT_TYPES, *Call]
        there = [name for name in known if any(CallFilter([name]).select(calls[session]) for session in calls)]
        hint = nearest(unknown[0], known) or f"; there are calls of {', '.join(there)}"
        raise UsageError(f"no call is a '{unknown[0]}'{hint if there else ''}")
    shown = ((session, wanted.select(calls[session])) for session in selected)
    if as_json:
        objects = (calls_object(session, listed, with_bodies=with_bodies) for session, listed in shown)
        write_report(stream_json({"sessions": objects}), None)
    elif selected:
        style = style_for(None)
        titled = ((title_of(session, listed) if len(selected) > 1 else "", listed) for session, listed in shown)
        write_report(render_calls(titled, style, with_bodies=with_bodies), None, styled=style.colour)
    else:
        warn(f"no call in '{path}' matches --type or --findings")


def _show_sessions(path: Path, results: Iterable[SessionResult], *, as_json: bool) -> None:
    """Print the sessions of a recording."""
    # Of each only what is shown, without its events.
    sessions, began = StoredObjects(warn_of_memory), list[tuple[str, str, int]]()
    for result in results:
        sessions.append(session_object(result))
        began.append((result.started, result.recording, result.line))
    sessions.arrange(sorted(range(len(began)), key=began.__getitem__))
    style = style_for(None)
    if not sessions:
        warn(f"no session in {quoted_names([path])}; {RECORD_A_PLAYER}")
    if as_json:
        write_report(stream_json({"sessions": iter(sessions)}), None)
    elif sessions:
        write_report(render_sessions(sessions, style), None, styled=style.colour)
