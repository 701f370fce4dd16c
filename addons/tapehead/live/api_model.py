"""The parts of the HTTP API that its table is made of: endpoints, their filters, requests and errors."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from starlette.datastructures import QueryParams
from starlette.responses import Response

from tapehead.journal.journal import Journal
from tapehead.journal.row_filter import DEFAULT_LIMIT, RowFilter
from tapehead.journal.run_metrics import RunMetrics
from tapehead.journal.session_state import SessionState
from tapehead.live.wait_limit import WaitLimit
from tapehead.protocol.exchange import Severity
from tapehead.protocol.request_key import KEY_PATTERN, check_key
from tapehead.remote import journal_urls
from tapehead.replay.engine_control import EngineControl
from tapehead.rules.catalog import RULES
from tapehead.text import format_number, nearest, shorten_value

PREFIX = journal_urls.API_PREFIX
# For monitoring, where its tools look for them.
METRICS_PATH, HEALTH_PATH = "/metrics", "/healthz"
MOST_ROWS = 10_000
# The most bytes of rows in one answer; the rest comes with the next.
MOST_BYTES = 4_000_000
MOST_NUMBER = 10**15
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)
_SECONDS = re.compile(r"\d{1,6}(\.\d{1,6})?", re.ASCII)

OK, CREATED = 200, 201
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, NOT_ALLOWED, CONFLICT = 400, 401, 403, 404, 405, 409
TOO_LARGE, UNSUPPORTED_TYPE, MISDIRECTED, FAILED, UNAVAILABLE, NOT_IN_TIME = 413, 415, 421, 500, 503, 504


class ErrorBody(msgspec.Struct, frozen=True):
    """An error, in one sentence."""

    error: str


class ApiError(Exception):
    """A request that cannot be answered.

    Args:
        status: the status of the answer.
        message: one sentence.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def response(self) -> Response:
        """Return the answer."""
        return as_json(ErrorBody(str(self)), self.status)


class Filter(NamedTuple):
    """A parameter of a query: its description, its JSON Schema, and a function that returns what is wrong with one."""

    description: str
    schema: Mapping[str, Any]
    problem: Callable[[str], str] = lambda _value: ""


def one_of(*values: str, listed: str = "") -> tuple[Mapping[str, Any], Callable[[str], str]]:
    """Return the schema and the check of a parameter that has one of some values; `listed` says where they are."""

    def problem(value: str) -> str:
        expected = listed or f"expected {', '.join(values)}"
        return "" if value in values else nearest(value, values).removeprefix("; ") or expected

    return {"type": "string", "enum": list(values)}, problem


def number_from(first: int, last: int) -> tuple[Mapping[str, Any], Callable[[str], str]]:
    """Return the schema and the check of a parameter that is a whole number."""

    def problem(value: str) -> str:
        fits = _NUMBER.fullmatch(value) and first <= int(value) <= last
        return "" if fits else f"expected a whole number from {first} to {last}"

    return {"type": "integer", "minimum": first, "maximum": last}, problem


def seconds_up_to(most: float) -> tuple[Mapping[str, Any], Callable[[str], str]]:
    """Return the schema and the check of a parameter that is a number of seconds."""

    def problem(value: str) -> str:
        fits = _SECONDS.fullmatch(value) and float(value) <= most
        return "" if fits else f"expected seconds, such as 2.5, {format_number(most)} at most"

    return {"type": "number", "minimum": 0, "maximum": most}, problem


def _problem_of_key(value: str) -> str:
    return check_key(value) if value else "leave it out for all calls"


