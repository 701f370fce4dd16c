"""The live page's timeline in Chromium: it grows while a real player plays, and shows what the audit shows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from support.axe import violations
from support.browser import chromium, player_site, viewer
from support.live_client import LIVE, link_of, query, viewing
from support.live_page import row_of, types, watching
from support.paths import RECORDINGS_FOLDER
from support.processes import Command, running
from tapehead.cli.app import run

pytestmark = pytest.mark.slow

SETTINGS = {"ping": 700, "adPing": 500}
MISTAKE = {"media.ad.name": "Stray", "media.ad.id": "stray", "media.ad.length": 5, "media.ad.podPosition": 1}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with player_site() as url:
        yield url


def plant_an_ad(proxy: Command) -> None:
    """Send an ad outside any break, as a mistaken player would, into the session that is playing."""
    (row,) = query(link_of(proxy), "/sessions")["sessions"]
    last = query(link_of(proxy), f"/events?session={row['session']}&latest=1&limit=1")["events"][0]
    time = {"playhead": last["playhead"], "ts": last["ts"] + 1}
    body = {"eventType": "adStart", "playerTime": time, "params": MISTAKE | {"media.ad.playerName": "x"}}
    url = f"{proxy.url}/api/v1/sessions/{row['session']}/events"
    assert httpx.post(url, json=body).status_code == 204
    assert httpx.post(url, json={**body, "eventType": "adComplete", "params": {}}).status_code == 204


def lanes_of(page: Page) -> list[Any]:
    """The lanes as they are drawn: each title, and how many spans of each kind."""
    return list(
        page.evaluate(
            """() => [...document.querySelectorAll(".lanes text:not(.value)")].map((text) => text.firstChild.data)"""
        )
    )


def test_a_players_session_grows_with_its_mistake_while_it_still_plays(
    browser: Browser, site: str, tmp_path: Path
) -> None:
    out, noise = tmp_path / "session.jsonl", list[str]()
    with (
        running("serve") as endpoint,
        running("record", "--to", endpoint.url, "--out", out, *LIVE) as proxy,
        watching(browser, link_of(proxy), noise=noise) as page,
        viewer(browser, site, server=proxy.url, **SETTINGS) as player,
    ):
        player.page.evaluate("document.getElementById('programme').playbackRate = 0.1")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        row_of(page, "The programme").click()
        expect(types(page).first).to_have_text("sessionStart")
        expect(page.locator("#now")).to_contain_text("playing", timeout=30_000)
        grown = [page.locator(".tick").count()]
        plant_an_ad(proxy)
        mark = page.locator(".flag.error").filter(has_text="ad-outside-break")
        expect(mark).to_be_attached(timeout=30_000)
        assert player.page.evaluate("player.ended") is False
        expect(page.locator("rect.content")).not_to_have_count(0)
        mark.dispatch_event("click", {"bubbles": True})  # it moves as the session grows
        expect(page.locator("#detail .findings")).to_contain_text("ad-outside-break")
        expect(page.locator("#detail .findings")).to_contain_text("How to fix it")
        player.page.evaluate("document.getElementById('programme').playbackRate = 2")
        player.wait_for_end()
        expect(page.locator("#now")).to_contain_text("completed")
        grown.append(page.locator(".tick").count())
        assert grown[1] > grown[0]
        sent = [each["type"] for each in player.page.evaluate("player.log")]
        (row,) = query(link_of(proxy), "/sessions")["sessions"]
        told = query(link_of(proxy), f"/sessions/{row['session']}/timeline")
        assert lanes_of(page)[-6:] == [lane["title"] for lane in told["timeline"]["lanes"]]
        assert violations(page) == []
        assert all(url.startswith(link_of(proxy).origin) for url in asked)
        assert player.complaints == noise == []
        proxy.stop()

    with viewing(out) as opened, watching(browser, link_of(opened)) as page:
        row_of(page, "The programme").click()
        expect(page.locator(".lanes text:not(.value)")).not_to_have_count(0)
        (row,) = query(link_of(opened), "/sessions")["sessions"]
        viewed = query(link_of(opened), f"/sessions/{row['session']}/timeline")
        assert lanes_of(page)[-6:] == [lane["title"] for lane in told["timeline"]["lanes"]]
    assert viewed["timeline"]["lanes"] == told["timeline"]["lanes"]
    assert_as_the_audit(out, told, sent)


def assert_as_the_audit(out: Path, told: dict[str, Any], sent: list[str]) -> None:
    """The page's last lanes and findings are those of the audit of the recording."""
    output = out.with_suffix(".html")
    run(["audit", str(out), "-o", str(output), "-o", str(out.with_suffix(".json"))])
    details = json.loads(output.read_text().partition('id="details">')[2].partition("</script>")[0])
    (session,) = json.loads(out.with_suffix(".json").read_bytes())["sessions"]
    assert told["timeline"]["lanes"] == details["0"]["timeline"]["lanes"]
    assert [each["type"] for each in told["timeline"]["events"] if not each["type"].startswith("ad")] == [
        each for each in sent if not each.startswith("ad")
    ]
    assert sorted(each["rule"] for each in told["findings"]) == sorted(each["rule"] for each in session["findings"])


