"""Record, replay and audit the tracking that media players send to Adobe's Media Collection API.

The names in `__all__` are the public API. They are loaded when they are first used.
"""

# As `typing` has it, which takes long to load.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from tapehead.auditor.recordings_audit import audit as audit
    from tapehead.auditor.session_audit import SessionAudit as SessionAudit
    from tapehead.auditor.settings import AuditSettings as AuditSettings
    from tapehead.comparison.compare import diff as diff
    from tapehead.errors import TapeheadError as TapeheadError
    from tapehead.interop.reader import read_recordings as read_recordings
    from tapehead.protocol.events import Event as Event
    from tapehead.protocol.exchange import Exchange as Exchange
    from tapehead.protocol.exchange import Finding as Finding
    from tapehead.protocol.exchange import Severity as Severity
    from tapehead.replay.replayer import Replayer as Replayer
    from tapehead.server.uvicorn_server import Server as Server
    from tapehead.simulator.endpoint import Simulator as Simulator
else:
    from tapehead import public_names

    __getattr__, __dir__ = public_names.load_public_name, public_names.list_public_names

__version__ = "0.1.0"

__all__ = [
    "AuditSettings",
    "Event",
    "Exchange",
    "Finding",
    "Replayer",
    "Server",
    "SessionAudit",
    "Severity",
    "Simulator",
    "TapeheadError",
    "audit",
    "diff",
    "read_recordings",
]
