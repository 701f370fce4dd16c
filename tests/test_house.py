"""The house stands: who may do I/O, who may import whom, how long things may grow."""

import ast
import functools
import graphlib
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent / "addons" / "tapehead"

# What lives on each floor, from the ground up; imports go down or stay on the floor.
FLOORS: dict[str, tuple[str, ...]] = {
    "ground": ("__init__", "api", "bounds", "coding", "endpoints", "exchange", "gate", "problems", "sid", "wire"),
    "model": (
        "answer",
        "metrics.assumptions",
        "checks",
        "metrics.clocks",
        "complaints",
        "diagram",
        "event",
        "frames",
        "identifiers",
        "audit.in_force",
        "metrics.meter",
        "metrics",
        "audit.order",
        "parameters",
        "metrics.quality",
        "quoting",
        "metrics.ratios",
        "recording",
        "redact",
        "rules",
        "rules.clock",
        "rules.exchange",
        "rules.pages",
        "rules.parts",
        "rules.rule",
        "rules.session",
        "schemas",
        "search",
        "seen",
        "session",
        "audit.settings",
        "tape",
        "timelines",
        "metrics.viewing",
    ),
    "engines": (
        "diff.alignment",
        "audit",
        "audit.case",
        "audit.coverage",
        "diff.comparison",
        "diff",
        "diff.differences",
        "diff.drift",
        "audit.expectations",
        "faults",
        "ledger",
        "live.board",
        "live.doorkeeper",
        "matching",
        "audit.outcome",
        "audit.plan",
        "diff.pairing",
        "diff.payload",
        "diff.phrases",
        "diff.pings",
        "replay",
        "diff.rhythm",
        "audit.session_checks",
        "audit.session_checks.delivery",
        "audit.session_checks.moves",
        "audit.session_checks.parts",
        "audit.session_checks.playheads",
        "audit.session_checks.times",
        "simulate",
        "audit.verdict",
    ),
    "adapters": (
        "addon",
        "asgi",
        "failures",
        "files",
        "flows",
        "guards",
        "hosts",
        "gathering",
        "keys",
        "launch",
        "live",
        "live.assets",
        "live.page",
        "live.site",
        "live.views",
        "config",
        "delivery",
        "report.coverage",
        "diff_report",
        "diff_report.assets",
        "diff_report.html",
        "diff_report.model",
        "diff_report.strip",
        "diff_report.text",
        "diff_report.words",
        "interop",
        "interop.flowfile",
        "interop.har",
        "interop.netstrings",
        "interop.saved",
        "interop.sieve",
        "login",
        "logs",
        "player",
        "playing",
        "progress",
        "proxy",
        "receipt",
        "recorder",
        "report",
        "report.assets",
        "report.bodies",
        "report.catalogue",
        "report.drawing",
        "report.forms",
        "report.html",
        "report.junit",
        "report.model",
        "report.picture",
        "report.sarif",
        "report.text",
        "report.words",
        "rolling",
        "script",
        "serving",
        "shield",
        "showing",
        "stage",
        "store",
        "taker",
        "terminal",
        "writer",
    ),
    "doors": ("__main__", "arguments", "auditing", "cli", "demo", "diffing", "importing", "options"),
}
# Who may touch the world: the adapters, and the doors that people walk through.
MAY_DO_IO = frozenset(FLOORS["adapters"]) | frozenset(FLOORS["doors"])

_WORLD = """
    _thread asyncio concurrent fcntl ftplib glob http httptools importlib io locale logging mitmproxy mmap
    multiprocessing os pathlib platform queue rich select selectors shutil signal smtplib socket
    socketserver sqlite3 ssl starlette subprocess sys tempfile threading time typer urllib.request uvicorn uvloop
"""
_DEEDS = """
    __import__ breakpoint eval exec getenv input mkdir now open print read_bytes read_text rename sleep today
    touch unlink urlopen utcnow write_bytes write_text
"""
WORLD, DEEDS = frozenset(_WORLD.split()), frozenset(_DEEDS.split())

MOST_LINES = 400
MOST_FUNCTION_LINES = 60
MEDIAN_FUNCTION_LINES = 8


def _modules() -> dict[str, Path]:
    """Every module of the package by its name in the table."""
    paths = {path: path.relative_to(HOUSE).with_suffix("").parts for path in HOUSE.rglob("*.py")}
    return {".".join(p[:-1] if len(p) > 1 and p[-1] == "__init__" else p): path for path, p in paths.items()}


MODULES = _modules()
FLOOR_OF = {module: number for number, modules in enumerate(FLOORS.values()) for module in modules}
CORE = sorted(set(MODULES) - MAY_DO_IO)


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


def _own_imports(module: str) -> set[str]:
    """The modules of the house that a module imports."""
    names = {name.removeprefix("tapehead.") for name in _imports(module) if name.startswith("tapehead.")}
    return {name if name in MODULES else name.rpartition(".")[0] or "__init__" for name in names}


def _calls(module: str) -> Iterator[tuple[str, int]]:
    """The last name and the line of every call."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rpartition(".")[2], node.lineno


def _function_lengths(module: str) -> dict[str, int]:
    functions = (node for node in ast.walk(_tree(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {f"{module}.{node.name}:{node.lineno}": (node.end_lineno or 0) - node.lineno + 1 for node in functions}


def test_every_module_has_its_floor() -> None:
    assert set(MODULES) == set(FLOOR_OF)


def test_no_module_lives_on_two_floors() -> None:
    assert sum(map(len, FLOORS.values())) == len(FLOOR_OF)


@pytest.mark.parametrize("module", CORE)
def test_the_core_imports_nothing_of_the_world(module: str) -> None:
    touched = {name for name in _imports(module) for world in WORLD if f"{name}.".startswith(f"{world}.")}

    assert not touched


@pytest.mark.parametrize("module", CORE)
def test_the_core_opens_prints_and_waits_for_nothing(module: str) -> None:
    assert [(name, line) for name, line in _calls(module) if name in DEEDS] == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down_only(module: str) -> None:
    assert {other for other in _own_imports(module) if FLOOR_OF[other] > FLOOR_OF[module]} == set()


def test_no_import_goes_in_a_circle() -> None:
    order = graphlib.TopologicalSorter({module: _own_imports(module) for module in MODULES})

    assert len(list(order.static_order())) == len(MODULES)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_outgrows_its_room(module: str) -> None:
    assert len(MODULES[module].read_bytes().splitlines()) <= MOST_LINES


def test_no_function_outgrows_a_screen() -> None:
    lengths = {name: lines for module in MODULES for name, lines in _function_lengths(module).items()}

    assert {name: lines for name, lines in lengths.items() if lines > MOST_FUNCTION_LINES} == {}


def test_the_median_function_stays_short() -> None:
    lengths = [lines for module in MODULES for lines in _function_lengths(module).values()]

    assert statistics.median(lengths) <= MEDIAN_FUNCTION_LINES


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("cli", "mitmproxy|uvicorn|starlette"),
        ("serving", "mitmproxy|starlette"),
        ("recorder", "uvicorn|starlette"),
        ("replay", "mitmproxy|uvicorn|typer|rich"),
    ],
)
def test_light_doors_load_nothing_heavy(module: str, heavy: str) -> None:
    script = f"import sys, tapehead.{module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert set(heavy.split("|")).isdisjoint(done.stdout.split())
