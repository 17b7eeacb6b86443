"""A real server over a real store, and clients that check every answer against the served OpenAPI document."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar, web
from openapi_schema_validator import OAS31Validator

from engine.config import Number, Settings, Trunk
from engine.store import Store, migrate, open_store
from engine.store.tables import User
from tests.fakes import FakeRobot
from web import auth
from web.app import make_app, serve
from web.ask import Voices

NUMBERS = ("+74950000001", "+74950000002", "+74950000003")
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
Json = Any


@dataclass
class HandClock:
    """Time stands still unless it is moved."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def pass_by(self, **units: float) -> None:
        self.at += timedelta(**units)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    raw: bytes
    json: Json = None

    @property
    def codes(self) -> dict[str, str]:
        """Of a 422: path -> code."""
        return {e["path"]: e["code"] for e in self.json["errors"]}


class Document:
    """The served description, as a judge of answers."""

    def __init__(self, description: Json) -> None:
        self.description = description
        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", r"[^/]+", path) + "$"), "{" in path, path) for path in description["paths"]
        ]

    def check(self, method: str, path: str, status: int, kind: str, body: Json) -> None:
        """Raises AssertionError if this answer is not described."""
        found = sorted((dynamic, name) for pattern, dynamic, name in self._paths if pattern.match(path))
        if not found:
            return
        operation = self.description["paths"][found[0][1]].get(method.lower())
        if operation is None:
            assert status == 405
            return
        assert str(status) in operation["responses"], f"{method} {path} answered {status}, which is not described"
        described = operation["responses"][str(status)]
        if "$ref" in described:
            described = self.description["components"]["responses"][described["$ref"].rsplit("/", 1)[1]]
        content = described.get("content", {})
        assert kind in content or (not content and body is None), f"{method} {path}: {kind} is not described"
        if body is not None and kind.endswith("json"):
            schema = {**content[kind].get("schema", {}), "components": self.description["components"]}
            errors = [f"{e.json_path}: {e.message[:200]}" for e in OAS31Validator(schema).iter_errors(body)]
            assert not errors, f"{method} {path}: {errors[:5]}"


@dataclass
class Client:
    """Somebody who talks to the server, with a token or as a browser."""

    base: str
    http: ClientSession
    document: Document
    headers: dict[str, str] = field(default_factory=dict)
    user: User | None = None

    async def __call__(self, method: str, path: str, body: Json = None, **more: Any) -> Answer:
        url = path if path.startswith(("/api/", "/health", "/metrics")) else "/api/v1" + path
        headers = {**self.headers, **more.pop("headers", {})}
        if body is not None:
            more["data"] = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        async with self.http.request(method, self.base + url, headers=headers, **more) as response:
            return await self._judged(method, url.split("?")[0], response)

    async def _judged(self, method: str, path: str, response: ClientResponse) -> Answer:
        raw = await response.read()
        parsed = json.loads(raw) if raw and response.content_type.endswith("json") else None
        self.document.check(method, path, response.status, response.content_type, parsed)
        return Answer(response.status, dict(response.headers), raw, parsed)

    async def get(self, path: str, **more: Any) -> Answer:
        return await self("GET", path, **more)

    async def post(self, path: str, body: Json = None, **more: Any) -> Answer:
        return await self("POST", path, body, **more)

    async def patch(self, path: str, body: Json) -> Answer:
        return await self("PATCH", path, body)

    async def put(self, path: str, body: Json) -> Answer:
        return await self("PUT", path, body)

    async def delete(self, path: str, **more: Any) -> Answer:
        return await self("DELETE", path, **more)

    async def made(self, path: str, body: Json) -> Json:
        """POST what must succeed."""
        answer = await self.post(path, body)
        assert answer.status in (200, 201, 202), answer.raw
        return answer.json


