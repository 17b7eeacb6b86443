"""What `MediaStream` promises, held over both transports and the fake; in real time, since time is what it promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from engine.model import FRAME_BYTES, SILENCE, Digit
from tests.channels.far import Far, far_audiosocket, far_fake, far_websocket

FARS = {"websocket": far_websocket, "audiosocket": far_audiosocket, "fake": far_fake}


@pytest.fixture(params=sorted(FARS))
async def far(request: pytest.FixtureRequest) -> AsyncGenerator[Far]:
    async with FARS[request.param]() as far:
        yield far


def tone(frames: int, start: int = 1) -> bytes:
    """Frames that can be told apart, none of them silent."""
    return b"".join((start + n).to_bytes(2, "little") * (FRAME_BYTES // 2) for n in range(frames))


def now() -> float:
    return asyncio.get_running_loop().time()


async def until_heard(far: Far, size: int) -> None:
    for _ in range(1000):
        if len(far.heard()) >= size:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"only {len(far.heard())} of {size} bytes were heard")


async def spoken_items(items: AsyncIterator[bytes | Digit], count: int) -> list[bytes | Digit]:
    """The next `count` that are not silence."""
    found: list[bytes | Digit] = []
    async with asyncio.timeout(5):
        while len(found) < count:
            item = await anext(items)
            if item != SILENCE:
                found.append(item)
    return found


async def test_frames_and_keys_come_in_order(far: Far) -> None:
    items = aiter(far.stream)
    frames = [tone(1, n) for n in (1, 2, 3)]
    for frame in frames[:2]:
        far.speak(frame)
    assert await spoken_items(items, 2) == frames[:2]
    far.press("5")
    assert await spoken_items(items, 1) == [Digit("5")]
    far.speak(frames[2])
    assert await spoken_items(items, 1) == [frames[2]]


async def test_silence_fills_gaps_in_real_time(far: Far) -> None:
    items = aiter(far.stream)
    await anext(items)
    began = now()
    for _ in range(25):
        assert await anext(items) == SILENCE
    assert 0.35 < now() - began < 0.8


async def test_a_hang_up_ends_the_iteration_and_all_else(far: Far) -> None:
    items = aiter(far.stream)
    await anext(items)
    waiting = asyncio.create_task(far.stream.write(tone(2000)))
    await asyncio.sleep(0)
    far.hang_up()
    async with asyncio.timeout(2):
        await waiting
        async for _ in far.stream:
            pass
        await far.stream.write(tone(5000))
        await far.stream.drain()
        far.stream.flush()


async def test_what_is_written_is_heard_padded_to_a_frame(far: Far) -> None:
    sound = tone(30)
    await far.stream.write(sound[: 3 * FRAME_BYTES + 100])
    await far.stream.write(sound[5 * FRAME_BYTES :])
    expected = sound[: 3 * FRAME_BYTES + 100] + bytes(FRAME_BYTES - 100) + sound[5 * FRAME_BYTES :]
    await until_heard(far, len(expected))
    assert far.heard() == expected


async def test_drain_waits_for_the_end_of_the_sound(far: Far) -> None:
    began = now()
    await far.stream.write(tone(20))
    await far.stream.drain()
    assert 0.3 < now() - began < 0.8
    await until_heard(far, 20 * FRAME_BYTES)
    began = now()
    await far.stream.drain()
    assert now() - began < 0.1


async def test_what_was_flushed_is_not_heard_and_nobody_waits_for_it(far: Far) -> None:
    await far.stream.write(tone(250))
    await until_heard(far, 3 * FRAME_BYTES)
    draining = asyncio.create_task(far.stream.drain())
    await asyncio.sleep(0.02)
    began = now()
    far.stream.flush()
    await draining
    await far.stream.drain()
    assert now() - began < 0.1
    await far.stream.write(tone(5, 1000))
    await far.stream.drain()
    heard = far.heard()
    assert heard.endswith(tone(5, 1000)[: 2 * FRAME_BYTES]) or tone(5, 1000) in heard
    assert len(heard) < 60 * FRAME_BYTES


async def test_a_long_write_waits_and_a_flush_frees_it(far: Far) -> None:
    writing = asyncio.create_task(far.stream.write(tone(3000)))
    await until_heard(far, FRAME_BYTES)
    assert not writing.done()
    began = now()
    far.stream.flush()
    await writing
    assert now() - began < 0.1


async def test_frames_come_as_fast_as_real_time_whatever_bursts_they_come_in(far: Far) -> None:
    items = aiter(far.stream)
    await anext(items)
    began, count = now(), 0
    while now() - began < 1.0:
        if count % 10 == 0:
            for n in range(10):
                far.speak(tone(1, n + 1))
        await anext(items)
        count += 1
    assert 40 <= count <= 85
