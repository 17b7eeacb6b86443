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
    timeout_s: 20
    filters:
      - {voice: [yes], goto: known}
      - {silence: true, goto: silent}
      - {other: true, goto: other}
  known: {kind: tag, tag: known, next: bye}
  silent: {kind: tag, tag: silent, next: bye}
  other: {kind: recognize, timeout_s: 20, filters: [{voice: [yes], goto: later}, {other: true, goto: bye}]}
  later: {kind: tag, tag: later, next: bye}
  bye: {kind: hangup}
"""
SMALL = Limits(streams=2, hang_s=60.0, start_s=30.0, memory_mb=100)
ROOMY = replace(SMALL, memory_mb=1024)
WATCHED = replace(SMALL, hang_s=2.0)  # a machine that is busy with more than this must not look hung
BEGINNING, REST = 50, 40  # frames of an answer, before and after the harm


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
async def pool(limits: Limits = SMALL, finish_s: float = 10.0) -> AsyncGenerator[Pool]:
    async with Pool("tests.speech", {}, finish_s=finish_s, limits=limits).running() as one:
        yield one


async def call(recognizer: Recognizer, media: ScriptedMedia, told: Told) -> TalkLog:
    clock = SystemClock()
    senses = Senses(FakeVad, lambda _: recognizer, told, told, clock)
    talk = Talk(Interpreter(load(SCENARIO)))
    async with asyncio.timeout(60):
        return await Call(FakeLine(media), talk, senses, Chronicle(1, told, clock)).run()


def speak(media: ScriptedMedia, *orders: str, frames: int) -> None:
    """The orders, then a word that lasts; each is given once."""
    for text in orders:
        media.push(order(text))
    for _ in range(frames - len(orders)):
        media.push(order("hm"))


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(6000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to that")


@dataclass(frozen=True)
class Harm:
    """What befalls a worker in the middle of speech. `limits` are those by which it is noticed."""

    name: str
    does: Callable[[Pool, ScriptedMedia], None]
    limits: Limits = SMALL


def kill(one: Pool, _: ScriptedMedia) -> None:
    os.kill(one.pids[0], signal.SIGKILL)


def hang(one: Pool, _: ScriptedMedia) -> None:
    os.kill(one.pids[0], signal.SIGSTOP)


def starve(_: Pool, media: ScriptedMedia) -> None:
    media.push(order("hoard 200"))  # one with more memory has the room for it


HARMS = pytest.mark.parametrize(
    "harm", [Harm("kill", kill), Harm("hang", hang, WATCHED), Harm("starve", starve)], ids=lambda harm: str(harm.name)
)


async def harmed(one: Pool, media: ScriptedMedia, harm: Harm) -> None:
    """They have begun to speak; then this, and then what is to be understood."""
    speak(media, frames=BEGINNING)
    await until(lambda: one.load().live == 1)
    harm.does(one, media)
    speak(media, "say yes", frames=REST)


@HARMS
async def test_the_card_goes_on_by_other_and_the_next_answer_is_understood(harm: Harm) -> None:
    media, told = ScriptedMedia(), Told()
    async with pool(harm.limits) as one:
        talking = asyncio.ensure_future(call(one, media, told))
        await harmed(one, media, harm)
        await until(lambda: bool(told.lost) and one.load().restarts == 1 and one.load().ready == 1)
        speak(media, "say yes", frames=REST)
        log = await talking
    assert path(log) == ["ask", "other", "later", "bye"]
    assert (step(log, "ask").by, log.ending) == ("other", "hangup")
    assert told.lost == ["recogniser"]  # and whoever looks is told why
    assert step(log, "ask").detail.startswith("not recognised: the recogniser")
    assert step(log, "other").detail == ""  # that of another answer is not told of this one


@HARMS
async def test_with_a_fallback_the_answer_itself_is_understood(harm: Harm) -> None:
    media, told = ScriptedMedia(), Told()
    async with pool(harm.limits) as first, pool(ROOMY) as second:
        both = FallbackRecognizer([("first", first), ("second", second)])
        talking = asyncio.ensure_future(call(both, media, told))
        await harmed(first, media, harm)
        log = await talking
        await until(lambda: first.load().restarts == 1 and first.load().ready == 1)
    assert path(log) == ["ask", "known", "bye"]
    assert both.takeovers == 1
    assert told.lost == []
    assert "second took over from first: the recogniser" in step(log, "ask").detail


async def test_no_room_at_all_leads_by_other() -> None:
    media, told = ScriptedMedia(), Told()
    async with pool(replace(SMALL, streams=1)) as one:
        busy = one.listen()
        talking = asyncio.ensure_future(call(one, media, told))
        speak(media, "say yes", frames=REST)
        await until(lambda: bool(told.lost))
        busy.drop()
        speak(media, "say yes", frames=REST)
        log = await talking
    assert path(log) == ["ask", "other", "later", "bye"]
    assert step(log, "ask").by == "other"
    assert step(log, "ask").detail.startswith("not recognised: no recogniser was free in time")


async def test_hanging_up_while_the_recogniser_hangs_ends_the_call() -> None:
    media = ScriptedMedia()
    async with pool() as one:
        talking = asyncio.ensure_future(call(one, media, Told()))
        speak(media, frames=REST)
        await until(lambda: one.load().live == 1)
        hang(one, media)
        media.leave()
        began = asyncio.get_running_loop().time()
        log = await talking
        assert asyncio.get_running_loop().time() - began < 5.0  # neither limit was waited for
        assert one.load().live == 0
    assert log.ending == "left"
