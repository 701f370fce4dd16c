"""`audit --jobs`: the report of one process, whatever the recordings are, and the ends of its processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.generated_recording import write
from support.mixed_recordings import write_mix, write_one
from support.processes import TIMEOUT_SECONDS, run_tapehead
from tapehead.auditor import divided_audit
from tapehead.cli import audit_workers
from tapehead.cli.app import run

AGAIN = "tapehead: the sessions cannot be divided among 2 processes; reading everything again in one"
FORMATS = ["csv", "csv-findings", "html", "json", "junit", "sarif", "text"]


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have workers start for any recording, and reports have no other date."""
    monkeypatch.setattr(audit_workers, "LEAST_BYTES", 0)
    monkeypatch.setattr(audit_workers, "BATCH_EXCHANGES", 20)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")


def audited(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["audit", *map(str, arguments)])
    return code, *capsys.readouterr()


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("jobs", [2, 3])
def test_the_report_is_that_of_one_process(
    jobs: int, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mix(tmp_path, seed)
    expected = audited(capsys, tmp_path, "--format", "json")
    assert "skipped" in expected[2]
    assert audited(capsys, tmp_path, "--format", "json", "--jobs", jobs) == expected


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("seed", range(6))
def test_the_report_on_one_recorder_is_that_of_one_process(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_one(tmp_path / "one.jsonl", seed)
    expected = audited(capsys, tmp_path / "one.jsonl", "--format", "json")
    assert '"findings"' in expected[1]
    assert audited(capsys, tmp_path / "one.jsonl", "--format", "json", "--jobs", 2) == expected


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("wrong", [b'"headers":[[1,', b'"method":1,"headers":[['])
def test_a_line_whose_headers_are_wrong_is_skipped(
    wrong: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its outline can be read, so that it comes to a worker."""
    path = tmp_path / "one.jsonl"
    write_one(path, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[40] = lines[40].replace(b'"headers":[[', wrong, 1)
    path.write_bytes(b"".join(lines))
    expected = audited(capsys, path, "--format", "json")
    assert "one.jsonl:41: skipped" in expected[2]
    *again, told = audited(capsys, path, "--format", "json", "--jobs", 2)
    assert again == [*expected[:2]]
    assert sorted(told.splitlines()) == sorted([AGAIN, *expected[2].splitlines()])


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("form", FORMATS)
def test_each_format_is_that_of_one_process(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mix(tmp_path, 5)
    options = ["--format", form, "-v", "--coverage", "--scenario", "ads", "--scenario", "pausing"]
    assert audited(capsys, tmp_path, *options, "--jobs", 2) == audited(capsys, tmp_path, *options)


@pytest.mark.usefixtures("_at_once")
def test_several_reports_and_a_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    write_mix(tmp_path / "in", 6)
    reports = {}
    for jobs in (1, 2):
        out, known = tmp_path / f"out-{jobs}", tmp_path / "known.json"
        options = ["--format", "json", "--format", "junit", "-o", out / "report.json", "-o", out / "report.xml"]
        first = audited(capsys, tmp_path / "in", *options, "--baseline", known, "--write-baseline", "--jobs", jobs)
        again = audited(capsys, tmp_path / "in", "--baseline", known, "--jobs", jobs)
        files = [path.read_bytes() for path in (out / "report.json", out / "report.xml", known)]
        known.unlink()
        reports[jobs] = first[0], again, files
    assert reports[1] == reports[2]


@pytest.mark.usefixtures("_at_once")
def test_settings_and_schemas_reach_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mix(tmp_path, 7)
    (tmp_path / "tapehead.toml").write_text('[metadata]\nplay = ["programmer"]\n[rules]\nstray-pings = "error"\n')
    options = [tmp_path, "--config", tmp_path / "tapehead.toml", "--assume", "rejected=counted", "--format", "json"]
    expected = audited(capsys, *options)
    assert "programmer" in expected[1]
    assert audited(capsys, *options, "--jobs", 2) == expected


@pytest.mark.usefixtures("_at_once")
def test_recordings_that_cannot_be_divided_are_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines that cannot be read are told once, though they are read twice."""
    monkeypatch.setattr(divided_audit, "MOST_OVERLAPS", 1)
    monkeypatch.setattr(audit_workers, "LEAST_BYTES", 10**9)  # workers have their own bounds
    write_mix(tmp_path, 3)
    code, out, err = audited(capsys, tmp_path, "--format", "json")
    *again, told = audited(capsys, tmp_path, "--format", "json", "--jobs", 2)
    assert again == [code, out]
    assert [line for line in told.splitlines() if line != AGAIN] == err.splitlines()
    assert told.count(AGAIN) == 1


def test_a_small_recording_starts_no_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mix(tmp_path, 1)
    expected = audited(capsys, tmp_path, "--format", "csv")
    monkeypatch.setattr(subprocess, "Popen", None)
    assert audited(capsys, tmp_path, "--format", "csv", "--jobs", 4) == expected


@pytest.mark.parametrize("value", ["-1", "two"])
def test_a_number_of_processes_is_one(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = audited(capsys, "missing.jsonl", "--jobs", value)
    assert (code, out) == (2, "")
    assert "--jobs" in err
    assert len(err.splitlines()) == 1


def test_standard_input_is_read_by_one_process(tmp_path: Path) -> None:
    write_mix(tmp_path, 2)
    read = (tmp_path / "0.jsonl").read_bytes()
    one, several = (run_tapehead("audit", "-", *options, data=read) for options in ([], ["--jobs", "2"]))
    assert (one.returncode, one.stdout, one.stderr) == (several.returncode, several.stdout, several.stderr)


# ---- Ends ----


def workers_of(pid: int) -> list[int]:
    """The workers of a process, once they are what they are to be."""
    children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return [each for each in children if b"audit_worker" in Path(f"/proc/{each}/cmdline").read_bytes()]


def is_there(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while any(map(is_there, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def resume(workers: list[int]) -> None:
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)


@pytest.fixture
def halted(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", list[int]]]:
    """A command whose two workers are stopped, so that it cannot come to its end."""
    recording = write(tmp_path / "recording.jsonl", 30_000)
    words = [sys.executable, "-m", "tapehead", "audit", recording, "--jobs", "2", "-o", tmp_path / "report.txt"]
    with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while len(workers := workers_of(process.pid)) < 2:
                assert process.poll() is None
                time.sleep(0.005)
            for worker in workers:
                os.kill(worker, signal.SIGSTOP)
            yield process, workers
        finally:
            process.kill()
            for worker in filter(is_there, workers):
                os.kill(worker, signal.SIGKILL)


def test_a_worker_that_is_killed_leaves_no_report(
    halted: tuple["subprocess.Popen[str]", list[int]], tmp_path: Path
) -> None:
    process, workers = halted
    os.kill(workers[1], signal.SIGKILL)
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert (process.returncode, out) == (2, "")
    assert err == (
        "tapehead: a process of the audit died: killed by SIGKILL, so there is no report; audit again, with --jobs 1 if"
        " there was too little memory\n"
    )
    assert not (tmp_path / "report.txt").exists()
    wait_until_gone(workers)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_signal_ends_all_processes(
    number: signal.Signals, code: int, halted: tuple["subprocess.Popen[str]", list[int]], tmp_path: Path
) -> None:
    process, workers = halted
    process.send_signal(number)
    assert process.wait(TIMEOUT_SECONDS) == code
    resume(workers)  # those that are left find their input at its end
    assert process.communicate(timeout=TIMEOUT_SECONDS) == ("", "")
    assert not (tmp_path / "report.txt").exists()
    wait_until_gone(workers)


def test_workers_end_with_a_command_that_is_killed(halted: tuple["subprocess.Popen[str]", list[int]]) -> None:
    process, workers = halted
    process.kill()
    resume(workers)
    wait_until_gone(workers)
    assert process.communicate(timeout=TIMEOUT_SECONDS) == ("", "")
