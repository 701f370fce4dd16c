"""The live page under load: how soon a call is seen, how fast a large page opens, how long its tasks take.

cd tests && python -m bench.live_page
"""

import argparse
import contextlib
import os
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import httpx
from playwright.sync_api import BrowserContext

from support.browser import chromium
from support.exchanges import event, start
from support.live_client import LIVE, Link, link_of, query
from support.live_page import row_of, watching
from support.processes import running

# Keeps the tasks that took longer than 50 ms, which is what browsers call long.
WATCH_TASKS = """() => {
  window.longTasks = [];
  new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((each) => each.duration)))
    .observe({ entryTypes: ["longtask"] });
}"""
# Resolves with the time, in milliseconds since 1970, at which a call with that number is in the list.
SEEN = """(count) => new Promise((resolve) => {
  const look = () => Number(document.getElementById("calls").textContent.replaceAll(",", "")) >= count
    ? resolve(Date.now()) : setTimeout(look, 1);
  look();
})"""


class Measured(NamedTuple):
    """Milliseconds: from an answer to its row (median and worst), to open a large page, and of its longest task."""

    seen: float
    seen_at_worst: float
    opened: float
    opened_under_load: float
    longest_task: float


def main(argv: Sequence[str] | None = None) -> Measured:
    """Measure, and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--events", type=int, default=40, help="events of each session")
    parser.add_argument("--seconds", type=float, default=10, help="how long 200 events a second come in")
    parser.add_argument("--calls", type=int, default=30, help="calls whose delay is measured")
    asked = parser.parse_args(argv)
    with running("serve", "-q", *LIVE) as server, chromium() as browser, httpx.Client() as player:
        link, url = link_of(server), server.url
        sids = [open_session(player, url, f"content {number}") for number in range(asked.sessions)]
        for sid in sids:
            for number in range(1, asked.events):
                send(player, url, sid, number)
        while not (status := query(link, "/status"))["settled"]:
            time.sleep(0.1)
        sent = status["totals"]["calls"]
        window = browser.new_context(viewport={"width": 1360, "height": 860})
        window.new_page().wait_for_timeout(2_000)  # a window of Chromium loads pages of its own
        opened = statistics.median(time_to_open(window, link) for _ in range(5))
        with watching(browser, link) as page:
            page.evaluate(SEEN, sent)
            page.evaluate(WATCH_TASKS)
            delays = []
            for _ in range(asked.calls):
                send(player, url, sids[0], 50)
                answered = time.time() * 1000
                sent += 1
                delays.append(max(page.evaluate(SEEN, sent) - answered, 0))
            row_of(page, "content 0").first.click()
            with sending(url, sids, asked.seconds) as done:
                opened_under_load = statistics.median(time_to_open(window, link) for _ in range(5))
                while not done.is_set():
                    page.wait_for_timeout(100)
            longest = page.evaluate("Math.max(0, ...longTasks)")
    measured = Measured(statistics.median(delays), max(delays), opened, opened_under_load, longest)
    print(
        f"a call is seen after {measured.seen:.0f} ms ({measured.seen_at_worst:.0f} ms at worst); {asked.sessions} "
        f"sessions with {asked.sessions * asked.events:,} events open in {opened:.0f} ms ({opened_under_load:.0f} ms "
        f"while 200 events a second come in); longest task {longest:.0f} ms; load {os.getloadavg()[0]:.1f} on "
        f"{os.cpu_count()} processors"
    )
    return measured


def time_to_open(window: BrowserContext, link: Link) -> float:
    """Return the milliseconds from following a link, in a new tab, to a page with its sessions and its calls."""
    page = window.new_page()
    begun = time.monotonic()
    page.goto(str(link), wait_until="commit")
    page.locator("#sessions .row").first.wait_for()
    page.locator("#list .row").first.wait_for()
    opened = (time.monotonic() - begun) * 1000
    page.close()
    return opened


def open_session(player: httpx.Client, url: str, name: str) -> str:
    """Open a session of some content."""
    body = start()
    body["params"] = {**body["params"], "media.name": name}
    return str(player.post(f"{url}/api/v1/sessions", json=body).headers["Location"].rpartition("/")[2])


def send(player: httpx.Client, url: str, sid: str, number: int) -> None:
    """Send a ping."""
    player.post(f"{url}/api/v1/sessions/{sid}/events", json=event("ping", number, number))


@contextlib.contextmanager
def sending(url: str, sids: Sequence[str], seconds: float, rate: int = 200) -> Iterator[threading.Event]:
    """Send so many events a second, in a thread of their own; what is yielded is set at their end."""
    done = threading.Event()

    def run() -> None:
        begun = time.monotonic()
        with httpx.Client() as player:
            for number in range(int(seconds * rate)):
                send(player, url, sids[number % len(sids)], number)
                time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    yield done
    thread.join()


if __name__ == "__main__":
    main()
