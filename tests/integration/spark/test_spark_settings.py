"""The master of Spark's own settings, without `--master`: what holds for this machine is not set for a cluster."""

from pathlib import Path
from typing import Any

import pytest

from support.spark_cluster import TIMEOUT_SECONDS, require_spark
from tapehead.errors import TapeheadError
from tapehead.spark.cluster import spark_context

OF_THIS_MACHINE = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
CLUSTER = "spark://cluster.test:7077"
PYTHONPATH = "spark.executorEnv.PYTHONPATH"


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, str]]:
    """The settings of the contexts that were to be made; none is."""
    require_spark()
    import pyspark

    settings: list[dict[str, str]] = []

    class Refused(pyspark.SparkContext):
        def __init__(self, conf: pyspark.SparkConf, **_: Any) -> None:
            settings.append(dict(conf.getAll()))
            raise RuntimeError("no cluster is asked")

    monkeypatch.setattr(pyspark, "SparkContext", Refused)
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    monkeypatch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
    return settings


def settings_of(master: str | None, asked_for: list[dict[str, str]]) -> dict[str, str]:
    with pytest.raises(TapeheadError, match="no cluster is asked"), spark_context(master):
        pass
    return asked_for[-1]


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_the_driver_of_a_cluster_is_not_at_loopback(
    asked_for: list[dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spark-defaults.conf").write_text(f"spark.master {CLUSTER}\n")
    found = settings_of(None, asked_for)
    assert found["spark.master"] == CLUSTER
    assert not found.keys() & {*OF_THIS_MACHINE, PYTHONPATH}

    # The option goes before the files, and before the variable.
    monkeypatch.setenv(
        "PYSPARK_SUBMIT_ARGS", "--master spark://other.test:7077 --conf spark.app.name=own pyspark-shell"
    )
    found = settings_of("local[2]", asked_for)
    assert (found["spark.master"], found["spark.app.name"]) == ("local[2]", "own")
    assert OF_THIS_MACHINE.items() <= found.items()
    assert PYTHONPATH in found


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_without_a_master_anywhere_it_is_this_machine(asked_for: list[dict[str, str]]) -> None:
    found = settings_of(None, asked_for)
    assert found["spark.master"] == "local[*]"
    assert OF_THIS_MACHINE.items() <= found.items()
    assert PYTHONPATH in found
