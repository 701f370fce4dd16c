"""axe-core: what it finds wrong for people who use a page with a keyboard, a screen reader or weak eyes."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tapehead-tests"
SCRIPT = CACHE / "node_modules" / "axe-core" / "axe.min.js"


@cache
def axe() -> str:
    """The script; where it is not installed, the test is skipped, in CI it fails."""
    if not SCRIPT.is_file():
        why = f"no axe-core: npm install --prefix {CACHE} axe-core@4"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(why)
        pytest.skip(why)
    return SCRIPT.read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """What axe finds wrong with a page: the rule, and the first places."""
    page.evaluate(axe())
    found: list[dict[str, Any]] = page.evaluate("axe.run().then((results) => results.violations)")
    return [f"{each['id']}: {[node['html'][:300] for node in each['nodes'][:3]]}" for each in found]
