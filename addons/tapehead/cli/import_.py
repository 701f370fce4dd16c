"""The command `import`: its arguments. The work is in `interop`."""

from pathlib import Path
from typing import Annotated

import typer

from tapehead.cli import option_types
from tapehead.cli.messages import warn
from tapehead.recording.recorder_settings import StoreSettings


def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="HAR files, flow files of mitmproxy, or - for stdin.")
    ],
    out: option_types.NewRecording = None,
    append: option_types.Append = False,
    overwrite: option_types.Overwrite = False,
    endpoint: option_types.Endpoints = None,
    keep_ids: option_types.KeepIds = False,
    redact_key: option_types.RedactKeys = None,
    compress: option_types.Compress = False,
) -> None:
    """Bring what a browser or another proxy has saved into a recording, checked and with pseudonyms.

    Example: tapehead import session.har --out session.jsonl
    """
    from tapehead.cli import option_parsing
    from tapehead.cli.log_output import log_to_stderr
    from tapehead.cli.progress import progress
    from tapehead.interop.importer import ImportSettings, run_import
    from tapehead.recording.paths import compressed, new_recording

    option_parsing.check_append(append=append, overwrite=overwrite)
    named = option_parsing.redact_keys(redact_key, keep_ids=keep_ids)
    out = out or new_recording(Path("recordings"))
    store = StoreSettings(
        out=compressed(out) if compress else out,
        append=append,
        overwrite=overwrite,
        keep_ids=keep_ids,
        redact_keys=named,
    )
    log_to_stderr()
    settings = ImportSettings(tuple(files), tuple(endpoint or ()), store)
    with progress(len(files), "files, {task.fields[read]:,} requests") as show:
        result = run_import(settings, warn, show)
    typer.echo(result.summary)
    raise typer.Exit(2 if result.unread else int(result.lost > 0))
