"""Certificates for tests: an authority of our own for servers, and mitmproxy's for players."""

import contextlib
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import trustme

from support.paths import ROOT
from support.processes import Command, start_program

SCRIPT = ROOT / "addons" / "collection.py"


def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """Return a TLS context for a server on 127.0.0.1."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


def proxy_options(folder: Path, authority: trustme.CA) -> list[str]:
    """Options under which mitmproxy keeps its certificates in `folder` and trusts the servers of `authority`."""
    pem = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(pem))
    return ["--set", f"confdir={folder / 'confdir'}", "--set", f"ssl_verify_upstream_trusted_ca={pem}"]


def trust_proxy(folder: Path) -> ssl.SSLContext:
    """A player's trust in mitmproxy's certificates."""
    return ssl.create_default_context(cafile=str(folder / "confdir" / "mitmproxy-ca-cert.pem"))


@contextlib.contextmanager
def mitmdump(folder: Path, authority: trustme.CA, *options: str, broken: str = "") -> Iterator[Command]:
    """Stock mitmdump with our script, as a regular proxy; `broken` is Python that runs before it does."""
    start = f"{broken}\nfrom mitmproxy.tools.main import mitmdump\nmitmdump()"
    command = [sys.executable, "-c", start, "--listen-host", "127.0.0.1", "-p", "0", "-s", SCRIPT]
    sets = [word for option in options for word in ("--set", option)]
    with start_program(*command, *sets, *proxy_options(folder, authority)) as opened:
        opened.url = _url_of(opened.wait_for(lambda line: "listening at" in line))
        yield opened


@contextlib.contextmanager
def plain_mitmdump(folder: Path, mode: str, *options: object) -> Iterator[Command]:
    """Stock mitmdump without our script."""
    command = [Path(sys.executable).with_name("mitmdump"), "--listen-host", "127.0.0.1", "-p", "0", "--mode", mode]
    with start_program(*command, "--set", f"confdir={folder / 'confdir'}", *options) as opened:
        opened.url = _url_of(opened.wait_for(lambda line: "listening at" in line))
        yield opened


def _url_of(ready: str) -> str:
    """Return the URL in the line that says where mitmdump listens."""
    return "http://" + ready.rpartition(" ")[2].removeprefix("http://").rstrip(".")
