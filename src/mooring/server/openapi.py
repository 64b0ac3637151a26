"""The OpenAPI document, made from the endpoints and the model's own types: one definition of every shape. Must not: describe by hand.

Source: OpenAPI 3.1, whose schemas are JSON Schema 2020-12, which msgspec writes.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mooring.client.problems import CONTENT_TYPE, ProblemDocument
from mooring.model.access import TOKEN_PATTERN
from mooring.model.events import Event
from mooring.model.names import ACCESSORY_PATTERN, HOSTNAME_PATTERN, LABEL_PATTERN, VARIABLE_PATTERN
from mooring.model.push_key import PUSH_KEY_PATTERN
from mooring.model.registry import REGISTRY_PATTERN
from mooring.server.authorization import TABLE
from mooring.server.endpoint import Body, Endpoint, Stream
from mooring.server.once import LONGEST_KEY
from mooring.server.query import Parameter
from mooring.usecases.deployments import DEPLOYMENT_PATTERN
from mooring.usecases.permission import Permission
from mooring.usecases.requests import CopyRequest, EndOfInput, ExecRequest, Resize, RunEnded, RunRequest

_KINDS = {str: "string", int: "integer", bool: "boolean"}
_PATTERNS = {"app": LABEL_PATTERN, "environment": LABEL_PATTERN, "id": DEPLOYMENT_PATTERN, "hostname": HOSTNAME_PATTERN}
_NAMES = {
    "accessories": ACCESSORY_PATTERN,
    "hosts": LABEL_PATTERN,
    "service-servers": LABEL_PATTERN,
    "services": LABEL_PATTERN,
    "registries": REGISTRY_PATTERN,
    "tokens": TOKEN_PATTERN,
    "push-keys": PUSH_KEY_PATTERN,
    "secrets": VARIABLE_PATTERN,
}
_SOCKET_TYPES = (RunRequest, ExecRequest, CopyRequest, Resize, EndOfInput, RunEnded)


def document(endpoints: Sequence[Endpoint], *, version: str) -> dict[str, object]:
    """The whole description, ready to be encoded."""
    schemas, components = _schemas(endpoints)
    paths: dict[str, dict[str, object]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Mooring", "version": version, "description": "Deploys web apps and keeps them serving."},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _schemas(endpoints: Sequence[Endpoint]) -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """A schema for each type in use, and the components they refer to."""
    found = {kind: None for endpoint in endpoints for kind in (endpoint.answer, endpoint.body_type) if kind is not None}
    types = list({**found, ProblemDocument: None, **dict.fromkeys(_SOCKET_TYPES)})
    schemas, components = msgspec.json.schema_components(
        types, schema_hook=lambda _: {"description": "any JSON value"}, ref_template="#/components/schemas/{name}"
    )
    for component in components.values():
        if "description" in component:
            component["description"] = inspect.cleandoc(component["description"])
    return dict(zip(types, schemas, strict=True)), components


def _operation(endpoint: Endpoint, schemas: Mapping[Any, dict[str, Any]]) -> dict[str, object]:
    permission = TABLE[endpoint.route]
    operation: dict[str, object] = {
        "operationId": operation_id(endpoint),
        "summary": endpoint.summary,
        "parameters": [*_path(endpoint), *map(_query, endpoint.query), *_headers(endpoint)],
        "responses": _responses(endpoint, schemas, is_open=permission is None),
        "security": [{"token": []}] if isinstance(permission, Permission) else [],
    }
    about = [endpoint.about] if endpoint.about else []
    if isinstance(permission, Permission):
        about.append(f"Takes the role {permission.value.value}.")
        operation["x-role"] = permission.value.value
    if endpoint.body is not Body.NONE:
        operation["requestBody"] = _body(endpoint, schemas)
    return {**operation, "description": " ".join(about)} if about else operation


def operation_id(endpoint: Endpoint) -> str:
    """Unique, from method and path: `post_environments_deployments`."""
    words = [part for part in endpoint.path.split("/") if part and not part.startswith("{") and part != "v1"]
    ending = ["one"] if endpoint.path.endswith("}") else []
    return "_".join([endpoint.method.lower(), *words, *ending]).replace(".", "_")


def _path(endpoint: Endpoint) -> list[dict[str, object]]:
    parts = endpoint.path.split("/")
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": _PATTERNS.get(name) or _NAMES[parts[parts.index(f"{{{name}}}") - 1]]},
        }
        for name in endpoint.parameters
    ]


def _query(parameter: Parameter) -> dict[str, object]:
    schema: dict[str, object] = {"type": _KINDS[parameter.kind]}
    bounds = ("minLength", "maxLength") if parameter.kind is str else ("minimum", "maximum")
    for name, bound in zip(bounds, (parameter.least, parameter.most), strict=True):
        if bound is not None:
            schema[name] = bound
    if parameter.kind is str:
        schema["pattern"] = parameter.pattern or "^[^\\u0000]*$"
    if parameter.default is not None:
        schema["default"] = parameter.default
    return {"name": parameter.name, "in": "query", "required": parameter.is_required, "description": parameter.about, "schema": schema}


def _headers(endpoint: Endpoint) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    if endpoint.is_idempotent_by_key:
        about = "Asking twice with the same key is asking once; with another body it is refused."
        schema: dict[str, object] = {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[ -~]+$"}
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "description": about, "schema": schema})
    if endpoint.stream in (Stream.EVENTS, Stream.EVENTS_OR_JSON):
        schema = {"type": "string", "pattern": "^[0-9]{0,18}$"}
        found.append(
            {
                "name": "Last-Event-ID",
                "in": "header",
                "required": False,
                "description": "Go on behind this event; empty: none was seen.",
                "schema": schema,
            }
        )
    return found


def _body(endpoint: Endpoint, schemas: Mapping[Any, dict[str, Any]]) -> dict[str, object]:
    binary: dict[str, object] = {"schema": {"type": "string", "format": "binary"}}
    archives = {"application/x-tar": binary, "application/gzip": binary}
    json = {"application/json": {"schema": schemas[endpoint.body_type]}} if endpoint.body_type is not None else {}
    match endpoint.body:
        case Body.JSON:
            return {"required": True, "content": json}
        case Body.ARCHIVE:
            return {"required": True, "content": archives}
        case Body.ARCHIVE_OR_JSON:
            return {"required": True, "content": {**archives, **json}}
        case _:
            return {"required": True, "content": {"application/octet-stream": binary}}


def _responses(endpoint: Endpoint, schemas: Mapping[Any, dict[str, Any]], *, is_open: bool) -> dict[str, object]:
    problem = {"description": "What was wrong, and what to do", "content": {CONTENT_TYPE: {"schema": schemas[ProblemDocument]}}}
    failures = {"4XX": problem, "5XX": problem}
    if endpoint.stream is Stream.SOCKET:
        return {"101": {"description": "The WebSocket is open"}, **failures}
    if endpoint.answer is None and endpoint.stream is None:
        return {"204": {"description": "Done"}, **failures}
    return {str(endpoint.status): {"description": endpoint.summary, "content": _content(endpoint, schemas)}, **failures}


def _content(endpoint: Endpoint, schemas: Mapping[Any, dict[str, Any]]) -> dict[str, object]:
    text: dict[str, object] = {"schema": {"type": "string"}}
    match endpoint.stream:
        case Stream.EVENTS:
            return {"text/event-stream": {"schema": _event(schemas[endpoint.answer], schemas[ProblemDocument])}}
        case Stream.EVENTS_OR_JSON:
            return {
                "application/json": {"schema": schemas[endpoint.answer]},
                "text/event-stream": {"schema": _event(schemas[Event], schemas[ProblemDocument])},
            }
        case Stream.TEXT:
            return {"text/plain": text}
        case Stream.BYTES:
            return {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        case _:
            return {"application/json": {"schema": schemas[endpoint.answer]}}


def _event(value: Mapping[str, Any], problem: Mapping[str, Any]) -> dict[str, object]:
    """Each event of a stream, as OpenAPI 3.2 has it in `itemSchema`; `data` is a JSON text, in the last event `{}` or a problem."""
    end = {"type": "object", "maxProperties": 0}
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": {"anyOf": [value, end, problem]}}
    return {"type": "object", "properties": {"id": {"type": "string"}, "event": {"type": "string"}, "data": data}, "required": ["data"]}
