"""A call whose engine was killed in the middle of it: the dialplan offers it again for ten seconds, then ends it."""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from channels.voice import agi
from channels.voice.agi import Answer, Question
from channels.voice.line import HANG_UP
from channels.voice.supervise import Supervised
from engine.config import Settings
from engine.model import DialOrder
from tests.live.test_channel import engine, order, sites

pytestmark = pytest.mark.live


async def until_none(asterisk: Supervised) -> None:
    for _ in range(1000):
        if "0 active calls" in await asterisk.cli("core show channels"):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("calls live on")


ENGINE = """
import asyncio, pickle, sys
from channels.voice import open as open_channel

async def main():
    settings, order = pickle.load(sys.stdin.buffer)
    up = asyncio.Event()
    async with open_channel(settings, lambda *_: up.set()) as channel:
        await up.wait()
        async with channel.dial(order, lambda _: None) as line:
            await anext(aiter(line.media))
            print("talking", flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def orphaned_call(settings: Settings, order: DialOrder) -> AsyncGenerator[None]:
    """A call whose engine was killed in the middle of it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ENGINE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(pickle.dumps((settings, order)))
    process.stdin.close()
    assert await process.stdout.readline() == b"talking\n"
    process.kill()
    await process.wait()
    yield


async def until_away(asterisk: Supervised) -> None:
    """The dialplan has asked in vain, and waits to ask again."""
    for _ in range(500):
        if "away@dozvon" in await asterisk.cli("core show channels"):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the dialplan never noticed")


async def test_it_is_offered_to_the_next_engine(tmp_path: Path) -> None:
    """Which knows nothing of it, and says so."""
    asked: list[Question] = []

    async def ask(question: Question) -> Answer:
        asked.append(question)
        return HANG_UP

    call = order("01")
    async with (
        sites(tmp_path, "websocket") as (settings, asterisk, _),
        asyncio.timeout(40),
        orphaned_call(settings, call),
    ):
        began = asyncio.get_running_loop().time()
        await until_away(asterisk)
        async with agi.listen(settings.asterisk.agi.host, settings.asterisk.agi.port, ask):
            await until_none(asterisk)
        assert asyncio.get_running_loop().time() - began < 8, "it was not ended by the engine, but by the dialplan"
    assert [(question.path, question.query["call"]) for question in asked] == [("next", call.id)]


async def test_a_call_whose_engine_died_is_ended_after_ten_seconds(tmp_path: Path) -> None:
    async with (
        sites(tmp_path, "websocket") as (settings, asterisk, _),
        asyncio.timeout(40),
        orphaned_call(settings, order("01")),
    ):
        began = asyncio.get_running_loop().time()
        assert "1 active call" in await asterisk.cli("core show channels")
        await until_none(asterisk)
        assert 8 < asyncio.get_running_loop().time() - began < 16


async def test_a_new_engine_ends_the_calls_of_the_dead_one(tmp_path: Path) -> None:
    async with sites(tmp_path, "websocket") as (settings, asterisk, _), asyncio.timeout(40):
        orphan = order("01")
        async with orphaned_call(settings, orphan), engine(settings) as channel:
            assert await channel.drop_strangers(lambda _: False) in ([orphan.id], [])
            await until_none(asterisk)
