"""The command `schema`: its options. Fetching is in `schema_run`."""

from pathlib import Path
from typing import Annotated

import click

from tapehead.cli.messages import warn
from tapehead.cli.parameters import Argument, Option
from tapehead.errors import UsageError
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.text import nearest


def schema(
    event_type: Annotated[
        str | None, Argument(metavar="EVENT_TYPE", help="An event type, such as sessionStart; none to list them.")
    ] = None,
    settings: Annotated[
        bool, Option("--settings", allow_from_autoenv=False, help="Print the JSON Schema of tapehead.toml.")
    ] = False,
    from_: Annotated[
        str | None,
        Option("--from", metavar="URL", help="Fetch this endpoint's schemas, and store them."),
    ] = None,
    out: Annotated[
        Path | None,
        Option("--out", metavar="FILE", help="Where to store them; by default recordings/schemas.jsonl."),
    ] = None,
) -> None:
    """Print the JSON Schema of an event type, or fetch schemas.

    Example: tapehead schema sessionStart
    """
    if from_ is not None:
        if event_type or settings:
            raise UsageError("--from fetches the schemas of all event types; leave out EVENT_TYPE and --settings")
        from tapehead.cli.schema_run import fetch
        from tapehead.recording.stored_schemas import STORED_NAME

        raise click.exceptions.Exit(fetch(from_, out or Path("recordings") / STORED_NAME, warn))
    if out:
        raise UsageError("--out needs --from URL; it names where fetched schemas are stored")
    import orjson

    from tapehead.cli.option_defaults import SCHEMA_ASSET
    from tapehead.protocol.schemas import build_schema
    from tapehead.web.asset_files import read_asset

    if settings:
        if event_type:
            raise UsageError("--settings prints the schema of tapehead.toml; leave the event type out")
        click.echo(read_asset(SCHEMA_ASSET), nl=False)
    elif event_type is None:
        click.echo("\n".join(EVENT_TYPES))
    elif event_type in EVENT_TYPES:
        click.echo(orjson.dumps(build_schema(event_type), option=orjson.OPT_INDENT_2))
    else:
        hint = nearest(event_type, EVENT_TYPES) or "; tapehead schema lists them"
        raise UsageError(f"unknown event type '{event_type}'{hint}")
