"""A cluster of Spark on loopback: a standalone master and two workers, from pyspark's own scripts."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from support.paths import ROOT
from support.tools import missing

TIMEOUT_SECONDS = 300.0
# Less time for the compiler, which short programs do not gain by.
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xss4m"
PAUSED = ROOT / "tests" / "support" / "paused_executor"


def require_spark() -> Path:
    """The folder of pyspark; where it or Java is missing, the test is skipped, in CI it fails."""
    if not shutil.which("java"):
        missing("java")
    try:
        import pyspark
    except ModuleNotFoundError:
        missing("pyspark")
    return Path(pyspark.__file__).parent


class SparkCluster:
    """A cluster that runs.

    Args:
        folder: for its files.

    Attributes:
        master: its URL.
        pauses: the folder by which `paused_executor` is told to pause.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = require_spark()
        self.pauses = folder / "pauses"
        self.pauses.mkdir()
        self._processes: list[subprocess.Popen[bytes]] = []
        self.master = ""

    def environment(self, options: str = "") -> dict[str, str]:
        """The variables of all its processes, and of commands that use it, with more options of Spark."""
        return os.environ | {
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_JAVA_OPTS": JAVA,
            "SPARK_DAEMON_MEMORY": "256m",
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONPATH": os.pathsep.join([str(PAUSED), str(ROOT / "addons")]),
            "TAPEHEAD_TEST_PAUSE": str(self.pauses),
            "SOURCE_DATE_EPOCH": "0",
            "PYSPARK_SUBMIT_ARGS": (
                f'--driver-memory 512m --driver-java-options "{JAVA}" --conf spark.executor.memory=512m'
                f' --conf "spark.executor.extraJavaOptions={JAVA}" {options} pyspark-shell'
            ),
        }

    def start(self) -> None:
        """Start the master, and both workers once it listens."""
        listening = re.compile(r"Starting Spark master at (spark://\S+)")
        log = self._start("master", "Master", "--port", "0", "--webui-port", "0")
        self.master = self._wait_for(log, listening)[1]
        options = ["--cores", "1", "--memory", "1g", "--webui-port", "0"]
        logs = [
            self._start(name, "Worker", *options, "--work-dir", str(self._folder / name), self.master)
            for name in ("one", "two")
        ]
        for each in logs:
            self._wait_for(each, re.compile("Successfully registered with master"))

    def _start(self, name: str, kind: str, *options: str) -> Path:
        log = self._folder / f"{name}.log"
        script, package = str(self._home / "bin" / "spark-class"), "org.apache.spark.deploy"
        with log.open("wb") as file:
            self._processes.append(
                subprocess.Popen(
                    [script, f"{package}.{kind.lower()}.{kind}", "--host", "127.0.0.1", *options],
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env=self.environment(),
                    start_new_session=True,
                )
            )
        return log

    def _wait_for(self, log: Path, wanted: "re.Pattern[str]") -> "re.Match[str]":
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not (found := wanted.search(log.read_text("utf-8", "replace"))):
            assert self._processes[-1].poll() is None, log.read_text("utf-8", "replace")
            assert time.monotonic() < deadline, log.read_text("utf-8", "replace")
            time.sleep(0.05)
        return found

    def stop(self) -> None:
        """End everything that it has started."""
        for process in reversed(self._processes):  # executors end with their workers
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def running_cluster(folder: Path) -> Iterator[SparkCluster]:
    """A cluster for some tests."""
    cluster = SparkCluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def parent_of(pid: int) -> int:
    return int(re.search(r"PPid:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]


def kill_machine(pid: int) -> None:
    """Kill a worker of a cluster, and all that runs for it, as if its machine were gone.

    Args:
        pid: a process of Python that runs a task there.
    """
    chain = [pid]
    while b"deploy.worker.Worker" not in Path(f"/proc/{chain[-1]}/cmdline").read_bytes():
        chain.append(parent_of(chain[-1]))
        assert chain[-1] > 1, chain
    for each in reversed(chain):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
