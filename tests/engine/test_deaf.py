"""A recogniser killed, hung or out of memory in the middle of speech: the call goes on, by `other` or with another one.

Real worker processes, in real time; the subscriber's frames are the orders that the worker's model obeys.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from asr._pool import Pool
from asr._process import Limits
from asr.fallback import FallbackRecognizer
from engine.call import Call, Senses, Talk
from engine.chronicle import Chronicle
from engine.clock import SystemClock
from engine.model import CallEvent, Sound, TalkLog
from engine.ports import Recognizer
from scenarios.check import load
from scenarios.interpreter import Interpreter
from scenarios.talk import Fetch, Fetched, Prompt
from tests.engine.test_call import path, step
from tests.fakes import FakeLine, FakeVad, ScriptedMedia
from tests.speech import order

SCENARIO = """
dozvon: 1
name: deaf
language: en
start: ask
nodes:
  ask:
    kind: recognize
    timeout_s: 5
    filters:
      - {voice: [yes], goto: known}
      - {silence: true, goto: silent}
      - {other: true, goto: other}
  known: {kind: tag, tag: known, next: bye}
  silent: {kind: tag, tag: silent, next: bye}
  other: {kind: recognize, timeout_s: 5, filters: [{voice: [yes], goto: later}, {other: true, goto: bye}]}
  later: {kind: tag, tag: later, next: bye}
  bye: {kind: hangup}
"""
QUICK = Limits(streams=2, hang_s=0.6, start_s=10.0, memory_mb=100)
SPOKEN = 40  # frames of an answer


@dataclass
class Told:
    """A journal, and errands that nobody asks for."""

    lost: list[object] = field(default_factory=list)

    def note(self, event: CallEvent) -> None:
        if event.kind == "lost":
            self.lost.append(event.data["part"])

    async def fetch(self, request: Fetch) -> Fetched:
        raise AssertionError

    async def keep(self, call: str, sound: Sound) -> str:
        raise AssertionError

    async def sound(self, prompt: Prompt) -> Sound:
        raise AssertionError


@asynccontextmanager
async def pool(limits: Limits = QUICK, finish_s: float = 0.5) -> AsyncGenerator[Pool]:
    async with Pool("tests.speech", {}, finish_s=finish_s, limits=limits).running() as one:
        yield one


async def call(recognizer: Recognizer, media: ScriptedMedia, told: Told) -> TalkLog:
    clock = SystemClock()
    senses = Senses(FakeVad, lambda _: recognizer, told, told, clock)
    talk = Talk(Interpreter(load(SCENARIO)))
    async with asyncio.timeout(15):
        return await Call(FakeLine(media), talk, senses, Chronicle(1, told, clock)).run()


def answer(media: ScriptedMedia, *orders: str) -> None:
    """The orders, then a word that lasts; each is given once."""
    for text in orders:
        media.push(order(text))
    for _ in range(SPOKEN - len(orders)):
        media.push(order("hm"))


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(3000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to that")


def kill(one: Pool) -> None:
    os.kill(one.pids[0], signal.SIGKILL)


def hang(one: Pool) -> None:
    os.kill(one.pids[0], signal.SIGSTOP)


@pytest.mark.parametrize("harm", [kill, hang])
async def test_the_card_goes_on_by_other_and_the_next_answer_is_understood(harm: Callable[[Pool], None]) -> None:
    media, told = ScriptedMedia(), Told()
    async with pool() as one:
        hang(one)  # so that it cannot decide before it is harmed
        talking = asyncio.ensure_future(call(one, media, told))
        answer(media, "say yes")
        await until(lambda: one.load().live == 1)
        harm(one)
        await until(lambda: bool(told.lost) and one.load().restarts == 1 and one.load().ready == 1)
        answer(media, "say yes")
        log = await talking
    assert path(log) == ["ask", "other", "later", "bye"]
    assert (step(log, "ask").by, log.ending) == ("other", "hangup")
    assert told.lost == ["recogniser"]  # and whoever looks is told why
    assert step(log, "ask").detail.startswith("not recognised: the recogniser")
    assert step(log, "other").detail == ""  # that of another answer is not told of this one


async def test_out_of_memory_in_mid_speech_leads_by_other() -> None:
    media, told = ScriptedMedia(), Told()
    async with pool() as one:
        answer(media, "hoard 400", "say yes")
        log = await call(one, media, told)
    assert path(log)[:2] == ["ask", "other"]
    assert (step(log, "ask").by, log.ending) == ("other", "hangup")
    assert told.lost == ["recogniser"]


@pytest.mark.parametrize("harm", [kill, hang])
async def test_with_a_fallback_the_answer_itself_is_understood(harm: Callable[[Pool], None]) -> None:
    media, told = ScriptedMedia(), Told()
    async with pool() as first, pool() as second:
        both = FallbackRecognizer([("first", first), ("second", second)])
        hang(first)  # so that it cannot decide before it is harmed
        talking = asyncio.ensure_future(call(both, media, told))
        answer(media, "say yes")
        await until(lambda: first.load().live == 1)
        harm(first)
        log = await talking
    assert path(log) == ["ask", "known", "bye"]
    assert both.takeovers == 1
    assert told.lost == []
    assert "second took over from first: the recogniser" in step(log, "ask").detail


async def test_out_of_memory_with_a_fallback_the_answer_itself_is_understood() -> None:
    media, told = ScriptedMedia(), Told()
    roomy = replace(QUICK, memory_mb=1024, hang_s=10.0)
    async with pool() as first, pool(roomy, finish_s=5.0) as second:
        both = FallbackRecognizer([("first", first), ("second", second)])
        answer(media, "hoard 200", "say yes")  # which the second has the room for
        log = await call(both, media, told)
        await until(lambda: first.load().restarts == 1 and first.load().ready == 1)
    assert path(log) == ["ask", "known", "bye"]
    assert (both.takeovers, told.lost) == (1, [])


async def test_no_room_at_all_leads_by_other() -> None:
    media, told = ScriptedMedia(), Told()
    async with pool(replace(QUICK, streams=1)) as one:
        busy = one.listen()
        answer(media, "say yes")
        log = await call(one, media, told)
        assert one.load().overloaded >= 1
        busy.drop()
    assert path(log)[:2] == ["ask", "other"]
    assert step(log, "ask").by == "other"


async def test_hanging_up_while_the_recogniser_hangs_ends_the_call() -> None:
    media = ScriptedMedia()
    async with pool(finish_s=5.0) as one:
        talking = asyncio.ensure_future(call(one, media, Told()))
        answer(media, "hm")
        await until(lambda: one.load().live == 1)
        hang(one)
        media.leave()
        began = asyncio.get_running_loop().time()
        log = await talking
        assert asyncio.get_running_loop().time() - began < 0.5
        assert one.load().live == 0
    assert log.ending == "left"
