"""Recordings at URLs: read by each command as the same files at paths are, on a real S3 server."""

import gzip
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import orjson
import pyarrow.parquet as pq
import pytest
import zstandard

from support.exchanges import session, start
from support.har_files import entry, har, har_of
from support.object_stores import Bucket
from support.paths import RECORDINGS_FOLDER, ROOT
from support.plugin_runs import install_plugin, run_tests
from support.processes import MITMDUMP, run_tapehead, running, start_program
from support.terminals import Terminal
from tapehead import read_recordings
from tapehead.cli.offline_run import EngineRun, EngineSettings
from tapehead.errors import UsageError
from tapehead.replay.on_miss import OnMiss

pytest_plugins = ["pytester"]

ONE, TWO = ((RECORDINGS_FOLDER / f"timeline-{number}.jsonl").read_bytes() for number in (1, 2))
CALLS = session("s1", [(1, 0, "play", {}), (12, 11, "sessionComplete", {})])
FILES = {
    "one.jsonl": ONE,
    "packed/two.jsonl.gz": gzip.compress(TWO[:9000]) + gzip.compress(TWO[9000:]),
    "packed/2026/three.jsonl.zst": zstandard.compress((RECORDINGS_FOLDER / "timeline-3.jsonl").read_bytes()),
    "saved.har.gz": gzip.compress(har_of(CALLS)),
    "notes.txt": b"about the recordings",
    ".hidden": b"{}",
}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, of which none may be left at the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def stored(bucket: Bucket, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same files in a folder of a bucket, whose URL is returned, and at the path `runs`."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795000000")
    for name, content in FILES.items():
        bucket.put(f"runs/{name}", content)
        path = tmp_path / "runs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    bucket.put("elsewhere.jsonl", ONE)
    return f"{bucket.url}/runs"


@pytest.mark.parametrize(
    "command",
    [
        "audit RUNS/one.jsonl --format json",
        "audit RUNS --format json --fail-on never",
        "audit RUNS/ --format json --fail-on never --jobs 2",
        "audit RUNS/**/*.jsonl.* RUNS/one.jsonl --format json",
        "audit RUNS/[op]* --format csv --fail-on never",
        "audit RUNS/packed RUNS/packed/two.jsonl.gz --format html",
        "show RUNS/packed/two.jsonl.gz --json",
        "show RUNS/saved.har.gz --json",
        "diff RUNS/one.jsonl RUNS/packed/two.jsonl.gz --format json",
    ],
)
def test_a_url_gives_the_report_of_the_path(command: str, stored: str, temporary: Path, tmp_path: Path) -> None:
    done = [run_tapehead(*command.replace("RUNS", name).split(), cwd=tmp_path) for name in ("runs", stored)]

    at_path, at_url = ((each.returncode, each.stdout.replace(stored, "runs"), each.stderr) for each in done)
    assert at_url == at_path
    assert done[1].stdout.count(stored) == done[0].stdout.count("runs/")
    assert list(temporary.iterdir()) == []


def test_a_url_gives_the_tables_of_the_path(stored: str, tmp_path: Path) -> None:
    read = {}
    for name, place in (("at_path", "runs"), ("at_url", stored)):
        done = run_tapehead("export", "--parquet", name, place, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, f"wrote 4 sessions, 2 findings, 76 events to '{name}'\n")
        sessions = pq.read_table(tmp_path / name / "sessions.parquet").sort_by("session_key")
        read[name] = [str(row).replace(stored, "runs") for row in sessions.to_pylist()]

    assert read["at_url"] == read["at_path"]


def test_import_reads_urls_and_patterns(stored: str, tmp_path: Path) -> None:
    done = run_tapehead("import", f"{stored}/*.har.gz", "--out", "out.jsonl", cwd=tmp_path)

    assert done.returncode == 0
    assert f"imported 3 exchanges of 1 session from {stored}/saved.har.gz into out.jsonl" in done.stdout


@pytest.mark.parametrize("words", [["serve"], ["serve", "--workers", "2"], ["replay"]])
def test_a_recording_at_a_url_is_played_from_a_private_copy(words: list[str], stored: str, temporary: Path) -> None:
    with running(words[0], f"{stored}/one.jsonl", *words[1:], "--on-miss", "error") as opened:
        (folder,) = temporary.glob("tapehead-*")
        (copy,) = (path for path in folder.iterdir() if path.name != "lock")
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, copy)]
        start = next(entry.exchange for entry in read_recordings([RECORDINGS_FOLDER / "timeline-1.jsonl"]))
        answer = httpx.post(f"{opened.url}/api/v1/sessions", content=start.request.content(), timeout=60)
        assert opened.stop() == 0

    assert modes == [0o700, 0o600]
    assert answer.status_code == 201
    assert any(f"{stored}/one.jsonl" in line for line in opened.lines)
    assert list(temporary.glob("tapehead-*")) == []


