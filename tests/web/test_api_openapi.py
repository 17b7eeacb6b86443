"""The description is complete and true: every route is in it, guarded as it says."""

from __future__ import annotations

import json
import re
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.web.conftest import Client, World
from web.api import ROUTES
from web.openapi import document

DESCRIPTION = json.loads(json.dumps(document(ROUTES, "http://127.0.0.1:8080")))
OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in DESCRIPTION["paths"].items()
    for method, operation in operations.items()
]
OPEN = {"/api/v1/session", "/api/v1/openapi.json", "/api/v1/health", "/api/v1/metrics", "/health", "/metrics"}


def test_it_is_valid_openapi() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DESCRIPTION).iter_errors()] == []


def test_every_served_route_is_described(world: World) -> None:
    served = {
        (route.method, re.sub(r"\{(\w+):[^/]*\}", r"{\1}", route.resource.canonical))
        for route in world.app.router.routes()
        if route.method != "HEAD" and route.resource and route.resource.canonical.startswith("/api/v1/")
    }
    described = {(method, path) for method, path, _ in OPERATIONS if path.startswith("/api/v1/")}
    assert served == described
    assert len(described) > 80


def test_every_operation_has_a_summary_and_a_name_of_its_own() -> None:
    assert all(operation["summary"].strip() for _, _, operation in OPERATIONS)
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))


async def test_every_route_needs_somebody_known_unless_it_says_that_it_is_open(world: World) -> None:
    stranger = world.stranger()
    for method, path, operation in OPERATIONS:
        body: Any = {} if "requestBody" in operation else None
        answer = await stranger(method, re.sub(r"\{\w+\}", "1", path), body)
        if operation["security"]:
            assert answer.status == 401, (method, path, answer.status)
        else:
            assert path in OPEN, (method, path)
            assert answer.status != 401


async def test_every_route_needs_its_scope(world: World) -> None:
    nobody = await world.person("nobody@example.com", scopes="")
    for method, path, operation in OPERATIONS:
        if operation["security"]:
            answer = await nobody(method, re.sub(r"\{\w+\}", "1", path), {} if "requestBody" in operation else None)
            assert answer.status == 403, (method, path, answer.status)


async def test_what_is_not_there_is_404_everywhere(world: World, anna: Client) -> None:
    """With a valid body or without: nobody learns from the answer whether it is another's."""
    for method, path, operation in OPERATIONS:
        asked = "requestBody" in operation or any(p["in"] == "query" and p["required"] for p in operation["parameters"])
        if "{" in path and not asked:
            answer = await anna(method, re.sub(r"\{\w+\}", "123456789", path))
            assert answer.status == 404, (method, path, answer.status)


async def test_the_page_that_shows_it_needs_nothing_from_elsewhere(world: World) -> None:
    stranger = world.stranger()
    page = await stranger.get("/api/docs")
    text = page.raw.decode()
    assert page.status == 200 and "<script" not in text and "style=" not in text
    assert not re.findall(r"(?:src|href)=\"https?:", text)
    for _, path, operation in OPERATIONS:
        assert path in text and operation["operationId"] in text
    assert (await stranger.get("/api/docs.css")).headers["Content-Type"].startswith("text/css")


async def test_an_unknown_path_or_method_is_a_problem_document(anna: Client) -> None:
    absent = await anna.get("/nothing")
    assert (absent.status, absent.json["code"]) == (404, "not_found")
    assert (await anna("DELETE", "/projects")).status == 405
