"""What a company expects of its own events, beyond the documentation: schemas and metadata from the settings.

They speak in the words of the rules of one exchange: missing-parameter, wrong-type, bad-value, unknown-parameter.
"""

from collections.abc import Iterator
from typing import Any

from tapehead.checks import parse_body
from tapehead.complaints import Body, grade, part_of
from tapehead.exchange import Finding, Request
from tapehead.rules import finding
from tapehead.settings import Settings


class Expectations:
    """The expectations of `settings`.

    Raises:
        SettingsError: a schema among them is no JSON Schema.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._schemas = settings.expectations()

    def check(self, request: Request) -> Iterator[Finding]:
        """Where the body of a request is not as expected; nothing for bodies that are no events at all."""
        if not (self._settings.expect or self._settings.metadata):
            return
        try:
            parsed = parse_body(request)
        except ValueError:
            return
        for index, event in enumerate(parsed if isinstance(parsed, list) else [parsed]):
            prefix = f"[{index}]." if isinstance(parsed, list) else ""
            if isinstance(event, dict) and isinstance(event.get("eventType"), str):
                yield from self._check_event(event, event["eventType"], prefix)

    def _check_event(self, event: dict[str, Any], event_type: str, prefix: str) -> Iterator[Finding]:
        body = Body(event, event_type, prefix, 0, live=True)
        for key in self._settings.metadata.get(event_type, ()):
            if key not in part_of(body, "customMetadata"):
                path = f"{prefix}customMetadata.{key}"
                yield finding("missing-parameter", path, f"{event_type}: {path} is missing; the settings expect it")
        if self._schemas and event_type in self._settings.expect:
            for complaint in self._schemas.complaints(event_type, event):
                yield from grade(body, complaint)
