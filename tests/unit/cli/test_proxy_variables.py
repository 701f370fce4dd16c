"""The certificates that a tested command trusts besides those of the proxy."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from tapehead.cli import tested_command
from tapehead.cli.tested_command import proxy_variables


@pytest.mark.parametrize("kept", ["named", "file", "nowhere"])
def test_a_bundle_has_the_certificates_of_the_system(
    kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, system, other = (tmp_path / name for name in ("authority.pem", "system.pem", "other.pem"))
    authority.write_text("PROXY")
    system.write_text("NAMED")
    other.write_text("FILE")
    named: Any = str(system) if kept == "named" else None
    known = ssl.get_default_verify_paths()._replace(cafile=named)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: known)
    monkeypatch.setattr(tested_command, "_AUTHORITY", authority)
    files = [str(other)] if kept == "file" else []
    monkeypatch.setattr(tested_command, "_SYSTEM_BUNDLES", [str(tmp_path / "gone.pem"), *files])

    bundle = Path(proxy_variables("http://127.0.0.1:1", tmp_path)["SSL_CERT_FILE"]).read_text()

    before, _, after = bundle.rpartition("\n")
    assert after == "PROXY"
    if kept == "nowhere":
        assert before.count("BEGIN CERTIFICATE") > 50
    else:
        assert before == kept.upper()