def test_provisional_findings_look_different_and_those_withdrawn_vanish(browser: Browser) -> None:
    """The page is given rows as the journal tells them; what it draws follows their states."""
    with viewing(RECORDINGS_FOLDER / "mistakes.jsonl") as opened, watching(browser, link_of(opened)) as page:
        path = "**/timeline?settle=no"
        states = iter([["provisional", "provisional"], ["provisional", "withdrawn"], ["confirmed", "withdrawn"]])

        def answer(route: Any) -> None:
            told = route.fetch().json()
            told["findings"] = [
                {**each, "state": state}
                for each, state in zip(told["findings"], next(states), strict=False)
                if state != "withdrawn"
            ]
            route.fulfill(json=told)

        page.route(path, answer)
        row_of(page, "undefined").click()
        expect(page.locator(".plot .flag.provisional")).to_have_count(2)
        page.locator("#tab-findings").click()
        expect(page.locator("#findings-panel .badge")).to_have_text(["provisional"] * 2)
        for provisional, flags in ((1, 1), (0, 1)):
            page.locator("#all").click()
            row_of(page, "undefined").click()
            expect(page.locator(".plot .flag")).to_have_count(flags)
            expect(page.locator(".plot .flag.provisional")).to_have_count(provisional)


def test_a_grade_is_shown_only_where_it_was_earned(browser: Browser) -> None:
    with running("serve", *LIVE) as server, watching(browser, link_of(server)) as page:
        path = RECORDINGS_FOLDER / "timeline-1.jsonl"
        first = json.loads(path.read_text().splitlines()[0])["request"]["body"]
        httpx.post(f"{server.url}/api/v1/sessions", json=first)
        row_of(page, "ClickMe").click()
        expect(page.locator("#about .grade.fine")).to_have_count(0)
    with viewing(path) as opened, watching(browser, link_of(opened)) as page:
        row_of(page, "completed").first.click()
        expect(page.locator("#now .grade.fine")).to_have_text("no findings")
        page.locator("#calls-filter [name=show]").select_option("bad")
        expect(page.locator("#nothing")).to_have_text("No call matches the filter.")


def test_sessions_without_audit_say_so(browser: Browser) -> None:
    with running("serve", "--no-audit", *LIVE) as server, watching(browser, link_of(server)) as page:
        body = json.loads((RECORDINGS_FOLDER / "timeline-1.jsonl").read_text().splitlines()[0])["request"]["body"]
        httpx.post(f"{server.url}/api/v1/sessions", json=body)
        row_of(page, "not audited").click()
        expect(page.locator(".plot .tick")).to_have_count(1)
        page.locator("#tab-findings").click()
        expect(page.locator("#findings-panel")).to_contain_text("not audited")
