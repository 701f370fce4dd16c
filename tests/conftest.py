"""What all tests share."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of pseudonyms and mitmproxy's certificates stay out of the user's home."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def captures() -> Path:
    """The folder with real traffic of the vendor's SDK."""
    return TESTS / "captures"
