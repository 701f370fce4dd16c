"""The memory of a server and of its live page in Chromium, while calls come in and a session is shown.

cd tests && python -m bench.live_memory --calls 200000 --rate 2000
cd tests && python -m bench.live_memory --calls 30000 --rate 50
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import httpx

from bench.live_page import open_session, sending
from support.browser import chromium
from support.live_client import LIVE, link_of, query
from support.live_page import watching
from support.processes import running


class Sample(NamedTuple):
    """Calls in the journal; megabytes of the server and of the page's objects; nodes and listeners of the page."""

    calls: int
    server: float
    page: float
    nodes: int
    listeners: int


def main(argv: Sequence[str] | None = None) -> list[Sample]:
    """Measure, and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=30_000)
    parser.add_argument("--rate", type=int, default=50, help="calls a second")
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--samples", type=int, default=10)
    asked = parser.parse_args(argv)
    samples = list[Sample]()
    with running("serve", "-q", *LIVE) as server, chromium() as browser, httpx.Client() as player:
        link = link_of(server)
        sids = [open_session(player, server.url, f"content {number}") for number in range(asked.sessions)]
        with watching(browser, link) as page:
            page.locator("#sessions .row").first.click()
            tools = page.context.new_cdp_session(page)
            tools.send("Performance.enable")
            seconds = asked.calls / asked.rate
            with sending(server.url, sids, seconds, asked.rate) as done:
                begun = time.monotonic()
                while not done.is_set() or len(samples) < asked.samples:
                    if not done.is_set():
                        due = begun + (len(samples) + 1) * seconds / asked.samples
                        page.wait_for_timeout(max(100.0, (due - time.monotonic()) * 1000))
                    tools.send("HeapProfiler.collectGarbage")
                    told = {each["name"]: each["value"] for each in tools.send("Performance.getMetrics")["metrics"]}
                    size = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * 4096
                    sample = Sample(
                        query(link, "/status?settle=no")["totals"]["calls"],
                        size / 1e6,
                        told["JSHeapUsedSize"] / 1e6,
                        int(told["Nodes"]),
                        int(told["JSEventListeners"]),
                    )
                    samples.append(sample)
                    print(
                        f"{time.monotonic() - begun:5.0f} s: {sample.calls:7,} calls, server {sample.server:.0f} MB, "
                        f"page {sample.page:.1f} MB, {sample.nodes:,} nodes, {sample.listeners:,} listeners",
                        flush=True,
                    )
    return samples


if __name__ == "__main__":
    main()
