"""A minimal endpoint: an ASGI application that opens a session for any start, and answers 204 to anything else."""

import secrets

from tapehead.server.asgi import Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    starts = scope["path"].endswith("/sessions")
    headers = [(b"location", f"{scope['path']}/{secrets.token_hex(16)}".encode())] if starts else []
    await send({"type": "http.response.start", "status": 201 if starts else 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
