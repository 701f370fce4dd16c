"""JSON as all reports print it."""

import orjson


def render_json(document: object) -> str:
    """Return a report as JSON, indented, with a newline at its end."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
