"""The chan_websocket port: flow control, marks that get lost, links that come and go, and strangers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
from picows import WSMsgType

from channels.voice import websocket
from channels.voice.inflow import Inflow
from channels.voice.media import QUEUED_FRAMES, Stream, Ticker
from engine.model import FRAME_BYTES, SILENCE, Digit
from tests.channels.far import FarWebSocket, dialled_websocket


@asynccontextmanager
async def served() -> AsyncGenerator[tuple[Stream, int]]:
    stream = Stream(Ticker())
    async with asyncio.timeout(30), websocket.listen("127.0.0.1", 0, {"dz-1": stream}.get) as port:
        yield stream, port
        stream.end()


@asynccontextmanager
async def linked() -> AsyncGenerator[tuple[Stream, FarWebSocket]]:
    async with served() as (stream, port), dialled_websocket(port, stream) as far:
        yield stream, far


def tone(frames: int, start: int = 1) -> bytes:
    return b"".join((start + n).to_bytes(2, "little") * (FRAME_BYTES // 2) for n in range(frames))


async def until(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    for _ in range(round(limit_s / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to be")


async def test_a_long_prompt_never_overflows_asterisks_queue() -> None:
    async with linked() as (stream, far):
        writing = asyncio.create_task(stream.write(tone(3000)))
        await until(lambda: far.length > 500)
        for _ in range(20):
            assert far.length <= 650
            await asyncio.sleep(0.02)
        assert far.dropped == 0
        assert far.largest <= 8000
        stream.flush()
        await writing


async def test_xoff_is_obeyed_until_xon() -> None:
    async with linked() as (stream, far):
        await stream.write(tone(10))
        await until(lambda: len(far.heard()) == 10 * FRAME_BYTES)
        far.tell(event="MEDIA_XOFF")
        far.press("1")
        assert await _key(stream) == "1"  # so the XOFF has come
        await stream.write(tone(5, 100))
        await asyncio.sleep(0.05)
        assert len(far.heard()) == 10 * FRAME_BYTES
        far.tell(event="MEDIA_XON")
        await stream.drain()
        assert far.heard().endswith(tone(5, 100))


async def _key(stream: Stream) -> str:
    async for item in stream:
        if isinstance(item, Digit):
            return item.key
    raise AssertionError("the stream ended")


async def test_a_mark_of_a_flushed_prompt_does_not_end_the_next_one() -> None:
    async with linked() as (stream, far):
        await stream.write(tone(100))
        first = asyncio.create_task(stream.drain())
        await until(lambda: "MARK_MEDIA" in far.commands)
        stream.flush()
        await first
        await stream.write(tone(20, 500))
        second = asyncio.create_task(stream.drain())
        await asyncio.sleep(0)
        far.tell(event="MEDIA_MARK_PROCESSED", correlation_id="m1")  # late, or forged
        far.press("1")
        assert await _key(stream) == "1"
        assert not second.done()
        await second
        assert far.heard().endswith(tone(20, 500))


async def test_a_mark_that_never_comes_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.voice.outflow.MARK_LATE_S", 0.1)
    async with linked() as (stream, far):
        await stream.write(tone(5))
        far.queue.clear()
        task = asyncio.create_task(stream.drain())
        await until(lambda: "MARK_MEDIA" in far.commands)
        far.queue.clear()
        await task


async def test_an_idle_flush_sends_nothing() -> None:
    async with linked() as (stream, far):
        stream.flush()
        await stream.write(tone(1))
        await stream.drain()
        flushed = far.commands.count("FLUSH_MEDIA")  # of the silence that lay ready, where it had come already
        stream.flush()
        far.press("1")
        assert await _key(stream) == "1"
        assert far.commands.count("FLUSH_MEDIA") == flushed


async def passed(stream: Stream, frames: int) -> None:
    """So much time, as the stream itself counts it."""
    for _ in range(frames):
        await anext(aiter(stream))


async def test_silence_lies_ready_while_nothing_is_said_and_keeps_no_prompt_waiting() -> None:
    async with linked() as (stream, far):
        await until(lambda: far.length > 0)
        missed = far.missed
        await passed(stream, 60)  # more than a second: what lay ready at first is played by then
        assert far.missed == missed
        await stream.write(tone(3))
        await until(lambda: len(far.heard()) > 0)
        assert far.length <= 3
        await stream.drain()
        missed = far.missed
        await passed(stream, 60)
        assert far.missed == missed
        assert far.heard() == tone(3)


async def test_what_a_broken_link_had_not_played_is_said_over_the_next() -> None:
    async with served() as (stream, port):
        async with dialled_websocket(port, stream) as far:
            await stream.write(tone(50))
            await until(lambda: len(far.heard()) >= 5 * FRAME_BYTES)
            drained = asyncio.create_task(stream.drain())
            far.drop()
            await far.gone.wait()
            before = len(far.heard()) // FRAME_BYTES
        await until(lambda: not stream.carried)
        assert not drained.done()
        async with dialled_websocket(port, stream) as far:
            await drained
            after = far.heard()
            assert after.endswith(tone(3, 48))
            assert 45 <= before + len(after) // FRAME_BYTES <= 55


async def test_a_newer_link_takes_the_place_of_an_older_one() -> None:
    async with served() as (stream, port), dialled_websocket(port, stream) as old:
        async with dialled_websocket(port, stream) as new:
            await old.gone.wait()
            new.press("7")
            assert await _key(stream) == "7"
        await until(lambda: not stream.carried)


async def test_frames_of_other_sizes_are_cut_to_ours() -> None:
    async with linked() as (stream, far):
        sound = tone(6)
        for at in range(0, len(sound), 480):  # 30 ms packets
            far.speak(sound[at : at + 480])
        heard: list[bytes | Digit] = []
        async for item in stream:
            if item != SILENCE:
                heard.append(item)
            if len(heard) == 6:
                break
        assert heard == [tone(1, n + 1) for n in range(6)]


async def test_sound_that_nobody_takes_is_bounded() -> None:
    async with linked() as (stream, far):
        for n in range(5 * QUEUED_FRAMES):
            far.speak(tone(1, n % 1000 + 1))
        far.press("1")
        await until(lambda: stream.lost_frames > 4 * QUEUED_FRAMES - 100)
        items = 0
        async for item in stream:
            items += 1
            if isinstance(item, Digit):
                break
        assert items <= QUEUED_FRAMES + 1


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"event": 5}', b"[" * 30_000, b'{"event":{"a":1}}']
)
async def test_nonsense_in_the_control_channel_breaks_nothing(text: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with served() as (stream, port):
        async with dialled_websocket(port, stream) as far:
            far.send(WSMsgType.TEXT, text)
            far.press("x' OR 1")
            far.send(WSMsgType.PING, b"still there?")
            await asyncio.sleep(0.02)
        async with dialled_websocket(port, stream) as far:
            far.press("9")
            assert await _key(stream) == "9"
    assert {record.getMessage() for record in caplog.records} <= {"media link spoke nonsense, closing it"}


async def test_of_what_nobody_takes_ten_seconds_are_kept() -> None:
    inflow = Inflow()
    inflow.begin(0.0)
    inflow.tick(100.0, punctual=False)  # so much time has passed: all of this is believed
    sent = [tone(1, n + 1) for n in range(4 * QUEUED_FRAMES)]
    for frame in sent:
        inflow.feed(frame)
    inflow.end()
    assert [item async for item in inflow] == sent[-QUEUED_FRAMES:]


UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
)


@pytest.mark.parametrize(
    "data",
    [
        UPGRADE.format(path="/media?call=dz-2", protocol="media"),
        UPGRADE.format(path="/media", protocol="media"),
        UPGRADE.format(path="/media?call=dz-1&call=dz-1", protocol="media"),
        UPGRADE.format(path="/other?call=dz-1", protocol="media"),
        UPGRADE.format(path="/media?call=dz-1", protocol="chat"),
        UPGRADE.format(path="//[::1/media?call=dz-1", protocol="media"),
        "GET / HTTP/1.0\r\n\r\n",
        "\x00\x01garbage\r\n\r\n",
        "GET /media?call=dz-1 HTTP/1.1\r\n" + "X: " + "y" * 2_000_000,
        "GET /media?call=" + "z" * 2_000_000,
    ],
    ids=["unknown", "no call", "two calls", "path", "protocol", "url", "http", "garbage", "2 MB header", "2 MB url"],
)
async def test_strangers_are_refused_at_once_with_one_line(data: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with served() as (stream, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data.encode("latin-1"))
            async with asyncio.timeout(5):
                try:
                    answer = await reader.read()
                except ConnectionResetError:
                    answer = b""
            writer.close()
            assert b" 101 " not in answer
            assert not stream.carried
    assert len(caplog.records) == 1
    assert caplog.records[0].name == "channels.voice.websocket"


@pytest.mark.parametrize("data", ["", "GET /media?call=dz-1 HTTP/1.1\r\nHost:"], ids=["silent", "half a header"])
async def test_who_does_not_finish_the_handshake_is_dropped_in_time(
    data: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert websocket.HANDSHAKE_S <= 5
    monkeypatch.setattr(websocket, "HANDSHAKE_S", 0.1)
    async with served() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data.encode())
        async with asyncio.timeout(2):
            assert await reader.read() == b""
        writer.close()
    assert len(caplog.records) == 1


@pytest.mark.parametrize("data", ["", "GET /media?call=dz-1 HTTP/1.1\r\nHost:"], ids=["nothing", "half a header"])
async def test_an_early_close_leaves_nothing_but_one_line(data: str, caplog: pytest.LogCaptureFixture) -> None:
    async with served() as (stream, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data.encode())
        writer.close()
        async with asyncio.timeout(5):
            while not caplog.records:  # noqa: ASYNC110 - the line is all there is to see
                await asyncio.sleep(0.005)
        async with dialled_websocket(port, stream) as far:
            far.press("9")
            assert await _key(stream) == "9"
    assert len(caplog.records) == 1


async def test_a_message_of_two_megabytes_breaks_the_link_only(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as (stream, port):
        async with dialled_websocket(port, stream) as far:
            far.send(WSMsgType.BINARY, bytes(2_000_000))
            await far.gone.wait()
        assert len(caplog.records) == 1
        async with dialled_websocket(port, stream) as far:
            far.press("3")
            assert await _key(stream) == "3"


async def test_a_call_in_transfer_takes_no_link() -> None:
    async with served() as (stream, port):
        async with dialled_websocket(port, stream) as far:
            stream.pause()
            await far.gone.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(UPGRADE.format(path="/media?call=dz-1", protocol="media").encode())
        assert b"404" in await reader.readline()
        writer.close()
