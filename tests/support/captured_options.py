"""The options that commands are called with, without running them."""

from typing import Any

import pytest

from tapehead.cli.app import load_command


def capture_options(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[dict[str, Any]]:
    """Return the arguments of each call of some commands, which do nothing from now on."""
    called: list[dict[str, Any]] = []
    for name in names:
        monkeypatch.setattr(load_command(name), "callback", lambda **arguments: called.append(arguments))
    return called
