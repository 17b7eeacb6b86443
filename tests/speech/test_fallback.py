"""One recogniser stands in for another: on failure, overload, in mid-speech; nothing that was said is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from asr import fallback
from asr._pool import Pool
from asr._process import Limits
from asr.fallback import FallbackRecognizer
from engine.errors import Overloaded, SpeechError
from engine.model import SILENCE
from tests.speech import order
from tests.speech.full import Full

QUICK = Limits(streams=2, hang_s=0.6, start_s=10.0)


@asynccontextmanager
async def pools(
    *, beside: bool = False, finish_s: float = 0.5
) -> AsyncGenerator[tuple[FallbackRecognizer, Pool, Pool]]:
    made = [Pool("tests.speech", {}, finish_s=0.5, queue_s=0.05, limits=QUICK) for _ in range(2)]
    async with made[0].running() as first, made[1].running() as second:
        inners = [("first", first), ("second", second)]
        yield FallbackRecognizer(inners, beside=beside), first, second


def told(recognizer: FallbackRecognizer, *orders: str) -> fallback.FallbackHearing:
    hearing = recognizer.listen()
    for text in orders:
        hearing.push(order(text))
    for _ in range(3):
        hearing.push(SILENCE)
    return hearing


async def test_the_first_answers_while_it_can() -> None:
    async with pools() as (both, _, second):
        assert (await told(both, "say hello").finish()).text == "hello"
        assert both.takeovers == 0
        assert both.listen().trouble == ""
        assert second.load().overloaded == second.load().live == 0


@pytest.mark.parametrize("beside", [False, True])
async def test_the_second_takes_over_what_the_first_did_not_finish(beside: bool) -> None:
    async with pools(beside=beside) as (both, first, _):
        os.kill(first.pids[0], signal.SIGSTOP)
        hearing = told(both, "say hello", "say again")
        assert (await hearing.finish()).text == "hello again"
        assert both.takeovers == 1
        assert hearing.trouble.startswith("second took over from first: the recogniser")


async def test_the_second_takes_over_in_mid_speech_and_its_partials_are_seen() -> None:
    async with pools() as (both, first, _):
        hearing = told(both, "say one")
        os.kill(first.pids[0], signal.SIGKILL)
        for n in range(4000):
            hearing.push(order("say two") if n == 3000 else SILENCE)
            if both.takeovers and hearing.partial:
                break
            await asyncio.sleep(0.002)
        assert both.takeovers == 1
        assert hearing.partial == "one"
        assert (await hearing.finish()).text == "one"


async def test_no_room_in_the_first_is_no_failure_of_the_call() -> None:
    async with pools() as (both, _, second):
        busy = [told(both, "say a") for _ in range(2)]
        assert (await told(both, "say b").finish()).text == "b"
        assert [(await hearing.finish()).text for hearing in busy] == ["a", "a"]
        assert both.load().overloaded == 1
        assert both.load().capacity == 4
        assert second.load().live == 0


async def test_when_all_fail_the_last_says_why() -> None:
    none = FallbackRecognizer([("a", Full()), ("b", Full()), ("c", Full())])
    hearing = none.listen()
    hearing.push(SILENCE)
    with pytest.raises(Overloaded):
        await hearing.finish()
    with pytest.raises(SpeechError, match="over already"):
        await hearing.finish()
    assert none.takeovers == 2


async def test_dropped_is_dropped_everywhere() -> None:
    async with pools(beside=True) as (both, first, second):
        hearing = told(both, "say a")
        assert (first.load().live, second.load().live) == (1, 1)
        hearing.drop()
        hearing.push(SILENCE)
        assert (first.load().live, second.load().live) == (0, 0)


def test_it_needs_two() -> None:
    with pytest.raises(ValueError, match="recognizers"):
        fallback.Settings(recognizers=("vosk",))
