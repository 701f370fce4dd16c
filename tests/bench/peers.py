"""Peers of tapehead's servers, each set up to do the same with less: the commands that start them."""

import json
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from support.tools import CACHE

# Stub and tape answer pings of any session.
_EVENTS = "/api/v1/sessions/[^/]+/events"
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "OPTIONS,POST,PUT",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Expose-Headers": "Location",
}
_NGINX = """
daemon off; master_process off; pid %(folder)s/nginx.pid; error_log stderr;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000; client_body_temp_path %(folder)s/nginx;
  server {
    listen 127.0.0.1:%(port)d;
    location = /api/v1/sessions { add_header Location /api/v1/sessions/$request_id; return 201; }
    location / { return 204; }
  }
}
"""
_TALKBACK = """
const http = require("http"), listen = http.Server.prototype.listen;
http.Server.prototype.listen = function (port, done) { return listen.call(this, port, "127.0.0.1", done); };
const talkback = require(%(module)s), bare = (url) => url.replace(/sessions\\/[^/]+/, "sessions/any");
talkback({
  host: "http://collection.invalid", port: 0, path: %(folder)s, record: "DISABLED", allowHeaders: [], ignoreBody: true,
  silent: true, summary: false, urlMatcher: (tape, request) => bare(tape.req.url) === bare(request.url),
}).start();
"""


def nginx(folder: Path) -> Sequence[object]:
    """An endpoint that opens a session for any start, and answers 204 to anything else; empty if it is not here."""
    if not shutil.which("nginx"):
        return ()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(_NGINX % {"folder": folder, "port": port})
    return ["nginx", "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"]


def mitmdump(*options: object) -> Sequence[object]:
    """Stock mitmdump, without a line for each flow."""
    return [Path(sys.executable).with_name("mitmdump"), "-q", "--listen-host", "127.0.0.1", "-p", 0, *options]


def wiremock(folder: Path) -> Sequence[object]:
    """WireMock with one stub, for pings, which it finds by their JSON; no journal of requests. Empty if not here."""
    jars = sorted(CACHE.glob("node_modules/wiremock/build/wiremock-standalone-*.jar"))
    if not jars or not shutil.which("java"):
        return _left_out("WireMock", f"needs java and npm install --prefix {CACHE} wiremock@3")
    matched = {"expression": "$.eventType", "equalTo": "ping"}
    stub = {
        "request": {"method": "POST", "urlPathPattern": _EVENTS, "bodyPatterns": [{"matchesJsonPath": matched}]},
        "response": {"status": 204, "headers": _CORS},
    }
    (folder / "mappings").mkdir(parents=True)
    (folder / "mappings" / "ping.json").write_text(json.dumps(stub))
    quick = ["--no-request-journal", "--disable-gzip", "--disable-banner"]
    return ["java", "-jar", jars[-1], "--port", 0, "--bind-address", "127.0.0.1", "--root-dir", folder, *quick]


def talkback(folder: Path) -> Sequence[object]:
    """Talkback with one tape, found by method and path; it does not look at bodies. Empty if it is not here."""
    module = CACHE / "node_modules" / "talkback"
    if not module.exists() or not shutil.which("node"):
        return _left_out("talkback", f"needs node and npm install --prefix {CACHE} talkback@4")
    tape = {
        "meta": {
            "createdAt": "2026-11-23T00:00:00.000Z",
            "host": "http://collection.invalid",
            "resHumanReadable": True,
        },
        "req": {"url": "/api/v1/sessions/any/events", "method": "POST", "headers": {}, "body": ""},
        "res": {"status": 204, "headers": {name: [value] for name, value in _CORS.items()}, "body": ""},
    }
    (folder / "tapes").mkdir(parents=True)
    (folder / "tapes" / "ping.json5").write_text(json.dumps(tape))
    words = {"module": json.dumps(str(module)), "folder": json.dumps(str(folder / "tapes"))}
    (folder / "talkback.js").write_text(_TALKBACK % words)
    return ["node", folder / "talkback.js"]


def _left_out(name: str, reason: str) -> Sequence[object]:
    print(f"{name} is left out: it {reason}", file=sys.stderr)
    return ()
