"""A recording has what the subscriber said and what was really played, each at its time; over both links."""

from __future__ import annotations

import asyncio
import os
import resource
import wave
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from channels.voice.recorder import HELD, Files, Recorder
from engine.model import FRAME_BYTES, RATE, SILENCE
from tests.channels.far import Far, far_audiosocket, far_websocket

BOTH = pytest.mark.parametrize("far", [far_websocket, far_audiosocket])
SECOND = 2 * RATE


@asynccontextmanager
async def recorder(tmp_path: Path) -> AsyncGenerator[Recorder]:
    async with Files(tmp_path).running() as files:
        yield Recorder(files, "dz-1")


def tone(frames: int, level: int = 1) -> bytes:
    """Frames that can be told apart, none of them silent."""
    return b"".join((level + n).to_bytes(2, "little") * (FRAME_BYTES // 2) for n in range(frames))


def recorded(tmp_path: Path, side: str) -> bytes:
    with wave.open(str(tmp_path / f"dz-1-{side}.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return bytes(file.readframes(file.getnframes()))


def loud(pcm: bytes) -> bytes:
    """The frames that are not silent."""
    frames = np.frombuffer(pcm, "<i2")
    return bytes(frames[frames != 0].tobytes())


async def until(far: Far, frames: int) -> None:
    await met(lambda: len(far.heard()) >= frames * FRAME_BYTES)


async def met(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came true")


@BOTH
async def test_both_sides_are_written_each_at_its_time(
    tmp_path: Path, far: Callable[[Recorder], AbstractAsyncContextManager[Far]]
) -> None:
    async with recorder(tmp_path) as ours, far(ours) as there:
        items = aiter(there.stream)
        await there.stream.write(tone(20))
        for n in range(10):
            there.speak(tone(1, 100 + n))
        await there.stream.drain()
        await there.stream.write(tone(10, 200))
        await there.stream.drain()
        assert await anext(items)
        there.hang_up()
        await ours.close()
    said, heard = recorded(tmp_path, "out"), recorded(tmp_path, "in")
    assert loud(said) == tone(20) + tone(10, 200)
    assert loud(heard) == tone(10, 100)
    assert 0.5 * SECOND < len(said) < 1.5 * SECOND
    assert abs(heard.index(tone(1, 100)[:2]) - said.index(tone(1)[:2])) < 0.2 * SECOND


@BOTH
async def test_what_was_flushed_is_not_on_the_recording(
    tmp_path: Path, far: Callable[[Recorder], AbstractAsyncContextManager[Far]]
) -> None:
    async with recorder(tmp_path) as ours, far(ours) as there:
        await there.stream.write(tone(250))
        await until(there, 10)
        there.stream.flush()
        await there.stream.write(tone(5, 1000))
        await there.stream.drain()
        there.hang_up()
        await ours.close()
        played = len(there.heard()) // FRAME_BYTES
    said = loud(recorded(tmp_path, "out"))
    assert said.endswith(tone(5, 1000))
    assert abs(len(said) // FRAME_BYTES - played) <= 5
    assert len(said) < 100 * FRAME_BYTES


async def test_the_end_of_a_call_is_recorded_though_it_was_not_played_to_its_end(tmp_path: Path) -> None:
    async with recorder(tmp_path) as ours, far_websocket(ours) as there:
        await there.stream.write(tone(250))
        await until(there, 10)
        there.hang_up()
        await ours.close()
    assert 5 * FRAME_BYTES < len(loud(recorded(tmp_path, "out"))) < 60 * FRAME_BYTES


async def test_a_crash_costs_no_more_than_the_last_seconds(tmp_path: Path) -> None:
    async with recorder(tmp_path) as ours:
        ours.begin(0.0)
        for _ in range(HELD + 1):
            ours.heard(tone(1))
        file = tmp_path / "dz-1-in.wav"
        await met(lambda: file.exists() and file.stat().st_size >= HELD * FRAME_BYTES)
        assert ours.beside(3.25) == str(tmp_path / "dz-1+3250")


async def test_a_link_that_comes_again_goes_on_at_its_time(tmp_path: Path) -> None:
    async with recorder(tmp_path) as ours:
        ours.begin(10.0)
        ours.heard(tone(1))
        ours.begin(12.0)
        ours.heard(tone(1, 7))
        await ours.close()
    heard = recorded(tmp_path, "in")
    assert heard[:FRAME_BYTES] == tone(1)
    assert heard[2 * SECOND :] == tone(1, 7)
    assert not loud(heard[FRAME_BYTES : 2 * SECOND])


async def test_a_disk_that_is_full_keeps_what_there_was_room_for(tmp_path: Path) -> None:
    async with recorder(tmp_path) as ours:
        ours.begin(0.0)
        with largest(20_000):
            for n in range(5 * HELD):
                ours.heard(tone(1, n + 1))
            await ours.close()
    heard = recorded(tmp_path, "in")
    assert 15_000 < len(heard) <= 20_000
    assert heard == b"".join(tone(1, n + 1) for n in range(100))[: len(heard)]


async def test_a_call_that_is_not_recorded_writes_nothing(tmp_path: Path) -> None:
    async with recorder(tmp_path) as ours:
        await ours.close()
    assert os.listdir(tmp_path) == []


async def test_silence_is_no_sound_on_the_recording(tmp_path: Path) -> None:
    async with recorder(tmp_path) as ours, far_websocket(ours) as there:
        items = aiter(there.stream)
        assert await anext(items) == SILENCE
        there.hang_up()
        await ours.close()
    assert not (tmp_path / "dz-1-out.wav").exists()


@contextmanager
def largest(size: int) -> Iterator[None]:
    """No file can be larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
