"""Requests that mean harm or nonsense: refused in words, with bounded work, and never a 500."""

from __future__ import annotations

import asyncio
import io
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from aiohttp import FormData

from engine.errors import StoreDown
from tests.web.conftest import Client, Shop, World
from web import bodies

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"[]", 422),
        (b"null", 422),
        (b'"x"', 422),
        (b"\xff\xfe", 400),
        (b'{"name": NaN}', 400),
        (b'{"name": 1e999}', 422),
        (b'{"name": "a\x00b"}', 400),
        (b'{"name": "a\\u0000b"}', 400),
        (b'{"name": "\\ud800"}', 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 50_000, 400),
        (b'{"name": ' + b"9" * 10_000 + b"}", 400),
        (b'{"name": "x", "name": "y", "oops": 1}', 422),
        (json.dumps({"name": "x" * 201}).encode(), 422),
        (json.dumps({"name": "a\r\nb"}).encode(), 422),
        (json.dumps({"name": "x", "timezone": "../etc/passwd"}).encode(), 422),
        (b'{"name": "' + b"x" * bodies.JSON_LIMIT + b'"}', 413),
    ],
)
async def test_bodies(anna: Client, sent: bytes, status: int) -> None:
    answer = await anna.post("/projects", data=io.BytesIO(sent), headers=JSON)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_every_problem_is_told_at_once_with_its_pointer_in_two_languages(anna: Client, shop: Shop) -> None:
    body = shop.campaign(
        name="",
        speed_per_hour=-1,
        retry={"attempts": 2, "interval_s": 5},
        schedule={"windows": [{"from": "10:00", "to": "10:00"}, {"days": [8], "from": "x", "to": "24:00"}]},
        nonsense=1,
    )
    answer = await anna.post(f"/projects/{shop.project}/campaigns", body)
    assert answer.status == 422
    assert set(answer.codes) == {
        "/name",
        "/speed_per_hour",
        "/retry/interval_s",
        "/schedule/windows/0",
        "/schedule/windows/1/days/0",
        "/schedule/windows/1/from",
        "/nonsense",
    }
    russian = await anna.post(f"/projects/{shop.project}/campaigns", {}, headers={"Accept-Language": "ru-RU,en;q=0.5"})
    assert russian.json["title"] == "В запросе ошибки"
    assert {e["message"] for e in russian.json["errors"]} == {"Обязательное поле"}


async def test_a_body_of_another_type_is_415(anna: Client) -> None:
    assert (await anna.post("/projects", data=b"name=x", headers={"Content-Type": "text/plain"})).status == 415


async def test_a_packed_body_cannot_unpack_without_end(anna: Client) -> None:
    packed = zlib.compress(b" " * (64 << 20))
    answer = await anna.post("/projects", data=packed, headers={**JSON, "Content-Encoding": "deflate"})
    assert answer.status in (400, 413)


@pytest.mark.parametrize("limit", ["CHUNK_S", "JSON_S"], ids=["half a body", "a body that dribbles in"])
async def test_a_body_that_never_comes_is_given_up(
    world: World, anna: Client, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    assert bodies.CHUNK_S <= 5
    monkeypatch.setattr(bodies, limit, 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.base.rsplit(":", 1)[1]))
    writer.write(
        b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
        b"Authorization: " + anna.headers["Authorization"].encode() + b"\r\n\r\n{"
    )

    async def dribble() -> None:
        while limit == "JSON_S" and not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.02)

    dribbling = asyncio.create_task(dribble())
    async with asyncio.timeout(5):
        assert b" 400 " in await reader.readline()
        with suppress(ConnectionResetError):
            while await reader.read(65536):
                pass
    dribbling.cancel()
    writer.close()


async def test_a_body_of_unknown_length_is_bounded(anna: Client) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b'{"name": "'
        for _ in range(2 * bodies.JSON_LIMIT // 65536):
            yield b"x" * 65536

    assert (await anna.post("/projects", data=endless(), headers=JSON)).status == 413


@pytest.mark.parametrize(
    "path",
    [
        "/projects/0",
        "/projects/9007199254740993",
        "/projects/99999999999999999999999999",
        "/projects/-1",
        "/projects/1%00",
        "/projects/1e3",
        "/projects/%D9%A1",
    ],
)
async def test_ids_that_are_none_are_absent(anna: Client, path: str) -> None:
    assert (await anna.get(path)).status == 404


@pytest.mark.parametrize(
    "query",
    [
        "phone=%00",
        "phone=%25%27",
        "from=now",
        "from=2026-01-01T00:00:00",
        "project_id=x",
        "status=dead",
        "limit=",
    ],
)
async def test_queries(anna: Client, query: str) -> None:
    assert (await anna.get(f"/calls?{query}")).status in (200, 400, 422)


async def test_a_search_for_percent_signs_finds_no_others(anna: Client) -> None:
    assert (await anna.get("/calls?phone=%25")).json["items"] == []


async def test_a_file_that_is_no_sound_is_refused_with_the_reason(anna: Client, shop: Shop) -> None:
    form = FormData({"name": "x", "kind": "audio"})
    form.add_field("file", b"PK\x03\x04" + b"\0" * 100, filename="../../evil.wav", content_type="audio/wav")
    answer = await anna.post(f"/projects/{shop.project}/materials", data=form)
    assert answer.status == 422
    assert list(answer.codes) == ["/file"]


async def test_a_file_that_is_too_large_is_413(anna: Client, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "FILE_LIMIT", 1000)
    form = FormData({"name": "x", "kind": "audio"})
    form.add_field("file", b"\0" * 2000, filename="a.wav")
    assert (await anna.post(f"/projects/{shop.project}/materials", data=form)).status == 413


async def test_nothing_of_an_upload_is_left_behind(world: World, anna: Client, shop: Shop) -> None:
    form = FormData({"name": "x", "kind": "audio"})
    form.add_field("file", b"nonsense", filename="a.wav")
    await anna.post(f"/projects/{shop.project}/materials", data=form)
    assert list((world.settings.data_dir / "uploads").iterdir()) == []
    assert not (world.settings.data_dir / "materials").exists()


@pytest.mark.parametrize(
    "sent", [b"", b"--x", b"--b\r\n\r\n", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--"]
)
async def test_multipart_that_is_none(anna: Client, shop: Shop, sent: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await anna.post(f"/projects/{shop.project}/materials", data=sent, headers=headers)
    assert answer.status in (400, 422)


async def test_security_headers_are_on_every_answer(world: World, anna: Client) -> None:
    for path in ("/projects", "/nothing", "/api/docs", "/health"):
        headers = (await anna.get(path)).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
    assert (await anna.get("/projects")).headers["Cache-Control"] == "no-store"


async def test_a_failure_of_ours_tells_nothing_of_the_inside(
    world: World, anna: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> object:
        raise ValueError("secret detail")

    monkeypatch.setattr(type(world.store.projects), "page", broken)
    answer = await anna.get("/projects")
    assert (answer.status, answer.json["code"]) == (500, "internal")
    assert b"secret" not in answer.raw


async def test_while_the_database_is_away_everybody_is_asked_to_come_again(
    world: World, anna: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> object:
        raise StoreDown("the database is away for now: connection refused")

    monkeypatch.setattr(type(world.store.users), "token", away)
    answer = await anna.get("/projects")
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
