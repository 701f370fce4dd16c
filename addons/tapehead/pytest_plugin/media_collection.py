"""The fixture `media_collection`: the Media Collection API for the player of one test, and what it sent."""

import asyncio
import functools
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from textwrap import fill
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tapehead.answers import Outcome
from tapehead.errors import TapeheadError, UsageError
from tapehead.protocol.events import Event, arrival_of, events_of
from tapehead.protocol.exchange import Entry, Severity, decode
from tapehead.pytest_plugin.audit_settings import audit_settings
from tapehead.pytest_plugin.marks import Marks, find_recording, read_marks
from tapehead.pytest_plugin.recording_files import file_name_of, key_name_of, write_recording
from tapehead.replay.on_miss import OnMiss
from tapehead.text import count_of, format_number, nearest

if TYPE_CHECKING:
    from tapehead.auditor.results import SessionFinding, SessionResult
    from tapehead.journal.rows import SessionRow
    from tapehead.pytest_plugin.endpoint import Lines, SharedEndpoint

DEFAULT_TIMEOUT_SECONDS = 10.0
# The width of the lines that an assertion fails with; pytest indents them.
WIDTH = 76


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
    def wait_for(self, condition: str, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        """Wait until a condition holds.

        Args:
            condition: an event type such as `sessionComplete`, `calls:COUNT`, `findings:COUNT`, or `quiet:SECONDS`.
            timeout: the longest time to wait, in seconds.

        Raises:
            AssertionError: it does not hold in that time.
        """
        if not self._endpoint.wait(self.key, condition, timeout):
            told = f"no '{condition}' within {format_number(timeout)} s; {self._came()}"
            raise AssertionError(fill(told, WIDTH, initial_indent=" " * len("AssertionError: ")).lstrip())

    async def wait_for_async(self, condition: str, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        """Wait as `wait_for` does, while the event loop goes on."""
        __tracebackhide__ = True
        try:
            await asyncio.to_thread(self.wait_for, condition, timeout)
        except (AssertionError, TapeheadError) as error:
            raise error.with_traceback(None) from None  # without the frames of the thread

    @property
    @without_frames
    def sessions(self) -> "list[SessionRow]":
        """The sessions so far, with their states."""
        self._check_complete()
        return self._endpoint.sessions(self.key)

    @without_frames
    def events(self, type: str | None = None) -> list[Event]:  # noqa: A002 - the name that the API has for it
        """Return the events so far in the order of their calls; those of one type, if it is given."""
        numbers: Counter[str | None] = Counter()
        found = []
        for entry in self._entries():
            for event in events_of(entry.exchange, arrival_of(entry.exchange) or 0.0, line=entry.line):
                index = numbers[event.sid]
                numbers[event.sid] += 1
                if type is None or event.type == type:
                    found.append(event if event.in_array else with_index(event, index))
        return found

    @property
    @without_frames
    def findings(self) -> "list[SessionFinding]":
        """The findings of all sessions, as `tapehead audit` would have them if no more calls came."""
        return [finding for result in self._results() for finding in result.findings]

    @property
    @without_frames
    def metrics(self) -> dict[str, Any]:
        """The metrics that Adobe would report of the latest session; empty without a session."""
        return next((result.metrics for result in reversed(self._results()) if result.metrics), {})

    @without_frames
    def fault(self, text: str) -> None:
        """Inject a fault into the answers from now on, written as for `--fault`: `event:ping:3=410`."""
        self._endpoint.add_fault(self.key, text)

    # ---- Assertions ----

    @without_frames
    def assert_clean(self, fail_on: str = "error", ignore: Iterable[str] = ()) -> None:
        """Assert that a session came, and that no session has findings.

        Args:
            fail_on: the least severe finding that counts: "error", "warning" or "info".
            ignore: the ids of rules that do not count.

        Raises:
            AssertionError: there are findings, or no session.
        """
        if fail_on not in tuple(Severity):
            raise UsageError(f"invalid fail_on '{fail_on}': expected {', '.join(Severity)}")
        ignored = known_rules(ignore)
        results = self._results()
        if not results:
            raise AssertionError(self._came())
        wrong = [
            finding
            for result in results
            for finding in result.findings
            if finding.severity.reaches(fail_on) and finding.rule not in ignored
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

        path = find_recording(self._item, recording)
        if problem := failure_text.describe_differences(path, self._results(), tuple(ignore), tolerance, WIDTH):
            raise AssertionError(problem)

    def check_marks(self) -> None:
        """Fail the test if the recordings lack calls and `on_miss` is "error", or steps of a scenario are not shown."""
        if not self._marks.scenarios and self._marks.answers.on_miss is not OnMiss.ERROR:
            return
        from tapehead.pytest_plugin import failure_text

        missed = self._endpoint.misses(self.key) if self._marks.answers.on_miss is OnMiss.ERROR else []
        if missed:
            pytest.fail(failure_text.describe_misses(missed), pytrace=False)
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

    def _came(self) -> str:
        types = Counter(event.type or "an event without a type" for event in self.events())
        if not types:
            return f"no event came to {self.url}; is it the endpoint that the player calls?"
        listed = (name if count == 1 else f"{name} ({count})" for name, count in types.items())
        return f"what came: {', '.join(listed)}"


def entries_of(lines: Iterable[bytes]) -> list[Entry]:
    """Return the exchanges of the lines of a recording."""
    return [Entry(number, decode(line)) for number, line in enumerate(lines, start=1)]


def said_missing(count: int) -> str:
    """Return why a test cannot be judged."""
    return f"{count_of(count, 'call')} of this test missing: more came than can be kept; send fewer in one test"


def known_rules(ids: Iterable[str]) -> frozenset[str]:
    """Return the ids of rules.

    Raises:
        UsageError: there is no such rule.
    """
    listed = [ids] if isinstance(ids, str) else list(ids)
    if not listed:
        return frozenset()
    from tapehead.rules.catalog import RULES

    known = set(RULES)
    for rule in listed:
        if rule not in known:
            raise UsageError(f"no rule is called '{rule}'{nearest(rule, known)}; 'tapehead rules' lists them")
    return frozenset(listed)


def is_unanswered(entry: Entry) -> bool:
    """Return whether the real endpoint did not answer a call that was forwarded to it."""
    answered = entry.exchange.answered
    return answered is not None and answered.outcome == Outcome.MISS


def with_index(event: Event, index: int) -> Event:
    """Return an event with its number in its session."""
    return msgspec.structs.replace(event, index=index)


@contextmanager
def open_collection(
    item: pytest.Item, endpoint: "SharedEndpoint", temporary: Path, chosen: Path | None, *, records: bool
) -> Generator[MediaCollection]:
    """Yield the API for a test, and end the test.

    Args:
        item: the test.
        endpoint: the endpoint of the run.
        temporary: the folder for the recordings of tests that fail.
        chosen: the folder for those of all tests; None if there is none.
        records: whether the real endpoint answers, and what passes is recorded.
    """
    collection = _begin(item, endpoint, temporary, chosen, records=records)
    if isinstance(collection, TapeheadError):  # outside of its handler, or pytest would show that, too
        pytest.fail(str(collection), pytrace=False)
    try:
        yield collection
    finally:
        missing = collection.close()
        if chosen and not records:  # a test that fails must not replace a recording
            told = collection.keep()
            if not collection.is_kept:
                item.warn(pytest.PytestWarning(told))
        if missing:
            pytest.fail(missing, pytrace=False)


def _begin(
    item: pytest.Item, endpoint: "SharedEndpoint", temporary: Path, chosen: Path | None, *, records: bool
) -> MediaCollection | TapeheadError:
    try:
        marks, target = read_marks(item, records=records), None
        if records:
            target = marks.target or (chosen and (chosen / f"{file_name_of(item.nodeid)}.jsonl").resolve())
            if target is None:
                raise UsageError("nowhere to record this test to: pass --tapehead-keep DIR or mark it with 'replay'")
        folder = temporary if records or not chosen else chosen
        return MediaCollection(item, endpoint, marks, folder, target)
    except TapeheadError as error:
        return error
