"""Bad arguments and bad files: one clear line on stderr, exit code 2, never a traceback."""

import socket
from pathlib import Path

import pytest

from support.processes import run_tapehead, running
from support.upstream_server import upstream

WRONG = [
    (["record"], "--to URL"),
    (["record", "--to", "nonsense"], "expected an http or https URL"),
    (["record", "--to", "ftp://x"], "expected an http or https URL"),
    (["record", "--to", "http://x:99999"], "expected an http or https URL"),
    (["record", "--to", "http://x", "--mode", "regular"], "--to and --mode exclude each other"),
    (["record", "--mode", "nonsense"], "nonsense"),
    (["record", "--to", "http://x?a=b"], "expected an http or https URL"),
    (["record", "--to", "http://x", "--listen", "70000"], "expected HOST:PORT or PORT"),
    (["record", "--to", "http://x", "--listen", "127.0.0.1:70000"], "expected HOST:PORT"),
    (["record", "--to", "http://x", "--listen", f"127.0.0.1:{'9' * 5000}"], "expected HOST:PORT"),
    (["record", "--to", "http://x", "--listen", "[:0"], "expected HOST:PORT"),
    (["serve", "--listen", "a\udcff:0"], "expected HOST:PORT"),
    (["record", "--to", "http://x", "--append", "--overwrite"], "exclude each other"),
    (["record", "--to", "http://x", "--keep-ids", "--redact-key", "userId"], "exclude each other"),
    (["record", "--to", "http://x", "--redact-key", " "], "expected the name of a key"),
    (["record", "--to", "http://x", "--set", "nonsense"], "NAME=VALUE"),
    (["record", "--to", "http://x", "--set", "nonsense=1"], "nonsense"),
    (["record", "--nonsense"], "--nonsense"),
    (["replay"], "RECORDING"),
    (["replay", "missing.jsonl"], "there is no file 'missing.jsonl'"),
    (["replay", "foreign.jsonl"], "'foreign.jsonl' is not a recording"),
    (["replay", "empty.jsonl"], "'empty.jsonl' is empty"),
    (["replay", "folder"], "folder"),
    (["replay", "newer.jsonl"], "update tapehead"),
    (["replay", "good.jsonl", "--on-miss", "nonsense"], "nonsense"),
    (["replay", "good.jsonl", "--keep-ids", "--redact-key", "userId"], "exclude each other"),
    (["show", "missing.jsonl"], "there is no file 'missing.jsonl'"),
    (["show", "good.jsonl", "nonsense"], "no session 'nonsense'"),
    (["schema", "sessionStrat"], "did you mean sessionStart?"),
    (["serve", "--listen", "nowhere.invalid:1"], "nowhere.invalid"),
    (["nonsense"], "nonsense"),
    (["recrd"], "did you mean 'record'? See tapehead --help"),
    (["replay", "good.jsonl", "--on-miss"], "see tapehead replay --help"),
    (["record", "--mode", "nonsense"], "--mode takes the modes of mitmproxy"),
]
GOOD = (
    b'{"tapehead":1,"started":"2026-11-23T05:00:00.000Z","elapsed_ms":1,"call":"event","session":"s1",'
    b'"request":{"method":"POST","url":"https://x/api/v1/sessions/s1/events","headers":[]},'
    b'"response":{"status":204,"headers":[]},"findings":[]}\n'
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "foreign.jsonl").write_text('{"level":"info"}\n{"level":"warn"}\n')
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "newer.jsonl").write_bytes(GOOD.replace(b'"tapehead":1', b'"tapehead":3'))
    (tmp_path / "good.jsonl").write_bytes(GOOD)
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(("arguments", "wanted"), WRONG, ids=[ascii(" ".join(each[0]))[:60] for each in WRONG])
def test_what_is_wrong_is_said_in_one_line(arguments: list[str], wanted: str, files: Path) -> None:
    done = run_tapehead(*arguments, cwd=files)

    assert done.returncode == 2, done
    (line,) = done.stderr.splitlines()
    assert line.startswith("tapehead: ")
    assert wanted in line
    assert done.stdout == ""


@pytest.mark.parametrize("command", [["record", "--to", "http://127.0.0.1:9"], ["replay", "good.jsonl"], ["serve"]])
def test_a_port_in_use_is_said_in_one_line(command: list[str], files: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run_tapehead(*command, "--listen", f"127.0.0.1:{taken.getsockname()[1]}", cwd=files)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "is in use" in line
    assert not (files / "recordings").exists() or not list((files / "recordings").iterdir())


def test_a_recording_that_is_there_is_neither_replaced_nor_added_to_unasked(files: Path) -> None:
    done = run_tapehead("record", "--to", "http://127.0.0.1:9", "--out", "good.jsonl", cwd=files)

    assert done.returncode == 2
    assert "--append" in done.stderr
    assert (files / "good.jsonl").read_bytes() == GOOD


@pytest.mark.parametrize(("how", "kept"), [("--append", GOOD), ("--overwrite", GOOD)])
def test_a_run_without_calls_changes_nothing(how: str, kept: bytes, files: Path) -> None:
    with upstream() as server, running("record", "--to", server.url, "--out", files / "good.jsonl", how) as proxy:
        proxy.stop()

    assert (files / "good.jsonl").read_bytes() == kept


def test_a_torn_last_line_is_skipped_with_a_warning(files: Path) -> None:
    (files / "good.jsonl").write_bytes(GOOD + GOOD[:50])
    done = run_tapehead("show", "good.jsonl", cwd=files)

    assert done.returncode == 0
    assert done.stderr == "tapehead: good.jsonl:2: skipped, a write cut short\n"
