"""The public names of `tapehead`, each loaded with all that it needs when it is first used."""

import importlib

HOMES = {
    "AuditSettings": "tapehead.auditor.settings",
    "Event": "tapehead.protocol.events",
    "Exchange": "tapehead.protocol.exchange",
    "Finding": "tapehead.protocol.exchange",
    "Replayer": "tapehead.replay.replayer",
    "Server": "tapehead.server.uvicorn_server",
    "SessionAudit": "tapehead.auditor.session_audit",
    "Severity": "tapehead.protocol.exchange",
    "Simulator": "tapehead.simulator.endpoint",
    "TapeheadError": "tapehead.errors",
    "audit": "tapehead.auditor.recordings_audit",
    "diff": "tapehead.comparison.compare",
    "read_recordings": "tapehead.interop.reader",
}


def load_public_name(name: str) -> object:
    """Return what a public name stands for.

    Raises:
        AttributeError: the package has no such name.
    """
    if name not in HOMES:
        raise AttributeError(f"module 'tapehead' has no attribute {name!r}")
    return getattr(importlib.import_module(HOMES[name]), name)


def list_public_names() -> list[str]:
    """Return the names for `dir(tapehead)`."""
    return ["__version__", *HOMES]
