"""The public API: exactly what is documented, loaded when it is used, typed, shown in the README."""

import ast
import doctest
import subprocess
import sys
from pathlib import Path

import pytest

import tapehead
from support.paths import ROOT
from tapehead.public_names import HOMES

USE = Path(__file__).with_name("public_api_use.py")
# What `import tapehead` must not load.
HEAVY = frozenset({"mitmproxy", "msgspec", "orjson", "rich", "starlette", "click", "uvicorn", "jsonschema_rs"})


def test_all_is_what_exists() -> None:
    assert tapehead.__all__ == sorted(HOMES)
    assert dir(tapehead) == sorted(["__version__", *HOMES])


@pytest.mark.parametrize("name", tapehead.__all__)
def test_a_public_name_is_documented_and_has_the_same_name_at_home(name: str) -> None:
    public = getattr(tapehead, name)

    assert public.__name__ == name
    assert public.__doc__


@pytest.mark.parametrize("name", tapehead.__all__)
def test_a_public_name_is_the_same_whatever_was_imported_before(name: str) -> None:
    """No package may have the name of a public function: importing it would hide the function."""
    before = f"import tapehead.cli.app, {HOMES[name]}"
    script = f"{before}\nfrom tapehead import {name}\nprint(type({name}).__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() != "module"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Taker'"):
        tapehead.Taker  # type: ignore[attr-defined]  # noqa: B018


def test_importing_it_loads_nothing_heavy() -> None:
    script = "import sys, tapehead; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert HEAVY.isdisjoint(done.stdout.split())


def test_the_typed_example_uses_every_public_name() -> None:
    tree = ast.parse(USE.read_text())
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}

    assert set(tapehead.__all__) <= used


def test_the_readme_names_every_public_name() -> None:
    section = (ROOT / "README.md").read_text().partition("## Python API")[2].partition("\n## ")[0]

    assert [name for name in tapehead.__all__ if f"`{name}" not in section] == []


def test_the_examples_of_the_readme_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False)

    assert failed == 0
    assert tried > 0
