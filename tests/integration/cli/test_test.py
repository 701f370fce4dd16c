"""tapehead test: an endpoint for one command, its calls audited, and the worse exit code of both."""

import contextlib
import json
import os
import re
import select
import signal
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import httpx
import pytest

from support.captured_traffic import read
from support.exchanges import START, Step, session
from support.junit_schema import violations_in
from support.processes import run_tapehead, start_program
from support.resend import write
from support.terminals import Terminal

# A player in a few lines: a session with the events that its arguments name.
PLAYER = f"""
import json, os, sys, time, urllib.request
def send(path, event_type, **more):
    body = {{"eventType": event_type, "playerTime": {{"playhead": 0, "ts": round(time.time() * 1000)}}, **more}}
    url = os.environ["TAPEHEAD_URL"] + path
    request = urllib.request.Request(url, json.dumps(body).encode(), {{"Content-Type": "application/json"}})
    with urllib.request.urlopen(request) as answer:
        return answer.headers["Location"]
location = send("/api/v1/sessions", "sessionStart", params={START!r})
for event_type in sys.argv[1:]:
    send(location + "/events", event_type)
"""
GOOD, BAD = ("play", "sessionEnd"), ("play", "adComplete", "sessionEnd")
STEPS: list[Step] = [(1, 0, "play", {}), (2, 0, "sessionEnd", {})]


def junit_cases(results: Path) -> list[ET.Element]:
    """The test cases of a valid JUnit file."""
    root = ET.parse(results / "junit.xml").getroot()
    assert violations_in(root) == []
    return list(root.iter("testcase"))


def failure_of(case: ET.Element) -> str:
    failure = case.find("failure")
    return "" if failure is None else failure.attrib["message"]


def verdict_of(results: Path) -> dict[str, object]:
    """The audit's verdict in the summary, without the findings."""
    audit = json.loads((results / "summary.json").read_bytes())["audit"]
    return {name: audit[name] for name in ("verdict", "sessions", "fails")}


def player(*events: str) -> list[str]:
    return [sys.executable, "-c", PLAYER, *events]


