"""Runs of pytest in a process of its own, with the plugin installed as users have it, and a player for their tests."""

import os
import tomllib
from pathlib import Path

import pytest

from support.paths import ROOT

PLAYER = '''
import json, time, urllib.request
from urllib.parse import urljoin

START = {
    "analytics.trackingServer": "example.sc.omtrdc.net",
    "analytics.reportSuite": "example-rsid",
    "visitor.marketingCloudOrgId": "0123456789ABCDEF01234567@AdobeOrg",
    "visitor.marketingCloudUserId": "12345678901234567890123456789012345678",
    "media.id": "news-1",
    "media.name": "News",
    "media.length": 20,
    "media.contentType": "vod",
    "media.streamType": "video",
    "media.playerName": "web",
    "media.channel": "one",
}

def post(url, event_type, seconds=0, playhead=0, key="", **params):
    ts = int((time.time() + seconds) * 1000)
    body = {"eventType": event_type, "playerTime": {"playhead": playhead, "ts": ts}, "params": params}
    data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
    headers |= {"X-Tapehead-Key": key} if key else {}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
        return answer.headers["Location"]

def start(url, **params):
    sessions = f"{url}/api/v1/sessions"
    return urljoin(sessions, post(sessions, "sessionStart", **START | params)) + "/events"

def play(url, *more, **params):
    """Play ten seconds; `more` are events before the end."""
    events = start(url, **params)
    post(events, "play")
    for number, event_type in enumerate(more, start=1):
        post(events, event_type, number, number)
    post(events, "ping", 10, 10)
    post(events, "sessionComplete", 20, 20)
    post(events, "sessionEnd", 20, 20)
'''


def install_plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the runs of `pytester` load the plugin by its entry point, in a terminal of 80 columns, and the player."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        entry_points = tomllib.load(file)["project"]["entry-points"]["pytest11"]
    installed = pytester.mkdir("installed") / "tapehead-0.0.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: tapehead\nVersion: 0.0.0\n")
    lines = [f"{name} = {value}\n" for name, value in entry_points.items()]
    (installed / "entry_points.txt").write_text("".join(["[pytest11]\n", *lines]))
    paths = [str(installed.parent), str(ROOT / "addons"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    # Each run would else compile all modules again where tests write no byte code.
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(Path(pytester.path).parents[1] / "pycache"))
    pytester.makepyfile(player=PLAYER)


def run_tests(pytester: pytest.Pytester, suite: str, *options: str) -> pytest.RunResult:
    """Run a file of tests."""
    path = pytester.makepyfile(test_suite=suite)
    return pytester.runpytest_subprocess(path, *options)
