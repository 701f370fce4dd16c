"""HAProxy and nginx in front of replicas, with the configurations of the README."""

import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from support.paths import ROOT
from support.processes import TIMEOUT_SECONDS, Command, start_program
from support.tools import require
from support.upstream_server import free_port

PORTS = ("8081", "8082", "8083")
# What nginx needs to run in a folder of its own, beside the README's configuration.
_NGINX_PATHS = "access_log off; " + " ".join(
    f"{name}_temp_path temp-{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)


def configuration(language: str, port: int, replicas: Sequence[int]) -> str:
    """The README's configuration of a balancer, with other ports."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    for known, other in zip(("8080", *PORTS), (port, *replicas), strict=True):
        assert f"127.0.0.1:{known}" in text
        text = text.replace(f"127.0.0.1:{known}", f"127.0.0.1:<{other}>")
    return re.sub(r"<(\d+)>", r"\1", text)


@contextmanager
def balancer(name: str, replicas: Sequence[int], folder: Path) -> Iterator[int]:
    """A balancer in front of replicas on three ports, and its own port."""
    program, port = require(name), free_port()
    path = folder / f"{name}.conf"
    text = configuration(name, port, replicas)
    if name == "nginx":
        text = text.replace("http {", f"http {{ {_NGINX_PATHS}", 1)
        alone = "daemon off; master_process off; error_log stderr; pid nginx.pid;"
        command = [program, "-e", "stderr", "-p", folder, "-c", path, "-g", alone]
    else:
        command = [program, "-f", path]
    path.write_text(text)
    with start_program(*command) as started:
        _wait_for(port, started)
        yield port


def _wait_for(port: int, started: Command) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        assert started.process.poll() is None, started.lines
        with closing(socket.socket()) as player:
            if player.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(started.lines)