def test_a_command_has_an_endpoint_and_its_calls_are_audited(tmp_path: Path) -> None:
    done = run_tapehead("test", "--out", "results", "--", *player(*GOOD), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    results = tmp_path / "results"
    assert [each.request.json()["eventType"] for each in read(results / "run.jsonl")] == ["sessionStart", *GOOD]
    run, session_case = junit_cases(results)
    assert (run.attrib["name"], session_case.attrib["name"]) == (
        f"tapehead test {Path(sys.executable).name}",
        "First clip #1",
    )
    assert run.find("failure") is session_case.find("failure") is None
    assert verdict_of(results) == {"verdict": "clean", "sessions": 1, "fails": False}
    assert (results / "report.html").read_text().startswith("<!doctype html>")
    assert "1 session, 3 events: 0 errors" in done.stdout
    assert f"'{sys.executable}' ended with exit code 0; results are in 'results'" in done.stdout


def test_the_settings_file_says_what_the_endpoint_does_and_nothing_of_its_run(tmp_path: Path) -> None:
    runs = 'workers = 4\ncompress = true\nappend = true\nout = "mine.jsonl"\nstrict = true\nfail-on = "error"'
    (tmp_path / "tapehead.toml").write_text(f'[serve]\nlatency = "1"\n{runs}')
    done = run_tapehead("test", "--out", "results", "--", *player(*GOOD), cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "tapehead: using options from 'tapehead.toml': --latency 1\n")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["results", "tapehead.toml"]
    assert len(list(read(tmp_path / "results" / "run.jsonl"))) == 1 + len(GOOD)


@pytest.mark.parametrize(
    ("events", "options", "code"),
    [(BAD, [], 1), (BAD, ["--fail-on", "never"], 0), (GOOD, ["--fail-on", "warning"], 0)],
)
def test_findings_fail_the_test(events: tuple[str, ...], options: list[str], code: int, tmp_path: Path) -> None:
    done = run_tapehead("test", *options, "--out", "results", *player(*events), cwd=tmp_path)

    assert done.returncode == code
    assert ("ad-not-open" in done.stdout) == (events is BAD)
    failures = list(ET.parse(tmp_path / "results" / "junit.xml").iter("failure"))
    assert bool(failures) == (code == 1)


def test_the_commands_own_code_comes_first(tmp_path: Path) -> None:
    script = f"{PLAYER}\nsys.exit(7)"
    done = run_tapehead("test", "--out", "results", "--", sys.executable, "-c", script, *BAD, cwd=tmp_path)

    assert done.returncode == 7
    run, session_case = junit_cases(tmp_path / "results")
    assert failure_of(run) == f"'{sys.executable}' ended with exit code 7"
    assert failure_of(session_case).startswith("adComplete: no ad is open")
    assert verdict_of(tmp_path / "results") == {"verdict": "error", "sessions": 1, "fails": True}


@pytest.mark.parametrize(("events", "code"), [(("play", "sessionEnd"), 0), (("play",), 1)])
def test_a_recording_answers_and_counts_what_is_unused(events: tuple[str, ...], code: int, tmp_path: Path) -> None:
    recording = write(tmp_path / "r.jsonl", session("s1", STEPS))
    options = ["--replay", recording, "--strict", "--out", "results", "--fail-on", "never"]
    done = run_tapehead("test", *options, "--", *player(*events), cwd=tmp_path)

    assert done.returncode == code
    run, *_ = junit_cases(tmp_path / "results")
    assert failure_of(run).startswith("the endpoint ended with exit code 1, as after a miss" if code else "")
    answered = [each.answered.outcome for each in read(tmp_path / "results" / "run.jsonl") if each.answered]
    assert answered == ["hit"] * (1 + len(events))
    assert (tmp_path / "results" / "summary.json").exists()


def test_without_a_folder_a_new_one_is_named(tmp_path: Path) -> None:
    done = run_tapehead("test", "--", *player(*GOOD), cwd=tmp_path)

    (folder,) = (tmp_path / "tapehead-test").iterdir()
    assert f"results are in 'tapehead-test/{folder.name}'" in done.stdout
    assert (folder / "run.jsonl").exists()


def test_results_of_an_earlier_test_do_not_stay(tmp_path: Path) -> None:
    run_tapehead("test", "--out", "results", "--", *player(*GOOD), cwd=tmp_path)
    done = run_tapehead("test", "--out", "results", "--", "true", cwd=tmp_path)

    assert done.returncode == 1
    names = {path.name for path in (tmp_path / "results").iterdir()}
    assert names == {"summary.json", "junit.xml", "report.html"}


@pytest.mark.parametrize("fail_on", ["error", "warning", "never"])
def test_that_no_call_came_is_told_in_each_result(fail_on: str, tmp_path: Path) -> None:
    done = run_tapehead("test", "--out", "results", "--fail-on", fail_on, "--", "true", cwd=tmp_path)
    fails = fail_on != "never"

    assert done.returncode == fails
    assert done.stderr.splitlines() == [
        "tapehead: no Media Collection call came, nor anything else; have the player under test call the URL in "
        "TAPEHEAD_URL"
    ]
    *_, last = done.stdout.splitlines()
    assert last == "'true' ended with exit code 0; results are in 'results': junit.xml, report.html, summary.json"
    (run,) = junit_cases(tmp_path / "results")
    silence = re.compile(r"no call came to http://127\.0\.0\.1:\d+, which TAPEHEAD_URL named")
    assert bool(silence.fullmatch(failure_of(run))) == fails
    assert silence.search(run.findtext("system-out", ""))
    assert verdict_of(tmp_path / "results") == {"verdict": "no session", "sessions": 0, "fails": fails}
    assert "0 sessions" in (tmp_path / "results" / "report.html").read_text()


def test_calls_without_a_session_fail_a_case(tmp_path: Path) -> None:
    script = 'import os, urllib.request; urllib.request.urlopen(os.environ["TAPEHEAD_URL"] + "/api/v1/schemas/ping")'
    done = run_tapehead("test", "--out", "results", "--", sys.executable, "-c", script, cwd=tmp_path)

    assert done.returncode == 1
    (run,) = junit_cases(tmp_path / "results")
    assert failure_of(run) == "no session to audit"
    assert verdict_of(tmp_path / "results")["fails"]


def test_an_endpoint_that_is_killed_fails_a_case(tmp_path: Path) -> None:
    kill = "import os, signal\nfor pid in map(int, sys.argv.pop().split()): os.kill(pid, signal.SIGKILL)"
    find = "found = open(f'/proc/{os.getppid()}/task/{os.getppid()}/children').read().split()"
    script = f"{PLAYER}\n{find}\nsys.argv.append(' '.join(set(found) - {{str(os.getpid())}}))\n{kill}"
    done = run_tapehead("test", "--out", "results", "--", sys.executable, "-c", script, *GOOD, cwd=tmp_path)

    assert done.returncode == 1
    run, _ = junit_cases(tmp_path / "results")
    assert failure_of(run).startswith("the endpoint ended with exit code -9")
    assert verdict_of(tmp_path / "results")["verdict"] == "clean"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--", "no-such-command"], "there is no command 'no-such-command'"),
        (["--", "./text"], "'./text' is not executable; make it so with chmod +x"),
        (["--", "./program"], "cannot run './program': Exec format error"),
        (["--out", "text", "--", "true"], "cannot write into 'text': 'text' is not a directory"),
        (["--out", "/proc/self", "--", "true"], "cannot write into '/proc/self'"),
        (["--fault", "x", "--", "true"], "x"),
        (["--out", "a/b/c", "--", "true"], "cannot write into 'a/b/c'"),
        (["--replay", "missing.jsonl", "--", "true"], "missing.jsonl"),
        (["--replay", "-", "--", "true"], "--replay takes no standard input"),
        (["--replay", "old/run.jsonl", "--out", "old", "--", "true"], "is an input and would be overwritten"),
        (["--on-miss", "forward", "--", "true"], "test cannot forward"),
        (["--allow", "example.com", "--", "true"], "--allow needs --proxy"),
        ([], "COMMAND"),
    ],
)
def test_what_cannot_be_run_says_why_and_exits_with_2(arguments: list[str], wanted: str, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "text").write_text("text")
    (tmp_path / "program").write_bytes(b"\0")
    (tmp_path / "program").chmod(0o700)
    write(tmp_path / "old" / "run.jsonl", session("s1", STEPS))
    done = run_tapehead("test", *arguments, cwd=tmp_path)

    assert done.returncode == 2
    assert wanted in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "old" / "run.jsonl").exists()


