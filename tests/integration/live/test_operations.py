"""`/metrics` and `/healthz` of real processes: access, values after calls, a slow audit, and a full disk."""

import re
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.api_client import api_of, event_of
from support.live_client import COMMANDS, LIVE, RECORDING, ask, link_of, play
from support.paths import ROOT
from support.processes import TIMEOUT_SECONDS, Command, running
from support.upstream_server import free_port, upstream
from tapehead.live.api_model import HEALTH_PATH, METRICS_PATH

Labelled = dict[tuple[str, ...], float]


@pytest.fixture(scope="module")
def served() -> Iterator[Command]:
    with running("serve", RECORDING, "-q", *LIVE) as opened, httpx.Client() as player:
        play(player, opened.url, event_of("ping"), event_of("adComplete"))
        with api_of(opened) as api:
            api.get("/status")  # which waits for the audit
        yield opened


def families_of(opened: Command) -> list[Any]:
    """The metrics of a command."""
    link = link_of(opened)
    answer = httpx.get(f"{link.origin}/metrics", headers={"Authorization": f"Bearer {link.token}"})
    assert answer.status_code == 200
    return list(text_string_to_metric_families(answer.text))


def scrape(opened: Command) -> dict[str, Labelled]:
    """The samples of a command's metrics, by name and sorted values of labels."""
    found: dict[str, Labelled] = {}
    for family in families_of(opened):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.values()))] = sample.value
    return found


def health(opened: Command) -> tuple[int, Any]:
    answer = httpx.get(f"{link_of(opened).origin}/healthz")
    return answer.status_code, answer.json()


def wait_for_health(opened: Command, status: int) -> Any:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (found := health(opened))[0] != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found[1]


def test_calls_answers_and_findings_are_counted(served: Command) -> None:
    found = scrape(served)

    assert found["tapehead_calls_total"]["201", "sessionStart"] == 1
    assert sum(found["tapehead_calls_total"].values()) == found["tapehead_call_duration_seconds_count"][()] == 3
    assert found["tapehead_replay_hits_total"][()] + found["tapehead_replay_misses_total"][()] == 3
    assert sum(found["tapehead_answers_total"].values()) == 3
    assert found["tapehead_sessions_total"][()] == 1
    assert found["tapehead_audit_running"][()] == 1
    assert found["tapehead_audit_backlog_calls"][()] == 0
    assert "tapehead_recording_writable" not in found


@pytest.mark.parametrize("more", [(), ("Authorization: Bearer wrong-token-of-some-length",), ("X-Tapehead-Token: ",)])
def test_metrics_need_the_token(more: tuple[str, ...], served: Command) -> None:
    port = link_of(served).port
    head = "\r\n".join([f"GET {METRICS_PATH} HTTP/1.1", f"Host: 127.0.0.1:{port}", *more, "", ""])
    answer = ask(port, head.encode())

    assert answer.status == 401
    assert b"tapehead_" not in answer.body
    assert b'{"error":"missing or wrong token' in answer.body
    assert answer.headers["www-authenticate"] == "bearer"


@pytest.mark.parametrize("path", [METRICS_PATH, HEALTH_PATH])
@pytest.mark.parametrize(
    ("method", "host", "more", "status"),
    [
        ("GET", "evil.test", (), 421),
        ("GET", None, ("Origin: http://evil.test",), 403),
        ("GET", None, ("Sec-Fetch-Site: cross-site",), 403),
        ("POST", None, ("Content-Length: 0",), 405),
        ("DELETE", None, (), 405),
    ],
)
def test_other_hosts_pages_and_methods_are_refused(
    method: str, host: str | None, more: tuple[str, ...], status: int, path: str, served: Command
) -> None:
    link = link_of(served)
    answer = ask(link.port, link.head(path, method, *more, host=host))

    assert answer.status == status
    assert answer.body.startswith(b'{"error":')


def test_an_unknown_parameter_is_refused(served: Command) -> None:
    link = link_of(served)
    answer = ask(link.port, link.head(f"{METRICS_PATH}?settle=yes"))
    assert answer.status == 400


def test_health_ignores_what_a_load_balancer_adds(served: Command) -> None:
    answer = httpx.get(f"{link_of(served).origin}{HEALTH_PATH}?x=1&x=2")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_heads_of_answers_can_be_asked_for(served: Command) -> None:
    link = link_of(served)
    metrics, health = (httpx.head(f"{link.origin}{path}") for path in (METRICS_PATH, HEALTH_PATH))
    own = httpx.head(f"{link.origin}{METRICS_PATH}", headers={"Authorization": f"Bearer {link.token}"})

    assert (metrics.status_code, health.status_code, own.status_code) == (401, 200, 200)
    assert int(own.headers["content-length"]) > 0
    assert {each.content for each in (metrics, health, own)} == {b""}
    assert httpx.put(f"{link.origin}{HEALTH_PATH}").headers["allow"] == "GET, HEAD"


def test_health_tells_nothing_secret_to_anybody(served: Command) -> None:
    link = link_of(served)
    answer = httpx.get(f"{link.origin}/healthz")

    assert answer.json() == {"status": "ok", "recording": "none", "audit": "ok", "backlog": 0}
    assert answer.headers["cache-control"] == "no-store"
    assert link.token not in str(answer.headers)


# Nothing is audited while a test runs, and each wait for that is told.
HANGING = """
import sys
import time
from tapehead.journal.audit_thread import AuditThread
from tapehead.journal.journal import Journal
AuditThread._work = lambda *_: time.sleep(3600)
def settle(*_):
    print("settling", file=sys.stderr, flush=True)
    return False
Journal.settle = settle
"""


