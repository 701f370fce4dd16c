"""The OpenAPI description of the HTTP API, made of its table."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

import tapehead
from tapehead.live.api_model import (
    BAD_REQUEST,
    FORBIDDEN,
    MISDIRECTED,
    NOT_ALLOWED,
    NOT_IN_TIME,
    TOO_LARGE,
    UNAUTHORIZED,
    UNSUPPORTED_TYPE,
    Endpoint,
    ErrorBody,
)
from tapehead.live.api_wait import NotInTime
from tapehead.live.request_guard import TOKEN_HEADER

PATH = "/openapi.json"
_JSON = "application/json"
_SCHEMAS = "#/components/schemas/{name}"
_EVERYWHERE = {
    BAD_REQUEST: "A filter or the body is unknown or invalid.",
    UNAUTHORIZED: "The token is missing or wrong.",
    FORBIDDEN: "A page of another origin sent the request.",
    NOT_ALLOWED: "The path does not have this method.",
    MISDIRECTED: "The Host is not that of this server.",
}
_PATH_PARAMETERS = {
    "sid": {"type": "string", "minLength": 1},
    "number": {"type": "integer", "minimum": 1},
    "id": {"type": "integer", "minimum": 1},
}
_WITH_BODY = {TOO_LARGE: "The body is too large.", UNSUPPORTED_TYPE: "The body is not JSON."}


def describe(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Return the OpenAPI description of some endpoints."""
    endpoints = list(endpoints)
    types = {each.returns for each in endpoints if not isinstance(each.returns, str)} | {ErrorBody, NotInTime}
    types |= {each.takes for each in endpoints if each.takes}
    ordered = sorted(types, key=str)
    made, components = msgspec.json.schema_components(ordered, ref_template=_SCHEMAS)
    schemas = dict(zip(ordered, made, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation = describe_endpoint(endpoint, schemas)
        if links := links_of(endpoint, endpoints):
            operation["responses"][str(endpoint.status)]["links"] = links
        paths.setdefault(endpoint.full_path, {})[endpoint.method.lower()] = operation
    security = {
        "token": {"type": "apiKey", "in": "header", "name": TOKEN_HEADER},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "tapehead", "version": tapehead.__version__, "description": "The journal of a run."},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": security},
        "security": [{"token": []}, {"bearer": []}],
    }


def describe_endpoint(endpoint: Endpoint, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the description of an endpoint, given the JSON Schemas of types."""
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _PATH_PARAMETERS[name]}
        for name in re.findall(r"\{(\w+)\}", endpoint.path)
    ]
    parameters += [
        {
            "name": name,
            "in": "query",
            "required": name == "until",
            "description": each.description,
            "schema": dict(each.schema),
        }
        for name, each in endpoint.known_filters().items()
    ]
    needless = {UNAUTHORIZED} if endpoint.is_public else ()
    everywhere = {status: text for status, text in _EVERYWHERE.items() if status not in needless}
    refusals = everywhere | (_WITH_BODY if endpoint.takes else {}) | dict(endpoint.statuses)
    answers = {
        status: {"description": text, "content": _content(schemas[NotInTime if status == NOT_IN_TIME else ErrorBody])}
        for status, text in refusals.items()
    }
    is_raw = isinstance(endpoint.returns, str)
    content = {endpoint.returns: {}} if is_raw else _content(schemas[endpoint.returns])
    answers[endpoint.status] = {"description": endpoint.summary, "content": content}
    if endpoint.headers:
        answers[endpoint.status]["headers"] = {
            name: {"description": text, "required": True, "schema": {"type": "integer", "minimum": 0}}
            for name, text in endpoint.headers.items()
        }
    described: dict[str, Any] = {
        "operationId": operation_id(endpoint),
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": {str(status): answers[status] for status in sorted(answers)},
    }
    if endpoint.is_public:
        described["security"] = []
    if endpoint.takes:
        described["requestBody"] = {"required": True, "content": _content(schemas[endpoint.takes])}
    return described


def operation_id(endpoint: Endpoint) -> str:
    """Return the name of an endpoint, such as GetSessionsSid."""
    return "".join(word.title() for word in re.findall(r"\w+", f"{endpoint.method} {endpoint.path}"))


def links_of(endpoint: Endpoint, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Return the links from an answer to the paths of what is in it."""
    links: dict[str, Any] = {}
    for path, value in endpoint.leads_to.items():
        (parameter,) = re.findall(r"\{(\w+)\}", path)
        for each in endpoints:
            if each.path == path or each.path.startswith(f"{path}/"):
                links[operation_id(each)] = {"operationId": operation_id(each), "parameters": {parameter: value}}
    return links


def _content(schema: Any) -> dict[str, Any]:
    return {_JSON: {"schema": schema}}
