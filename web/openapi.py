"""The OpenAPI 3.1 document, made from the registry that serves the requests, and a page that shows it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from web.problems import CODES, CONTENT_TYPE, ProblemDocument
from web.routes import Route
from web.words import TITLES

VERSION = "1.0.0"
REFS = "#/components/schemas/{model}"
DESCRIPTION = """Everything that the panel does goes through this interface.

Times are ISO 8601 in UTC, money is in minor units, telephone numbers are E.164 with `+`. A request carries
`Authorization: Bearer TOKEN`, or the panel's session cookie and, where it changes something, `X-CSRF-Token`. Lists are
`{"items": [...], "next": "cursor"}`: give `next` back as `cursor` until it is null. `Idempotency-Key` makes a POST safe
to repeat for 24 hours. Errors are RFC 9457 problem documents; a 422 tells everything that is wrong at once."""

Json = dict[str, Any]


def document(routes: Sequence[Route], public_url: str) -> Json:
    """The whole description. Every route of `routes` is in it, with every status that it may answer."""
    refs, schemas = _schemas(routes)
    paths: Json = {}
    for route in routes:
        paths.setdefault(route.url, {})[route.method.lower()] = _operation(route, refs, schemas)
    queries = {refs[r.query, "validation"] for r in routes if r.query is not None}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Dozvon",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url}],
        "tags": [{"name": tag} for tag in sorted({r.tag for r in routes})],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in queries},
            "responses": {f"Problem{status}": _problem(status, code) for status, code in CODES.items()},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token, with the scopes read, write, call_password",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "dozvon_session",
                    "description": "The panel's session; requests that change something carry X-CSRF-Token too",
                },
            },
        },
    }


def _schemas(routes: Iterable[Route]) -> tuple[dict[tuple[type[BaseModel], str], str], Json]:
    wanted: dict[tuple[type[BaseModel], Any], None] = {(ProblemDocument, "serialization"): None}
    for route in routes:
        answers = [_model(route.answer), *(model for _, model in route.also)]
        for model, mode in (
            (route.body, "validation"),
            (route.query, "validation"),
            *((a, "serialization") for a in answers),
        ):
            if model is not None:
                wanted[model, mode] = None
    found, defs = models_json_schema(list(wanted), ref_template=REFS)
    names = {key: str(schema["$ref"]).rsplit("/", 1)[1] for key, schema in found.items()}
    return names, dict(defs["$defs"])  # type: ignore[return-value]


def _model(answer: Any) -> type[BaseModel] | None:
    return answer if isinstance(answer, type) and issubclass(answer, BaseModel) else None


def _operation(route: Route, refs: dict[tuple[type[BaseModel], str], str], schemas: Json) -> Json:
    operation: Json = {
        "operationId": f"{route.tag}_{route.handler.__name__}{'_root' if route.root else ''}".replace("-", "_"),
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path(route), *_query(route, refs, schemas), *_headers(route)],
        "responses": {str(route.status): _answer(route, refs)},
        "security": [*({"bearer": [scope]} for scope in route.scope), {"session": []}] if route.scope else [],
    }
    if route.description:
        operation["description"] = route.description
    if route.body is not None:
        schema = {"$ref": REFS.format(model=refs[route.body, "validation"])}
        content: Json = {"application/json": {"schema": schema}}
        if route.upload:
            fields = schemas[refs[route.body, "validation"]]
            properties = {**fields["properties"], "file": {"type": "string", "format": "binary"}}
            content["multipart/form-data"] = {"schema": {**fields, "properties": properties}}
        operation["requestBody"] = {
            "required": bool(schemas[refs[route.body, "validation"]].get("required")),
            "content": content,
        }
    if "audio/wav" in route.produces:
        operation["responses"]["206"] = {**_answer(route, refs), "description": "The part that `Range` asked for"}
    for status in route.statuses:
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    for status, model in route.also:
        schema = {"$ref": REFS.format(model=refs[model, "serialization"])}
        operation["responses"][str(status)] = {
            "description": "See the answer",
            "content": {"application/json": {"schema": schema}},
        }
    return operation


def _path(route: Route) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
        for name in route.params
    ]


def _query(route: Route, refs: dict[tuple[type[BaseModel], str], str], schemas: Json) -> list[Json]:
    if route.query is None:
        return []
    schema = schemas[refs[route.query, "validation"]]
    found = []
    for name, field in schema["properties"].items():
        description = field.get("description")
        parameter: Json = {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": field}
        if description:
            parameter["description"] = description
        found.append(parameter)
    return found


def _headers(route: Route) -> list[Json]:
    if not route.idempotent:
        return []
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "The same key and body give the first answer for 24 hours; another body is 409",
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
        }
    ]


def _answer(route: Route, refs: dict[tuple[type[BaseModel], str], str]) -> Json:
    model = _model(route.answer)
    if model is not None:
        schema = {"$ref": REFS.format(model=refs[model, "serialization"])}
        return {"description": route.summary, "content": {"application/json": {"schema": schema}}}
    if route.produces:
        content = {
            kind: {"schema": {"type": "object" if kind.endswith("json") else "string"}} for kind in route.produces
        }
        return {"description": route.summary, "content": content}
    return {"description": "Done"}


def _problem(status: int, code: str) -> Json:
    if status == 416:  # told by the file server itself, which says nothing more
        return {"description": TITLES[code]["en"]}
    answer: Json = {
        "description": TITLES[code]["en"],
        "content": {CONTENT_TYPE: {"schema": {"$ref": REFS.format(model=ProblemDocument.__name__)}}},
    }
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}}
    return answer


def dumped(description: Json) -> bytes:
    return json.dumps(description, ensure_ascii=False, separators=(",", ":")).encode()


DOCUMENT = web.AppKey("openapi", bytes)
