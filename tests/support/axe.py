"""axe-core: what it finds wrong for people who use a page with a keyboard, a screen reader or weak eyes."""

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from support.tools import cached_tool


@cache
def axe() -> str:
    """The script; where it is not installed, the test is skipped, in CI it fails."""
    return Path(cached_tool("node_modules/axe-core/axe.min.js")).read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """What axe finds wrong with a page: the rule, and the first places."""
    page.evaluate(axe())
    found: list[dict[str, Any]] = page.evaluate("axe.run().then((results) => results.violations)")
    return [f"{each['id']}: {[node['html'][:300] for node in each['nodes'][:3]]}" for each in found]