FILTERS: Mapping[str, Filter] = {
    "key": Filter(
        "The key of a test.",
        {"type": "string", "pattern": KEY_PATTERN},
        _problem_of_key,
    ),
    "session": Filter(
        "A session id, or at least 8 characters that one alone begins with.",
        {"type": "string", "minLength": 1},
        lambda value: "" if value else "it is empty",
    ),
    "type": Filter(
        "An event type, or a call that is no event in brackets.",
        {"type": "string", "minLength": 1},
        lambda value: "" if value else "it is empty",
    ),
    "severity": Filter("A severity of findings.", *one_of(*Severity)),
    "rule": Filter("The id of a rule.", *one_of(*RULES, listed="'tapehead rules' lists them")),
    "state": Filter("A state of findings.", *one_of("provisional", "confirmed", "withdrawn")),
    "session_state": Filter("A state of sessions.", *one_of(*SessionState)),
    "after": Filter("The number that rows come after: `next` of the page before.", *number_from(0, MOST_NUMBER - 1)),
    "limit": Filter(f"The most rows; {DEFAULT_LIMIT} if left out.", *number_from(1, MOST_ROWS)),
    "bodies": Filter("Whether rows have requests and responses.", *one_of("0", "1")),
    "latest": Filter("`1` for the last rows, up to the limit, instead of the first ones.", *one_of("0", "1")),
    "texts": Filter("`text` for bodies as texts, instead of as JSON.", *one_of("1", "text")),
    "settle": Filter("`no` to answer at once, even if earlier calls are not audited yet.", *one_of("no", "yes")),
}
"""Filters by their names; two that have other values elsewhere have other names in queries (`NAMES`)."""
NAMES = {"session_state": "state", "texts": "bodies"}


class Query:
    """The checked query of a request.

    Args:
        parameters: the parameters of the query.
        filters: the filters that the endpoint knows, by their names.

    Raises:
        ApiError: a filter is unknown, given twice, or has a value that it cannot have.
    """

    def __init__(self, parameters: QueryParams, filters: Mapping[str, Filter]) -> None:
        self._values: dict[str, str] = {}
        for name, value in parameters.multi_items():
            if name not in filters:
                known = ", ".join(filters) or "none"
                named = shorten_value(name)
                raise ApiError(BAD_REQUEST, f"unknown filter '{named}'{nearest(name, filters)}; known ones: {known}")
            if name in self._values:
                raise ApiError(BAD_REQUEST, f"the filter '{name}' is given twice")
            if problem := filters[name].problem(value):
                raise ApiError(BAD_REQUEST, f"invalid {name} '{shorten_value(value)}': {problem}")
            self._values[name] = value

    def __contains__(self, name: str) -> bool:
        """Return whether a filter is given."""
        return name in self._values

    def get(self, name: str) -> str | None:
        """Return the value of a filter; None if it is not given."""
        return self._values.get(name)

    def replace(self, name: str, value: str) -> None:
        """Replace the value of a filter by what it stands for."""
        self._values[name] = value

    def number(self, name: str, default: int) -> int:
        """Return the value of a filter that is a number."""
        return int(self._values.get(name, default))

    def seconds(self, name: str, default: float) -> float:
        """Return the value of a filter in seconds."""
        return float(self._values.get(name, default))

    def rows(self, more: int = 0, default_limit: int = DEFAULT_LIMIT) -> RowFilter:
        """Return the rows that the query asks for, and `more` than that."""
        names = ("key", "session", "type", "severity", "rule", "state")
        chosen = {name: self._values.get(name) for name in names}
        limit = self.number("limit", default_limit) + more
        return RowFilter(**chosen, preflights=False, after=self.number("after", 0), limit=limit)


class ApiRequest(NamedTuple):
    """A checked request: its query, the parameters of its path, and the object of its body, if it takes one."""

    query: Query
    path: Mapping[str, str]
    body: Any = None


# Returns the summary of a run so far, in any thread.
Summarise = Callable[[], msgspec.Struct]


