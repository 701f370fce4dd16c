"""Answers of the HTTP API that change something: reset, faults, recordings."""

import pathlib
from collections.abc import Mapping
from typing import Annotated

import msgspec
from starlette.responses import Response

from tapehead.errors import TapeheadError, UsageError
from tapehead.live.api_model import (
    BAD_REQUEST,
    CONFLICT,
    CREATED,
    NOT_FOUND,
    Api,
    ApiError,
    ApiRequest,
    as_json,
    parse_number,
)
from tapehead.protocol.request_key import KEY_PATTERN, check_key
from tapehead.replay.on_miss import OnMiss
from tapehead.simulator.faults import FAULT_PATTERN
from tapehead.simulator.keyed_engine import ActiveFault
from tapehead.text import shorten_value

# Errors of these say more than a pattern would, so descriptions alone have it.
Key = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": KEY_PATTERN})]
FaultText = Annotated[
    str, msgspec.Meta(extra_json_schema={"pattern": FAULT_PATTERN, "examples": ["event:ping:3=410", "session=500"]})
]
Path = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": "^[^\\u0000]+$"})]


class Reset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reset: of one key, or of everything if it is left out or null."""

    key: Key | None = None


class NewFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault, written as for `--fault`, for the calls of one key, or for all calls."""

    fault: FaultText
    key: Key | None = None


class FaultRow(msgspec.Struct, frozen=True):
    """A fault that is set."""

    id: int
    fault: str
    key: str | None


class Faults(msgspec.Struct, frozen=True):
    """The faults that are set, in the order in which they were."""

    faults: list[FaultRow]


class NewRecordings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Recordings to answer from: their paths, whose calls are meant, and how calls are answered that are not in them.

    Paths are those of the machine and the folder in which tapehead runs; without any, the endpoint is simulated.
    Without a key, all calls are meant but those of keys with recordings of their own. Left out, `on_miss` is as before.
    """

    recordings: list[Path]
    key: Key | None = None
    on_miss: OnMiss | None = None


# What bodies look like, for whoever sent another one.
BODIES: Mapping[type[msgspec.Struct], str] = {
    Reset: 'JSON such as {"key": "test-1"}, or {} for everything',
    NewFault: 'JSON such as {"fault": "event:ping:3=410", "key": "test-1"}; the key may be left out',
    NewRecordings: 'JSON such as {"recordings": ["ads.jsonl"], "key": "test-1", "on_miss": "error"}; key and on_miss '
    f"may be left out; on_miss is one of {', '.join(OnMiss)}",
}


class Recordings(msgspec.Struct, frozen=True):
    """The recordings that are played now, those of a key if one was given."""

    recordings: tuple[str, ...]


def reset(api: Api, request: ApiRequest) -> Response:
    """Remove calls, sessions, findings and counts, of one key or all; faults, recordings and the run's verdict stay."""
    if api.is_stored:
        raise ApiError(CONFLICT, f"'{api.command}' shows stored recordings, so there is nothing to forget")
    body: Reset = request.body
    key = checked(body.key)
    control = api.settable_engine() if api.control else None
    api.journal.reset(key)
    if control:
        control.reset(key)
    return as_json(body)


def list_faults(api: Api, request: ApiRequest) -> Response:
    """Answer with the faults that are set; with a key, those that affect its calls."""
    return as_json(Faults([fault_row(fault) for fault in api.engine().faults(request.query.get("key"))]))


def add_fault(api: Api, request: ApiRequest) -> Response:
    """Set a fault."""
    body: NewFault = request.body
    return as_json(fault_row(api.settable_engine().add_fault(body.fault, checked(body.key))), CREATED)


def remove_fault(api: Api, request: ApiRequest) -> Response:
    """Remove a fault, and answer with it."""
    text = request.path["id"]
    if (number := parse_number(text)) < 0:
        raise ApiError(NOT_FOUND, f"'{shorten_value(text)}' is no number of a fault; 'GET /faults' lists them")
    try:
        return as_json(fault_row(api.settable_engine().remove_fault(number)))
    except UsageError as error:
        raise ApiError(NOT_FOUND, str(error)) from error


def load_recordings(api: Api, request: ApiRequest) -> Response:
    """Answer from other recordings from now on."""
    body: NewRecordings = request.body
    control = api.settable_engine()
    key = checked(body.key)
    try:
        control.load(body.recordings, key, body.on_miss)
    except TapeheadError as error:
        is_relative = any(not pathlib.Path(path).is_absolute() for path in body.recordings)
        place = f"; relative paths begin in '{pathlib.Path.cwd()}'" if is_relative else ""
        raise ApiError(BAD_REQUEST, f"{error}{place}") from error
    return as_json(Recordings(control.loaded(key)))


def checked(key: str | None) -> str | None:
    """Return a key.

    Raises:
        ApiError: it is none.
    """
    if key is not None and (problem := check_key(key)):
        raise ApiError(BAD_REQUEST, f"invalid key: {problem}; leave it out for all calls")
    return key


def fault_row(fault: ActiveFault) -> FaultRow:
    """Return a fault as the API shows it."""
    return FaultRow(fault.number, fault.text, fault.key)
