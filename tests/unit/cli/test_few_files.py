"""Commands that players call, where few files can be open: what they load before, and what they say."""

import resource
import sys

import pytest

from support.processes import run_program

CODE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
from tapehead.cli.lean_imports import import_libraries_lazily
import_libraries_lazily()
from tapehead.cli.library_warnings import logging_in_background
with logging_in_background(2):
    names = ("jsonschema_rs", "tapehead.rules.catalog", "tapehead.redaction.redactor", "tapehead.replay.replayer")
    print(*(name in sys.modules for name in names), sys.modules["inspect"].__spec__ is not None)
"""


def test_where_few_files_can_be_open_modules_are_loaded_before_players_come() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    few, many = (run_program(sys.executable, "-c", CODE.format(limit=limit), cold=True).stdout for limit in (128, most))
    assert (few.split(), many.split()) == (["True"] * 5, ["False"] * 5)


SHORT_OF_FILES = """
import asyncio, contextlib, os, resource, socket, sys
from tapehead.cli.library_warnings import logging_to_stderr

async def stop_while_short() -> None:
    if sys.argv[1] == "mitmproxy":
        from mitmproxy.master import Master
        asyncio.get_running_loop().set_exception_handler(Master._asyncio_exception_handler.__get__(object()))
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1")
    player = socket.create_connection(server.sockets[0].getsockname())
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    taken = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.dup(0))
    await asyncio.sleep(0.1)
    server.close()
    os.close(taken.pop())
    await asyncio.sleep(1.2)

with logging_to_stderr("make room"):
    asyncio.run(stop_while_short())
"""


@pytest.mark.parametrize("handler", ["asyncio", "mitmproxy"])
def test_a_stop_while_players_wait_for_room_says_only_that_they_do(handler: str) -> None:
    """A second later asyncio tries to listen again on the socket that is closed, as often as players were waiting."""
    done = run_program(sys.executable, "-c", SHORT_OF_FILES, handler, cold=True)
    assert done.stderr == "tapehead: [Errno 24] Too many open files: new players wait, and calls may fail; make room\n"
