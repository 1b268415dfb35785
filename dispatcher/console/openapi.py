"""The OpenAPI 3.1 document, made from the table the routes are made from: what is here is served, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct

from dispatcher.console.coverage import CoverView
from dispatcher.console.endpoint import Endpoint, Kind, Query, usual
from dispatcher.console.handover_gaps import GapView
from dispatcher.console.knowing import CONSOLE, COOKIE, HEADER
from dispatcher.console.logins import LoginView
from dispatcher.console.shapes import CallView, ProblemView, RouteView
from dispatcher.core.district import Area, Device, DistrictFile, Policy, Resident, Staff, Station, Webhook

_REF = "#/components/schemas/{name}"
_PLACEHOLDER = re.compile(r"{(\w+)}")

#: Shapes that lists and hand-written schemas refer to by name.
_NAMED: tuple[type[Struct], ...] = (
    CallView,
    CoverView,
    GapView,
    LoginView,
    ProblemView,
    RouteView,
    Area,
    Device,
    DistrictFile,
    Policy,
    Resident,
    Staff,
    Station,
    Webhook,
)
_QUERY_SCHEMAS: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string"},
    Kind.LIMIT: {"type": "integer", "minimum": 1, "maximum": 500, "default": 100},
    Kind.MOMENT: {"type": "string", "format": "date-time"},
    Kind.FLAG: {"type": "boolean"},
}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": _REF.format(name="ProblemView")}}}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "one a write; the same key asked again gives the same outcome",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
}
_NEW_ONLY = {
    "name": "If-None-Match",
    "in": "header",
    "description": "`*`: add only, and replace nothing that is there (412)",
    "schema": {"type": "string", "enum": ["*"]},
}
_LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "resume after this event; beats `after`",
    "schema": {"type": "string"},
}


def document(endpoints: Sequence[Endpoint], base: str, version: str) -> dict[str, Any]:
    """The whole document."""
    components = _components(tuple(dict.fromkeys((*_NAMED, *_structs(endpoints)))))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Yijian 一键",
            "version": version,
            "summary": "One-key emergency call and dispatch for eldercare",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base}],
        "security": [{"token": []}, {"session": []}],
        "tags": [{"name": name} for name in dict.fromkeys(endpoint.tag for endpoint in endpoints)],
        "paths": paths,
        "components": {
            "schemas": dict(components),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": f"the console's; what changes something needs {HEADER}: {CONSOLE} too",
                },
            },
        },
    }


@lru_cache(maxsize=4)
def _components(structs: tuple[type[Struct], ...]) -> Mapping[str, Any]:
    """The shapes in JSON Schema; they are types, so they stay. A process with many applications reckons them once."""
    _schemas, components = msgspec.json.schema_components(structs, ref_template=_REF)
    return MappingProxyType(components)


def _structs(endpoints: Iterable[Endpoint]) -> list[type[Struct]]:
    shapes = [shape for endpoint in endpoints for shape in (endpoint.body, endpoint.answer)]
    return [shape for shape in shapes if isinstance(shape, type)]


def _schema(shape: Any) -> dict[str, Any]:
    if isinstance(shape, type):
        return {"$ref": _REF.format(name=shape.__name__)}
    schema: dict[str, Any] = shape
    return schema


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.en,
        "x-summary-zh": endpoint.zh,
        "x-roles": sorted(endpoint.roles),
        "responses": {
            str(status): _response(endpoint, status, text) for status, text in usual(endpoint).items()
        },
    }
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PLACEHOLDER.findall(endpoint.path)
    ]
    parameters += [_parameter(query) for query in endpoint.query]
    if endpoint.writes:
        parameters.append(_KEY)
    if endpoint.new_only:
        parameters.append(_NEW_ONLY)
    if endpoint.answer_type == "text/event-stream":
        parameters.append(_LAST_EVENT_ID)
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": not endpoint.body_optional,
            "content": {"application/json": {"schema": _schema(endpoint.body)}},
        }
    if endpoint.public:
        operation["security"] = []
    if endpoint.session:
        operation["security"] = [{"session": []}]
    return operation


def _parameter(query: Query) -> dict[str, Any]:
    schema = dict(_QUERY_SCHEMAS[query.kind])
    if query.choices:
        schema["enum"] = list(query.choices)
    return {"name": query.name, "in": "query", "description": query.en, "schema": schema}


def _response(endpoint: Endpoint, status: int, text: str) -> dict[str, Any]:
    if status >= 400:
        return {"description": text, "content": _PROBLEM}
    if endpoint.answer is None or status == 204:
        return {"description": text}
    return {"description": text, "content": {endpoint.answer_type: {"schema": _schema(endpoint.answer)}}}
