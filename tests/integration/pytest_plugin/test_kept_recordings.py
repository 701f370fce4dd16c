"""The option `--tapehead-keep`: a folder that can be used, files with readable names, and no silent loss."""

from pathlib import Path

import pytest

from support.plugin_runs import install_plugin, run_tests

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ONE = """
from player import start

def test_one(media_collection):
    start(media_collection.url)
"""
LATER = """
import shutil
import pytest
from pathlib import Path
from player import start

@pytest.fixture
def folder(request):
    return Path(request.config.getoption("--tapehead-keep"))

def test_passes(media_collection, folder):
    start(media_collection.url)
    shutil.rmtree(folder)
    folder.write_text("")
"""
NAMES = """
import pytest
from player import start

class TestAds:
    @pytest.mark.parametrize("name", ["ü ö/x", "a::b[1]", "Новости", "x" * 70])
    def test_names(self, media_collection, name):
        start(media_collection.url)

def test_without_calls(media_collection):
    assert media_collection.sessions == []
"""


@pytest.fixture(autouse=True)
def plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugin(pytester, monkeypatch)


@pytest.mark.parametrize(
    ("folder", "told", "workers"),
    [
        ("file", "*cannot write recordings to '*/file': it is a file; name a folder", ("-n", "2")),
        ("file/below", "*cannot write recordings to '*/file/below': Not a directory; name a folder", ()),
        ("/proc/tapehead", "*cannot write recordings to '/proc/tapehead': *; name a folder", ()),
        ("", "*--tapehead-keep is empty; expected a folder*", ()),
    ],
)
def test_a_folder_that_cannot_be_used_is_told_before_the_first_test(
    pytester: pytest.Pytester, folder: str, told: str, workers: tuple[str, ...]
) -> None:
    (pytester.path / "file").write_text("kept")
    done = run_tests(pytester, ONE, f"--tapehead-keep={folder}", *workers)

    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([told])
    assert "Traceback" not in done.stderr.str()
    assert (pytester.path / "file").read_text() == "kept"


def test_a_recording_that_cannot_be_kept_later_is_warned_of(pytester: pytest.Pytester) -> None:
    done = run_tests(pytester, LATER, "--tapehead-keep", "kept")

    done.assert_outcomes(passed=1, warnings=1)
    done.stdout.fnmatch_lines(["*PytestWarning: cannot keep the recording in '*/kept/test_suite-test_passes-*': *"])


@pytest.mark.parametrize("escaping", ["false", "true"])
def test_names_of_files_tell_the_module_the_test_and_the_parameter(pytester: pytest.Pytester, escaping: str) -> None:
    option = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support"
    pytester.makeini(f"[pytest]\n{option} = {escaping}\n")

    done = run_tests(pytester, NAMES, "--tapehead-keep", "kept")

    done.assert_outcomes(passed=5)
    kept = sorted(path.stem.rpartition("-")[0] for path in (pytester.path / "kept").iterdir())
    named = "test_suite-TestAds-test_names"
    assert kept == sorted([f"{named}-ü-ö-x", f"{named}-a-b-1", f"{named}-Новости", f"{named}-{'x' * 50}"])


def test_no_recording_of_a_former_run_stays_for_a_test_without_calls(pytester: pytest.Pytester) -> None:
    (folder := Path(pytester.path / "kept")).mkdir()
    run_tests(pytester, ONE, "--tapehead-keep", "kept").assert_outcomes(passed=1)
    assert len(list(folder.iterdir())) == 1

    run_tests(pytester, ONE.replace("    start(media", "    repr(media"), "--tapehead-keep", "kept")

    assert list(folder.iterdir()) == []
