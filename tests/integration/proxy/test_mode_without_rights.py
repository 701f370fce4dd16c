"""Modes that need rights which the user lacks: one line says so."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from support.processes import run_program, run_tapehead

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems ask for these rights in a dialog")


def test_local_mode_without_rights_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sudo = tmp_path / "bin" / "sudo"
    sudo.parent.mkdir()
    sudo.write_text("#!/bin/sh\nexit 1\n")
    sudo.chmod(0o700)
    monkeypatch.setenv("PATH", f"{sudo.parent}:{os.environ['PATH']}")
    done = run_tapehead("record", "--mode", "local:curl", cwd=tmp_path, cold=True)

    assert (done.returncode, done.stderr) == (
        2,
        "tapehead: mode 'local:curl' cannot start: Failed to elevate privileges; "
        "it needs administrator rights, for which it uses sudo\n",
    )


def test_a_network_device_without_rights_is_one_line(tmp_path: Path) -> None:
    without = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if shutil.which("setpriv") else []
    done = run_program(*without, sys.executable, "-m", "tapehead", "record", "--mode", "tun", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (
        2,
        "tapehead: mode 'tun' cannot start: Failed to create TUN device: "
        "Operation not permitted (os error 1); it needs root\n",
    )
