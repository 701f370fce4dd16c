"""Each public name as a user would write it: the type checker reads this file, nothing runs it."""

import secrets
from collections.abc import Iterator

import tapehead
from tapehead import AuditSettings, Event, Exchange, Finding, Replayer, Server, SessionAudit, Severity, Simulator


def find_errors(paths: list[str], settings: AuditSettings) -> Iterator[str]:
    """Yield the errors of all sessions in some recordings."""
    for session in tapehead.audit(tapehead.read_recordings(paths), settings):
        yield from (finding.message for finding in session.findings if finding.severity is Severity.ERROR)


def follow_session(exchanges: list[Exchange]) -> float:
    """Print findings as they are proven; return the content time in seconds."""
    audit = SessionAudit()
    for exchange in exchanges:
        for finding in audit.add(exchange):
            print(finding.rule, finding.message)
    result = audit.close()
    event: Event = result.steps[0].event
    print(event.type, event.playhead)
    return float(result.metrics["content_time_spent"])


def list_findings(exchange: Exchange) -> list[Finding]:
    """Return the findings that a recording holds of one exchange."""
    return [finding for finding in exchange.findings if finding.severity is not Severity.INFO]


def tracking_changed(base: str, new: str) -> bool:
    """Compare two recordings."""
    before, after = (tapehead.audit(tapehead.read_recordings([path])) for path in (base, new))
    return not tapehead.diff(before, after).same


def serve_both(path: str) -> None:
    """Answer from a recording, and as the documented endpoint does."""
    replayer = Replayer.from_entries(tapehead.read_recordings([path]), random_bytes=secrets.token_bytes)
    try:
        with Server(replayer) as replayed, Server(Simulator(random_bytes=secrets.token_bytes)) as simulated:
            print(replayed.url, simulated.url)
    except tapehead.TapeheadError as error:
        print(error)
