"""Captured traffic, sent again as real HTTP requests, and recordings read back."""

import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from tapehead.protocol.exchange import Exchange, decode


class Captured(NamedTuple):
    """One request of a capture."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def read_capture(path: Path) -> list[Captured]:
    """The requests of a capture, in order."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        Captured(each["method"], urlsplit(each["url"]).path, each["headers"], (each["body"] or "").encode())
        for each in lines
    ]


def send(client: httpx.Client, base_url: str, requests: list[Captured]) -> list[httpx.Response]:
    """Send requests one after the other."""
    return [
        client.request(each.method, base_url + each.path, headers=each.headers, content=each.body or None)
        for each in requests
    ]


def read(path: Path) -> list[Exchange]:
    """The exchanges of a recording; none, if it was removed since no call came."""
    if not path.exists():
        return []
    return [decode(line) for line in path.read_bytes().splitlines(keepends=True)]


def rules(exchange: Exchange) -> list[str]:
    """The rules that an exchange failed."""
    return [finding.rule for finding in exchange.findings]


def errors(exchanges: list[Exchange]) -> list[Any]:
    """The findings of severity error."""
    return [finding for exchange in exchanges for finding in exchange.findings if finding.severity == "error"]
