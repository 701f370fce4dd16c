"""What all tests share."""

import os
import signal
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import trustme

from support.certificates import server_tls
from support.fork_server import FORK_SERVER
from support.object_stores import Bucket, ObjectStore, running_store
from support.paths import DATA

# An example may take any time to make and to run: what a busy machine makes of it is no finding.
hypothesis.settings.register_profile(
    "any speed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any speed")


def pytest_configure() -> None:
    """Have an interrupt end programs, which ignore it where the tests were started in the background of a script."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Half as many workers again as there are cores: many tests wait for processes and clocks."""
    return max(2, len(os.sched_getaffinity(0)) * 3 // 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what is slow, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all tests' state; a numbered one for each by pytest would mean to list thousands each time."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(autouse=True)
def isolated_state(state_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep pseudonym keys of tests apart from each other and out of the user's home."""
    monkeypatch.setenv("XDG_STATE_HOME", tempfile.mkdtemp(dir=state_folder))


@pytest.fixture(autouse=True)
def released_signals() -> Iterator[None]:
    """Release what a test held, as the parent of workers does: programs that are started later would never get it."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, held)


@pytest.fixture(scope="session", autouse=True)
def fork_server() -> Iterator[None]:
    """Commands are forked by a process that has imported tapehead, see `support.fork_server`."""
    FORK_SERVER.enabled = hasattr(os, "pidfd_open")
    yield
    FORK_SERVER.enabled = False
    FORK_SERVER.close()


@pytest.fixture
def captures() -> Path:
    """The folder with real traffic of the vendor's SDK."""
    return DATA / "captures"


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """The authority that the tests' servers have their certificates from."""
    return trustme.CA()


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """Return a TLS context for a server on 127.0.0.1."""
    return server_tls(authority)


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """A store for all tests of a process; each has buckets of its own."""
    with running_store() as store:
        yield store


@pytest.fixture
def bucket(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A new bucket, in the store that libraries and commands find from now on."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    return object_store.bucket()