def test_a_script_of_mitmproxy_plays_a_recording_at_a_url(stored: str, tmp_path: Path) -> None:
    options = ["-p", "0", "--listen-host", "127.0.0.1", "--set", f"confdir={tmp_path}"]
    options += ["--set", f"tapehead_replay={stored}/one.jsonl", "--set", f"tapehead_record={stored}/two.jsonl"]
    with start_program(MITMDUMP, "-s", ROOT / "addons" / "collection.py", *options, cwd=tmp_path) as tool:
        line = tool.wait_for(lambda line: "tapehead_record" in line)
        tool.stop()
    assert f"tapehead_record is '{stored}/two.jsonl'; expected a path, no URL" in line

    with start_program(MITMDUMP, "-s", ROOT / "addons" / "collection.py", *options[:-2], cwd=tmp_path) as tool:
        line = tool.wait_for(lambda line: "proxy listening at" in line)
        url = "http://example.hb-api.omtrdc.net/api/v1/sessions"
        start = next(entry.exchange for entry in read_recordings([RECORDINGS_FOLDER / "timeline-1.jsonl"]))
        proxy = "http://" + line.rpartition(" ")[2].rstrip(".")
        with httpx.Client(proxy=proxy, timeout=60) as client:
            answer = client.post(url, content=start.request.content())
        tool.stop()

    assert answer.status_code == 201
    assert answer.headers["Location"].startswith("/api/v1/sessions/")


def test_bodies_beside_a_har_at_a_url_are_read(bucket: Bucket, tmp_path: Path) -> None:
    saved = har(entry(body=None, request={"postData": {"mimeType": "application/json", "_file": "start.json"}}))
    for folder, name in (("a", "start.json"), ("b", "../a/start.json")):
        bucket.put(f"{folder}/x.har", saved.replace(b"start.json", name.encode()))
    bucket.put("a/start.json", orjson.dumps(start()))

    beside, above = (
        run_tapehead("show", f"{bucket.url}/{name}/x.har", "--bodies", cwd=tmp_path).stdout for name in "ab"
    )

    assert "media.id" in beside
    assert "(not saved)" not in beside
    assert "(not saved)" in above


def test_a_page_shows_a_recording_at_a_url(stored: str, tmp_path: Path) -> None:
    with start_program(sys.executable, "-m", "tapehead", "view", f"{stored}/one.jsonl", "--port", "0") as run:
        line = run.wait_for(lambda line: "http://" in line)
        assert run.stop() == 0
    assert "127.0.0.1" in line


def test_a_test_is_answered_from_a_url(stored: str, tmp_path: Path) -> None:
    code = (
        "import os, urllib.request as r; r.urlopen(r.Request(os.environ['TAPEHEAD_URL'] + '/api/v1/sessions', b'{}'))"
    )
    words = ["--replay", f"{stored}/one.jsonl", "--on-miss", "error", "--out", "results", "--fail-on", "never"]
    done = run_tapehead("test", *words, "--", sys.executable, "-c", code, cwd=tmp_path)

    assert "HTTP Error 502" in done.stderr  # the call is not in the recording
    assert f"{stored}/one.jsonl" in (tmp_path / "results" / "summary.json").read_text()


def test_the_library_reads_urls(stored: str) -> None:
    by_path = [entry.exchange for entry in read_recordings([RECORDINGS_FOLDER / "timeline-1.jsonl"])]

    assert [entry.exchange for entry in read_recordings([f"{stored}/one.jsonl"])] == by_path
    assert [entry.exchange for entry in read_recordings([Path(f"{stored}/one.jsonl")])] == by_path


