"""The HTTP API over the journal, by version: `/tapehead/v1/...`. Each row of the table is one path with a method."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tapehead.errors import TapeheadError
from tapehead.journal.rows import CallRow
from tapehead.journal.run_metrics import Health
from tapehead.live import api_control, api_queries, api_run, api_sessions, api_wait, operations
from tapehead.live.api_filters import check_type, session_id
from tapehead.live.api_model import (
    BAD_REQUEST,
    CONFLICT,
    CREATED,
    FAILED,
    HEALTH_PATH,
    METRICS_PATH,
    NOT_FOUND,
    NOT_IN_TIME,
    PREFIX,
    TOO_LARGE,
    UNAVAILABLE,
    UNSUPPORTED_TYPE,
    Api,
    ApiError,
    ApiRequest,
    Endpoint,
    Query,
    as_json,
)
from tapehead.live.app import STREAM_FILTERS
from tapehead.live.openapi import PATH, describe
from tapehead.live.wait_limit import MOST_WAITS
from tapehead.text import format_number

JSON = "application/json"
MOST_BODY = 1_000_000
# A body that takes longer to arrive is not read any further.
BODY_SECONDS = 10.0

_PAGE = ("after", "limit", "settle")
_NO_ENGINE = {
    CONFLICT: "The command answers no call itself, so there is no engine; or several workers have one each, of "
    "which none can be changed, nor its counts of one key be told."
}
_NO_SESSION = {NOT_FOUND: "The session is not in the journal, or several begin so."}

ENDPOINTS = (
    Endpoint("GET", "/status", api_queries.show_status, "The state of the run.", api_queries.Status, ("key", "settle")),
    Endpoint(
        "GET",
        METRICS_PATH,
        operations.show_metrics,
        "The metrics of tapehead itself, in Prometheus' text format.",
        "text/plain",
        prefix="",
        settles=False,
    ),
    Endpoint(
        "GET",
        HEALTH_PATH,
        operations.show_health,
        "Whether the recording can be written and the audit runs; it needs no token, and ignores a query.",
        Health,
        statuses={UNAVAILABLE: "Something does not work as it should."},
        prefix="",
        settles=False,
        is_public=True,
        ignores_query=True,
    ),
    Endpoint(
        "GET",
        "/sessions",
        api_queries.list_sessions,
        "Sessions with their states, in the order in which they began, or with `latest=1` of their latest changes.",
        api_queries.Sessions,
        ("key", "session", "session_state", "latest", *_PAGE),
        statuses=_NO_SESSION,
        leads_to={"/sessions/{sid}": "$response.body#/sessions/0/session"},
    ),
    Endpoint(
        "GET",
        "/sessions/{sid}",
        api_sessions.show_session,
        "A session with its findings and its metrics so far.",
        api_sessions.SessionDetail,
        ("settle",),
        statuses=_NO_SESSION,
    ),
    Endpoint(
        "GET",
        "/sessions/{sid}/timeline",
        api_sessions.show_timeline,
        "A session as the live page draws it.",
        api_sessions.SessionTimeline,
        ("settle",),
        statuses=_NO_SESSION,
    ),
    Endpoint(
        "GET",
        "/sessions/{sid}/recording",
        api_sessions.save_recording,
        "The calls of a session as a recording.",
        api_sessions.LINES,
        ("settle",),
        statuses=_NO_SESSION,
    ),
    Endpoint(
        "GET",
        "/sessions/{sid}/har",
        api_sessions.save_har,
        "The calls of a session as an HTTP archive.",
        dict[str, Any],
        ("settle",),
        statuses=_NO_SESSION,
    ),
    Endpoint(
        "GET",
        "/events",
        api_queries.list_events,
        "Calls with their answers, in the order in which they came; preflights only with `type=(preflight)`.",
        api_queries.Events,
        ("key", "session", "type", "severity", "rule", "bodies", "latest", *_PAGE),
        statuses=_NO_SESSION,
        leads_to={"/events/{number}": "$response.body#/events/0/number"},
    ),
    Endpoint(
        "GET",
        "/events/{number}",
        api_sessions.show_event,
        "A call with its request and its response.",
        CallRow,
        ("texts", "settle"),
        statuses={NOT_FOUND: "The call is not in the journal."},
    ),
    Endpoint(
        "GET",
        "/findings",
        api_queries.list_findings,
        "Findings by their numbers; those that were withdrawn only with `state=withdrawn`.",
        api_queries.Findings,
        ("key", "session", "type", "severity", "rule", "state", *_PAGE),
        statuses=_NO_SESSION,
    ),
    Endpoint(
        "GET",
        "/metrics",
        api_queries.list_metrics,
        "The vendor's metrics of sessions so far, a page of 100 sessions if no limit is given.",
        api_queries.MetricsPage,
        ("key", "session", *_PAGE),
        statuses=_NO_SESSION,
    ),
    Endpoint(
        "GET",
        "/misses",
        api_queries.list_misses,
        "Calls that the recordings do not have, with the nearest recorded ones.",
        api_queries.Misses,
        ("key", "settle"),
        statuses=_NO_ENGINE,
    ),
    Endpoint(
        "GET",
        "/unused",
        api_queries.list_unused,
        "Recorded exchanges that no call asked for.",
        api_queries.UnusedExchanges,
        ("key", *_PAGE),
        statuses=_NO_ENGINE,
    ),
    Endpoint(
        "GET",
        "/wait",
        None,
        "Waits until a condition holds, and answers with the row that fulfilled it, whatever the status of its answer. "
        "Preflights do not count; while an answer is held back, its call is under way, so neither `quiet` nor "
        f"`findings:0` holds. {MOST_WAITS} clients may wait at a time.",
        api_wait.Fulfilled,
        ("key", "session"),
        waits=api_wait.wait,
        statuses={
            CONFLICT: "Not all sessions are audited, so it cannot be told that there are no findings.",
            UNAVAILABLE: f"{MOST_WAITS} clients wait already and the condition does not hold yet, or the command ends.",
            NOT_IN_TIME: "The condition did not hold in time; the answer says what is there instead.",
        },
        own_filters=api_wait.FILTERS,
    ),
    Endpoint(
        "POST",
        "/reset",
        api_control.reset,
        "Removes calls, sessions, findings, misses and counts, of one key or of all; faults and recordings stay, and "
        "the verdict at the end of the run is on everything that came.",
        api_control.Reset,
        takes=api_control.Reset,
        statuses={CONFLICT: "The calls are those of stored recordings, or several workers answer them."},
    ),
    Endpoint(
        "GET",
        "/faults",
        api_control.list_faults,
        "The faults that are set; with a key, those that affect its calls.",
        api_control.Faults,
        ("key", "settle"),
        statuses=_NO_ENGINE,
    ),
    Endpoint(
        "POST",
        "/faults",
        api_control.add_fault,
        "Sets a fault, for the calls of one key or for all calls.",
        api_control.FaultRow,
        takes=api_control.NewFault,
        statuses=_NO_ENGINE,
        status=CREATED,
        leads_to={"/faults/{id}": "$response.body#/id"},
    ),
    Endpoint(
        "DELETE",
        "/faults/{id}",
        api_control.remove_fault,
        "Removes a fault, and answers with it.",
        api_control.FaultRow,
        statuses={**_NO_ENGINE, NOT_FOUND: "There is no such fault."},
    ),
    Endpoint(
        "GET",
        "/recording",
        api_run.save_calls,
        "All calls that are in the journal as a recording, preflights included.",
        api_sessions.LINES,
        ("key", "session", "settle"),
        statuses=_NO_SESSION,
        headers=api_run.HEADERS,
    ),
    Endpoint(
        "GET",
        "/summary",
        api_run.show_summary,
        "The summary of the run so far, as `--summary` writes it at the end; of its audit what is confirmed.",
        dict[str, Any],
        ("settle",),
        statuses={CONFLICT: "The command has no summary."},
    ),
    Endpoint(
        "PUT",
        "/recording",
        api_control.load_recordings,
        "Answers the calls of one key, or all calls, from other recordings from now on.",
        api_control.Recordings,
        takes=api_control.NewRecordings,
        statuses=_NO_ENGINE,
    ),
)

# The application answers it itself, before the API.
STREAM = Endpoint(
    "GET",
    "/stream",
    None,
    "Changes of the journal after one, as lines of JSON, until the run ends; an empty line tells that it still runs.",
    "application/x-ndjson",
    own_filters=STREAM_FILTERS,
)


def build_api(api: Api) -> Starlette:
    """Return the application that answers the paths of the table."""
    described = msgspec.json.encode(describe((*ENDPOINTS, STREAM)))
    # One route for each path, since a route answers 405 to the methods that it does not know.
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in ENDPOINTS:
        by_path.setdefault(endpoint.full_path, {})[endpoint.method] = endpoint
    routes = [Route(path, respond_with(api, endpoints), methods=list(endpoints)) for path, endpoints in by_path.items()]
    routes.append(Route(PREFIX + PATH, lambda _request: Response(described, media_type=JSON)))
    app = Starlette(routes=routes, exception_handlers={HTTPException: refuse})
    app.router.redirect_slashes = False
    return app


def respond_with(api: Api, endpoints: dict[str, Endpoint]) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers a path, given its endpoints by their methods."""

    async def respond(request: Request) -> Response:
        endpoint = endpoints.get(request.method) or endpoints["GET"]  # HEAD
        try:
            parameters = QueryParams() if endpoint.ignores_query else request.query_params
            query = Query(parameters, endpoint.known_filters())
            body = await read_body(request, endpoint)
            asked = ApiRequest(query, request.path_params, body)
            if endpoint.waits:
                return await endpoint.waits(api, asked, partial(disconnection, request))
            if not endpoint.settles:  # not even for a free thread: monitoring waits for nothing
                return answer_settled(api, endpoint, asked)
            return await run_in_threadpool(answer_settled, api, endpoint, asked)
        except ApiError as error:
            return error.response()
        except TapeheadError as error:
            return ApiError(BAD_REQUEST, str(error)).response()
        except ClientDisconnect:
            return Response(None, BAD_REQUEST)
        except Exception as error:  # noqa: BLE001 - a request may fail, the traffic must not
            api.on_error(error)
            return ApiError(FAILED, "tapehead failed to answer: see its output").response()

    return respond


