"""The AudioSocket port: paced by one clock, silence from the first moment, and strangers."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest

from channels.voice import audiosocket
from channels.voice.media import Stream, Ticker
from engine.model import FRAME_BYTES, SILENCE, Digit
from tests.channels.far import FarAudioSocket, dialled_audiosocket

CALL = uuid.UUID("6f1c1b0e-52a1-5a83-a29d-1f0e61b8f3aa")


@asynccontextmanager
async def served() -> AsyncGenerator[tuple[Stream, int]]:
    stream = Stream(Ticker())
    async with asyncio.timeout(30), audiosocket.listen("127.0.0.1", 0, {CALL.hex: stream}.get) as port:
        yield stream, port
        stream.end()


@asynccontextmanager
async def linked() -> AsyncGenerator[tuple[Stream, FarAudioSocket]]:
    async with served() as (stream, port), dialled_audiosocket(port, stream, CALL) as far:
        yield stream, far


def tone(frames: int, start: int = 1) -> bytes:
    return b"".join((start + n).to_bytes(2, "little") * (FRAME_BYTES // 2) for n in range(frames))


async def frames(far: FarAudioSocket, count: int) -> None:
    for _ in range(2000):
        if len(far.frames) >= count:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"only {len(far.frames)} of {count} frames came")


async def test_silence_comes_from_the_first_moment_though_asterisk_says_nothing() -> None:
    async with linked() as (_, far):
        await frames(far, 10)
        assert {frame for _, frame in far.frames} == {SILENCE}


async def test_frames_are_sent_one_each_20_ms_and_at_most_60_ms_ahead() -> None:
    async with linked() as (stream, far):
        await stream.write(tone(60))
        await frames(far, 60)
        began = far.frames[0][0]
        for n, (at, _) in enumerate(far.frames):
            assert (n + 1) * 0.02 - (at - began) < 0.085  # 60 ms and what the wire and this test's own wake-up add
        took = far.frames[59][0] - began
        assert took < 60 * 0.02 + 0.3
        assert far.heard() == tone(60)[: len(far.heard())]


async def test_a_flush_is_heard_within_60_ms() -> None:
    async with linked() as (stream, far):
        await stream.write(tone(200))
        await frames(far, 20)
        sent = len(far.heard())
        stream.flush()
        await frames(far, len(far.frames) + 10)
        assert len(far.heard()) - sent <= 4 * FRAME_BYTES
        assert far.frames[-1][1] == SILENCE


async def test_every_frame_is_one_write() -> None:
    """Asterisk gives the payload 5 ms after the header, then hangs up."""
    async with served() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x01\x00\x10" + CALL.bytes)
        for _ in range(5):
            assert len(await reader.read(323)) == 323
        writer.close()


async def test_the_far_hang_up_is_a_lost_link_and_ours_is_told() -> None:
    async with served() as (stream, port):
        async with dialled_audiosocket(port, stream, CALL) as far:
            far.send(0x00, b"")
            for _ in range(400):
                if not stream.carried:
                    break
                await asyncio.sleep(0.005)
            assert not stream.carried
        async with dialled_audiosocket(port, stream, CALL) as far:
            stream.end()
            for _ in range(400):
                if far.hung_up:
                    break
                await asyncio.sleep(0.005)
            assert far.hung_up


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x10\x01\x40" + SILENCE,
        b"\x01\xff\xff" + bytes(65535),
        b"\x01\x00\x10" + uuid.uuid4().bytes,
        b"\xff" * 2_000_000,
    ],
    ids=["http", "sound first", "long id", "unknown", "2 MB"],
)
async def test_strangers_are_dropped_at_once_with_one_line(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with served() as (stream, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            async with asyncio.timeout(5):
                with suppress(ConnectionResetError):
                    assert await reader.read() == b""
            writer.close()
            assert not stream.carried
    assert len(caplog.records) == 1


@pytest.mark.parametrize("data", [b"", b"\x01\x00\x10half"], ids=["silent", "half"])
async def test_who_does_not_say_whose_call_it_is_is_dropped_in_time(
    data: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert audiosocket.HELLO_S <= 5
    monkeypatch.setattr(audiosocket, "HELLO_S", 0.1)
    async with served() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        async with asyncio.timeout(2):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()
    assert len(caplog.records) == 1


@pytest.mark.parametrize("data", [b"", b"\x01\x00\x10half"], ids=["nothing", "half"])
async def test_an_early_close_leaves_nothing_but_one_line(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with served() as (stream, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        writer.close()
        async with asyncio.timeout(5):
            while not caplog.records:  # noqa: ASYNC110 - the line is all there is to see
                await asyncio.sleep(0.005)
        async with dialled_audiosocket(port, stream, CALL):
            pass
    assert len(caplog.records) == 1


async def test_waiting_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audiosocket, "MAX_WAITING", 2)
    async with served() as (_, port):
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        await asyncio.sleep(0.02)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(2):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        for _, each in [*kept, (reader, writer)]:
            each.close()


async def test_sound_for_somebody_who_does_not_read_is_bounded() -> None:
    """Nothing runs between these frames, as when the far end has stopped: what the kernel takes not is kept or lost."""
    async with linked() as (stream, _):
        link = stream._out.link
        assert isinstance(link, audiosocket.AudioSocketLink) and link._transport is not None
        for _ in range(50_000):
            link.send(SILENCE)
        assert 0 < link._transport.get_write_buffer_size() < audiosocket.KEPT + FRAME_BYTES + 3


async def test_unknown_messages_are_skipped() -> None:
    async with linked() as (stream, far):
        far.send(0x77, b"from a later version")
        far.send(0x03, b"")
        far.send(0x03, b"\xff")
        far.send(0x03, b"8")
        async for item in stream:
            if isinstance(item, Digit):
                assert item.key == "8"
                break
