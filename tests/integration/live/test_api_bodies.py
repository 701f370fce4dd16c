"""Bodies that are sent to the HTTP API: which are refused, and how they arrive."""

import json
from collections.abc import Iterator

import pytest

from support.api_client import ApiClient, api_of
from support.live_client import LIVE, ask, link_of
from support.processes import Command, running
from tapehead.live.api_model import PREFIX


@pytest.fixture(scope="module")
def served() -> Iterator[Command]:
    with running("serve", "-q", *LIVE) as opened:
        yield opened


@pytest.fixture(scope="module")
def api(served: Command) -> Iterator[ApiClient]:
    with api_of(served) as client:
        yield client


@pytest.mark.parametrize(
    ("sent", "headers", "status", "message"),
    [
        (b"{}", {"Content-Type": "text/plain"}, 415, "expected the header Content-Type: application/json"),
        (b"{}", {}, 415, "expected the header Content-Type"),
        (b"{", {"Content-Type": "application/json"}, 400, 'expected JSON such as {"fault": "event:ping:3=410"'),
        (b'{"fault": 1}', {"Content-Type": "application/json"}, 400, "invalid body: Expected `str`, got `int`"),
        (b"{}", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "such as by 'curl --json'"),
        (b'{"fault": "session=500", "x": 1}', {"Content-Type": "application/json"}, 400, "invalid body: "),
        (b'{"fault": "\xff"}', {"Content-Type": "application/json"}, 400, "invalid body: "),
        (b'{"fault": "session=500", "key": ""}', {"Content-Type": "application/json"}, 400, "invalid key: it is empty"),
        (b" " * 1_000_001, {"Content-Type": "application/json"}, 413, "the body has more than 1,000,000 bytes"),
    ],
)
def test_wrong_bodies_are_refused(
    sent: bytes, headers: dict[str, str], status: int, message: str, api: ApiClient
) -> None:
    answer = api.http.post("/faults", content=sent, headers=headers)

    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_a_body_may_arrive_together_with_its_head(served: Command) -> None:
    link, size = link_of(served), 60_000
    head = link.head(f"{PREFIX}/reset", "POST", "Content-Type: application/json", f"Content-Length: {size}")

    answer = ask(link.port, head + b'{"key": "none"' + b" " * (size - 15) + b"}")

    assert (answer.status, json.loads(answer.body)) == (200, {"key": "none"})