@dataclass
class World:
    base: str
    store: Store
    robot: FakeRobot
    clock: HandClock
    settings: Settings
    app: web.Application
    document: Document
    sessions: list[ClientSession] = field(default_factory=list)

    async def user(self, email: str, *, password: str = "", admin: bool = False) -> User:
        stored = auth.hash_password(password) if password else ""
        return await self.store.users.add(email, stored, now=self.clock.now(), admin=admin)

    def stranger(self) -> Client:
        """Nobody yet: keeps cookies, as a browser does."""
        http = ClientSession(cookie_jar=CookieJar(unsafe=True))
        self.sessions.append(http)
        return Client(self.base, http, self.document)

    async def person(self, email: str = "anna@example.com", *, scopes: str = "read write call_password") -> Client:
        """A new user with a token."""
        user = await self.store.users.by_email(email) or await self.user(email)
        token, digest = auth.new_token()
        await self.store.users.add_token(user.id, digest, scopes=scopes.split(), now=self.clock.now())
        client = self.stranger()
        client.user = user
        client.headers["Authorization"] = f"Bearer {token}"
        return client


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path,
        trunks={"main": Trunk(host="192.0.2.1")},
        numbers=tuple(Number(number=number, trunk="main") for number in NUMBERS),
    )


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables: a copy of it is quicker than to make them anew."""
    file = tmp_path_factory.mktemp("template") / "dozvon.db"
    asyncio.run(migrate(f"sqlite+aiosqlite:///{file}"))
    return file


@pytest.fixture
async def store(settings: Settings, template: Path) -> AsyncIterator[Store]:
    shutil.copy(template, settings.data_dir / "dozvon.db")
    async with open_store(settings.database_url) as store:
        await store.numbers.sync([n.model_dump() for n in settings.numbers], now=START)
        yield store


@asynccontextmanager
async def serving(settings: Settings, store: Store, voices: Voices | None = None, **more: Any) -> AsyncGenerator[World]:
    """`more` is for `make_app`."""
    robot, clock = FakeRobot(), HandClock()
    app = make_app(settings, store, robot, clock=clock, voices=voices, **more)
    async with serve(app, "127.0.0.1", 0) as port:
        base = f"http://127.0.0.1:{port}"
        async with ClientSession() as http, http.get(base + "/api/v1/openapi.json") as answer:
            document = Document(await answer.json())
        world = World(base, store, robot, clock, settings, app, document)
        yield world
        for session in world.sessions:
            await session.close()


@pytest.fixture
async def world(settings: Settings, store: Store) -> AsyncIterator[World]:
    async with serving(settings, store) as world:
        yield world


@pytest.fixture
async def anna(world: World) -> Client:
    return await world.person("anna@example.com")


@pytest.fixture
async def boris(world: World) -> Client:
    return await world.person("boris@example.com")


GRAPH: Json = {
    "dozvon": 1,
    "name": "Приглашение",
    "language": "ru",
    "start": "hello",
    "fields": {"name": {"type": "string", "default": ""}},
    "nodes": {
        "hello": {"kind": "play", "say": "Здравствуйте, {{ name }}! Придёте?", "next": "ask"},
        "ask": {
            "kind": "recognize",
            "filters": [
                {"voice": ["да", "приду"], "goto": "agreed"},
                {"voice": ["нет"], "goto": "bye"},
                {"silence": True, "goto": "bye"},
                {"other": True, "goto": "bye"},
            ],
        },
        "agreed": {"kind": "goal", "tag": "confirmed", "next": "bye"},
        "bye": {"kind": "hangup"},
    },
}


@dataclass(frozen=True, slots=True)
class Shop:
    """A project with everything that a campaign needs."""

    project: int
    scenario: int
    segment: int
    blacklist: int
    number: str = NUMBERS[0]

    def campaign(self, **more: Any) -> Json:
        return {
            "name": "Autumn",
            "scenario_id": self.scenario,
            "segment_ids": [self.segment],
            "blacklist_ids": [self.blacklist],
            "numbers": [self.number],
            **more,
        }


async def open_shop(client: Client, number: str = NUMBERS[0]) -> Shop:
    project = (await client.made("/projects", {"name": "Shop"}))["id"]
    path = f"/projects/{project}"
    scenario = await client.made(path + "/scenarios", {"name": "Invite", "graph": GRAPH})
    people = [{"phone": f"+7900123456{n}", "fields": {"name": f"N{n}"}} for n in range(5)]
    segment = await client.made(path + "/segments", {"name": "All", "contacts": people})
    blacklist = await client.made(path + "/segments", {"name": "Never", "kind": "blacklist"})
    await client.made("/numbers/rent", {"numbers": [number]})
    return Shop(project, scenario["id"], segment["id"], blacklist["id"], number)


@pytest.fixture
async def shop(anna: Client) -> Shop:
    return await open_shop(anna)
