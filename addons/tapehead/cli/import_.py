"""The command `import`: its arguments. The work is in `interop`."""

from pathlib import Path
from typing import Annotated

import click

from tapehead.cli import option_types
from tapehead.cli.messages import warn
from tapehead.cli.parameters import Argument, RecordingPath
from tapehead.remote.url_paths import UrlPath, fetch_all
from tapehead.text import escape_output


def import_(
    files: Annotated[
        list[Path],
        Argument(
            metavar="FILE",
            type=RecordingPath(),
            help="HAR files, flow files of mitmproxy, s3:// or gs:// URLs, or - for stdin.",
        ),
    ],
    out: option_types.NewRecording = None,
    append: option_types.Append = False,
    overwrite: option_types.Overwrite = False,
    endpoint: option_types.Endpoints = None,
    keep_ids: option_types.KeepIds = False,
    redact_key: option_types.RedactKeys = None,
    compress: option_types.Compress = False,
) -> None:
    """Convert HAR and flow files to a recording.

    Example: tapehead import session.har --out session.jsonl
    """
    from tapehead.cli import option_parsing
    from tapehead.cli.library_warnings import logging_to_stderr
    from tapehead.cli.progress import progress
    from tapehead.interop.importer import run_import

    store = option_parsing.store_settings(
        out, append=append, overwrite=overwrite, keep_ids=keep_ids, redact_key=redact_key, compress=compress
    )
    if any(isinstance(path, UrlPath) for path in files):
        from tapehead.recording.url_inputs import expand_patterns

        files = list(expand_patterns(files))
        for notice in fetch_all(files):  # with a bar of its own
            warn(notice)
    with logging_to_stderr(), progress(len(files), "files, {task.fields[read]:,} requests") as show:
        result = run_import(files, endpoint or (), store, warn, show)
    click.echo(escape_output(result.summary))
    raise click.exceptions.Exit(2 if result.unread else int(result.lost > 0))
