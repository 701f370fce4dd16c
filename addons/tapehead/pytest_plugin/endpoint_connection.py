"""The connection of pytest-xdist's workers to the endpoint, which the process that controls them has.

A worker sends the name of a method with its arguments, and gets what it returns or raises. Only who has the secret,
which the workers get when they start, is listened to: objects are pickled.
"""

import os
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from tapehead.errors import TapeheadError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from tapehead.pytest_plugin.endpoint import SharedEndpoint

HOST = "127.0.0.1"
# The port and the secret, in hexadecimal digits.
Access = tuple[int, str]


class EndpointListener:
    """A listener that starts the endpoint when a worker first connects.

    Args:
        real: the URL of the real endpoint, as `SharedEndpoint` takes it.

    Attributes:
        access: what a worker needs for that.
    """

    def __init__(self, real: str | None = None) -> None:
        self._real = real
        self._secret = os.urandom(32)
        self._listening = socket.create_server((HOST, 0))
        self.access: Access = (self._listening.getsockname()[1], self._secret.hex())
        self._endpoint: SharedEndpoint | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, name="tapehead-workers", daemon=True).start()

    def close(self) -> None:
        """Stop listening, and stop the endpoint."""
        with suppress(OSError):  # a thread that waits for a connection does not see that the socket is closed
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._lock:
            if self._endpoint:
                self._endpoint.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(connection,), name="tapehead-worker", daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        from multiprocessing import AuthenticationError
        from multiprocessing.connection import Connection, answer_challenge, deliver_challenge

        with Connection(accepted.detach()) as connection:
            try:
                deliver_challenge(connection, self._secret)
                answer_challenge(connection, self._secret)
                while True:
                    self._answer(connection)
            except (AuthenticationError, EOFError, OSError):  # the worker has ended, or is none
                return

    def _answer(self, connection: "Connection") -> None:
        name, arguments = connection.recv()
        try:
            with self._lock:
                if self._endpoint is None:
                    from tapehead.pytest_plugin.endpoint import SharedEndpoint

                    self._endpoint = SharedEndpoint(self._real)
            answer = True, getattr(self._endpoint, name)(*arguments)
        except TapeheadError as error:
            answer = False, error
        except Exception as error:  # noqa: BLE001 - the test that asked says it
            answer = False, TapeheadError(f"internal error in the endpoint: {error!r}")
        connection.send(answer)


class RemoteEndpoint:
    """The endpoint in another process; each thread has a connection of its own, so that none waits for another."""

    def __init__(self, port: int, secret: str) -> None:
        self._address, self._secret = (HOST, port), bytes.fromhex(secret)
        self._local = threading.local()

    def __getattr__(self, name: str) -> Any:
        """Return a method of the endpoint."""
        return lambda *arguments: self._call(name, arguments)

    def close(self) -> None:
        """Leave the endpoint to the other workers."""

    def _call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        from multiprocessing.connection import Client

        if not hasattr(self._local, "connection"):
            self._local.connection = Client(self._address, authkey=self._secret)
        connection: Connection = self._local.connection
        connection.send((name, arguments))
        has_returned, result = connection.recv()
        if has_returned:
            return result
        raise result


def connect(port: int, secret: str) -> "SharedEndpoint":
    """Return the endpoint in the process that controls the workers."""
    return cast("SharedEndpoint", RemoteEndpoint(port, secret))
