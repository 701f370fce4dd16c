"""Plain HTTP servers: the ASGI application, a startable server on uvicorn, worker processes. No proxy."""