def test_a_command_that_leaves_a_child_behind_is_over(tmp_path: Path) -> None:
    """What the child sends later finds no endpoint any more, and no result changes."""
    script = "sleep 600 > /dev/null 2>&1 & echo $! $TAPEHEAD_URL > left; exit 0"
    done = run_tapehead("test", "--out", "results", "--fail-on", "never", "--", "sh", "-c", script, cwd=tmp_path)
    left, url = (tmp_path / "left").read_text().split()
    os.kill(int(left), signal.SIGKILL)

    assert done.returncode == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/api/v1/schemas/ping")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_for_the_command_and_the_results_are_written(number: int, tmp_path: Path) -> None:
    handler = "for number in (1, 2, 15): signal.signal(number, lambda got, _: sys.exit(40 + got))"
    # In one write, lest another process writes between the word and the end of the line.
    script = f"import signal\n{PLAYER}\n{handler}\nos.write(1, b'ready\\n')\nsignal.pause()"
    command = ["-m", "tapehead", "test", "--out", tmp_path / "results", "--", sys.executable, "-c", script, *GOOD]
    with start_program(sys.executable, *command, cold=True) as opened:
        opened.wait_for(lambda line: line == "ready")
        assert opened.stop(number) == 40 + number

    assert (tmp_path / "results" / "junit.xml").exists()


