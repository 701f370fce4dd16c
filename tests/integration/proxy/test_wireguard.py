"""A device behind WireGuard: its look-ups, its calls and the certificate page, in network namespaces."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.namespaces import Namespace, connected, namespace, need_namespaces
from support.paths import ROOT
from support.processes import READY, Command, start_program

PEER = Path(__file__).parents[2] / "support" / "dns_peer.py"
ENDPOINT = "company.hb-api.omtrdc.net"
RECORDING = ROOT / "recordings" / "timeline-1.jsonl"
HOSTS = f"203.0.113.7 {ENDPOINT} mitm.it www.example.com\n"
START = json.loads(RECORDING.read_text().splitlines()[0])["request"]["body"]


@pytest.fixture
def home() -> Iterator[Namespace]:
    """The network with the endpoint, a name server, and the proxy."""
    need_namespaces("wg", "wireguard-go", "curl")
    with namespace(HOSTS) as made:
        made.run("ip", "address", "add", "203.0.113.7/32", "dev", "lo")
        serve = made.command(sys.executable, "-m", "tapehead", "serve", "--listen", "203.0.113.7:80")
        answer_names = made.command(sys.executable, PEER, "serve", "127.0.0.1", 53, ENDPOINT)
        with start_program(*serve) as endpoint, start_program(*answer_names) as names:
            for program in (endpoint, names):
                program.wait_for(lambda line: line.startswith(READY))
            yield made


@contextlib.contextmanager
def device_behind(home: Namespace, folder: Path, *command: object) -> Iterator[tuple[Namespace, Command]]:
    """A device that reaches the network through a command of tapehead in WireGuard mode alone."""
    options = ["--mode", "wireguard", "--listen", "192.168.77.1:51820", "--set", f"confdir={folder / 'confdir'}"]
    with namespace(name_server="10.0.0.53") as device, connected(home, "192.168.77.1", device, "192.168.77.2"):
        tapehead = [sys.executable, "-m", "tapehead", *command, *options]
        with start_program(*home.command(*tapehead)) as proxy:
            proxy.wait_for(lambda line: line.startswith(READY))
            link = f"wg{os.getpid()}"
            with start_program("env", "LOG_LEVEL=error", *device.command("wireguard-go", "-f", link)):
                wait_for_link(device, link)
                first = proxy.lines.index("[Interface]")
                said = [line for line in proxy.lines[first : first + 9] if not line.startswith(("Address", "DNS"))]
                device.run("wg", "setconf", link, "/dev/stdin", data="\n".join(said))
                device.run("ip", "address", "add", "10.0.0.1/32", "dev", link)
                device.run("ip", "link", "set", link, "up")
                device.run("ip", "route", "add", "default", "dev", link)
                yield device, proxy


def wait_for_link(device: Namespace, link: str) -> None:
    deadline = time.monotonic() + 10
    while link not in device.run("wg", "show", "interfaces"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def fetch(device: Namespace, url: str, *options: str) -> str:
    return device.run("curl", "-sS", "-i", "--max-time", "10", *options, url)


def test_a_device_is_recorded_and_gets_the_certificate(home: Namespace, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with device_behind(home, tmp_path, "record", "--out", out) as (device, proxy):
        url = f"http://{ENDPOINT}/api/v1/sessions"
        answer = fetch(device, url, "-H", "Content-Type: application/json", "-d", json.dumps(START))
        certificate = device.run("curl", "-sS", "http://mitm.it/cert/pem")
        other = fetch(device, "http://www.example.com/api/v1/schemas/ping")
        proxy.stop()

    assert answer.startswith("HTTP/1.1 ")
    (line,) = map(json.loads, out.read_text().splitlines())
    assert line["request"]["url"] == url
    assert line["request"]["body"]["eventType"] == "sessionStart"
    assert certificate == (tmp_path / "confdir" / "mitmproxy-ca-cert.pem").read_text()
    assert other.startswith("HTTP/1.1 200 ")


def test_a_device_is_answered_by_a_replay(home: Namespace, tmp_path: Path) -> None:
    with device_behind(home, tmp_path, "replay", RECORDING) as (device, proxy):
        url = f"http://{ENDPOINT}/api/v1/sessions"
        answer = fetch(device, url, "-H", "Content-Type: application/json", "-d", json.dumps(START))
        certificate = device.run("curl", "-sS", "http://mitm.it/cert/pem")
        proxy.stop()

    assert "\nlocation: /api/v1/sessions/" in answer.lower()
    assert certificate == (tmp_path / "confdir" / "mitmproxy-ca-cert.pem").read_text()
    assert "offline: 0 connections and look-ups attempted" in proxy.lines
