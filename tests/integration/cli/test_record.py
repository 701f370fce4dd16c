"""tapehead record before a real server: what is stored, what is forwarded, what the player gets."""

import json
import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from support.captured_traffic import Captured, errors, read, read_capture, send
from support.certificates import mitmdump, proxy_options, trust_proxy
from support.processes import running
from support.upstream_server import Received, upstream
from tapehead.protocol.exchange import Exchange

STOCK = ("tapehead_endpoint=127.0.0.1", "tapehead_redact=false")
CAPTURES = ("sdk-sample-player.jsonl", "sdk-every-event.jsonl")


def assert_complete(sent: list[Captured], recorded: list[Exchange], received: list[Received]) -> None:
    """Every request is in the recording and at the server, in order, its body byte for byte."""
    assert [(each.method, each.path, each.body) for each in sent] == [
        (each.request.method, each.request.path, each.request.content()) for each in recorded
    ]
    assert [each.body for each in sent] == [each.body for each in received]
    assert errors(recorded) == []
    assert all(each.response for each in recorded)


@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture_is_recorded_completely_in_reverse_mode(name: str, captures: Path, tmp_path: Path) -> None:
    sent, out = read_capture(captures / name), tmp_path / "out.jsonl"
    with upstream() as server, running("record", "--to", server.url, "--out", out, "--keep-ids") as proxy:
        with httpx.Client() as player:
            answers = send(player, proxy.url, sent)
        assert proxy.stop() == 0

    assert_complete(sent, read(out), server.received)
    assert {answer.status_code for answer in answers} <= {200, 201, 204}


@pytest.mark.parametrize("name", CAPTURES)
def test_without_keep_ids_a_capture_differs_in_its_identifiers_only(name: str, captures: Path, tmp_path: Path) -> None:
    sent, out = read_capture(captures / name), tmp_path / "out.jsonl"
    with upstream() as server, running("record", "--to", server.url, "--out", out) as proxy:
        with httpx.Client() as player:
            send(player, proxy.url, sent)
        proxy.stop()

    recorded = read(out)
    assert [each.body for each in sent] == [each.body for each in server.received]
    assert len(recorded) == len(sent)
    differing = [(each.body, got.request.content()) for each, got in zip(sent, recorded, strict=True)]
    differing = [(one, other) for one, other in differing if one != other]
    assert len(differing) == 1
    before, after = (json.loads(body)["params"] for body in differing[0])
    changed = {key for key in before if before[key] != after[key]}
    assert changed <= {"visitor.marketingCloudUserId", "visitor.customerIDs"}
    assert b"12345678901234567890123456789012345678" not in out.read_bytes()
    assert b"sample-dpid" not in out.read_bytes()
    assert errors(recorded) == []


@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture_is_recorded_completely_through_https_in_regular_mode(
    name: str, captures: Path, tmp_path: Path, authority: trustme.CA, tls: ssl.SSLContext
) -> None:
    sent, out = read_capture(captures / name), tmp_path / "out.jsonl"
    options = ["--keep-ids", *proxy_options(tmp_path, authority), "--endpoint", "127.0.0.1"]
    with upstream(tls) as server, running("record", "--mode", "regular", "--out", out, *options) as proxy:
        with httpx.Client(proxy=proxy.url, verify=trust_proxy(tmp_path)) as player:
            send(player, server.url, sent)
        assert proxy.stop() == 0

    assert_complete(sent, read(out), server.received)


@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture_is_recorded_completely_through_stock_mitmdump(
    name: str, captures: Path, tmp_path: Path, authority: trustme.CA, tls: ssl.SSLContext
) -> None:
    sent, folder = read_capture(captures / name), tmp_path / "recordings"
    with upstream(tls) as server, mitmdump(tmp_path, authority, f"tapehead_record={folder}", *STOCK) as proxy:
        with httpx.Client(proxy=proxy.url, verify=trust_proxy(tmp_path)) as player:
            send(player, server.url, sent)
        proxy.stop()

    (out,) = folder.iterdir()
    assert_complete(sent, read(out), server.received)


def test_stock_mitmdump_answers_from_a_recording_with_the_endpoint_gone(
    captures: Path, tmp_path: Path, authority: trustme.CA, tls: ssl.SSLContext
) -> None:
    sent, out = read_capture(captures / CAPTURES[0]), tmp_path / "out.jsonl"
    with upstream() as server, running("record", "--to", server.url, "--out", out) as proxy:
        with httpx.Client() as player:
            recorded = send(player, proxy.url, sent)
        proxy.stop()

    with mitmdump(tmp_path, authority, f"tapehead_replay={out}", *STOCK) as proxy:
        with httpx.Client(proxy=proxy.url, verify=trust_proxy(tmp_path)) as player:
            replayed = send(player, "https://127.0.0.1:9", sent)
        proxy.stop()
    assert [each.status_code for each in replayed] == [each.status_code for each in recorded]
