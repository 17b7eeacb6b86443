"""What happens in calls, as it happens: to those who may see it, and no longer than the server lives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from aiohttp import ClientSession

from engine.config import Settings
from engine.model import CallEvent
from engine.store import Store
from tests.web.conftest import NUMBERS, START, Client, Json, Shop, World, open_shop, serving
from tests.web.test_api_calls import place
from web import live


@dataclass
class View:
    call_id: int
    node: str = "ask"
    partial: str = "д"
    transcript: list[tuple[datetime, str, str]] = field(default_factory=lambda: [(START, "robot", "Придёте?")])


async def test_live_calls_with_what_was_said(anna: Client, shop: Shop, world: World) -> None:
    made = await place(anna, shop)
    world.robot.lives = [View(made["id"]), View(999)]
    (call,) = (await anna.get("/calls/live")).json["items"]
    assert (call["node"], call["partial"]) == ("ask", "д")
    assert call["transcript"] == [{"at": "2026-11-20T09:00:00Z", "who": "robot", "text": "Придёте?"}]


@asynccontextmanager
async def _listening(world: World, client: Client, query: str = "") -> AsyncIterator[asyncio.StreamReader]:
    async with client.http.get(f"{world.base}/api/v1/calls/events{query}", headers=client.headers) as answer:
        assert answer.status == 200, await answer.read()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert await answer.content.readline() == b"retry: 2000\n"
        yield answer.content  # type: ignore[misc]


async def _next(reader: asyncio.StreamReader) -> Json:
    async with asyncio.timeout(5):
        while True:
            line = await reader.readline()
            if line.startswith(b"data: "):
                return json.loads(line[6:])


def _event(call: int, kind: str = "heard", **data: str) -> CallEvent:
    return CallEvent(call, kind, datetime(2026, 11, 20, 9, tzinfo=UTC), data)


async def test_events_reach_who_may_see_them(anna: Client, boris: Client, shop: Shop, world: World) -> None:
    theirs = await open_shop(boris, NUMBERS[1])
    mine, other = await place(anna, shop), await place(boris, theirs)
    async with _listening(world, anna) as stream:
        world.robot.tell(_event(other["id"], text="secret"))
        world.robot.tell(_event(12345, text="nobody's"))
        world.robot.tell(_event(mine["id"], text="да\n\ndata: {}"))
        told = await _next(stream)
    assert told == {
        "call_id": mine["id"],
        "kind": "heard",
        "at": "2026-11-20T09:00:00Z",
        "text": "да\n\ndata: {}",
    }


async def test_events_of_one_call_only(anna: Client, shop: Shop, world: World) -> None:
    first, second = await place(anna, shop), await place(anna, shop)
    async with _listening(world, anna, f"?call_id={second['id']}") as stream:
        world.robot.tell(_event(first["id"]))
        world.robot.tell(_event(second["id"], "ended"))
        assert (await _next(stream))["call_id"] == second["id"]


async def test_a_quiet_stream_beats_and_looks_at_rights_again(
    anna: Client, boris: Client, shop: Shop, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BEAT_S", 0.05)
    made = await place(anna, shop)
    member = f"/projects/{shop.project}/members"
    await anna.put(member, {"email": "boris@example.com", "role": "analyst"})
    assert boris.user is not None
    async with _listening(world, boris) as stream:
        world.robot.tell(_event(made["id"], "answered"))
        assert (await _next(stream))["kind"] == "answered"
        await anna.delete(f"{member}/{boris.user.id}")
        async with asyncio.timeout(5):
            while await stream.readline() != b": beat\n":
                pass
            while await stream.readline() != b": beat\n":
                pass
        world.robot.tell(_event(made["id"], "ended"))
        async with asyncio.timeout(5):
            while (line := await stream.readline()) != b": beat\n":
                assert not line.startswith(b"data")


async def test_too_many_streams_of_one_person(
    anna: Client, boris: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STREAMS_EACH", 1)
    async with _listening(world, anna):
        refused = await anna.get("/calls/events")
        assert refused.status == 429 and "Retry-After" in refused.headers
        async with _listening(world, boris):
            pass


async def test_streams_end_when_the_server_does(settings: Settings, store: Store) -> None:
    async with ClientSession() as http:
        async with serving(settings, store) as world:
            client = await world.person()
            stream = await http.get(f"{world.base}/api/v1/calls/events", headers=client.headers)
        async with asyncio.timeout(1):  # it was ended, not cut off after the patience for requests in flight
            assert (await stream.read()).startswith(b"retry:")
