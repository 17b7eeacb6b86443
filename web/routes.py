"""One registry of routes: what is registered is served, and is all that the OpenAPI document is made from.

    @routes.post("/projects", "Make a project", status=201)
    async def create(ask: Ask, body: NewProject) -> ProjectOut: ...

The signature is the contract: `body` and `query` are pydantic models, the other arguments are numbers in the path, the
return annotation is the answer. Such a function is called by the panel's pages too.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import NotFound
from web import bodies, idempotency
from web.ask import Ask
from web.auth import ask_of
from web.problems import invalid

API = "/api/v1"
STREAM = "text/event-stream"
LARGEST_ID = 2**53 - 1  # every program's JSON can hold it
_PARAM = re.compile(r"\{(\w+)\}")

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])


class Given(BaseModel):
    """Base of every request model: an unknown field is an error, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class Told(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(frozen=True, from_attributes=True, populate_by_name=True)


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str  # under /api/v1 unless `root`
    summary: str
    handler: Callable[..., Awaitable[Any]]
    tag: str
    scope: tuple[str, ...] | None  # any of them; None: anybody
    status: int
    params: tuple[str, ...]
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    answer: Any  # a model, None (no content) or a StreamResponse of `produces`
    produces: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()
    max_body: int = bodies.JSON_LIMIT
    upload: bool = False
    idempotent: bool = False
    root: bool = False
    also: tuple[tuple[int, type[BaseModel]], ...] = ()  # other answers that are no errors
    description: str = ""

    @property
    def url(self) -> str:
        return self.path if self.root else API + self.path

    @property
    def statuses(self) -> tuple[int, ...]:
        """Every status of an error that this route may answer."""
        found = {429, 500, 503, *self.errors}
        if self.scope is not None:
            found |= {401, 403}
        if self.params:
            found.add(404)
        if self.body is not None:
            found |= {400, 413, 415, 422}
        if self.query is not None:
            found |= {400, 422}
        if self.idempotent:
            found.add(409)
        return tuple(sorted(found))


class Routes:
    """The routes of one noun."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.all: list[Route] = []

    def get(self, path: str, summary: str, **more: Any) -> Callable[[Handler], Handler]:
        return self._add("GET", path, summary, more.pop("scope", "read"), more)

    def post(self, path: str, summary: str, **more: Any) -> Callable[[Handler], Handler]:
        return self._add("POST", path, summary, more.pop("scope", "write"), more)

    def put(self, path: str, summary: str, **more: Any) -> Callable[[Handler], Handler]:
        return self._add("PUT", path, summary, more.pop("scope", "write"), more)

    def patch(self, path: str, summary: str, **more: Any) -> Callable[[Handler], Handler]:
        return self._add("PATCH", path, summary, more.pop("scope", "write"), more)

    def delete(self, path: str, summary: str, **more: Any) -> Callable[[Handler], Handler]:
        return self._add("DELETE", path, summary, more.pop("scope", "write"), {"status": 204, **more})

    def _add(
        self, method: str, path: str, summary: str, scope: str | tuple[str, ...] | None, more: dict[str, Any]
    ) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            hints = typing.get_type_hints(handler)
            params = tuple(_PARAM.findall(path))
            named = set(inspect.signature(handler).parameters) - {"ask", "body", "query"}
            if named != set(params):
                raise TypeError(f"{method} {path}: the path names {params}, the function takes {sorted(named)}")
            self.all.append(
                Route(
                    method=method,
                    path=path,
                    summary=summary,
                    handler=handler,
                    tag=self.tag,
                    scope=(scope,) if isinstance(scope, str) else scope,
                    status=more.pop("status", 200),
                    params=params,
                    body=hints.get("body"),
                    query=hints.get("query"),
                    answer=more.pop("answer", hints["return"]),
                    description=inspect.getdoc(handler) or "",
                    **more,
                )
            )
            return handler

        return register


def mount(app: web.Application, routes: Sequence[Route]) -> None:
    """Serve them. Fixed paths win over those with a number (`/calls/live` over `/calls/{call_id}`)."""
    for route in sorted(routes, key=lambda r: len(r.params)):
        serve, url = _served(route), _PARAM.sub(r"{\1:\\d{1,18}}", route.url)
        app.router.add_route(route.method, url, serve)
        if route.method == "GET" and STREAM not in route.produces:
            app.router.add_route("HEAD", url, serve)


def _served(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        ask = await ask_of(request, required=route.scope is not None)
        if route.scope is not None:
            ask.need_scope(*route.scope)
        given: dict[str, Any] = {name: _id(ask, name, request.match_info[name]) for name in route.params}
        if route.query is not None:
            given["query"] = _query(route.query, request, ask.language)
        if route.body is None:
            return await _answer(route, ask, given, b"")
        async with bodies.read(ask, route.body, route.max_body, upload=route.upload) as (body, digest):
            given["body"] = body
            return await _answer(route, ask, given, digest)

    return serve


async def _answer(route: Route, ask: Ask, given: dict[str, Any], digest: bytes) -> web.StreamResponse:
    async def run() -> web.StreamResponse:
        return _told(await route.handler(ask, **given), route.status)

    if route.idempotent:
        answer = await idempotency.once(ask, f"{route.method} {ask.request.path if ask.request else ''}", digest, run)
    else:
        answer = await run()
    for work in ask.afterwards:
        await work()
    return answer


def _told(answer: Any, status: int) -> web.StreamResponse:
    if isinstance(answer, web.StreamResponse):
        return answer
    if answer is None:
        return web.Response(status=204)
    text: str = answer.model_dump_json(by_alias=True)
    return web.Response(status=status, body=text.encode(), content_type="application/json")


def _id(ask: Ask, name: str, value: str) -> int:
    number = int(value)
    if not 0 < number <= LARGEST_ID:
        raise NotFound(ask.say("absent", what=name.removesuffix("_id")))
    return number


def _query(model: type[BaseModel], request: web.Request, language: str) -> BaseModel:
    bodies.refuse_nul(request.rel_url.query_string, language)
    try:
        return model.model_validate(dict(request.query))
    except ValidationError as error:
        raise invalid(error, language) from None