# Sends a signal in the moment in which the command was started.
STRIKE = """
import os, subprocess, sys
from tapehead.cli import tested_command
from tapehead.__main__ import main
start, number = subprocess.Popen, int(sys.argv.pop(1))

def start_and_strike(*words, **options):
    process = start(*words, **options)
    os.kill(os.getpid(), number)
    return process

class Struck:
    Popen = staticmethod(start_and_strike)

tested_command.subprocess = Struck
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_at_the_start_of_the_command_leaves_none_behind(number: signal.Signals, tmp_path: Path) -> None:
    words = [int(number), "test", "--out", tmp_path / "results", "--", "sleep", "600"]
    with start_program(sys.executable, "-c", STRIKE, *words, cold=True) as opened:
        assert opened.process.wait(100) == 128 + number

    run, *_ = junit_cases(tmp_path / "results")
    assert failure_of(run).startswith(f"'sleep' was ended by the signal {number.name}")


def test_a_command_ignores_the_signals_that_were_ignored(tmp_path: Path) -> None:
    script = "import signal, sys; sys.exit(signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN)"
    words = ["-m", "tapehead", "test", "--fail-on", "never", "--", sys.executable, "-c", script]
    with start_program("nohup", sys.executable, *words, cwd=tmp_path) as opened:
        assert opened.process.wait(100) == 0


def test_a_command_that_is_killed_has_the_code_of_a_shell(tmp_path: Path) -> None:
    words = ["test", "--out", "results", "--fail-on", "never", "--", "sh", "-c", "kill -9 $$"]
    done = run_tapehead(*words, cwd=tmp_path)

    assert done.returncode == 137
    assert "'sh' was ended by the signal SIGKILL; results are in 'results'" in done.stdout
    (run,) = junit_cases(tmp_path / "results")
    assert failure_of(run) == "'sh' was ended by the signal SIGKILL"


def test_a_command_that_takes_no_interrupt_is_killed_by_the_third(tmp_path: Path) -> None:
    """As Ctrl-C three times; the terminal itself sends it to the command, which goes on."""
    script = "import signal, time; signal.signal(2, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
    words = ["test", "--out", "results", "--", sys.executable, "-c", script]
    opened = Terminal(*words, cwd=tmp_path)
    opened.read(until=b"ready")
    opened.process.send_signal(signal.SIGINT)
    opened.read(until=b"Ctrl-C twice more kills it")
    opened.process.send_signal(signal.SIGINT)
    opened.read(until=b"Ctrl-C once more kills it")
    opened.process.send_signal(signal.SIGINT)
    said = opened.close()

    assert opened.process.returncode == 137
    assert "was ended by the signal SIGKILL; results are in 'results'" in said
    assert (tmp_path / "results" / "junit.xml").exists()


def children_of(parent: int) -> dict[int, str]:
    """The command lines of the processes that a process started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found[int(folder.name)] = (folder / "cmdline").read_text()
    return found


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="a process that is no child is waited for by its descriptor")
def test_the_endpoint_ends_with_the_test_even_if_that_is_killed(tmp_path: Path) -> None:
    script = "import time; print('ready', flush=True); time.sleep(60)"
    words = ["-m", "tapehead", "test", "--", sys.executable, "-c", script]
    with start_program(sys.executable, *words, cold=True, cwd=tmp_path) as opened:
        opened.wait_for(lambda line: line == "ready")
        children = children_of(opened.process.pid)
        (endpoint,) = (pid for pid, line in children.items() if "tapehead.cli.endpoint_process" in line)
        ended = os.pidfd_open(endpoint)
        opened.process.kill()
        for pid in children.keys() - {endpoint}:
            os.kill(pid, signal.SIGKILL)
        assert select.select([ended], [], [], 30)[0]
        os.close(ended)


def test_a_proxy_is_named_and_trusted_by_variables(tmp_path: Path) -> None:
    """Curl calls Adobe's own host over TLS, as an SDK would, and the plain URL as well."""
    body = '{"eventType":"play","playerTime":{"playhead":0,"ts":1}}'
    post = f"curl -sS -o /dev/null -w '%{{http_code}}\\n' -d '{body}'"
    script = (
        f"{post} https://company.hb-api.omtrdc.net/api/v1/sessions\n"
        f"{post} $TAPEHEAD_URL/api/v1/sessions\n"
        "curl -s -o /dev/null -w '%{http_connect}\\n' https://elsewhere.example || true"
    )
    done = run_tapehead(
        "test", "--proxy", "--fail-on", "never", "--out", "results", "--", "sh", "-c", script, cwd=tmp_path
    )

    assert done.stdout.splitlines()[:3] == ["400", "400", "501"], done.stderr
    urls = [each.request.url.partition("/api")[0] for each in read(tmp_path / "results" / "run.jsonl")]
    assert urls[0] == "https://company.hb-api.omtrdc.net"
    assert urls[1].startswith("http://127.0.0.1:")


def test_the_commands_output_and_input_are_its_own(tmp_path: Path) -> None:
    done = run_tapehead("test", "--fail-on", "never", "--", "cat", cwd=tmp_path, data=b"text\n")

    assert done.stdout.startswith("text\n")
    assert done.returncode == 0
