"""Hooks and the fixture of the pytest plugin.

pytest loads this module in each run where tapehead is installed, so that it imports nothing but pytest; the rest is
loaded when a test first asks for the fixture.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tapehead.pytest_plugin.endpoint import SharedEndpoint
    from tapehead.pytest_plugin.endpoint_connection import EndpointListener
    from tapehead.pytest_plugin.media_collection import MediaCollection

NAME = "tapehead"
_MARKER_HELP = (
    "tapehead(replay=None, on_miss=None, fault=None, scenario=None): answer this test's player from recordings, "
    "with faults; fail unless its sessions show the steps of a scenario."
)

_LISTENER: pytest.StashKey["EndpointListener"] = pytest.StashKey()
_ENDPOINT: pytest.StashKey["SharedEndpoint"] = pytest.StashKey()
_COLLECTION: pytest.StashKey["MediaCollection"] = pytest.StashKey()
_REAL: pytest.StashKey[str] = pytest.StashKey()
_FOLDER: pytest.StashKey["Path"] = pytest.StashKey()
_HAS_PASSED: pytest.StashKey[bool] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("tapehead", "tapehead, for tests that use the fixture 'media_collection'")
    group.addoption(
        "--tapehead-keep",
        metavar="DIR",
        help="Keep the recording of each test in DIR; without it, those of failed tests in pytest's temporary folder.",
    )
    group.addoption(
        "--tapehead-record",
        metavar="URL",
        help="Have the real endpoint at URL answer, and write what passes to the recordings that the markers name with "
        "'replay', or else to the DIR of --tapehead-keep.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and check the options, if there are any.

    Raises:
        pytest.UsageError: nothing can be kept in the folder, or the URL is none.
    """
    config.addinivalue_line("markers", _MARKER_HELP)
    url, folder = config.getoption("--tapehead-record"), config.getoption("--tapehead-keep")
    if url is None and folder is None:
        return
    from tapehead.errors import UsageError

    try:
        if url is not None:
            from tapehead.cli.option_parsing import parse_target

            config.stash[_REAL] = parse_target(url, "--tapehead-record").url
        if folder is not None:
            from tapehead.pytest_plugin.recording_files import usable_folder

            config.stash[_FOLDER] = usable_folder(folder, config.invocation_params.dir)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.fixture
def media_collection(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator["MediaCollection"]:
    """The Media Collection API for the player of this test, at `media_collection.url`, and what the player sent."""
    from tapehead.pytest_plugin.fixture import open_collection

    item, config = request.node, request.config
    folder = config.stash.get(_FOLDER, None)
    temporary, records = tmp_path_factory.getbasetemp() / "tapehead", _REAL in config.stash
    with open_collection(item, _endpoint_of(config), temporary, folder, records=records) as collection:
        item.stash[_COLLECTION] = collection
        yield collection


def _endpoint_of(config: pytest.Config) -> "SharedEndpoint":
    """Return the endpoint of the run, of all workers if there are any; it is started by the first test that asks."""
    if _ENDPOINT not in config.stash:
        shared = getattr(config, "workerinput", {}).get(NAME)
        if shared:
            from tapehead.pytest_plugin.endpoint_connection import connect

            config.stash[_ENDPOINT] = connect(*shared)
        else:
            from tapehead.pytest_plugin.endpoint import SharedEndpoint

            config.stash[_ENDPOINT] = SharedEndpoint(config.stash.get(_REAL, None))
    return config.stash[_ENDPOINT]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell a worker of pytest-xdist on this machine where the endpoint of all workers is; it is not started yet."""
    gateway, config = node.gateway, node.config  # type: ignore[attr-defined]
    if not gateway.spec.popen:
        return  # on another machine it has an endpoint of its own
    if _LISTENER not in config.stash:
        from tapehead.pytest_plugin.endpoint_connection import EndpointListener

        config.stash[_LISTENER] = EndpointListener(config.stash.get(_REAL, None))
    node.workerinput[NAME] = config.stash[_LISTENER].access  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the endpoint, if it was started."""
    if listener := config.stash.get(_LISTENER, None):
        listener.close()
    if endpoint := config.stash.get(_ENDPOINT, None):
        endpoint.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Check what the test's marker asks for, once the test itself has passed."""
    result = yield
    if collection := item.stash.get(_COLLECTION, None):
        collection.check_marks()
    elif any(mark.name == NAME for mark in item.own_markers):  # that of a class may be for other tests of it
        pytest.fail(
            "marker 'tapehead' has no effect without the fixture 'media_collection'; ask for it or remove the marker",
            pytrace=False,
        )
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the timeline of the player's sessions and their findings to the report of a test that failed.

    One that passed is recorded, if that was asked for, once its last fixture is over.
    """
    report = yield
    collection = item.stash.get(_COLLECTION, None)
    item.stash[_HAS_PASSED] = report.passed and (call.when == "setup" or item.stash.get(_HAS_PASSED, False))
    if collection and call.when == "teardown" and item.stash[_HAS_PASSED] and (problem := collection.record()):
        report.outcome, report.longrepr = "failed", problem
    if report.failed and collection:
        width = max(60, min(item.config.get_terminal_writer().fullwidth, 120))
        try:
            told = collection.describe(width)
        except Exception as error:  # noqa: BLE001 - the failure of the test is what counts
            told = f"cannot show the sessions: {error!r}"
        report.sections.append((NAME, told))
    return report
