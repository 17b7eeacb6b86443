"""Every field of every request with values that nobody meant: answered in words, never with a 500."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import cycle
from typing import Any

from tests.web.conftest import Client, Shop
from tests.web.test_api_openapi import DESCRIPTION, OPERATIONS

SCHEMAS = DESCRIPTION["components"]["schemas"]
NASTY: tuple[Any, ...] = (
    None, True, 0, -1, 2**31, 2**63, 2**70, 1e308, 0.1, "", " ", "x" * 6000, "\U0001f600\u202e", "'; --",
    "\r\nAction: Originate", "{{ 7 * 7 }}", "%s%n", [], [None], [[]], [{}], {}, {"a": None}, {"": {"": ""}}, ["x"] * 99,
    "2026-13-45T99:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "UTC",
)  # fmt: skip
SKIPPED = {"/api/v1/me/password", "/api/v1/session"}  # a password hash takes its time; test_auth has them


def _example(schema: dict[str, Any]) -> Any:
    """Something that fits, more or less."""
    if "$ref" in schema:
        return _example(SCHEMAS[schema["$ref"].rsplit("/", 1)[1]])
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0])
    match schema.get("type"):
        case "object":
            required = schema.get("required", ())
            return {name: _example(schema["properties"][name]) for name in required}
        case "array":
            return [_example(schema["items"])] if schema.get("minItems") else []
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return False
        case _:
            return "https://example.com" if "https" in schema.get("pattern", "") else "name"


def _requests() -> Iterator[tuple[str, str, Any]]:
    values = cycle(NASTY)
    for method, path, operation in OPERATIONS:
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None or path in SKIPPED:
            continue
        schema = SCHEMAS[body["schema"]["$ref"].rsplit("/", 1)[1]]
        base = _example(schema)
        for name in schema["properties"]:
            for _ in range(8):
                yield method, path, {**base, name: next(values)}


def _queries() -> Iterator[tuple[str, str]]:
    values = cycle(str(value) for value in NASTY if isinstance(value, str | int | float))
    for method, path, operation in OPERATIONS:
        if method != "GET" or "text/event-stream" in str(operation["responses"]["200"]):
            continue
        for parameter in operation["parameters"]:
            if parameter["in"] == "query":
                for _ in range(4):
                    yield path, f"{parameter['name']}={next(values)}"


async def test_bodies(anna: Client, shop: Shop) -> None:
    sent = 0
    for method, path, body in _requests():
        answer = await anna(method, re.sub(r"\{\w+\}", "1", path), body)
        assert answer.status < 500 or answer.status == 503, (method, path, body, answer.raw)
        sent += 1
    assert sent > 500


async def test_queries(anna: Client, shop: Shop) -> None:
    for path, query in _queries():
        name, _, value = query.partition("=")
        answer = await anna.get(re.sub(r"\{\w+\}", "1", path), params={name: value})
        assert answer.status < 500, (path, query, answer.raw)
