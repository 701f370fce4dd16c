"""Mutation testing: change single lines of the product at random, and list the changes that no test notices.

cd tests && pip install -e '..[mutation]' && python -m fuzz.mutants --packages rules metrics --count 40

The changes are those of cosmic-ray, drawn with a fixed seed. Each is tried in a copy of the checkout, against the unit
tests that run the changed line (found once by coverage, and kept for the next run as long as the checkout is the same).
A change that alters no behaviour cannot be noticed: whoever reads the list decides, and names those by `--equivalent`.
"""

import argparse
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.paths import ROOT

PACKAGES = ("protocol", "rules", "metrics", "auditor", "comparison", "replay", "redaction", "recording")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tapehead-tests" / "mutants"
COPIED = ("addons", "tests", "recordings", ".github", ".ci", "pyproject.toml", "README.md")
# Of the tests that run a line, so many are tried; those of the line's own package first.
MOST_TESTS = 400
SECONDS = 150
# Of the cases of one test, so many are tried before those of others.
MOST_CASES = 6
# Changes of annotations and of messages' texts mean nothing, or are noticed by whatever imports the module.
LEFT_OUT = ("BitOr_", "RemoveDecorator", "VariableReplacer", "VariableInserter")


class Mutant(NamedTuple):
    """A change: the module's path in the package, the line, cosmic-ray's operator, and which of its places."""

    module: str
    line: int
    operator: str
    occurrence: int

    @property
    def name(self) -> str:
        """The change as it is given to `--equivalent`."""
        return f"{self.module}:{self.line}:{self.operator.removeprefix('core/')}:{self.occurrence}"


class Tried(NamedTuple):
    """A tried change: the number of tests that run its line, the first that failed (empty if none did), the seconds."""

    mutant: Mutant
    tests: int
    noticed_by: str
    seconds: float
    diff: str


def main(arguments: Sequence[str] | None = None) -> list[Tried]:
    """Try the changes, print a table by package and the changes that were not noticed, and return all."""
    parser = argparse.ArgumentParser(description="Change single lines at random; list what no test notices.")
    parser.add_argument("--packages", nargs="*", default=PACKAGES, help="packages of addons/tapehead, or modules")
    parser.add_argument("--count", type=int, default=30, help="changes to try in each package")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--equivalent", nargs="*", default=[], help="changes that alter no behaviour, by name")
    options = parser.parse_args(arguments)
    chosen = {name: _draw(name, options.count, options.seed) for name in options.packages}
    lines = _tests_by_line()
    work = [(mutant, _tests_of(mutant, lines)) for mutants in chosen.values() for mutant in mutants]
    print(f"{len(work)} changes in {len(chosen)} packages, {options.jobs} at a time", flush=True)
    context = multiprocessing.get_context("fork")
    _import_libraries()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = context.Queue()
        for number in range(options.jobs):
            copy = Path(folder, str(number))
            _copy_checkout(copy)
            copies.put(copy)
        with context.Pool(options.jobs, _keep_copy, (copies,)) as pool:
            unchanged = pool.apply(_try, ((Mutant(work[0][0].module, 0, "", 0), work[0][1]),))
            if unchanged.noticed_by:
                raise SystemExit(f"a test fails without any change: {unchanged.noticed_by}")
            tried = []
            for result in pool.imap_unordered(_try, work):
                tried.append(result)
                print("." if result.noticed_by else f"\nNOT NOTICED {_describe(result)}", end="", flush=True)
    _print_table(chosen, tried, options.equivalent)
    return tried


