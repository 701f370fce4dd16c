"""What all tests share."""

import ssl
from pathlib import Path

import pytest
import trustme

from support.certificates import server_tls
from support.paths import DATA


@pytest.fixture(autouse=True)
def isolated_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of pseudonyms and mitmproxy's certificates stay out of the user's home."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


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
    """What a server on 127.0.0.1 needs to speak TLS."""
    return server_tls(authority)
