"""Runs of the plugin: without the fixture, over workers of pytest-xdist, with other plugins, with a browser."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.browser import FLAGS, player_site, require_chromium
from support.paths import ROOT
from support.plugin_runs import install_plugin, run_tests

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugin(pytester, monkeypatch)


LIST_MODULES = """
import sys

def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        print("modules:", *sorted(sys.modules))
"""
UNUSED = "import pytest\n\n@pytest.mark.tapehead\nclass TestOther:\n    def test_other(self): pass\n"
USED = """
from player import play

def test_used(media_collection):
    play(media_collection.url)
    media_collection.assert_clean()
"""


def loaded_modules(pytester: pytest.Pytester, suite: str, *options: str) -> set[str]:
    """Return the modules that are loaded at the end of a run, in the process that controls it."""
    pytester.makeconftest(LIST_MODULES)
    done = run_tests(pytester, suite, "--strict-markers", *options)
    done.assert_outcomes(passed=1)
    (line,) = (line for line in done.outlines if line.startswith("modules: "))
    return set(line.split()[1:])


@pytest.mark.parametrize(
    ("options", "own"),
    [((), set()), (("-n", "2"), {"tapehead.errors", "tapehead.pytest_plugin.endpoint_connection"})],
    ids=["one process", "workers"],
)
def test_a_run_that_does_not_use_the_fixture_loads_nothing_else(
    pytester: pytest.Pytester, options: tuple[str, ...], own: set[str]
) -> None:
    loaded = loaded_modules(pytester, UNUSED, *options)

    light = {"tapehead", "tapehead.public_names", "tapehead.pytest_plugin", "tapehead.pytest_plugin.plugin"}
    assert {name for name in loaded if name.partition(".")[0] == "tapehead"} == light | own
    assert loaded.isdisjoint({"msgspec", "jsonschema_rs", "uvicorn", "starlette", "rich", "mitmproxy", "click"})


def test_a_run_that_uses_the_fixture_loads_neither_mitmproxy_nor_starlette(pytester: pytest.Pytester) -> None:
    loaded = loaded_modules(pytester, USED)

    assert {"tapehead.pytest_plugin.endpoint", "uvicorn"} <= loaded
    assert loaded.isdisjoint({"mitmproxy", "starlette", "tapehead.cli.app"})


READY = """
import sys
from tapehead.pytest_plugin.endpoint import SharedEndpoint
from tapehead.pytest_plugin.marks import Answers
from tapehead.pytest_plugin.media_collection import MediaCollection
endpoint = SharedEndpoint()
print(endpoint.begin("key", Answers()))
print(*sys.modules)
endpoint.close()
"""


def test_the_endpoint_is_ready_before_the_audit_and_other_large_modules_are_loaded(tmp_path: Path) -> None:
    printed = subprocess.check_output([sys.executable, "-c", READY], cwd=tmp_path, text=True, timeout=60)

    url, loaded = printed.splitlines()
    assert url.startswith("http://127.0.0.1:")
    large = {
        "brotli",
        "difflib",
        "http.client",
        "httpx",
        "mitmproxy",
        "tapehead.auditor.recordings_audit",
        "tapehead.cli.app",
        "tapehead.protocol.session_machine",
        "tapehead.journal.journal_run",
        "tapehead.redaction.redactor",
        "tapehead.replay.replayer",
        "tapehead.rules.catalog",
        "zstandard",
    }
    assert large.isdisjoint(loaded.split())


FIFTY = """
import os
import time
from pathlib import Path
import pytest
from player import post, start

@pytest.mark.parametrize("number", range(50))
def test_alone(media_collection, number, worker_id):
    others = [start(media_collection.url, **{"media.name": f"{number} {n}"}) for n in range(number % 3 + 1)]
    media_collection.fault("event:ping=503") if number % 2 else None
    for events in others:
        post(events, "play")
        try:
            post(events, "ping", 10, 10)
            refused = False
        except OSError as error:
            refused = True
        assert refused == bool(number % 2)
        post(events, "sessionEnd", 10, 10)
    media_collection.wait_for("sessionEnd", timeout=60)
    assert [session.content for session in media_collection.sessions] == [f"{number} {n}" for n in range(len(others))]
    assert len(media_collection.events()) == 4 * len(others)
    # In one piece: an append of one line.
    with open(Path(__file__).with_name("seen"), "a") as file:
        file.write(f"{worker_id} {media_collection.url.partition('/k/')[0]} {media_collection.key}\\n")
"""


def test_50_tests_over_8_workers_on_one_server_do_not_see_each_others_calls(pytester: pytest.Pytester) -> None:
    done = run_tests(pytester, FIFTY, "-n", "8", "--dist", "load", "-q")

    done.assert_outcomes(passed=50)
    seen = [line.split() for line in (pytester.path / "seen").read_text().splitlines()]
    workers, servers, keys = map(set, zip(*seen, strict=True))
    assert (len(workers), len(servers), len(keys)) == (8, 1, 50)


CROSS_TALK = """
import tapehead.pytest_plugin.endpoint as endpoint
import tapehead.pytest_plugin.media_collection as collection

collection.key_name_of = lambda _nodeid: "same"
collection.token_hex = lambda _length: "key"
endpoint.SharedEndpoint.end = lambda self, key: self.lines(key)
"""


def test_tests_that_see_each_others_calls_fail(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CROSS_TALK)
    done = run_tests(pytester, FIFTY.replace("range(50)", "range(4)"), "-n", "2", "-q")

    assert done.parseoutcomes()["failed"] >= 2


def require_plugin(module: str) -> None:
    """Skip the test without another plugin; in CI it fails."""
    if importlib.util.find_spec(module) is None:
        why = f"no {module.replace('_', '-')}: install the extra 'test'"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(why)
        pytest.skip(why)


ASYNC = """
import asyncio
import pytest
from player import play

@pytest.mark.asyncio
async def test_a_player_on_the_loop_of_the_test(media_collection):
    async def later():
        await asyncio.sleep(0.2)
        await asyncio.to_thread(play, media_collection.url)

    player = asyncio.create_task(later())
    await media_collection.wait_for_async("sessionEnd", timeout=60)
    await player
    media_collection.assert_clean()
"""


def test_it_works_with_pytest_asyncio(pytester: pytest.Pytester) -> None:
    require_plugin("pytest_asyncio")
    run_tests(pytester, ASYNC).assert_outcomes(passed=1)


# The page of the README, which is nowhere: its files come from a site on this machine.
SITE_OF_THE_README = """
import pytest

@pytest.fixture(scope="session")
def browser_type_launch_args():
    return {"executable_path": CHROMIUM, "args": FLAGS}

@pytest.fixture
def context(context):
    def serve(route):
        route.fulfill(response=route.fetch(url=route.request.url.replace("https://player.example.com", SITE)))

    context.route("https://player.example.com/**", serve)
    return context
"""


def test_the_example_of_the_readme_plays_a_page_in_chromium_with_the_fixtures_of_playwright(
    pytester: pytest.Pytester,
) -> None:
    require_plugin("pytest_playwright")
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    (example,) = (block for block in blocks if "media_collection" in block)
    with player_site() as site:
        values = f"\nCHROMIUM, FLAGS, SITE = {require_chromium()!r}, {list(FLAGS)!r}, {site!r}\n"
        pytester.makeconftest(SITE_OF_THE_README + values)
        run_tests(pytester, example).assert_outcomes(passed=1)