def test_monitoring_does_not_wait_for_an_audit_that_hangs() -> None:
    def waits() -> int:
        return opened.lines.count("settling")

    with running("serve", "-q", *LIVE, broken=HANGING) as opened, httpx.Client() as player:
        play(player, opened.url, event_of("ping"))
        link = link_of(opened)
        with httpx.Client(base_url=link.origin, headers={"Authorization": f"Bearer {link.token}"}) as client:
            for path in (METRICS_PATH, HEALTH_PATH):
                client.get(path).read()
            client.get("/tapehead/v1/sessions").read()  # which waits
        opened.wait_for(lambda line: line == "settling")
        backlog = health(opened)[1]["backlog"]
        opened.process.kill()

    assert waits() == 1
    assert backlog == 2


BROKEN = """
from tapehead.journal.run_metrics import RunMetrics
def planted(_self):
    raise KeyError("planted")
RunMetrics.metrics = RunMetrics.health = planted
"""


def test_a_bug_in_metrics_costs_no_call(tmp_path: Path) -> None:
    words = ("serve", "-q", "--otlp", f"http://127.0.0.1:{free_port()}", *LIVE)
    with running(*words, cwd=tmp_path, broken=BROKEN) as opened, httpx.Client() as player:
        link = link_of(opened)
        with httpx.Client(base_url=link.origin, headers={"Authorization": f"Bearer {link.token}"}) as client:
            statuses = [client.get(path).status_code for path in (METRICS_PATH, HEALTH_PATH)]
        sid = play(player, opened.url, event_of("ping"))
        answer = player.post(f"{opened.url}/api/v1/sessions/{sid}/events", json=event_of("ping"))
        assert opened.stop() in (0, 1)

    assert statuses == [500, 500]
    assert answer.status_code == 204
    assert not [line for line in opened.lines if "cannot export metrics" in line]
    # An error of tapehead's own is told as one, whether the page or the export asked.
    assert "export of metrics" in "".join(opened.lines)


def test_the_readme_has_all_metrics_with_their_labels(served: Command, tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().partition("### Metrics and health\n")[2].partition("\n## ")[0]
    told = dict(re.findall(r"`(tapehead_\w+)(?:\{([\w,]+)\})?`", section))
    with running(*COMMANDS["record"], "-q", *LIVE, cwd=tmp_path) as recording:
        families = [family for opened in (served, recording) for family in families_of(opened)]
    shown = {f"{each.name}{'_total' * (each.type == 'counter')}" for each in families}
    labels = {
        each.name: ",".join(sorted(each.samples[0].labels))
        for each in families
        if each.samples and each.type != "histogram"
    }

    assert {name for name in shown if name.startswith("tapehead_")} == told.keys()
    assert labels["tapehead_calls"] == ",".join(sorted(told["tapehead_calls_total"].split(",")))
    assert labels["tapehead_build_info"] == told["tapehead_build_info"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_with_a_journal_has_them(command: str, tmp_path: Path) -> None:
    with running(*COMMANDS[command], "-q", *LIVE, cwd=tmp_path) as opened:
        ((version, *_),) = scrape(opened)["tapehead_build_info"]
        found = health(opened)

    assert found[0] == 200
    assert found[1]["recording"] == ("ok" if command == "record" else "none")
    assert version


def test_the_recording_of_forwarded_calls_is_told(tmp_path: Path) -> None:
    recording = tmp_path / "a.jsonl"
    recording.write_bytes(RECORDING.read_bytes())
    with (
        upstream() as server,
        running("replay", recording, "--on-miss", "forward", "--to", server.url, "-q", *LIVE) as opened,
        httpx.Client(timeout=TIMEOUT_SECONDS) as player,
    ):
        play(player, opened.url, **{"media.id": "unknown", "media.playerName": "unknown"})
        found = health(opened)
        exchanges = scrape(opened)["tapehead_recording_exchanges_total"][()]

    assert found[1]["recording"] == "ok"
    assert exchanges == 1


def test_a_disk_that_is_full_is_told_until_it_is_not(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with (
        upstream() as server,
        running("record", "--to", server.url, "--out", out, "-q", "--sync", "none", *LIVE) as opened,
        httpx.Client(timeout=TIMEOUT_SECONDS) as player,
    ):
        play(player, opened.url)
        assert wait_for_health(opened, 200)["recording"] == "ok"
        infinite = resource.RLIM_INFINITY
        resource.prlimit(opened.process.pid, resource.RLIMIT_FSIZE, (out.stat().st_size + 50, infinite))
        play(player, opened.url, event_of("ping"))
        told = wait_for_health(opened, 503)
        full = scrape(opened)
        resource.prlimit(opened.process.pid, resource.RLIMIT_FSIZE, (infinite, infinite))
        again = wait_for_health(opened, 200)
        mended = scrape(opened)

    assert told == {
        "status": "failing",
        "recording": "failing",
        "audit": "ok",
        "backlog": told["backlog"],
        "error": "the recording cannot be written",
    }
    assert (full["tapehead_recording_writable"][()], mended["tapehead_recording_writable"][()]) == (0, 1)
    assert full["tapehead_recording_backlog_bytes"][()] > 0
    assert mended["tapehead_recording_exchanges_total"][()] == 3
    assert mended["tapehead_recording_lost_exchanges_total"][()] == 0
    assert again["recording"] == "ok"
