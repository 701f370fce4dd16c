"""The command `import`: its arguments. The work is in `interop`."""

from pathlib import Path
from typing import Annotated

import typer

from tapehead import arguments, options
from tapehead.launch import StoreSettings


def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="HAR files, flow files of mitmproxy, or - for stdin.")
    ],
    out: options.NewRecording = None,
    append: options.Append = False,
    overwrite: options.Overwrite = False,
    endpoint: options.Endpoints = None,
    keep_ids: options.KeepIds = False,
    redact_key: options.RedactKeys = None,
    compress: options.Compress = False,
) -> None:
    """Bring what a browser or another proxy has saved into a recording, checked and with pseudonyms.

    Example: tapehead import session.har --out session.jsonl
    """
    arguments.check_append(append=append, overwrite=overwrite)
    named = arguments.redact_keys(redact_key, keep_ids=keep_ids)
    from tapehead.files import compressed, new_recording
    from tapehead.interop import ImportSettings, run_import
    from tapehead.logs import log_to_stderr

    out = out or new_recording(Path("recordings"))
    store = StoreSettings(
        out=compressed(out) if compress else out,
        append=append,
        overwrite=overwrite,
        keep_ids=keep_ids,
        redact_keys=named,
    )
    log_to_stderr(_complain)
    raise typer.Exit(run_import(ImportSettings(tuple(files), tuple(endpoint or ()), store), _complain))


def register(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command("import")(import_)


def _complain(line: str) -> None:
    typer.echo(f"tapehead: {line}", err=True)
