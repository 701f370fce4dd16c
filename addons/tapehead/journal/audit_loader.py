"""The audit of a run, made when it is first needed.

Rules and metrics take as long to load as a fifth of a server's start. No player waits for that: the audit's thread
loads them with the first call, or once the command listens. Its settings were checked before.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tapehead.auditor.live_audit import LiveAudit


class AuditLoader:
    """A loader of the audit, which is loaded once.

    Args:
        make: returns a new audit; None where there is none.

    Attributes:
        audit: the audit; None until it is loaded.
    """

    def __init__(self, make: "Callable[[], LiveAudit] | None") -> None:
        self._make = make
        self.audit: LiveAudit | None = None

    @property
    def has_audit(self) -> bool:
        """True if there is an audit, loaded or not."""
        return self._make is not None

    def load(self) -> "LiveAudit | None":
        """Return the audit, which no other thread may load or use meanwhile; None where there is none."""
        if self.audit is None and self._make is not None:
            self.audit = self._make()
        return self.audit
