"""The journal of a run: what record, replay and serve have seen, for pages, the HTTP API, tests and the terminal."""
