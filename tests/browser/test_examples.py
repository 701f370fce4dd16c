"""The examples of the README and of the page on the HTTP API, as they stand there: a real player, a real browser."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from support.api_client import api_of
from support.browser import player_site, require_chromium
from support.live_client import LIVE, RECORDING, link_of
from support.paths import ROOT, TESTS
from support.processes import Command, running
from support.tools import cached_tool, require
from tapehead.protocol.exchange import decode

PAGE = (ROOT / ".github" / "docs" / "http-api.md").read_text()
README = (ROOT / "README.md").read_text()
TOKEN = "a-token-of-the-examples"
MOST_SECONDS = 110
STAND_INS = TESTS / "browser" / "stand_ins"
# As a viewer's browser: the page of a test may play without a click.
CONFIG = """
import { defineConfig } from "@playwright/test";
const launchOptions = { executablePath: process.env.CHROMIUM };
export default defineConfig({ reporter: "line", timeout: 90000, use: { launchOptions } });
"""


def example(page: str, heading: str, language: str) -> str:
    """Return the first code of a language below a heading."""
    section = re.split(r"^#", page.partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    (code,) = re.findall(rf"^```{language}\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    return str(code)


@pytest.fixture(scope="module")
def served() -> Iterator[Command]:
    with running("serve", "-q", *LIVE, "--token", TOKEN) as opened:
        yield opened


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with player_site() as url:
        yield url


@pytest.fixture
def variables(served: Command, site: str) -> dict[str, str]:
    """Return the variables that the page names, beside those of this process."""
    own = {
        "TAPEHEAD_URL": served.url,
        "TAPEHEAD_API": f"{link_of(served).origin}/tapehead/v1",
        "TAPEHEAD_TOKEN": TOKEN,
        "PLAYER_URL": site,
        "CHROMIUM": require_chromium(),
    }
    return {**os.environ, **own}


def run(words: list[str], variables: dict[str, str], folder: Path) -> str:
    """Run an example to its end, which is a good one; return what it printed."""
    done = subprocess.run(
        words, cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=MOST_SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def events_of(served: Command, key: str) -> list[str]:
    """Return the types of the calls with a key."""
    with api_of(served) as api:
        return [row["type"] for row in api.get("/events", key=key)["events"]]


def resend(url: str) -> None:
    """Send the calls of a recorded session to an endpoint."""
    sid = ""
    for line in RECORDING.read_bytes().splitlines():
        request = decode(line).request
        body = orjson.dumps(request.json())
        path = f"/{sid}/events" if sid else ""
        answer = httpx.post(f"{url}/api/v1/sessions{path}", content=body, headers={"Content-Type": "application/json"})
        sid = sid or answer.headers["Location"].rpartition("/")[2]


def test_with_curl(served: Command, variables: dict[str, str], tmp_path: Path) -> None:
    require("curl")
    resend(f"{served.url}/k/curl")
    for command in example(PAGE, "## curl", "sh").splitlines():
        assert orjson.loads(run(["sh", "-c", command], variables, tmp_path))["totals"]["calls"] == 27

    unheard = example(PAGE, "## curl", "sh").splitlines()[0].replace("=curl&timeout=60", "=other&timeout=0")
    done = subprocess.run(["sh", "-c", unheard], env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, "no call came" in done.stdout) == (22, True)

    commands = example(PAGE, "## Faults and recordings", "sh").splitlines()
    fault, recordings, removed = (orjson.loads(run(["sh", "-c", each], variables, tmp_path)) for each in commands)
    assert fault == removed == {"id": 1, "fault": "event:ping:3=410", "key": "curl"}
    assert recordings == {"recordings": []}


def test_with_playwright_in_python(served: Command, variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(example(PAGE, "## Playwright (Python)", "python"))
    run([sys.executable, "example.py"], variables, tmp_path)

    assert events_of(served, "playwright-python")[-1] == "sessionComplete"


def playwright_folder(folder: Path, code: str) -> None:
    """Put a test of Playwright into a folder, as it is in a project."""
    modules = Path(cached_tool("node_modules/@playwright/test")).parents[1]
    (folder / "node_modules").symlink_to(modules)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "playwright.config.js").write_text(CONFIG)
    (folder / "tracking.spec.js").write_text(code)


def test_with_playwright_in_javascript(variables: dict[str, str], tmp_path: Path) -> None:
    playwright_folder(tmp_path, example(PAGE, "## Playwright (JavaScript)", "js"))

    assert "1 passed" in run([require("npx"), "playwright", "test"], variables, tmp_path)


def test_with_the_requests_of_cypress(served: Command, variables: dict[str, str], tmp_path: Path) -> None:
    require("node")
    (tmp_path / "example.cy.js").write_text(example(PAGE, "## Cypress", "js"))
    (tmp_path / "session.jsonl").write_bytes(RECORDING.read_bytes())
    run([require("node"), str(STAND_INS / "cypress.mjs"), "example.cy.js", "session.jsonl"], variables, tmp_path)

    assert events_of(served, "cypress")[-1] == "sessionComplete"


def test_with_the_requests_of_an_appium_test(served: Command, variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(example(PAGE, "## Appium", "python"))
    resend(f"{served.url}/k/appium")
    path = os.pathsep.join([str(STAND_INS), os.environ.get("PYTHONPATH", "")])
    run([sys.executable, "example.py"], variables | {"PYTHONPATH": path}, tmp_path)

    assert events_of(served, "appium")[-1] == "sessionComplete"


def test_a_player_in_ci_takes_15_lines(variables: dict[str, str], tmp_path: Path) -> None:
    steps, code = example(README, "### In CI", "yaml"), example(README, "### In CI", "js")
    playwright_folder(tmp_path, code)
    (tmp_path / "session.jsonl").write_bytes(RECORDING.read_bytes())
    (command,) = re.findall(r"- run: (tapehead test .*)", steps)
    words = [sys.executable, "-m", *shlex.split(command)]
    printed = run(words, {name: value for name, value in variables.items() if name != "TAPEHEAD_URL"}, tmp_path)

    assert len([*steps.splitlines(), *code.splitlines()]) <= 15
    assert "1 passed" in printed
    (path,) = re.findall(r"path: (\w+)", steps)
    assert {each.name for each in (tmp_path / path).iterdir()} >= {"run.jsonl", "junit.xml", "report.html"}
    assert "sessionComplete" in (tmp_path / path / "run.jsonl").read_text()
