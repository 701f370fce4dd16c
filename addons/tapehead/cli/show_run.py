"""A recording in the terminal: its sessions, or their calls."""

from collections.abc import Sequence
from pathlib import Path

from tapehead.auditor.recordings_audit import audit
from tapehead.cli.config_file import load_config
from tapehead.cli.messages import RECORD_A_PLAYER, warn
from tapehead.errors import UsageError
from tapehead.interop.reader import read_recordings
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.routes import Call
from tapehead.recording.paths import name_of
from tapehead.reports.json_output import render_json
from tapehead.reports.report_output import style_for, write_report
from tapehead.reports.show.json_show import calls_object, session_object
from tapehead.reports.show.recorded_calls import CallFilter, calls_by_session
from tapehead.reports.show.text_show import render_calls, render_sessions, title_of
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
    entries = list(read_recordings([path], endpoints=endpoints, warn=warn))
    results = list(audit(entries, load_config(config).settings, measure=None))
    results.sort(key=lambda result: (result.started, result.recording, result.line))
    style = style_for(None)
    if sid is None and not with_bodies and wanted == CallFilter():
        if not results:
            warn(f"no session in {name_of(path)}; {RECORD_A_PLAYER}")
        if as_json:
            write_report(render_json({"sessions": [session_object(result) for result in results]}), None)
        elif results:
            write_report(render_sessions(results, style), None, styled=style.colour)
        return
    calls = calls_by_session(entries, results)
    if sid is not None:
        calls = {session: listed for session, listed in calls.items() if (session or "-").startswith(sid)}
        if not calls:
            raise UsageError(f"{path} has no session '{sid}'; tapehead show {path} lists them")
    selected = {session: shown for session, listed in calls.items() if (shown := wanted.select(listed))}
    unknown = [name for name in wanted.types if name not in EVENT_TYPES and name not in Call]
    if not selected and unknown:
        known = [*EVENT_TYPES, *Call]
        there = [name for name in known if any(map(CallFilter([name]).select, calls.values()))]
        hint = nearest(unknown[0], known) or f"; there are calls of {', '.join(there)}"
        raise UsageError(f"no call is a '{unknown[0]}'{hint if there else ''}")
    if as_json:
        write_report(render_json({"sessions": calls_object(selected, with_bodies=with_bodies)}), None)
    elif selected:
        titled = ((title_of(session, shown), shown) for session, shown in selected.items())
        write_report(render_calls(titled, style, with_bodies=with_bodies), None, styled=style.colour)
    else:
        warn(f"no call in '{path}' matches --type or --findings")
