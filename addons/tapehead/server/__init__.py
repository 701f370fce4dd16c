"""Plain HTTP servers: the ASGI application, uvicorn in a thread, worker processes. No proxy."""