def answer_settled(api: Api, endpoint: Endpoint, request: ApiRequest) -> Response:
    """Answer a request once what came before it is in the journal and audited, unless it says `settle=no`."""
    if endpoint.settles and request.query.get("settle") != "no":
        api.journal.settle()
    if sid := request.query.get("session"):
        request.query.replace("session", session_id(api.journal, sid))
    if event_type := request.query.get("type"):
        check_type(api.journal, event_type)
    assert endpoint.answer is not None  # noqa: S101 - the table has an answer where it does not wait
    return endpoint.answer(api, request)


async def disconnection(request: Request) -> None:
    """Return when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def read_body(request: Request, endpoint: Endpoint) -> object:
    """Return the object in the body of a request; None if the endpoint takes none.

    A browser sends JSON to another origin only after a preflight, so no page can send any unasked.

    Raises:
        ApiError: it is not JSON, too large, not what the endpoint takes, or does not arrive.
    """
    if endpoint.takes is None:
        return None
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise ApiError(UNSUPPORTED_TYPE, f"expected the header Content-Type: {JSON}, such as by 'curl --json'")
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= MOST_BODY:  # the rest is read, since a client may read no answer before it has sent all
                    body += chunk
    except TimeoutError as error:
        raise ApiError(BAD_REQUEST, f"the body did not arrive within {format_number(BODY_SECONDS)} s") from error
    if size > MOST_BODY:
        raise ApiError(TOO_LARGE, f"the body has more than {MOST_BODY:,} bytes")
    try:
        return msgspec.json.decode(body or b"{}", type=endpoint.takes)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ApiError(BAD_REQUEST, f"invalid body: {error}; expected {api_control.BODIES[endpoint.takes]}") from error


def refuse(_request: Request, error: Exception) -> Response:
    """Answer a request that no endpoint answers."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it handles these only
    if error.status_code == NOT_FOUND:
        known = ", ".join(dict.fromkeys(each.path for each in (*ENDPOINTS, STREAM) if each.prefix))
        known += f", {PATH}"
        return ApiError(NOT_FOUND, f"no such path; below {PREFIX} there are {known}").response()
    allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
    response = as_json({"error": f"method not allowed; expected {allowed}"}, error.status_code)
    response.headers["Allow"] = allowed
    return response
