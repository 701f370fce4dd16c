"""The end of `audit --engine spark` at a master that does not answer as one: one sentence, soon enough."""

import socket
from pathlib import Path

import pytest

from support.mixed_recordings import write_one
from support.spark_cluster import JAVA, TIMEOUT_SECONDS, require_spark
from tapehead.cli.app import run
from tapehead.spark import cluster


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_a_port_that_is_no_master_is_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes connections, and says nothing; Spark itself would wait for a minute."""
    require_spark()
    monkeypatch.setattr(cluster, "START_SECONDS", 5.0)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", f'--driver-memory 512m --driver-java-options "{JAVA}" pyspark-shell')
    write_one(tmp_path / "one.jsonl", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        master = f"spark://127.0.0.1:{server.getsockname()[1]}"
        assert run(["audit", str(tmp_path), "--engine", "spark", "--master", master]) == 2
    assert capsys.readouterr() == ("", f"tapehead: the master '{master}' has not taken the audit within 5 s\n")
