"""What replay and serve have in common: recordings, an engine built from them, and the books at the end."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from tapehead.answer import Engine
from tapehead.failures import Failures
from tapehead.faults import Fault, Faulty, Latency
from tapehead.files import private
from tapehead.launch import LiveSettings
from tapehead.ledger import Books, Summary, count_of, summarise, summary_lines
from tapehead.problems import UsageProblem
from tapehead.quoting import Quotes
from tapehead.receipt import Receipt
from tapehead.redact import Redactor
from tapehead.replay import OnMiss, Replay
from tapehead.schemas import Schemas
from tapehead.simulate import Endpoint, Simulation
from tapehead.store import check_outputs, read_entries
from tapehead.tape import Tape, build_tape, recorded_schemas


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What answers, and how.

    Attributes:
        recordings: what to replay; none to simulate all of it.
        on_miss: what becomes of calls that were not recorded.
        faults: what is broken on purpose.
        latency: how long answers wait; None for not at all.
        time_scale: how many seconds pass for the simulated back end in one.
        strict_schema: whether undocumented parameters are refused.
        strict: whether misses and calls never asked for are bad news.
        explain: whether the line of each answer says why that exchange was chosen.
        summary: where to write the summary as JSON; None for nowhere.
        quiet: whether nothing is printed for each call.
        keep_ids: whether lines and the summary may name who plays.
        redact_keys: names whose values identify somebody, besides those that always do.
        live: the live page; None for none.
    """

    recordings: tuple[Path, ...] = ()
    on_miss: OnMiss = OnMiss.SIMULATE
    faults: tuple[Fault, ...] = ()
    latency: Latency | None = None
    time_scale: float = 1.0
    strict_schema: bool = False
    strict: bool = False
    explain: bool = False
    summary: Path | None = None
    quiet: bool = False
    keep_ids: bool = False
    redact_keys: tuple[str, ...] = ()
    live: LiveSettings | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The summary as JSON.

    Attributes:
        recordings: the files, by the numbers that misses and unused calls name.
        replay: what was played and missed; None for a simulation.
        faults: how many answers a fault changed.
        refused: requests to the endpoint that are no collection call.
        failures: failures of tapehead's own.
        offline_attempts: connections and look-ups that were attempted, and refused; 0 where misses are forwarded.
    """

    recordings: tuple[str, ...]
    replay: Summary | None
    faults: int
    refused: int
    failures: int
    offline_attempts: int


class Stage:
    """An engine and its books.

    Args:
        settings: what answers, and how.
        complain: prints a line on stderr.

    Attributes:
        engine: what answers.
        books: what was played; None for a simulation. Those of other processes can be added.
        names: the recordings' names.
        failures: what failed of tapehead's own.

    Raises:
        RecordingProblem: a recording cannot be read.
        UsageProblem: a recorded schema is none, or the summary cannot be written.
    """

    def __init__(self, settings: EngineSettings, complain: Callable[[str], None]) -> None:
        self._settings = settings
        if settings.summary:
            check_outputs([settings.summary], settings.recordings)
            _check_writable(settings.summary)
        self._tape = build_tape([read_entries(path, complain) for path in settings.recordings])
        self.names = tuple(map(str, settings.recordings))
        self._faulty = Faulty(self._inner(), settings.faults, settings.latency)
        self.engine: Engine = self._faulty
        self.failures = Failures(settings.redact_keys)
        self.struck_elsewhere = 0

    def _inner(self) -> Engine:
        settings, schemas = self._settings, schemas_of(self._tape, self.names)
        self.books: Books | None = None
        if not settings.recordings:
            return Simulation(schemas, strict=settings.strict_schema, time_scale=settings.time_scale)
        endpoint = Endpoint(schemas, strict=settings.strict_schema, time_scale=settings.time_scale)
        quotes = quotes_for(settings.redact_keys, keep_ids=settings.keep_ids)
        replay = Replay(
            self._tape, schemas, on_miss=settings.on_miss, endpoint=endpoint, files=self.names, quotes=quotes
        )
        self.books = replay.books()
        return replay

    @property
    def struck(self) -> int:
        """How many answers a fault changed, in all processes."""
        return self._faulty.struck + self.struck_elsewhere

    def close(self, receipt: Receipt | None, show: Callable[[str], None], refused: int = 0) -> int:
        """Show what was played and write the summary; the exit code.

        Args:
            receipt: of the network; None where that is allowed.
            show: prints a line.
            refused: how many requests to the endpoint were refused, since they are no collection call.

        Raises:
            UsageProblem: the summary cannot be written.
        """
        summary = summarise(self._tape, self.books) if self.books else None
        attempts = receipt.attempts if receipt else 0
        for line in self._lines(summary, receipt, refused):
            show(line)
        if self._settings.summary:
            report = Report(
                recordings=self.names,
                replay=summary,
                faults=self.struck,
                refused=refused,
                failures=self.failures.count,
                offline_attempts=attempts,
            )
            _write(self._settings.summary, report)
        return 1 if attempts or self.failures.count or (summary and self._is_bad_news(summary, refused)) else 0

    def _is_bad_news(self, summary: Summary, refused: int) -> bool:
        """Whether misses and refusals, or with `strict` calls never asked for, are what the run was to find out."""
        if self._settings.strict:
            return bool(summary.misses or summary.unused or refused)
        return self._settings.on_miss is OnMiss.ERROR and bool(summary.misses or refused)

    def _lines(self, summary: Summary | None, receipt: Receipt | None, refused: int) -> Iterator[str]:
        yield from summary_lines(summary, self.names) if summary else ()
        if self.struck:
            yield f"faults made on demand: {self.struck}"
        if refused:
            yield f"refused {count_of(refused, 'other request')} to the endpoint: no Media Collection call"
        if self.failures.count:
            yield f"{count_of(self.failures.count, 'failure')} of tapehead's own: see the log"
        if receipt:
            yield receipt.line()


def quotes_for(names: Sequence[str], *, keep_ids: bool) -> Quotes:
    """What may be told of live requests, with pseudonyms of this run alone.

    Args:
        names: names whose values identify somebody, besides those that always do.
        keep_ids: whether requests may be quoted as they are.
    """
    return Quotes(None if keep_ids else Redactor(secrets.token_bytes(32), names))


def schemas_of(tape: Tape, names: Sequence[str]) -> Schemas:
    """The schemas in use with a tape: those that it recorded before the built-in ones.

    Args:
        tape: the tape.
        names: its recordings' names, for the message.

    Raises:
        UsageProblem: one of those recorded is no JSON Schema.
    """
    try:
        return Schemas(recorded_schemas(tape))
    except ValueError as error:
        raise UsageProblem(f"{', '.join(names)}: {error}") from error


def _check_writable(path: Path) -> None:
    """Find out before the run whether its summary can be written."""
    try:
        open(path, "ab", opener=private).close()
    except OSError as error:
        raise UsageProblem(f"cannot write the summary to {path}: {error.strerror}") from error


def _write(path: Path, report: Report) -> None:
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    except OSError as error:
        raise UsageProblem(f"cannot write the summary to {path}: {error.strerror}") from error


# What `books_of` puts together.
_Sent = tuple[Books | None, int, int, int, int]


def books_of(stage: Stage, receipt: Receipt, turned_away: int) -> bytes:
    """A process's books, for `add_books` in another; `turned_away` is how many connections it refused."""
    return msgspec.json.encode((stage.books, stage.struck, receipt.attempts, turned_away, stage.failures.count))


def add_books(stage: Stage, sent: Sequence[bytes]) -> tuple[int, int]:
    """Add the books of other processes to those of `stage`.

    Returns:
        The connections and look-ups that they attempted, and the connections that they refused.
    """
    attempts = turned_away = 0
    for each in sent:
        books, struck, attempted, refused, failed = msgspec.json.decode(each, type=_Sent)
        attempts += attempted
        turned_away += refused
        stage.failures.count += failed
        stage.struck_elsewhere += struck
        if stage.books and books:
            stage.books.add(books)
    return attempts, turned_away
