"""The options that commands are called with, without running them."""

from typing import Any

import pytest
from typer.main import get_command

from tapehead.cli.app import app


def capture_options(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[dict[str, Any]]:
    """Return the arguments of each call of some commands, which do nothing from now on."""
    called: list[dict[str, Any]] = []
    group: Any = get_command(app)
    for name in names:
        monkeypatch.setattr(group.commands[name], "callback", lambda **arguments: called.append(arguments))
    monkeypatch.setattr("tapehead.cli.app.get_command", lambda _app: group)
    return called
