"""Connections to Spark: its Java process, quiet, for the time of one audit."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

import tapehead
from tapehead.errors import TapeheadError, UsageError
from tapehead.extras import needing

if TYPE_CHECKING:
    from pyspark import SparkConf, SparkContext

OPTION = "--engine spark"
# How long a cluster may take to answer, to take an application, and to give it its first executor.
REACH_SECONDS, START_SECONDS, EXECUTOR_SECONDS = 10.0, 120.0, 300.0
ENDING_SECONDS = 10.0
# Settings that a user's own take the place of, as PYSPARK_SUBMIT_ARGS='--conf NAME=VALUE pyspark-shell'.
_SETTINGS = {
    "spark.app.name": "tapehead audit",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
# Without a cluster, for which Spark itself takes these alone.
_LOCAL_MASTER = re.compile(r"local(\[\s*([0-9]+|\*)\s*(,\s*[0-9]+\s*)?\])?|local-cluster\[.*\]")
_LOOPBACK = ("127.", "localhost", "[::1]")


@contextlib.contextmanager
def spark_context(master: str | None) -> Iterator["SparkContext"]:
    """Provide a connection to a cluster whose executors answer.

    Args:
        master: the URL of the cluster; None for that of Spark's own settings, or else this machine.

    Raises:
        UsageError: pyspark or Java is missing, or the master cannot be used.
        TapeheadError: the cluster does not answer, or has no tapehead of this version.
    """
    # Of versions of libraries that are not used here.
    warnings.filterwarnings("ignore", module=r"pyspark\.")
    with needing("spark", OPTION):
        from pyspark import SparkConf
    _check_java()
    if master is not None:
        _check_master(master)
    conf = SparkConf(loadDefaults=False)
    conf.setAll([*_SETTINGS.items()])
    if master is not None:
        conf.setMaster(master)
    with tempfile.TemporaryFile() as log, _context(conf, log) as context:
        _check_executors(context, str(context.master))
        yield context


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if home and not shutil.which(os.path.join(home, "bin", "java")):  # noqa: PTH118
        raise UsageError(f"{OPTION} needs Java 17 or later: there is none in JAVA_HOME, '{home}'")
    if not home and not shutil.which("java"):
        raise UsageError(f"{OPTION} needs Java 17 or later: there is no program 'java'; install it, or set JAVA_HOME")


def _check_master(master: str) -> None:
    """Check that a master can be one, and that a standalone one can be reached."""
    if master.startswith("sc://"):
        raise UsageError(
            f"--master '{master}': Spark Connect is not supported; pass spark://HOST:PORT, yarn or k8s://URL"
        )
    if not master.startswith("spark://"):
        if not (master == "yarn" or master.startswith("k8s://") or _LOCAL_MASTER.fullmatch(master)):
            raise UsageError(f"invalid --master '{master}': expected spark://HOST:PORT, yarn, k8s://URL or local[N]")
        return
    reason = "it has no host and port"
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise UsageError(f"invalid --master '{master}': expected spark://HOST:PORT")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS):
                return
        except OSError as error:
            reason = error.strerror or str(error)
    raise TapeheadError(f"cannot reach the master '{master}': {reason}; is it running, and is --master right?")


@contextlib.contextmanager
def _variables(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _settings_used(gateway: Any, asked: "SparkConf") -> tuple["SparkConf", dict[str, str]]:
    """Return the settings of a connection, with those of Spark's files and variables, and the variables that it needs.

    Args:
        gateway: the Java process, which alone has read Spark's own settings, and with them the master.
        asked: the settings that it was started with.
    """
    from pyspark import SparkConf

    conf = SparkConf(_jvm=gateway.jvm)
    if wanted := asked.get("spark.master"):
        conf.setMaster(wanted)
    conf.setIfMissing("spark.master", "local[*]")
    master = str(conf.get("spark.master"))
    is_local = master.startswith("local")
    if is_local or any(f"//{host}" in master for host in _LOOPBACK):
        conf.setAll([("spark.driver.host", "127.0.0.1"), ("spark.driver.bindAddress", "127.0.0.1")])
    if not is_local:
        return conf, {}
    conf.setExecutorEnv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    return conf, {"PYSPARK_PYTHON": os.environ.get("PYSPARK_PYTHON", sys.executable)}


@contextlib.contextmanager
def _context(asked: "SparkConf", log: IO[bytes]) -> Iterator["SparkContext"]:
    from pyspark import SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway

    try:
        gateway: Any = launch_gateway(asked, {"stdout": log, "stderr": log})  # type: ignore[no-untyped-call]
    except PySparkException as error:
        raise TapeheadError(f"Spark did not start: {_last_line(log)}") from error
    started: list[Any] = []
    try:
        conf, variables = _settings_used(gateway, asked)
        with _variables(variables):
            began = _within(START_SECONDS, lambda: started.append(SparkContext(conf=conf, gateway=gateway)))
        if not began:
            master = conf.get("spark.master")
            raise TapeheadError(f"the master '{master}' has not taken the audit within {START_SECONDS:.0f} s")
        # It prints a traceback where the Java process is gone.
        started[0]._accumulatorServer.handle_error = _ignore
        yield started[0]
    finally:
        if started:
            _within(ENDING_SECONDS, _quietly(started[0].stop))
        _end(gateway)


def _ignore(*_: object) -> None:
    """Do nothing."""


def _quietly(action: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        with contextlib.suppress(Exception):
            action()

    return run


def _end(gateway: Any) -> None:
    """End the Java process, and forget it."""
    from pyspark import SparkContext

    with contextlib.suppress(Exception):
        gateway.shutdown()
    process = gateway.proc
    if process is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    with SparkContext._lock:
        SparkContext._active_spark_context = SparkContext._gateway = SparkContext._jvm = None


def _within(seconds: float, action: Callable[[], object]) -> bool:
    """Run an action in a thread, and return whether it has come to its end within some seconds.

    Raises:
        TapeheadError: it failed.
    """
    failures: list[Exception] = []

    def run() -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - of any library
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise spark_error(failures[0]) from failures[0]
    return not thread.is_alive()


def _check_executors(context: "SparkContext", master: str) -> None:
    """Check that an executor answers, and that it has the same tapehead."""
    versions: list[str] = []

    def ask() -> None:
        versions.extend(context.parallelize([0], 1).map(version_of).collect())

    try:
        has_answered = _within(EXECUTOR_SECONDS, ask)
    except TapeheadError as error:
        # As Spark does a minute after a port took the connection, and nothing came.
        if _is_stopped(context):
            from pyspark import __version__

            raise TapeheadError(
                f"Spark gave up: '{master}' is no master of Spark {__version__}, or its workers cannot start"
                " executors; see its log"
            ) from error
        raise
    if not has_answered:
        raise TapeheadError(
            f"the cluster '{master}' has given no executor within {EXECUTOR_SECONDS:.0f} s; are its workers running,"
            " with cores and memory left?"
        )
    if versions != [tapehead.__version__]:
        raise TapeheadError(
            f"the executors of '{master}' have tapehead {versions[0]}, and this is {tapehead.__version__}; install the"
            " same version on all machines"
        )


def _is_stopped(context: Any) -> bool:
    try:
        return bool(context._jsc.sc().isStopped())
    except Exception:  # noqa: BLE001 - of any library; its Java process is gone
        return True


def version_of(_: object) -> str:
    """Return the version of tapehead that an executor has."""
    return tapehead.__version__


def spark_error(error: Exception) -> TapeheadError:
    """Return an error of Spark, or of an executor, in one sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any("No module named 'tapehead" in line for line in lines):
        return TapeheadError(
            f"the executors have no tapehead; install tapehead[spark] {tapehead.__version__} for the Python that"
            " PYSPARK_PYTHON names on them"
        )
    if own := [line for line in lines if line.startswith("tapehead.errors.")]:
        return TapeheadError(own[-1].partition(": ")[2])
    if any("Premature EOF" in line for line in lines):
        return TapeheadError(
            "executors cannot read a recording: its server ended the connection in the middle of it; there is no report"
        )
    causes = [line for line in lines if "PYTHON_VERSION_MISMATCH" in line] or [
        line for line in lines if re.match(r"[\w.]+(?:Error|Exception): ", line)
    ][-1:]
    causes += [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")][-1:]
    causes += [line.removeprefix(": ") for line in lines if line.startswith(": ")]
    cause = [*causes, *lines, repr(error)][0].removesuffix(".")
    return TapeheadError(f"Spark failed: {cause}; there is no report")


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().decode("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("at ")]  # of Java's traceback
    return lines[-1] if lines else "its Java process ended"
