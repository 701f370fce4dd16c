"""Built distributions away from the repository: the wheel, its page in an index, the tests of the source archive."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from readme_renderer import markdown

from support.paths import RECORDINGS_FOLDER, ROOT
from support.processes import MITMDUMP, start_program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
TIMEOUT_SECONDS = 250


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source archive, and with the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [
        Path(sys.executable).with_name("uv"),
        "build",
        "-q",
        "--python",
        sys.executable,
        "--out-dir",
        folder,
        ROOT,
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def installed(built: Path) -> Path:
    """The folder that the wheel is installed in, without its dependencies."""
    (wheel,) = built.glob("*.whl")
    folder = built / "installed"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def unpacked(built: Path) -> Path:
    """The folder of the source archive."""
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(built / "source", filter="data")
    (folder,) = (built / "source").iterdir()
    return folder


def run(package: Path, *command: object, cwd: Path) -> str:
    """Run a module with the package at a path; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_of_an_installed_wheel_needs_no_clone(installed: Path, tmp_path: Path) -> None:
    assert "0 errors, 0 warnings" in run(installed, "tapehead", "demo", cwd=tmp_path)


def test_an_installed_wheel_has_the_samples(installed: Path, tmp_path: Path) -> None:
    printed = run(installed, "tapehead", "demo", "--samples", "recordings", cwd=tmp_path)

    names = ["mistakes.jsonl", "timeline-1.jsonl", "timeline-2.jsonl", "timeline-3.jsonl"]
    assert printed.splitlines() == [f"recordings/{name}" for name in names]
    for name in names:
        assert (tmp_path / "recordings" / name).read_bytes() == (RECORDINGS_FOLDER / name).read_bytes()
    # What the package in the clone has to offer is the same.
    assert run(ROOT / "addons", "tapehead", "demo", "--samples", "again", cwd=tmp_path).count("again/") == len(names)


def test_mitmdump_loads_the_script_of_an_installed_wheel(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run(installed, "tapehead", "addon-path", cwd=tmp_path).removesuffix("\n")
    assert Path(path).is_relative_to(installed)
    monkeypatch.setenv("PYTHONPATH", str(installed))
    replay = f"tapehead_replay={RECORDINGS_FOLDER / 'timeline-1.jsonl'}"
    options = ["--listen-host", "127.0.0.1", "-p", "0", "--set", f"confdir={tmp_path}", "--set", replay]
    with start_program(MITMDUMP, "-s", path, *options, cold=True) as opened:
        opened.wait_for(lambda line: "proxy listening at" in line)
        opened.stop()

    assert any("played 0 sessions" in line for line in opened.lines)
    assert not [line for line in opened.lines if "rror" in line]


SUITE = """
import urllib.request

def test_a_player(media_collection):
    body = b'{"eventType": "sessionStart", "playerTime": {"playhead": 0, "ts": 1}, "params": {}}'
    url = f"{media_collection.url}/api/v1/sessions"
    try:
        urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}))
    except OSError:
        pass
    assert [event.type for event in media_collection.events()] == ["sessionStart"]
"""


def test_the_pytest_plugin_of_a_wheel_works_where_nothing_but_it_and_pytest_is_installed(
    built: Path, tmp_path: Path
) -> None:
    (wheel,) = built.glob("*.whl")
    uv, venv = Path(sys.executable).with_name("uv"), tmp_path / "venv"
    python = venv / "bin/python"
    (tmp_path / "test_suite.py").write_text(SUITE)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment.pop("PYTHONPATH", None)
    for command in (
        [uv, "venv", "-q", "--python", sys.executable, venv],
        [uv, "pip", "install", "-q", "--python", python, wheel, "pytest"],
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_suite.py"],
    ):
        done = subprocess.run(
            list(map(str, command)),
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_links_of_the_description_lead_somewhere_in_a_package_index(installed: Path) -> None:
    (metadata,) = installed.glob("*.dist-info/METADATA")
    head, _, description = metadata.read_text().partition("\n\n")
    page = markdown.render(description)
    assert "Description-Content-Type: text/markdown" in head
    assert page

    ids = {f"#{name}" for name in re.findall(r' id="([^"]+)"', page)}
    links = re.findall(r' (?:href|src)="([^"]*)"', page)
    assert [link for link in links if link not in ids and not link.startswith("https://")] == []
    assert len(links) > 30
    # What is not linked is named, and in the repository.
    named = re.findall(r"\(<code>([^<]+)</code> in the repository\)", page)
    assert len(named) == (ROOT / "README.md").read_text().count("](.github/docs/")
    assert all((ROOT / name).is_file() for name in named)


def test_links_of_the_readme_lead_to_files_or_sections() -> None:
    text = (ROOT / "README.md").read_text()
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    sections = {"#" + re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    links = re.findall(r"\]\(([^)\s]+)\)", text)

    assert links
    assert [
        link
        for link in links
        if link not in sections and not link.startswith("https://") and not (ROOT / link).exists()
    ] == []


def test_the_source_archive_is_the_repository(unpacked: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not in a clone, so there is nothing to compare with")
    listed = subprocess.check_output(["git", "ls-files", "-z", "--cached"], cwd=ROOT, text=True)

    assert [name for name in listed.split("\0") if name and not (unpacked / name).exists()] == []


def test_tests_run_from_the_source_archive(unpacked: Path) -> None:
    """A few that read data, samples, pages and settings, and run commands."""
    tests = [
        "integration/cli/test_rules.py",
        "unit/auditor/test_sdk_captures.py",
        "unit/interop/test_flow_files.py",
    ]
    paths = [unpacked / "tests" / name for name in tests]
    assert " passed" in run(
        unpacked / "addons", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *paths, cwd=unpacked
    )