def test_stored_schemas_beside_a_url_are_used(stored: str, bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("runs/schemas.jsonl", ONE)
    done = run_tapehead("audit", f"{stored}/one.jsonl", cwd=tmp_path)

    assert f"stored schemas are not used: '{stored}/schemas.jsonl' is a recording with other calls" in done.stderr


@pytest.mark.slow
def test_a_test_of_the_plugin_is_answered_from_a_url(
    stored: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin(pytester, monkeypatch)
    suite = f"""
        import pytest, urllib.request, urllib.error

        @pytest.mark.tapehead(replay="{stored}/one.jsonl", on_miss="error")
        def test_player(media_collection):
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(urllib.request.Request(media_collection.url + "/api/v1/sessions", b"{{}}"))
    """
    done = run_tests(pytester, suite)

    done.stdout.fnmatch_lines(["1 call not in the recording", f"*nearest {stored}/one.jsonl:1 *"])


# ---- Errors ----


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["audit", "BUCKET/none.jsonl"], "there is no file 'BUCKET/none.jsonl'"),
        (["audit", "BUCKET/none*.jsonl"], "no file matches 'BUCKET/none*.jsonl'"),
        (["show", "BUCKET/none.jsonl"], "there is no file 'BUCKET/none.jsonl'"),
        (["serve", "BUCKET/none.jsonl"], "there is no file 'BUCKET/none.jsonl'"),
        (["import", "BUCKET/none.har"], "there is no file 'BUCKET/none.har'"),
        (["diff", "s3://no-such-bucket/a", "BUCKET/a"], "cannot read 's3://no-such-bucket/a': there is no bucket"),
        (["audit", "s3://no-such-bucket/*.gz"], "cannot read 's3://no-such-bucket/*.gz': there is no bucket"),
        (["replay", "s3://no-such-bucket"], "cannot read 's3://no-such-bucket': there is no bucket 'no-such-bucket'"),
        (
            ["audit", "BUCKET/text"],
            "there is no recording (*.jsonl, *.jsonl.zst, *.jsonl.gz), HAR or flow file in 'BUCKET",
        ),
        (
            ["audit", "https://host/a.jsonl?sig=x"],
            "cannot read 'https://host/a.jsonl': expected a path, s3://, gs://,",
        ),
        (["audit", "s3://key:secret@bucket/a"], "cannot read 's3://bucket/a': it contains a login"),
        (["audit", "BUCKET", "--config", "s3://b/c"], "cannot use 's3://b/c' as --config: it takes a path, and no URL"),
        (["serve", "--out", "BUCKET/a.jsonl"], "cannot use 'BUCKET/a.jsonl' as --out: it takes a path, and no URL;"),
        (["serve", "--out", "a.jsonl.gz"], "cannot record into 'a.jsonl.gz': gzip loses what a crash cuts off;"),
        (["record", "--to", "http://127.0.0.1:9", "--out", "a.gz"], "cannot record into 'a.gz'"),
        (["import", "x.har", "--out", "a.jsonl.gz"], "cannot record into 'a.jsonl.gz'"),
        (["test", "--out", "BUCKET", "--", "true"], "cannot use 'BUCKET' as --out: it takes a path, and no URL;"),
        (
            ["replay", "BUCKET/a.jsonl", "--on-miss", "once", "--to", "http://127.0.0.1:9"],
            "--on-miss once records into the recording, and 'BUCKET/a.jsonl' is a URL",
        ),
        (
            ["replay", "BUCKET/a.jsonl", "--on-miss", "forward", "--to", "http://127.0.0.1:9"],
            "forwarded calls cannot be recorded into 'BUCKET/a.jsonl'; pass --out FILE",
        ),
    ],
)
def test_what_cannot_be_done_with_a_url_is_told_in_one_sentence(
    words: list[str], line: str, bucket: Bucket, tmp_path: Path
) -> None:
    bucket.put("text/a.txt", b"some text")
    done = run_tapehead(*(word.replace("BUCKET", bucket.url) for word in words), cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr.startswith(f"tapehead: {line.replace('BUCKET', bucket.url)}")
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "the store at 'http://127.0.0.1:9' cannot be reached"),
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            "there are no credentials to be used; set AWS_ACCESS_",
        ),
        ({"AWS_PROFILE": "none"}, "there are no credentials to be used (The config profile (none) could not be found)"),
    ],
)
def test_a_store_that_refuses_is_told_in_one_sentence(
    variables: dict[str, str], line: str, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    done = run_tapehead("audit", f"{bucket.url}/a.jsonl", cwd=tmp_path, cold=True)

    assert done.returncode == 2
    assert done.stderr.startswith(f"tapehead: cannot read '{bucket.url}/a.jsonl': {line}")
    assert done.stderr.count("\n") == 1


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    code = "import sys\nsys.modules['s3fs'] = None\nfrom tapehead.__main__ import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, "audit", "s3://bucket/a.jsonl"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr == (
        "tapehead: 's3://bucket/a.jsonl': s3fs is not installed; run pip install 'tapehead[remote]'\n"
    )


