"""The rooms of the audit open no file, no socket, no terminal, and read no clock."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tapehead

ROOMS = [
    "audit",
    "case",
    "diagram",
    "event",
    "expectations",
    "order",
    "outcome",
    "session",
    "settings",
    "verdict",
    "rules/clock",
    "rules/exchange",
    "rules/parts",
    "rules/rule",
    "rules/session",
    "session_checks/__init__",
    "session_checks/delivery",
    "session_checks/moves",
    "session_checks/parts",
    "session_checks/playheads",
    "session_checks/times",
]
CALLS = {"open", "print", "input", "read_text", "read_bytes", "write_text", "write_bytes", "now", "time", "monotonic"}
MODULES = {"io", "logging", "os", "pathlib", "shutil", "socket", "subprocess", "sys", "tempfile", "time"}
FOREIGN = {"mitmproxy", "rich", "starlette", "typer", "uvicorn"}


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "id", getattr(node.func, "attr", ""))


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_do_no_io(room: str) -> None:
    tree = ast.parse((Path(tapehead.__file__).parent / f"{room}.py").read_text())
    assert not set(imports(tree)) & (MODULES | FOREIGN)
    assert not set(calls(tree)) & CALLS
