"""Throughput of tapehead serve, next to a plain server that answers 204 to anything.

cd tests && python -m bench.serving
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import orjson

from bench.load import Contestant, Score, bare, compete, post, read_rounds, show
from support.exchanges import Step, event, session, start
from support.processes import Command, running
from support.resend import write
from tapehead.protocol.routes import location_of

PINGS: list[Step] = [(10.0 * nth, 10.0 * nth, "ping", {}) for nth in range(1, 60)]


def ping_of(opened: Command) -> bytes:
    """A ping of a session that was opened for it."""
    location = httpx.post(f"{opened.url}/api/v1/sessions", json=start()).headers["Location"]
    return post(f"{location}/events", orjson.dumps(event("ping", 300, 300)))


def any_ping(_: Command) -> bytes:
    """A ping for a server that knows no sessions."""
    return post(f"{location_of('any')}/events", orjson.dumps(event("ping", 300, 300)))


def serve(*arguments: object) -> Callable[[], contextlib.AbstractContextManager[Command]]:
    """A way to start tapehead serve."""
    return lambda: running("serve", "-q", *arguments)


@contextlib.contextmanager
def recording() -> Iterator[Path]:
    """A recording of one session with many pings."""
    with tempfile.TemporaryDirectory() as folder:
        yield write(Path(folder) / "pings.jsonl", session("recorded", PINGS))


def main(argv: Sequence[str] | None = None) -> list[Score]:
    """Measure, and print the table."""
    rounds = read_rounds(argv, "tapehead serve next to a plain server")
    with recording() as path, tempfile.TemporaryDirectory() as folder:
        out = "--out", f"{folder}/run.jsonl", "--append"
        scores = compete(
            [
                Contestant("uvicorn, 204 to anything", bare, any_ping),
                Contestant("tapehead serve", serve(), ping_of),
                Contestant("tapehead serve RECORDING", serve(path), ping_of),
                Contestant("tapehead serve --fail-on error", serve("--fail-on", "error"), ping_of),
                Contestant("tapehead serve --out FILE", serve(*out), ping_of),
                Contestant("tapehead serve --out FILE --no-audit", serve(*out, "--no-audit"), ping_of),
            ],
            rounds,
        )
    show("answers without a proxy", scores)
    return scores


if __name__ == "__main__":
    main()
