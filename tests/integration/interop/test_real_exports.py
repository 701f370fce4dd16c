"""Imports of what mitmdump and Chromium saved, compared with what tapehead records of the same calls."""

from pathlib import Path

import httpx
import pytest

from support.browser import chromium, player_site, viewer
from support.captured_traffic import errors, read, read_capture, rules, send
from support.certificates import plain_mitmdump
from support.processes import run_tapehead, running
from support.upstream_server import free_port, upstream
from tapehead.protocol.exchange import Exchange

CAPTURES = ("sdk-sample-player.jsonl", "sdk-every-event.jsonl")
SETTINGS = {"ping": 700, "adPing": 500}


def told(exchange: Exchange) -> tuple[object, ...]:
    """Return the parts of an exchange that do not depend on the tool that saved it."""
    status = exchange.response.status if exchange.response else exchange.error
    return exchange.call, exchange.session, exchange.request.path, exchange.request.content(), status, rules(exchange)


@pytest.mark.parametrize("name", CAPTURES)
def test_what_mitmdump_saved_is_imported_as_tapehead_records_it(name: str, captures: Path, tmp_path: Path) -> None:
    sent = read_capture(captures / name)
    flows, archive = tmp_path / "saved.flow", tmp_path / "saved.har"
    with upstream() as server:
        with running("record", "--to", server.url, "--out", tmp_path / "recorded.jsonl", "--keep-ids") as proxy:
            with httpx.Client() as player:
                send(player, proxy.url, sent)
            assert proxy.stop() == 0
        with plain_mitmdump(tmp_path, f"reverse:{server.url}", "-w", flows, "--set", f"hardump={archive}") as proxy:
            with httpx.Client() as player:
                send(player, proxy.url, sent)
            proxy.stop()

    recorded = read(tmp_path / "recorded.jsonl")
    assert [each.request.content() for each in recorded] == [each.body for each in sent]
    for saved in (flows, archive):
        out = saved.with_suffix(f"{saved.suffix}.jsonl")
        done = run_tapehead("import", saved, "--endpoint", "127.0.0.1", "--out", out, "--keep-ids")
        assert (done.returncode, done.stderr) == (0, "")
        assert list(map(told, read(out))) == list(map(told, recorded))
        assert run_tapehead("diff", tmp_path / "recorded.jsonl", out).returncode == 0


def test_a_call_that_failed_in_mitmdump_is_imported_as_one(tmp_path: Path) -> None:
    flows, archive = tmp_path / "saved.flow", tmp_path / "saved.har"
    target = f"reverse:http://127.0.0.1:{free_port()}"
    options = ("-w", flows, "--set", f"hardump={archive}", "--set", "connection_strategy=lazy")
    with plain_mitmdump(tmp_path, target, *options) as proxy:
        with httpx.Client() as player:
            assert player.post(f"{proxy.url}/api/v1/sessions", json={}).status_code == 502
        proxy.stop()

    for saved in (flows, archive):
        out = saved.with_suffix(f"{saved.suffix}.jsonl")
        assert run_tapehead("import", saved, "--endpoint", "127.0.0.1", "--out", out).returncode == 0
        (exchange,) = read(out)
        assert exchange.response is None
        assert "Connect call failed" in (exchange.error or "")


def test_a_har_of_chromium_is_imported_and_audited_without_an_error(tmp_path: Path) -> None:
    archive, out = tmp_path / "session.har", tmp_path / "session.jsonl"
    with running("serve") as endpoint, player_site() as site, chromium() as browser:
        context = browser.new_context(record_har_path=archive)
        with viewer(context, site, server=endpoint.url, **SETTINGS) as watching:
            sent = watching.wait_for_end()
        context.close()
    done = run_tapehead("import", archive, "--endpoint", "127.0.0.1", "--out", out)

    assert (done.returncode, done.stderr) == (0, ""), done
    assert "of 1 session from" in done.stdout
    imported = read(out)
    assert len([each for each in imported if each.call in ("session", "event")]) >= len(sent)
    assert errors(imported) == []
    audited = run_tapehead("audit", out)
    assert audited.returncode == 0, audited.stdout
    with running("replay", out) as proxy:
        assert proxy.stop() == 0
