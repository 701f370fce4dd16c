"""`--otlp`: metrics that a real collector decodes, and one that is down, slow or unwilling and holds up nothing."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.api_client import event_of
from support.live_client import COMMANDS, LIVE, RECORDING, play
from support.otlp_collector import Collector, collector, points_of
from support.processes import TIMEOUT_SECONDS, Command, running
from support.upstream_server import free_port, upstream
from tapehead import __version__
from tapehead.cli.app import run
from tapehead.journal.run_counts import DURATION_BOUNDS

WARNING, AGAIN = "cannot export metrics to", "exporting metrics to"


@pytest.fixture
def receiving() -> Iterator[Collector]:
    with collector() as opened:
        yield opened


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have exports go to loopback directly, and often."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "200")


def warnings_of(opened: Command) -> list[str]:
    return [line for line in opened.lines if WARNING in line]


def play_session(opened: Command) -> None:
    with httpx.Client(timeout=TIMEOUT_SECONDS) as player:
        play(player, opened.url, event_of("ping"), event_of("adComplete"))


def test_metrics_come_while_it_runs(receiving: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=video")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    with running("serve", RECORDING, "-q", "--otlp", receiving.url) as opened:
        play_session(opened)
        found = receiving.wait_for(lambda points: sum(points.get("tapehead.calls", {}).values()) == 3)
        assert opened.stop() == 0

    bounds, counts, count, total = found["tapehead.call.duration"][()]
    assert (tuple(bounds), len(counts), sum(counts), count) == (DURATION_BOUNDS, len(bounds) + 1, 3, 3)
    assert total > 0
    assert found["tapehead.calls"]["201", "sessionStart"] == 1
    assert found["tapehead.replay.hits"][()] + found["tapehead.replay.misses"][()] == 3
    assert found["tapehead.audit.running"][()] == 1
    path, headers = receiving.heads[0]
    assert (path, headers["content-type"], headers["x-team"]) == ("/v1/metrics", "application/x-protobuf", "video")
    attributes = receiving.attributes()
    assert attributes["service.name"] == "tapehead"
    assert attributes["service.version"] == __version__
    assert attributes["deployment.environment"] == "test"
    assert "offline: 0 connections and look-ups attempted" in opened.lines
    assert warnings_of(opened) == []


def test_kinds_units_and_times_are_told(receiving: Collector) -> None:
    with running("serve", "-q", "--otlp", receiving.url) as opened:
        play_session(opened)
        receiving.wait_for(lambda points: "tapehead.calls" in points)
        assert opened.stop() == 0

    (scope,) = receiving.requests[-1].resource_metrics[0].scope_metrics
    metrics = {metric.name: metric for metric in scope.metrics}
    cumulative = 2
    assert metrics["tapehead.calls"].sum.is_monotonic
    assert metrics["tapehead.calls"].sum.aggregation_temporality == cumulative
    assert metrics["tapehead.call.duration"].histogram.aggregation_temporality == cumulative
    assert metrics["tapehead.audit.backlog_calls"].WhichOneof("data") == "gauge"
    assert (metrics["tapehead.uptime"].unit, metrics["tapehead.call.duration"].unit) == ("s", "s")
    (point,) = metrics["tapehead.sessions"].sum.data_points
    assert 0 < point.start_time_unix_nano < point.time_unix_nano <= time.time_ns()
    assert all(metric.description for metric in metrics.values())


def test_the_last_metrics_come_at_the_end(
    receiving: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
    with (
        upstream() as server,
        running("record", "--to", server.url, "-q", "--otlp", f"{receiving.url}/", cwd=tmp_path) as opened,
    ):
        play_session(opened)
        assert opened.stop() == 0

    (message,) = receiving.requests
    found = points_of(message)
    assert sum(found["tapehead.calls"].values()) == 3
    assert found["tapehead.recording.exchanges"][()] == 3
    assert sum(found["tapehead.findings"].values()) > 0  # which the end of the audit has confirmed


@pytest.mark.parametrize("command", ["serve", "record"])
def test_a_collector_that_is_down_is_one_warning(command: str, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with running(*COMMANDS[command], "-q", "--otlp", url, cwd=tmp_path) as opened:
        play_session(opened) if command == "serve" else None
        line = opened.wait_for(lambda line: WARNING in line)
        opened.stop()  # with another export

    assert line == f"tapehead: {WARNING} '{url}/v1/metrics': Connection refused; trying again every 0.2 s"
    assert warnings_of(opened) == [line]
    assert not [each for each in opened.lines if "Traceback" in each or "Retry" in each or "urllib3" in each]


def test_each_outage_of_a_collector_is_one_warning_and_its_end_another(receiving: Collector) -> None:
    receiving.status = 403
    with running("serve", "-q", "--otlp", receiving.url) as opened:
        receiving.wait_for(lambda _points: len(receiving.requests) > 2)
        receiving.status = 200
        opened.wait_for(lambda line: AGAIN in line)
        play_session(opened)
        receiving.wait_for(lambda points: sum(points.get("tapehead.calls", {}).values()) == 3)
        receiving.status = 401
        opened.wait_for(lambda line: "401" in line)
        assert opened.stop() == 0

    lines = [line for line in opened.lines if WARNING in line or AGAIN in line]
    url, again = f"'{receiving.url}/v1/metrics'", "trying again every 0.2 s"
    assert lines == [
        f"tapehead: {WARNING} {url}: it answered 403 Forbidden; {again}",
        f"tapehead: {AGAIN} {url} again",
        f"tapehead: {WARNING} {url}: it answered 401 Unauthorized; {again}",
    ]


# An export that waits an hour for its answer, and is waited for at the end for a moment.
PATIENT = """
from tapehead.journal import otlp_export
otlp_export.EXPORT_SECONDS, otlp_export.CLOSE_SECONDS = 3600.0, 0.2
"""


def test_a_collector_that_does_not_answer_holds_up_nothing(receiving: Collector) -> None:
    receiving.status = None
    with running("serve", "-q", "--otlp", receiving.url, broken=PATIENT) as opened:
        receiving.wait_for(bool)
        play_session(opened)  # while it waits
        assert opened.stop() == 0  # although no answer comes before the end of the test

    assert "offline: 0 connections and look-ups attempted" in opened.lines


def test_it_goes_together_with_the_page(receiving: Collector) -> None:
    with running("serve", "-q", "--otlp", receiving.url, *LIVE) as opened:
        play_session(opened)
        receiving.wait_for(lambda points: sum(points["tapehead.sessions"].values()) == 1)
        assert opened.stop() == 0


def test_the_calls_of_all_workers_are_in_one_export(receiving: Collector, tmp_path: Path) -> None:
    with (
        upstream() as server,
        running(
            *("record", "--to", server.url, "--out", "a.jsonl", "-q", "--workers", 2, "--otlp", receiving.url),
            cwd=tmp_path,
        ) as opened,
    ):
        for _ in range(4):
            play_session(opened)
        receiving.wait_for(lambda points: sum(points.get("tapehead.calls", {}).values()) == 12)
        assert opened.stop() == 0

    assert points_of(receiving.requests[-1])["tapehead.recording.exchanges"][()] == 12


def test_hits_and_misses_of_all_workers_are_exported(receiving: Collector) -> None:
    with running("serve", RECORDING, "-q", "--workers", 2, "--otlp", receiving.url) as opened:
        for _ in range(4):
            play_session(opened)
        assert opened.stop() == 0

    points = points_of(receiving.requests[-1])
    hits, misses = (points[f"tapehead.replay.{name}"][()] for name in ("hits", "misses"))
    assert hits > 0
    assert hits + misses == sum(points["tapehead.calls"].values()) == 12


LOGIN_REFUSED = "--otlp contains a login; leave it out, and set a header in OTEL_EXPORTER_OTLP_HEADERS"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("127.0.0.1:4318", "invalid --otlp '127.0.0.1:4318': expected the URL of a collector"),
        ("ftp://a", "invalid --otlp 'ftp://a': expected the URL of a collector"),
        ("http://", "invalid --otlp 'http://': expected the URL of a collector"),
        ("http://a:x", "invalid --otlp 'http://a:x': expected the URL of a collector"),
        ("http://a/?token=secret", "invalid --otlp 'http://a/': it has a query; expected the URL of a collector"),
        ("http://a/?", "invalid --otlp 'http://a/': it has a query; expected the URL of a collector"),
        ("http://a/#x", "invalid --otlp 'http://a/': it has a fragment; expected the URL of a collector"),
        ("http://127.0.0.1:4318/a b", "invalid --otlp 'http://127.0.0.1:4318/a b': it has a space; expected the URL"),
        ("http://127.0.0.1:4318/a\tb", "invalid --otlp '"),
        ("", "invalid --otlp '': expected the URL of a collector"),
        *(
            (url, LOGIN_REFUSED)
            for url in ("http://me:secret@a", "http://me:secret@a/?x=1", "me:secret@a", "http://:@a")
        ),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_another_url_is_refused(
    command: str,
    url: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*map(str, COMMANDS[command]), "--otlp", url]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"tapehead: {told}")
    assert "secret" not in err
    assert list(tmp_path.iterdir()) == []


def test_without_its_libraries_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert run(["serve", "--otlp", "http://127.0.0.1:4318"]) == 2
    told = "--otlp: opentelemetry.sdk is not installed; run pip install 'tapehead[telemetry]'"
    assert capfd.readouterr() == ("", f"tapehead: {told}\n")


def test_a_settings_file_cannot_send_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tapehead.toml").write_text('[serve]\notlp = "http://127.0.0.1:9"\n')
    assert run(["serve"]) == 2
    assert "decides where metrics are sent" in capfd.readouterr().err
