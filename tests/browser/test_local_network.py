"""A page from the internet and a tapehead on this machine: Chrome lets them meet with a permission, or by a proxy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from playwright.sync_api import Browser, BrowserContext

from support.browser import chromium, player_site
from support.captured_traffic import read
from support.processes import running
from support.tunnels import at_home
from tapehead.protocol.routes import SESSIONS_PATH

pytestmark = pytest.mark.slow

# A call as players make it; its status, or what the browser says instead.
CALL = """url => fetch(url, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'})
    .then(answer => answer.status, error => error.message)"""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with player_site() as url:
        yield url


@pytest.fixture(scope="module")
def browser(site: str) -> Iterator[Browser]:
    """A browser that takes the site for one of the internet."""
    with chromium(f"--ip-address-space-overrides={site.removeprefix('http://')}=public") as opened:
        yield opened


def call(context: BrowserContext, site: str, url: str) -> object:
    """Call `url` from a page of `site`."""
    page = context.new_page()
    page.goto(site)
    return page.evaluate(CALL, f"{url}{SESSIONS_PATH}")


@pytest.mark.parametrize(("permissions", "told"), [(["local-network-access"], 400), ([], "Failed to fetch")])
def test_a_page_needs_the_permission(permissions: list[str], told: object, browser: Browser, site: str) -> None:
    with running("serve") as server, browser.new_context(permissions=permissions) as context:
        assert call(context, site, server.url) == told


def test_a_page_behind_the_proxy_needs_none(browser: Browser, site: str, tmp_path: Path, authority: trustme.CA) -> None:
    out = tmp_path / "a.jsonl"
    command = ("record", "--mode", "regular", "--out", out)
    with running("serve") as server, at_home(tmp_path, authority, *command) as proxy:
        with browser.new_context(proxy={"server": proxy.url}) as context:
            assert call(context, site, f"http://company.hb-api.omtrdc.net:{server.port}") == 400
        assert proxy.stop() == 0

    assert [each.call for each in read(out)] == ["preflight", "session"]