def test_one_of_several_that_cannot_be_read_leaves_the_others(stored: str, tmp_path: Path) -> None:
    done = run_tapehead("audit", f"{stored}/one.jsonl", "s3://no-such-bucket/a.jsonl", cwd=tmp_path)

    assert done.returncode == 2
    assert "1 session, 27 events" in done.stdout
    assert done.stderr == "tapehead: cannot read 's3://no-such-bucket/a.jsonl': there is no bucket 'no-such-bucket'\n"


@pytest.mark.skipif(shutil.which("sh") is None, reason="a shell limits the size of files")
def test_a_copy_for_which_there_is_no_space_is_told_and_removed(stored: str, bucket: Bucket, temporary: Path) -> None:
    bucket.put("runs/one.jsonl", ONE * 40)
    audit = f"exec {sys.executable} -m tapehead audit {stored}/one.jsonl"
    done = subprocess.run(["sh", "-c", f"ulimit -f 1; {audit}"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith(
        f"tapehead: cannot read '{stored}/one.jsonl': cannot write a copy of it to '{temporary}/"
    )
    assert done.stderr.endswith("File too large; TMPDIR can name another folder\n")
    assert done.stderr.count("\n") == 1
    assert list(temporary.iterdir()) == []


HOLD = """
import sys, time
from tapehead import read_recordings
from tapehead.cli.copy_progress import prepare_copies
prepare_copies()
list(read_recordings([sys.argv[1]]))
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_copies_are_removed_when_a_signal_ends_the_process(number: int, stored: str, temporary: Path) -> None:
    with start_program(sys.executable, "-c", HOLD, f"{stored}/one.jsonl", cold=True) as program:
        program.wait_for(lambda line: line == "ready")
        assert len(list(temporary.glob("tapehead-*/[0-9]"))) == 1
        code = program.stop(number)

    assert code == -number
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_the_copies_of_a_process_that_was_killed_are_removed_by_the_next_one(stored: str, temporary: Path) -> None:
    with start_program(sys.executable, "-c", HOLD, f"{stored}/one.jsonl", cold=True) as program:
        program.wait_for(lambda line: line == "ready")
        (kept,) = temporary.iterdir()
        run_tapehead("audit", f"{stored}/one.jsonl")
        assert list(temporary.iterdir()) == [kept]
        program.stop(signal.SIGKILL)
    assert list(temporary.iterdir()) == [kept]
    run_tapehead("audit", f"{stored}/one.jsonl")

    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    "form",
    [
        "s3://bucket/a.jsonl",
        "s3:/bucket/a.jsonl",
        "https://127.0.0.1:9/a.jsonl",
        "http://127.0.0.1:9/#secret-of-a-test",
        "http:/127.0.0.1:9/#secret-of-a-test",
    ],
)
def test_a_running_server_fetches_no_url(form: str) -> None:
    run = EngineRun(EngineSettings(on_miss=OnMiss.SIMULATE), pytest.fail)

    with pytest.raises(UsageError, match="URLs are read at its start alone") as refused:
        run.control.load([form])
    assert "secret" not in str(refused.value)


@pytest.mark.slow
def test_a_terminal_shows_that_objects_are_copied(stored: str, bucket: Bucket, tmp_path: Path) -> None:
    slow = "import time, tapehead.remote.copies as c; run = c.CopyFolder.copy\n"
    slow += "c.CopyFolder.copy = lambda *given: (time.sleep(0.5), run(*given))[1]"
    terminal = Terminal("audit", f"{stored}/*.jsonl", f"{stored}/packed", cwd=tmp_path, broken=slow, columns=80)
    output = terminal.close()

    assert terminal.process.returncode == 0
    assert "of 3 recordings copied" in output
    quiet = run_tapehead("audit", stored, cwd=tmp_path)
    assert "copied" not in quiet.stdout + quiet.stderr


def test_a_pattern_is_not_one_where_an_object_has_that_name(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("[a]*.jsonl", ONE)
    bucket.put("a1.jsonl", TWO)
    done = run_tapehead("audit", f"{bucket.url}/[a]*.jsonl", cwd=tmp_path)

    assert done.stdout.startswith(f"audit of {bucket.url}/[a]*.jsonl")
    assert os.path.basename(os.fspath(tmp_path)) not in done.stdout  # noqa: PTH119
