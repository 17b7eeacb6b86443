"""Hostile and broken connections: dropped in time, with bounded memory, while others are served."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web

from web import guard

SOON_S = 5.0
REQUEST = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


async def _hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    assert guard.HEADER_S < SOON_S
    monkeypatch.setattr(guard, "HEADER_S", 0.2)
    app = web.Application(middlewares=[guard.watched])
    app.router.add_get("/hello", _hello)
    async with guard.serve(app, "127.0.0.1", 0) as port:
        yield port


async def _until_closed(reader: asyncio.StreamReader) -> bytes:
    """What the server says until it closes; an abort is a close too."""
    said = b""
    async with asyncio.timeout(SOON_S):
        try:
            while chunk := await reader.read(65536):
                said += chunk
        except ConnectionResetError:
            pass
    return said


async def _fine(port: int) -> None:
    async with ClientSession() as client, client.get(f"http://127.0.0.1:{port}/hello") as answer:
        assert await answer.text() == "hello"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Half: ", id="half a header"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(bytes(range(256)) * 20, id="garbage"),
        pytest.param(b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * (2 << 20), id="2 MB of header"),
        pytest.param(b"GET /hello HTTP/1.1\r\n" + b"X: y\r\n" * 100_000, id="many headers"),
        pytest.param(b"GET /" + b"a" * (1 << 20), id="a long line"),
    ],
)
async def test_what_is_no_request_is_dropped_with_one_line(
    port: int, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        said = await _until_closed(reader)
    finally:
        writer.close()
    assert not said or b" 400 " in said.split(b"\r\n")[0]
    await _fine(port)
    assert [r.getMessage() for r in caplog.records] == ["connection dropped"]


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET /hello HTTP/1.1\r\nHost:"])
async def test_an_early_close_leaves_nothing_but_one_line(
    port: int, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    await writer.drain()
    writer.close()
    async with asyncio.timeout(SOON_S):
        while not caplog.records:  # noqa: ASYNC110 - the line is all there is to see
            await asyncio.sleep(0.005)
    await _fine(port)
    assert [r.getMessage() for r in caplog.records] == ["connection dropped"]


async def test_a_header_that_dribbles_in_is_dropped(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def dribble() -> None:
        writer.write(b"GET /hello HTTP/1.1\r\n")
        while not writer.is_closing():
            writer.write(b"X")
            await asyncio.sleep(0.02)

    dribbling = asyncio.create_task(dribble())
    assert await _until_closed(reader) == b""
    dribbling.cancel()
    writer.close()
    await _fine(port)


async def test_a_second_request_has_to_be_whole_in_time_too(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    assert b" 200 " in await reader.readline()
    writer.write(b"GET /he")
    said = await _until_closed(reader)
    assert said.endswith(b"hello")
    writer.close()


async def test_an_idle_connection_is_kept_for_the_next_request(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
    await asyncio.sleep(2 * guard.HEADER_S)  # nothing to wait for: that nothing happens is the point
    writer.write(REQUEST)
    assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_one_log_line_for_a_dropped_connection(port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /hello")
    await _until_closed(reader)
    writer.close()
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.INFO] == ["connection dropped"]


async def test_a_request_and_its_end_are_no_trouble(port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await _fine(port)
    assert caplog.records == []


async def test_who_does_not_read_the_answer_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "STALLED_S", 0.2)
    gone = asyncio.Event()

    async def flood(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x" * 65536)
        except ConnectionError:
            gone.set()
            raise

    app = web.Application(middlewares=[guard.watched])
    app.router.add_get("/flood", flood)
    async with guard.serve(app, "127.0.0.1", 0) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(SOON_S):
            await gone.wait()
        writer.close()


async def test_no_more_connections_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "CONNECTIONS", 2)
    app = web.Application(middlewares=[guard.watched])
    app.router.add_get("/hello", _hello)
    async with guard.serve(app, "127.0.0.1", 0) as port:
        first = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for reader, writer in first:
            writer.write(REQUEST)
            await reader.readuntil(b"hello")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        assert await _until_closed(reader) == b""
        writer.close()
        for _, each in first:
            each.close()
