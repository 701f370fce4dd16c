"""A large report as a page: its sessions are packed, and unpacked when they are opened."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support import reports
from support.browser import chromium
from tapehead.cli.app import run
from tapehead.reports.audit import html_report


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    reports.all_in(folder / "recordings")
    output = folder / "report.html"
    assert run(["audit", str(folder / "recordings"), "-o", str(output)]) == 1
    return output


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def packed(report: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The report as it is when it is large: three sessions to a block, or fewer."""
    monkeypatch.setattr(html_report, "LARGE", 1_000)
    monkeypatch.setattr(html_report, "BLOCK", 60_000)
    output = report.with_name("packed.html")
    run(["audit", str(report.parent / "recordings"), "-o", str(output)])
    return output


def test_a_large_report_unpacks_sessions_when_they_are_opened(browser: Browser, report: Path, packed: Path) -> None:
    plain, opened = browser.new_page(), browser.new_page()
    plain.goto(report.as_uri())
    opened.goto(packed.as_uri())
    assert opened.locator("script.block").count() > 1
    assert opened.locator(".session .inside").count() == 0
    for place in range(5):
        for each in (plain, opened):
            each.locator(".session > summary").nth(place).click()
            expect(each.locator(".session").nth(place).locator(".plot .tick").first).to_be_attached()
    insides = [
        [text.strip() for text in each.locator(".session .inside").all_text_contents()] for each in (plain, opened)
    ]
    assert insides[0] == insides[1]
    row = opened.locator(".session").filter(has_text=reports.SCRIPT)
    row.locator('li[data-rule="wrong-type"] button').click()
    assert row.locator("pre .wrong").inner_text().strip() == '"media.length": "600",'
    assert packed.stat().st_size < report.stat().st_size
    for each in (plain, opened):
        each.close()


def test_the_filter_of_a_large_report_finds_rules_and_names(browser: Browser, packed: Path) -> None:
    opened = browser.new_page()
    opened.goto(packed.as_uri())
    opened.locator("#filter [name=text]").fill("ad-outside-break")
    assert opened.locator(".session:visible .what b").all_text_contents() == [reports.SCRIPT]
    opened.locator("#filter [name=rule]").select_option("wrong-type")
    opened.locator(".session:visible > summary").click()
    expect(opened.locator(".session:visible .findings li:visible a")).to_have_text(["wrong-type"])
    opened.close()
