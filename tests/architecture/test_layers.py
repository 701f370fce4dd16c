"""Architecture: a core without I/O, imports downwards only, upper bounds of size, docstrings that state."""

import ast
import functools
import graphlib
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import ROOT

PACKAGE = ROOT / "addons" / "tapehead"
# Packages that do no I/O and take time and randomness as arguments.
CORE = ("protocol", "rules", "metrics", "auditor", "comparison", "replay", "simulator", "redaction")
# Leaf modules that are held to the same.
CORE_LEAVES = ("answers", "text", "errors")

_WORLD = """
    _thread asyncio click concurrent fcntl ftplib glob http httptools importlib io locale logging mitmproxy mmap
    multiprocessing os pathlib platform queue random rich secrets select selectors shutil signal smtplib socket
    socketserver sqlite3 ssl starlette subprocess sys tempfile threading time urllib.request uvicorn uvloop uuid
"""
_ACTIONS = """
    __import__ breakpoint eval exec getenv input mkdir now open print read_bytes read_text rename sleep today
    touch unlink urlopen utcnow write_bytes write_text
"""
WORLD, ACTIONS = frozenset(_WORLD.split()), frozenset(_ACTIONS.split())

MOST_LINES = 400
MOST_FUNCTION_LINES = 60
MEDIAN_FUNCTION_LINES = 8
# In per cent.
MOST_QUESTIONS = 2
MOST_PRIVATE = 34
MOST_LEVELS = 9

QUESTIONS = frozenset(["What", "How", "Where", "Whether", "Who", "Why", "When"])

Function = ast.FunctionDef | ast.AsyncFunctionDef


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


def _functions(module: str) -> Iterator[Function]:
    return (node for node in ast.walk(_tree(module)) if isinstance(node, Function))


def _function_lengths(module: str) -> dict[str, int]:
    return {
        f"{module}.{node.name}:{node.lineno}": (node.end_lineno or 0) - node.lineno + 1 for node in _functions(module)
    }


def _docstrings() -> Iterator[tuple[str, str]]:
    """Every docstring with its place."""
    for module in MODULES:
        for node in ast.walk(_tree(module)):
            if isinstance(node, Function | ast.ClassDef | ast.Module) and (text := ast.get_docstring(node)):
                yield f"{module}:{getattr(node, 'lineno', 1)}", text


@pytest.mark.parametrize("module", CORE_MODULES)
def test_the_core_imports_no_io_clock_or_random_source(module: str) -> None:
    touched = {name for name in _imports(module) for world in WORLD if f"{name}.".startswith(f"{world}.")}

    assert not touched


@pytest.mark.parametrize("module", CORE_MODULES)
def test_the_core_opens_prints_and_waits_for_nothing(module: str) -> None:
    assert [(name, line) for name, line in _calls(module) if name in ACTIONS] == []


def test_packages_import_downwards_only() -> None:
    """The contract is in pyproject.toml."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_few_levels() -> None:
    (contract,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

    assert contract["exhaustive"]
    # What starts the program is none.
    assert len([layer for layer in contract["layers"] if not layer.startswith("__main__")]) <= MOST_LEVELS


def test_modules_import_each_other_in_no_cycle() -> None:
    names = {f"tapehead.{name}": name for name in MODULES if name != "__init__"}
    graph = {name: {names[each] for each in _modules_imported(name) if each in names} for name in MODULES}

    graphlib.TopologicalSorter(graph).prepare()


def _modules_imported(module: str) -> Iterator[str]:
    """The modules that may be meant by what a module imports; what only a type checker reads aside."""
    for node in _tree(module).body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import):
                yield from (alias.name for alias in inner.names)
            elif isinstance(inner, ast.ImportFrom):
                yield inner.module or ""
                yield from (f"{inner.module}.{alias.name}" for alias in inner.names)


@pytest.mark.parametrize("module", sorted(name for name, path in MODULES.items() if path.name == "__init__.py"))
def test_a_package_defines_nothing_in_its_init(module: str) -> None:
    defined = [node.name for node in _tree(module).body if isinstance(node, Function | ast.ClassDef)]

    # The package as a whole loads its public names when they are asked for.
    assert set(defined) <= ({"__getattr__", "__dir__"} if module == "__init__" else set())


def test_docstrings_state_and_do_not_ask() -> None:
    docstrings = list(_docstrings())
    asking = [place for place, text in docstrings if text.split()[0] in QUESTIONS]

    assert len(asking) <= len(docstrings) * MOST_QUESTIONS / 100, asking


def test_few_functions_are_private() -> None:
    names = [node.name for module in MODULES for node in _functions(module)]
    private = [name for name in names if name.startswith("_") and not name.startswith("__")]

    assert len(private) <= len(names) * MOST_PRIVATE / 100


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_outgrows_its_bounds(module: str) -> None:
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
        ("cli.app", "mitmproxy|uvicorn|starlette|asyncio|rich|jinja2|jsonschema_rs"),
        ("cli.serve_run", "mitmproxy|starlette"),
        ("cli.record_run", "uvicorn|starlette"),
        ("replay.replayer", "mitmproxy|uvicorn|click|rich"),
    ],
)
def test_light_modules_load_nothing_heavy(module: str, heavy: str) -> None:
    script = f"import sys, tapehead.{module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert set(heavy.split("|")).isdisjoint(done.stdout.split())


# ---- Names on the wire ----

# The parts of a body, the parameters' prefixes and the API's path. `a.media.x` is the name of a reported variable.
_WIRE = re.compile(
    r"(?<!\ba\.)\b(?:media|analytics|visitor)\.(?:\w|$)"
    r"|\b(?:playerTime|eventType|qoeData|customMetadata|statesStart|statesEnd|appInstallationId)\b"
    r"|/api/v1|hb-api"
)


def _wire_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the string literals that spell a wire name, with their lines: no docstrings, and no texts of rules."""
    if isinstance(tree, ast.Call) and ast.unparse(tree.func) == "Rule":
        return
    for child in ast.iter_child_nodes(tree):
        is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if isinstance(child, ast.Constant) and isinstance(child.value, str | bytes):
            text = child.value if isinstance(child.value, str) else child.value.decode("latin-1")
            if _WIRE.search(text):
                yield child.lineno, text
        elif not is_docstring:
            yield from _wire_names(child)


@pytest.mark.parametrize(
    "module", sorted(name for name in MODULES if name.partition(".")[0] not in ("protocol", "demo"))
)
def test_names_on_the_wire_come_from_protocol(module: str) -> None:
    assert list(_wire_names(_tree(module))) == []


@pytest.mark.parametrize(
    "source",
    ['x = "media.id"', 'x = f"params.media.{y}"', "x = b'/api/v1/sessions'", 'f("eventType")', 'y["playerTime"]'],
)
def test_a_name_on_the_wire_is_found(source: str) -> None:
    assert list(_wire_names(ast.parse(source)))


@pytest.mark.parametrize("source", ['"""Of media.id."""', 'Rule("x", "media.id is missing")', 'x = "a.media.view"'])
def test_docstrings_rules_and_reported_variables_may_spell_it(source: str) -> None:
    assert not list(_wire_names(ast.parse(source)))