def _draw(package: str, count: int, seed: int) -> list[Mutant]:
    """Return `count` changes of the modules of a package."""
    folder = ROOT / "addons" / "tapehead"
    path = folder / package
    modules = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    found = [mutant for module in modules for mutant in _mutants(str(module.relative_to(folder)), module.read_text())]
    # Operators with many variants of one place would crowd out the others: a place counts once.
    by_place: dict[tuple[str, int, str], list[Mutant]] = {}
    for mutant in found:
        by_place.setdefault((mutant.module, mutant.line, mutant.operator.split("_")[0]), []).append(mutant)
    draw = random.Random(f"{seed} {package}")
    places = draw.sample(sorted(by_place), min(count, len(by_place)))
    return [draw.choice(by_place[place]) for place in places]


def _mutants(module: str, source: str) -> Iterator[Mutant]:
    from cosmic_ray import ast, plugins

    tree = ast.get_ast(source)
    for name in plugins.operator_names():
        if any(part in name for part in LEFT_OUT):
            continue
        operator = plugins.get_operator(name)
        places = (place for node in ast.ast_nodes(tree) for place in operator().mutation_positions(node))
        for occurrence, place in enumerate(places):
            yield Mutant(module, place[0][0], name, occurrence)


def _tests_by_line() -> dict[str, dict[int, tuple[str, ...]]]:
    """Return the unit tests that run each line of each module."""
    from coverage import CoverageData

    files = sorted(path for name in ("addons", "tests/unit", "tests/support") for path in (ROOT / name).rglob("*.py"))
    key = sha1(b"".join(path.read_bytes() for path in files), usedforsecurity=False).hexdigest()
    data_file = CACHE / f"{key}.coverage"
    if not data_file.exists():
        shutil.rmtree(CACHE, ignore_errors=True)
        CACHE.mkdir(parents=True)
        print("finding the tests that run each line (some minutes)", flush=True)
        measured = CACHE / "measured"
        command = [sys.executable, "-m", "pytest", "tests/unit", "-q", "--cov=tapehead", "--cov-context=test"]
        environment = {"COVERAGE_FILE": str(measured), "COVERAGE_CORE": "ctrace", "PYTHONPATH": str(ROOT / "addons")}
        subprocess.run([*command, "--cov-report="], cwd=ROOT, env={**os.environ, **environment}, check=False)
        measured.rename(data_file)
    data = CoverageData(str(data_file))
    data.read()
    found = {}
    for file in data.measured_files():
        _, _, module = file.rpartition("/addons/tapehead/")
        contexts = data.contexts_by_lineno(file)
        found[module] = {
            line: tuple(sorted({name.partition("|")[0] for name in names if name})) for line, names in contexts.items()
        }
    return found


def _tests_of(mutant: Mutant, lines: Mapping[str, Mapping[int, Sequence[str]]]) -> Sequence[str]:
    """Return the tests that run a line; of a statement over several lines, those of the nearest line before it."""
    by_line = lines.get(mutant.module, {})
    return next((by_line[line] for line in range(mutant.line, mutant.line - 12, -1) if line in by_line), ())


def _import_libraries() -> None:
    """Import what most tests import, so that it is there in every process forked from this one."""
    for name in ("httpx", "jsonschema_rs", "mitmproxy.http", "msgspec", "orjson", "rich.console", "click"):
        __import__(name)


