"""The live page under load: how soon a call is seen, how fast a large page opens, how long its tasks take.

cd tests && python -m bench.live_page
"""

import argparse
import statistics
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

import httpx
from playwright.sync_api import Page

from support.browser import chromium
from support.exchanges import event, start
from support.live_client import LIVE, link_of
from support.live_page import row_of, watching
from support.processes import Command, running

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
        sids = [open_session(player, server, f"content {number}") for number in range(asked.sessions)]
        for sid in sids:
            for number in range(1, asked.events):
                send(player, server, sid, number)
        sent = asked.sessions * asked.events
        begun = time.monotonic()
        with watching(browser, link_of(server)) as page:
            page.evaluate(SEEN, sent)
            page.locator("#sessions .row").first.wait_for()
            opened = (time.monotonic() - begun) * 1000
            page.evaluate(WATCH_TASKS)
            delays = []
            for _ in range(asked.calls):
                send(player, server, sids[0], 50)
                answered = time.time() * 1000
                sent += 1
                delays.append(max(page.evaluate(SEEN, sent) - answered, 0))
            row_of(page, "content 0").first.click()
            stream_events(player, server, sids, asked.seconds, page)
            longest = page.evaluate("Math.max(0, ...longTasks)")
    measured = Measured(statistics.median(delays), max(delays), opened, longest)
    print(
        f"a call is seen after {measured.seen:.0f} ms ({measured.seen_at_worst:.0f} ms at worst); {asked.sessions} "
        f"sessions with {asked.sessions * asked.events:,} events open in {opened:.0f} ms; longest task {longest:.0f} ms"
    )
    return measured


def open_session(player: httpx.Client, server: Command, name: str) -> str:
    """Open a session of some content."""
    body = start()
    body["params"] = {**body["params"], "media.name": name}
    return str(player.post(f"{server.url}/api/v1/sessions", json=body).headers["Location"].rpartition("/")[2])


def send(player: httpx.Client, server: Command, sid: str, number: int) -> None:
    """Send a ping."""
    player.post(f"{server.url}/api/v1/sessions/{sid}/events", json=event("ping", number, number))


def stream_events(player: httpx.Client, server: Command, sids: Sequence[str], seconds: float, page: Page) -> None:
    """Send 200 events a second, in a thread of their own, while the page goes on."""
    done = threading.Event()

    def run() -> None:
        begun = time.monotonic()
        for number in range(int(seconds * 200)):
            send(player, server, sids[number % len(sids)], number)
            time.sleep(max(0.0, begun + number / 200 - time.monotonic()))
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    while not done.is_set():
        page.wait_for_timeout(100)
    thread.join()


if __name__ == "__main__":
    main()
