"""The architecture holds: the core does no I/O, packages import downwards, nothing outgrows its bounds."""

import ast
import functools
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import ROOT

PACKAGE = ROOT / "addons" / "tapehead"
# Packages that do no I/O and take time and randomness as arguments.
CORE = ("protocol", "rules", "metrics", "audit", "diff", "replay", "simulator", "redaction")
# Leaf modules that are held to the same.
CORE_LEAVES = ("answers", "text", "errors")

_WORLD = """
    _thread asyncio concurrent fcntl ftplib glob http httptools importlib io locale logging mitmproxy mmap
    multiprocessing os pathlib platform queue random rich secrets select selectors shutil signal smtplib socket
    socketserver sqlite3 ssl starlette subprocess sys tempfile threading time typer urllib.request uvicorn uvloop uuid
"""
_DEEDS = """
    __import__ breakpoint eval exec getenv input mkdir now open print read_bytes read_text rename sleep today
    touch unlink urlopen utcnow write_bytes write_text
"""
# Modules that still import a source of randomness: it has to be handed to them, see issue 9.
IMPURE = {"protocol.session_id": {"secrets"}, "redaction.excerpts": {"secrets"}, "simulator.faults": {"random"}}
WORLD, DEEDS = frozenset(_WORLD.split()), frozenset(_DEEDS.split())

MOST_LINES = 400
# Modules that are still longer.
LONGER = {"protocol.session_machine": 411}
MOST_FUNCTION_LINES = 60
MEDIAN_FUNCTION_LINES = 8


def _modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    paths = {path: path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py")}
    return {".".join(p[:-1] if len(p) > 1 and p[-1] == "__init__" else p): path for path, p in paths.items()}


MODULES = _modules()
CORE_MODULES = sorted(name for name in MODULES if name.partition(".")[0] in CORE or name in CORE_LEAVES)


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_bytes())


def _imports(module: str) -> Iterator[str]:
    """The dotted names that a module imports anywhere, in functions, too."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _calls(module: str) -> Iterator[tuple[str, int]]:
    """The last name and the line of every call."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rpartition(".")[2], node.lineno


def _function_lengths(module: str) -> dict[str, int]:
    functions = (node for node in ast.walk(_tree(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {f"{module}.{node.name}:{node.lineno}": (node.end_lineno or 0) - node.lineno + 1 for node in functions}


@pytest.mark.parametrize("module", CORE_MODULES)
def test_the_core_imports_no_io_clock_or_random_source(module: str) -> None:
    touched = {name for name in _imports(module) for world in WORLD if f"{name}.".startswith(f"{world}.")}

    assert not touched - IMPURE.get(module, set())


@pytest.mark.parametrize("module", CORE_MODULES)
def test_the_core_opens_prints_and_waits_for_nothing(module: str) -> None:
    assert [(name, line) for name, line in _calls(module) if name in DEEDS] == []


def test_packages_import_downwards_only() -> None:
    """The contract is in pyproject.toml."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", sorted(name for name, path in MODULES.items() if path.name == "__init__.py"))
def test_a_package_defines_nothing_in_its_init(module: str) -> None:
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

    assert not [node for node in _tree(module).body if isinstance(node, definitions)]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_outgrows_its_bounds(module: str) -> None:
    assert len(MODULES[module].read_bytes().splitlines()) <= LONGER.get(module, MOST_LINES)


def test_no_function_outgrows_a_screen() -> None:
    lengths = {name: lines for module in MODULES for name, lines in _function_lengths(module).items()}

    assert {name: lines for name, lines in lengths.items() if lines > MOST_FUNCTION_LINES} == {}


def test_the_median_function_stays_short() -> None:
    lengths = [lines for module in MODULES for lines in _function_lengths(module).values()]

    assert statistics.median(lengths) <= MEDIAN_FUNCTION_LINES


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("cli.app", "mitmproxy|uvicorn|starlette|asyncio|rich|jinja2|jsonschema_rs"),
        ("cli.serve_run", "mitmproxy|starlette"),
        ("cli.record_run", "uvicorn|starlette"),
        ("replay.replayer", "mitmproxy|uvicorn|typer|rich"),
    ],
)
def test_light_modules_load_nothing_heavy(module: str, heavy: str) -> None:
    script = f"import sys, tapehead.{module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert set(heavy.split("|")).isdisjoint(done.stdout.split())