class Api(NamedTuple):
    """The sources of the API's answers.

    Attributes:
        journal: the calls.
        control: the engine; None where no call is answered.
        command: the name of the command.
        waits: the waits that are open.
        on_error: called with each exception.
        metrics: the metrics and the health of the run.
        is_stored: whether the calls are those of stored recordings, to which nothing is added.
        summarise: returns the summary of the run so far; None where there is none.
        has_workers: whether other processes answer the calls, each with an engine like that.
    """

    journal: Journal
    control: EngineControl | None
    command: str
    waits: WaitLimit
    on_error: Callable[[Exception], None]
    metrics: RunMetrics
    is_stored: bool = False
    summarise: Summarise | None = None
    has_workers: bool = False

    def engine(self, key: str | None = None) -> EngineControl:
        """Return the engine, whose counts are asked for: those of a key, or of all calls if it is None.

        Raises:
            ApiError: there is none, or each worker knows a part of what is asked for.
        """
        if self.control is None:
            raise ApiError(CONFLICT, f"'{self.command}' answers no calls itself; use 'replay' or 'serve'")
        if self.has_workers and key is not None:
            raise ApiError(
                CONFLICT, f"'{self.command} --workers' counts for all keys together; leave out 'key', or --workers"
            )
        return self.control

    def settable_engine(self) -> EngineControl:
        """Return the engine, which is going to be changed.

        Raises:
            ApiError: there is none, or several processes have one each.
        """
        control = self.engine()
        if self.has_workers:
            raise ApiError(
                CONFLICT,
                f"'{self.command} --workers' answers in several processes, and a request reaches none of their engines;"
                " for faults, recordings and resets at run time, leave out --workers",
            )
        return control


# Answers in a thread of its own.
Handler = Callable[[Api, ApiRequest], Response]
# Answers on the event loop; the last argument returns when the client leaves.
AsyncHandler = Callable[[Api, ApiRequest, Callable[[], Awaitable[None]]], Awaitable[Response]]


class Endpoint(NamedTuple):
    """A path of the API with a method.

    Attributes:
        method, path: the method, and the path below the prefix.
        answer: answers it; None for a path that is answered elsewhere.
        summary: what it does, in one sentence.
        returns: the type of the answer, of which its JSON Schema is made; or a media type.
        filters: the names of the filters that it knows.
        takes: the type of the body; None for no body.
        waits: answers instead of `answer` where it may take long.
        statuses: the statuses besides those that every endpoint has, with what they mean.
        status: the status of the answer.
        own_filters: parameters of the query that no other endpoint has.
        prefix: what stands before its path.
        settles: whether it answers once earlier calls are audited, if not at once.
        is_public: whether it needs no token.
        ignores_query: whether it takes any query, as those that load balancers add.
        headers: headers of the answer that are whole numbers, with what they mean.
        leads_to: paths whose parameter is in the answer, and where it is there, as an OpenAPI runtime expression.
    """

    method: str
    path: str
    answer: Handler | None
    summary: str
    returns: Any
    filters: tuple[str, ...] = ()
    takes: type[msgspec.Struct] | None = None
    waits: AsyncHandler | None = None
    statuses: Mapping[int, str] = {}
    status: int = OK
    own_filters: Mapping[str, Filter] = {}
    leads_to: Mapping[str, str] = {}
    prefix: str = PREFIX
    settles: bool = True
    is_public: bool = False
    ignores_query: bool = False
    headers: Mapping[str, str] = {}

    @property
    def full_path(self) -> str:
        """Its path in URLs."""
        return self.prefix + self.path

    def known_filters(self) -> dict[str, Filter]:
        """Return the filters that it knows, by their names in the query."""
        known = {NAMES.get(name, name): FILTERS[name] for name in self.filters}
        return known | dict(self.own_filters)


def as_json(value: object, status: int = OK) -> Response:
    """Return an answer with a value as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def is_of_api(path: str) -> bool:
    """Return whether errors at a path are told as JSON."""
    return path.startswith(f"{PREFIX}/") or path in (METRICS_PATH, HEALTH_PATH)


def parse_number(text: str) -> int:
    """Return the number in a path; one that nothing has if it is none."""
    return int(text) if _NUMBER.fullmatch(text) else -1
