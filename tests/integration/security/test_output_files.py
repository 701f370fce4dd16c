"""Files that commands write: for their owner alone, also where they were there before, in one new folder at most."""

import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.exchanges import start
from support.har_files import entry, har
from support.paths import RECORDINGS_FOLDER
from support.processes import Command, run_tapehead, running

RECORDING = str(RECORDINGS_FOLDER / "timeline-1.jsonl")
# Commands with each of their outputs as "{}"; URL is that of an endpoint.
ENDING = {
    "import": ["import", "in.har", "--overwrite", "--out", "{}.jsonl"],
    "import, compressed": ["import", "in.har", "--overwrite", "--out", "{}.jsonl.zst"],
    "audit": ["audit", RECORDING, "--output", "{}.json"],
    "audit, two": ["audit", RECORDING, "--format", "html", "--format", "text", "--output", "{}.html"],
    "audit, a baseline": ["audit", RECORDING, "--write-baseline", "--baseline", "{}"],
    "diff": ["diff", RECORDING, RECORDING, "--output", "{}.html"],
    "schema": ["schema", "--from", "URL", "--out", "{}.jsonl"],
}
RUNNING = {
    "record": ["record", "--to", "URL", "--overwrite", "--out", "{}.jsonl"],
    "replay": ["replay", RECORDING, "--summary", "{}.json"],
    "replay, forwarding": ["replay", RECORDING, "--on-miss", "forward", "--to", "URL", "--out", "{}.jsonl"],
    "serve": ["serve", "--summary", "{}.json"],
}
DEMO = {"demo": ["demo", "--out", "{}.jsonl"]}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Command]:
    with running("serve") as opened:
        yield opened


@pytest.fixture(autouse=True)
def har_file(tmp_path: Path) -> None:
    (tmp_path / "in.har").write_bytes(har(entry()))


def words(command: list[str], output: str, endpoint: Command) -> list[str]:
    return [endpoint.url if word == "URL" else word.replace("{}", output) for word in command]


@pytest.mark.parametrize("command", (ENDING | RUNNING).values(), ids=ENDING | RUNNING)
def test_an_output_is_its_owners_alone_also_where_it_was_there(
    command: list[str], tmp_path: Path, endpoint: Command
) -> None:
    for output in ("new/out", "out"):
        arguments = words(command, output, endpoint)
        path = tmp_path / next(word for word in arguments if word.startswith(output))
        if output == "out":
            path.touch(mode=0o644)
            path.chmod(0o644)
        if command in RUNNING.values():
            with running(*arguments, cwd=tmp_path) as opened:
                httpx.post(f"{opened.url}/api/v1/sessions", json=start())
                opened.stop(signal.SIGINT)
        else:
            assert run_tapehead(*arguments, cwd=tmp_path).returncode == 0

        assert path.stat().st_size
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("command", (ENDING | RUNNING | DEMO).values(), ids=ENDING | RUNNING | DEMO)
def test_no_more_than_one_folder_is_made_for_an_output(command: list[str], tmp_path: Path, endpoint: Command) -> None:
    before = sorted(tmp_path.iterdir())
    done = run_tapehead(*words(command, f"{tmp_path}/mised/new/out", endpoint), cwd=tmp_path)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("tapehead: cannot write ")
    assert f"there is no folder '{tmp_path}/mised'; create it first" in line
    assert done.stdout == ""
    assert sorted(tmp_path.iterdir()) == before
