"""The fixture `media_collection`: the Media Collection API for the player of one test, and what it sent."""

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from secrets import token_hex
from textwrap import fill
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tapehead.answers import Outcome
from tapehead.errors import TapeheadError, UsageError
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import Event, arrival_of, events_of
from tapehead.protocol.exchange import Entry, Severity, decode, format_time
from tapehead.pytest_plugin.arguments import check_names, check_number, check_text, known_rules, shown
from tapehead.pytest_plugin.audit_settings import audit_settings
from tapehead.pytest_plugin.marks import Marks, find_recording
from tapehead.pytest_plugin.recording_files import file_name_of, key_name_of, write_recording
from tapehead.replay.on_miss import OnMiss
from tapehead.text import count_of, format_number, nearest

if TYPE_CHECKING:
    from tapehead.auditor.results import SessionFinding, SessionResult
    from tapehead.pytest_plugin.endpoint import Lines, SharedEndpoint
    from tapehead.pytest_plugin.played_sessions import PlayedSession

DEFAULT_TIMEOUT_SECONDS = 10.0
# The width of the lines that an assertion fails with; pytest indents them.
WIDTH = 76
# The errors that a failed wait names.
MOST_ERRORS = 5


def without_frames[**P, R](method: Callable[P, R]) -> Callable[P, R]:
    """Have errors of a method shown where the test calls it, without the frames of this package."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        try:
            return method(*args, **kwargs)
        except (AssertionError, TapeheadError) as error:
            raise error.with_traceback(None) from None

    return call


class MediaCollection:
    """The Media Collection API for the player of one test.

    What it tells is of the calls to its URL alone, whatever other tests do at the same time.

    Attributes:
        url: the endpoint's URL, without a slash at its end; the player's calls go to `{url}/api/v1/sessions`.
        key: the key of the test, which the URL ends with; calls with the header `X-Tapehead-Key` count as well.
        recording: where the recording of this test is kept if it fails.
        is_kept: whether that was done; a test without calls has none.
    """

    def __init__(
        self, item: pytest.Item, endpoint: "SharedEndpoint", marks: Marks, folder: Path, target: Path | None = None
    ) -> None:
        self._name = key_name_of(item.nodeid)
        # Another one where the test runs again, so that no late call of the first time counts.
        self.key = f"{self._name}-{token_hex(4)}"
        self.recording = folder / f"{file_name_of(item.nodeid)}.jsonl"
        self._item = item
        self._endpoint = endpoint
        self._marks = marks
        self._began = format_time(time.time())
        self._settings = audit_settings()
        # What came, once the test is over.
        self._ended: Lines | None = None
        self._is_told = False
        self.is_kept = False
        self._target = target
        if target:
            endpoint.claim(str(target), item.nodeid)
        self.url = endpoint.begin(self.key, marks.answers)

    def __repr__(self) -> str:
        return f"MediaCollection('{self.url}')"

    # ---- What came ----

    @without_frames
    def wait_for(
        self, condition: str, timeout: float = DEFAULT_TIMEOUT_SECONDS, after: Event | None = None
    ) -> Event | None:
        """Wait until a condition holds; what came before it was waited for counts as well.

        Args:
            condition: an event type such as `sessionComplete`, `calls:COUNT`, `quiet:SECONDS`, or `findings:COUNT` for
                errors as `assert_clean` has them, `findings:0` for none.
            timeout: the longest time to wait, in seconds.
            after: an event of this test, so that only events or calls after it count.

        Returns:
            The first event of the type, which may be the `after` of the next wait; None for other conditions.

        Raises:
            AssertionError: it does not hold in that time.
        """
        check_text(condition, "condition", "sessionComplete")
        seconds = check_number(timeout, "timeout")
        if not isinstance(after, Event | None):
            raise UsageError(f"invalid after {shown(after)}: expected an event that wait_for() or events() returned")
        kind, _, value = condition.partition(":")
        event_type = condition if condition in EVENT_TYPES else value if kind == "event" else ""
        if after and not event_type and kind != "calls":
            raise UsageError(f"'after' goes with an event type or calls:COUNT, not with '{condition}'")
        last = after.line if after else 0
        if not self._endpoint.wait(self.key, condition, seconds, last):
            hint = "" if event_type in EVENT_TYPES else nearest(event_type, EVENT_TYPES)
            told = f"no '{condition}' within {format_number(seconds)} s{hint}; {self._came(condition)}"
            raise AssertionError(fill(told, WIDTH, initial_indent=" " * len("AssertionError: ")).lstrip())
        events = numbered_events(entries_of(self._read_lines()[0])) if event_type else iter(())
        return next((event for event in events if event.type == event_type and event.line > last), None)

    async def wait_for_async(
        self, condition: str, timeout: float = DEFAULT_TIMEOUT_SECONDS, after: Event | None = None
    ) -> Event | None:
        """Wait as `wait_for` does, while the event loop goes on."""
        __tracebackhide__ = True
        try:
            return await asyncio.to_thread(self.wait_for, condition, timeout, after)
        except (AssertionError, TapeheadError) as error:
            raise error.with_traceback(None) from None  # without the frames of the thread

    @property
    @without_frames
    def sessions(self) -> "list[PlayedSession]":
        """The sessions so far, with their states and metrics, in the order in which they began."""
        results = self._results()
        from tapehead.pytest_plugin.played_sessions import with_metrics

        return with_metrics(self._endpoint.sessions(self.key), results)

    @without_frames
    def events(self, type: str | None = None) -> list[Event]:  # noqa: A002 - the name that the API has for it
        """Return the events so far in the order of their calls; those of one type, if it is given.

        Raises:
            UsageError: no event has that type, and none can.
        """
        if type is not None:
            check_text(type, "type", "adStart")
        events = list(numbered_events(self._entries()))
        found = [event for event in events if type in (None, event.type)]
        if type is not None and not found and type not in EVENT_TYPES:
            raise UsageError(f"no event type is called '{type}'{nearest(type, EVENT_TYPES)}")
        return found

    @property
    @without_frames
    def findings(self) -> "list[SessionFinding]":
        """The findings of all sessions, as `tapehead audit` would have them if no more calls came."""
        return [finding for result in self._results() for finding in result.findings]

    @property
    @without_frames
    def metrics(self) -> dict[str, Any]:
        """The metrics that Adobe would report of the only session that was opened; empty without one.

        Raises:
            UsageError: there are several.
        """
        found = [result.metrics for result in self._results() if result.metrics]
        if len(found) > 1:
            raise UsageError(f"{len(found)} sessions have metrics of their own; choose one, as sessions[0].metrics")
        return found[0] if found else {}

    @without_frames
    def fault(self, text: str) -> None:
        """Inject a fault into the answers from now on, written as for `--fault`: `event:ping:3=410`."""
        self._endpoint.add_fault(self.key, check_text(text, "fault", "event:ping:3=410"))

    # ---- Assertions ----

    @without_frames
    def assert_clean(self, fail_on: str = "error", ignore: Iterable[str] = ()) -> None:
        """Assert that a session came, and that no session has findings.

        Those do not count that only show an answer that the test itself asked for by a fault, such as `rejected`;
        what the player makes of it does, such as `kept-sending`.

        Args:
            fail_on: the least severe finding that counts: "error", "warning" or "info".
            ignore: the ids of rules that do not count.

        Raises:
            AssertionError: there are findings, or no session.
        """
        if fail_on not in tuple(Severity):
            raise UsageError(f"invalid fail_on '{fail_on}': expected {', '.join(Severity)}")
        ignored, entries = known_rules(ignore), self._entries()
        results = self._results_of(entries)
        if not results:
            raise AssertionError(self._came())
        from tapehead.pytest_plugin.asked_faults import shows_fault  # which loads rules

        wrong = [
            finding
            for result in results
            for finding in result.findings
            if finding.severity.reaches(fail_on)
            and finding.rule not in ignored
            and not shows_fault(finding.rule, entries[finding.line - 1].exchange.answered)
        ]
        if wrong:
            from tapehead.pytest_plugin import failure_text  # which loads much

            raise AssertionError(failure_text.describe_findings(wrong, WIDTH))

    @without_frames
    def assert_matches(self, recording: str | Path, ignore: Iterable[str] = (), tolerance: float = 1.0) -> None:
        """Assert that the calls do not differ from a recording, as `tapehead diff` compares.

        Args:
            recording: the recording, relative to the test's file or to the folder where pytest was started.
            ignore: names or patterns of parameters, event types, metrics or rules that are not compared.
            tolerance: how far playheads and durations may be apart, in seconds.

        Raises:
            AssertionError: they differ.
        """
        from tapehead.pytest_plugin import failure_text

        if not isinstance(recording, str | Path):
            raise UsageError(f"invalid recording {shown(recording)}: expected its path")
        names, seconds = check_names(ignore, "ignore", "adStart"), check_number(tolerance, "tolerance")
        path = find_recording(self._item, recording)
        if problem := failure_text.describe_differences(path, self._results(), names, seconds, WIDTH):
            raise AssertionError(problem)

    def check_marks(self) -> None:
        """Fail the test if the recordings lack calls and `on_miss` is "error", or steps of a scenario are not shown."""
        if not self._marks.scenarios and self._marks.answers.on_miss is not OnMiss.ERROR:
            return
        from tapehead.pytest_plugin import failure_text

        if self._marks.answers.on_miss is OnMiss.ERROR:
            missed, recordings = self._endpoint.misses(self.key)
            if missed:
                pytest.fail(failure_text.describe_misses(missed, recordings), pytrace=False)
        if self._marks.scenarios:
            problem = failure_text.describe_steps(self._results(), self._marks.scenarios, WIDTH)
            if problem:
                pytest.fail(problem, pytrace=False)

    # ---- Reports ----

    def describe(self, width: int) -> str:
        """Return the timeline of the sessions with their findings, and where their recording is, which is kept."""
        lines, missing = self._read_lines()
        if not lines:
            return self._came()
        from tapehead.pytest_plugin import failure_text

        entries = entries_of(lines)
        told = [failure_text.describe_timeline(entries, self._results_of(entries), width), self.keep()]
        return "\n".join([*told, said_missing(missing)] if missing else told)

    def keep(self) -> str:
        """Keep the recording, if there are calls, and return where, or why that failed."""
        try:
            if self._read_lines()[0]:
                write_recording(self.recording, self._recorded_lines())
            else:  # one of a former run would be taken for that of this one
                self.recording.unlink(missing_ok=True)
        except OSError as error:
            return f"cannot keep the recording in '{self.recording}': {error.strerror}"
        self.is_kept = True
        return f"recording: {self.recording}"

    def record(self) -> str:
        """Write what the real endpoint answered in a test that passed, if that was asked for.

        Returns:
            Why that is not done, with the former recording as it was; empty if there is nothing to say.
        """
        lines, missing = self._read_lines()
        target, entries = self._target, entries_of(lines)
        if target is None or not entries:
            return ""
        if missing:
            return f"{said_missing(missing)}; nothing is written to '{target}'"
        unanswered = [each.exchange.answered for each in entries if is_unanswered(each)]
        if unanswered and unanswered[0]:
            counted = count_of(len(unanswered), "call")
            return f"{counted} without an answer, so nothing is written to '{target}': {unanswered[0].reason}"
        try:
            write_recording(target, self._recorded_lines())
        except OSError as error:
            return f"cannot write the recording '{target}': {error.strerror}"
        return ""

    def close(self) -> str:
        """End the test; what came remains here. Return what is missing of it, unless an assertion told that."""
        self._ended = self._endpoint.end(self.key)
        missing = self._ended[1]
        return said_missing(missing) if missing and not self._is_told else ""

    def _read_lines(self) -> "Lines":
        return self._endpoint.lines(self.key) if self._ended is None else self._ended

    def _check_complete(self) -> list[bytes]:
        """Return the lines of the calls so far.

        Raises:
            TapeheadError: calls are missing, so that nothing can be told of them.
        """
        lines, missing = self._read_lines()
        if missing:
            self._is_told = True
            raise TapeheadError(said_missing(missing))
        return lines

    def _recorded_lines(self) -> Iterator[bytes]:
        """Yield the lines as they are in each run: with the test's name as their key, and none in a Location."""
        key, name = self.key.encode(), self._name.encode()
        for line in self._read_lines()[0]:
            yield line.replace(b"/k/%b/" % key, b"/").replace(key, name)

    def _entries(self) -> list[Entry]:
        return entries_of(self._check_complete())

    def _results(self) -> "list[SessionResult]":
        return self._results_of(self._entries())

    def _results_of(self, entries: list[Entry]) -> "list[SessionResult]":
        from tapehead.auditor.recordings_audit import audit  # which loads all rules

        results = list(audit(entries, self._settings))
        return sorted(results, key=lambda result: result.line)

    def _came(self, condition: str = "") -> str:
        from tapehead.pytest_plugin import what_came  # which loads much

        if condition.startswith("findings:") and (errors := self._endpoint.errors(self.key)):
            told = "; ".join(f"{row.rule}: {row.message}" for row in errors[:MOST_ERRORS])
            return f"{count_of(len(errors), 'error')}: {told}"
        entries = self._entries()
        return what_came.describe_calls(entries) or what_came.describe_strays(
            self._endpoint.strays(self._began), self.url
        )


def entries_of(lines: Iterable[bytes]) -> list[Entry]:
    """Return the exchanges of the lines of a recording."""
    return [Entry(number, decode(line)) for number, line in enumerate(lines, start=1)]


def said_missing(count: int) -> str:
    """Return why a test cannot be judged."""
    return f"{count_of(count, 'call')} of this test missing: more came than can be kept; send fewer in one test"


def is_unanswered(entry: Entry) -> bool:
    """Return whether the real endpoint did not answer a call that was forwarded to it."""
    answered = entry.exchange.answered
    return answered is not None and answered.outcome == Outcome.MISS


def numbered_events(entries: Iterable[Entry]) -> Iterator[Event]:
    """Yield the events of exchanges, each with its number in its session."""
    numbers: Counter[str | None] = Counter()
    for entry in entries:
        for event in events_of(entry.exchange, arrival_of(entry.exchange) or 0.0, line=entry.line):
            index = numbers[event.sid]
            numbers[event.sid] += 1
            yield event if event.in_array else msgspec.structs.replace(event, index=index)