def _copy_checkout(copy: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", ".hypothesis", "*.coverage")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=ignored)
        else:
            shutil.copy(source, copy / name)


_copy: Path


def _keep_copy(copies: Any) -> None:
    global _copy
    _copy = copies.get()


def _try(work: tuple[Mutant, Sequence[str]]) -> Tried:
    from cosmic_ray import mutating, plugins

    mutant, tests = work
    file = _copy / "addons" / "tapehead" / mutant.module
    source = file.read_text()
    operator = plugins.get_operator(mutant.operator)() if mutant.operator else None
    changed = mutating.mutate_code(source, operator, mutant.occurrence) if operator else None
    package = mutant.module.split("/")[0].removesuffix(".py")
    own = f"tests/unit/{package}"
    if not tests and (_copy / own).exists():  # run at import
        tests = [own]
    # A case of each test before further cases.
    cases: Counter[str] = Counter()
    ranked = []
    for test in sorted(tests, key=lambda test: sha1(test.encode(), usedforsecurity=False).digest()):
        function = test.partition("[")[0]
        cases[function] += 1
        ranked.append((cases[function] > MOST_CASES, not test.startswith(own), cases[function], test))
    first = [test for *_, test in sorted(ranked)[:MOST_TESTS]]
    begun = time.monotonic()
    file.write_text(changed or source)
    shutil.rmtree(file.parent / "__pycache__", ignore_errors=True)
    try:
        noticed_by = _run_tests(first) if first else ""
    finally:
        file.write_text(source)
        shutil.rmtree(file.parent / "__pycache__", ignore_errors=True)
    return Tried(mutant, len(first), noticed_by, time.monotonic() - begun, _diff(source, changed or source))


class _FirstFailure:
    name = ""

    def pytest_sessionstart(self) -> None:
        from hypothesis import settings  # pytest has to come before it

        settings.register_profile("mutants", max_examples=40, deadline=None, database=None)
        settings.load_profile("mutants")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.name = self.name or report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.name = self.name or report.nodeid or "collection"


def _run_tests(tests: Sequence[str]) -> str:
    """Run tests in a process of their own, and return the first that failed; empty if none did."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = os.fork()
    if not child:
        try:
            _in_child(tests, sender.send)
        finally:
            os._exit(1)
    sender.close()
    noticed_by = "time limit"
    if receiver.poll(SECONDS):
        try:
            noticed_by = receiver.recv()
        except EOFError:
            noticed_by = "crash"
    os.kill(child, 9)
    os.waitpid(child, 0)
    receiver.close()
    return noticed_by


def _in_child(tests: Sequence[str], send: Callable[[str], None]) -> None:
    os.chdir(_copy)
    sys.path[:] = [path for path in sys.path if not path.startswith(str(ROOT))]
    sys.path.insert(0, str(_copy / "addons"))
    for name in [name for name in sys.modules if name.split(".")[0] in ("tapehead", "support", "fuzz", "docs")]:
        del sys.modules[name]
    os.environ["PYTHONPATH"] = str(_copy / "addons")
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    failure = _FirstFailure()
    options = ["-x", "-q", "-n0", "-p", "no:cacheprovider", "-p", "no:cov", "-o", "addopts=--import-mode=importlib"]
    code = pytest.main([*options, *tests], plugins=[failure])
    send(failure.name or ("" if code == 0 else f"exit code {code}"))


def _diff(source: str, changed: str) -> str:
    """Return the line as it was and as it is."""
    for before, after in zip(source.splitlines(), changed.splitlines(), strict=False):
        if before != after:
            return f"- {before.strip()}\n    + {after.strip()}"
    return ""


def _describe(tried: Tried) -> str:
    return f"{tried.mutant.name} ({tried.tests} tests, {tried.seconds:.0f} s)\n    {tried.diff}\n"


def _print_table(chosen: dict[str, list[Mutant]], tried: list[Tried], equivalent: Sequence[str]) -> None:
    by_mutant = {each.mutant: each for each in tried}
    print(f"\n\n{'package':<12} {'tried':>6} {'noticed':>8} {'equivalent':>11} {'slipped':>8} {'share':>6}")
    for name, mutants in chosen.items():
        results = [by_mutant[mutant] for mutant in mutants]
        noticed = sum(bool(each.noticed_by) for each in results)
        same = sum(not each.noticed_by and each.mutant.name in equivalent for each in results)
        slipped = len(results) - noticed - same
        share = 100 * noticed / max(1, noticed + slipped)
        print(f"{name:<12} {len(results):>6} {noticed:>8} {same:>11} {slipped:>8} {share:>5.1f}%")
    for each in tried:
        if not each.noticed_by and each.mutant.name not in equivalent:
            print(_describe(each))


if __name__ == "__main__":
    main()
