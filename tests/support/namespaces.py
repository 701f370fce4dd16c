"""Network namespaces: networks of their own on this machine, in which tests use any address, name and port."""

import contextlib
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

TOOLS = {"ip": "iproute2", "wg": "wireguard-tools", "wireguard-go": "wireguard-go", "curl": "curl"}
_NUMBERS = itertools.count(1)


class Namespace(NamedTuple):
    """A network namespace with a loopback of its own."""

    name: str

    def command(self, *words: object) -> list[str]:
        """Return the command that runs another one here."""
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def run(self, *words: object, data: str = "") -> str:
        """Run a command to its end, and return what it printed.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        command = self.command(*words)
        return subprocess.run(command, input=data, capture_output=True, text=True, timeout=30, check=True).stdout


def need_namespaces(*tools: str) -> None:
    """Skip a test where there can be no namespaces, or tools are missing; in CI it fails."""
    missing = [TOOLS[tool] for tool in ("ip", *tools) if not shutil.which(tool)]
    trial = f"tapehead-{os.getpid()}-trial"
    reason = f"missing packages: {', '.join(missing)}" if missing else ""
    if os.geteuid() != 0:
        reason = "network namespaces need root"
    elif not missing and subprocess.run(["ip", "netns", "add", trial], capture_output=True).returncode:
        reason = "this system allows no network namespaces"
    elif not missing:
        subprocess.run(["ip", "netns", "del", trial], check=True)
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@contextlib.contextmanager
def namespace(hosts: str = "", name_server: str = "127.0.0.1") -> Iterator[Namespace]:
    """A new namespace, whose programs read these lines as /etc/hosts and ask this name server."""
    made = Namespace(f"tapehead-{os.getpid()}-{next(_NUMBERS)}")
    files = Path("/etc/netns") / made.name
    files.mkdir(parents=True)
    try:
        (files / "hosts").write_text(f"127.0.0.1 localhost\n{hosts}")
        (files / "resolv.conf").write_text(f"nameserver {name_server}\n")
        subprocess.run(["ip", "netns", "add", made.name], check=True)
        made.run("ip", "link", "set", "lo", "up")
        yield made
    finally:
        subprocess.run(["ip", "netns", "del", made.name], check=False)
        shutil.rmtree(files)


@contextlib.contextmanager
def connected(one: Namespace, one_address: str, other: Namespace, other_address: str) -> Iterator[None]:
    """A cable between two namespaces, which have these addresses at its ends."""
    ends = [f"v{os.getpid()}{letter}" for letter in "ab"]
    subprocess.run(["ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1]], check=True)
    for end, space, address in zip(ends, (one, other), (one_address, other_address), strict=True):
        subprocess.run(["ip", "link", "set", end, "netns", space.name], check=True)
        space.run("ip", "address", "add", f"{address}/24", "dev", end)
        space.run("ip", "link", "set", end, "up")
    yield
