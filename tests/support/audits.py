"""Audits by the command line, in this process."""

import orjson
import pytest

from tapehead.cli.app import run


def audited(capsys: pytest.CaptureFixture[str], *paths: str, code: int = 0) -> tuple[dict[str, int], list[str]]:
    """Return the sessions that an audit finds, each with its number of events, and the lines on stderr."""
    assert run(["audit", *paths, "--format", "json", "--fail-on", "never"]) == code
    told = capsys.readouterr()
    found = orjson.loads(told.out)["sessions"] if told.out else []
    return {each["id"]: each["events"] for each in found}, told.err.splitlines()
