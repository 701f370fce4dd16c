"""`record --ship`: the process that ships full files, from the start of a run to its end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tapehead.cli.audit_end import FIRST_SECONDS, NEXT_SECONDS, on_signal
from tapehead.counts import Count
from tapehead.recording.recorder_settings import StoreSettings
from tapehead.text import count_of

if TYPE_CHECKING:
    from tapehead.cli.terminal import Screen
    from tapehead.shipping.shipping_messages import ShippingSetup
    from tapehead.shipping.shipping_process import ShippingProcess

# The longest wait for the store at the end of a run.
END_SECONDS = 10.0


class ShippingSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The shipped files, in the summary as JSON.

    Attributes:
        url: the folder in the store.
        shipped: the number of files that were shipped in this run, of earlier runs included.
        waiting: the number of full files that were not.
        failed: the number of files that could not be read.
    """

    url: str
    shipped: Count
    waiting: Count
    failed: Count

    def line(self) -> str:
        """Return the summary in one line."""
        text = f"shipped {count_of(self.shipped, 'file')} to '{self.url}'"
        if self.waiting:
            wait, them = ("waits", "it") if self.waiting == 1 else ("wait", "them")
            text += f"; {count_of(self.waiting, 'file')} {wait}: the next run with this --out and --ship ships {them}"
        return f"{text}; {count_of(self.failed, 'file')} could not be read" if self.failed else text


class ShippingRun:
    """The shipping of one run.

    Args:
        setup: what is shipped.
        process: the process that ships it.
    """

    def __init__(self, setup: "ShippingSetup", process: "ShippingProcess") -> None:
        self._setup = setup
        self._process = process

    def finish(self, screen: "Screen") -> None:
        """Wait for a while until all is shipped, or a signal comes."""
        due, is_given_up = time.monotonic() + FIRST_SECONDS, False

        def give_up() -> None:
            nonlocal is_given_up
            is_given_up = True

        def show(waiting: int) -> None:
            nonlocal due
            if screen.width and waiting and time.monotonic() >= due:
                due = time.monotonic() + NEXT_SECONDS
                screen.show(f"shipping the last {count_of(waiting, 'file')}; press Ctrl-C to end without")

        with on_signal(give_up):
            self._process.finish(END_SECONDS, lambda: is_given_up, show)

    def summary(self) -> ShippingSummary:
        """Return what was shipped and what was not, at the end."""
        from tapehead.shipping.finished_files import FinishedFiles

        failed = self._process.status.failed
        out, url, delete = Path(self._setup.out), self._setup.url, self._setup.delete
        waiting = max(0, len(FinishedFiles(out, url, delete=delete).find_new()) - failed)
        return ShippingSummary(url=url, shipped=self._process.shipped, waiting=waiting, failed=failed)


@contextmanager
def shipping(
    setup: "ShippingSetup | None", warn: Callable[[str], None], screen: "Screen"
) -> Iterator[ShippingRun | None]:
    """Ship the full files of a recording during a `with` block, and for a while at its end.

    Args:
        setup: what is shipped; None for nothing.
        warn: prints a line on stderr, in any thread.
        screen: where progress is shown at the end, if it is a terminal.

    Raises:
        StartupError: the process does not start.
        UsageError: the store cannot be used as the options say.
    """
    if setup is None:
        yield None
        return
    from tapehead.shipping.shipping_process import ShippingProcess

    process = ShippingProcess(setup, warn)
    try:
        process.wait_ready()
        run = ShippingRun(setup, process)
        yield run
        run.finish(screen)
    finally:
        process.close()


def shipping_setup(url: str, store: StoreSettings, *, delete: bool) -> "ShippingSetup":
    """Return what is shipped of a recording, and where to.

    Raises:
        UsageError: the URL is malformed.
    """
    from tapehead.remote.urls import parse_url
    from tapehead.shipping import shipping_messages

    name = str(parse_url(url, "ship to"))
    times = shipping_messages.TIMES
    return shipping_messages.ShippingSetup(out=str(store.out), url=name, delete=delete, times=times)


def with_last_file(store: StoreSettings) -> StoreSettings:
    """Return the settings of a recording whose last file gets the name of a full one at the end."""
    return msgspec.structs.replace(store, rotation=msgspec.structs.replace(store.rotation, at_end=True))
