"""The command `schema`."""

from typing import Annotated

import typer

from tapehead.errors import UsageError
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.text import nearest


def schema(
    event_type: Annotated[str | None, typer.Argument(metavar="[EVENT_TYPE]", help="Such as sessionStart.")] = None,
) -> None:
    """Print the JSON Schema of an event type, as the endpoint serves it; without one, list the event types.

    Example: tapehead schema sessionStart
    """
    import orjson

    from tapehead.protocol.schemas import build_schema

    if event_type is None:
        typer.echo("\n".join(EVENT_TYPES))
    elif event_type in EVENT_TYPES:
        typer.echo(orjson.dumps(build_schema(event_type), option=orjson.OPT_INDENT_2))
    else:
        hint = nearest(event_type, EVENT_TYPES) or "; tapehead schema lists them"
        raise UsageError(f"there is no event type {event_type}{hint}")
