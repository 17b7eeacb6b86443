"""The pool of recogniser processes on its bad days: killed, hung, out of memory, overloaded, speaking nonsense."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asr._pool import Load, Pool, PoolHearing
from asr._pooled import Workers
from asr._process import Limits, WorkerGone
from asr._wire import LONGEST, Garbled, Kind, Unpacker, pack
from engine.errors import Overloaded, SpeechError
from engine.model import SILENCE
from tests.speech import order

QUICK = Limits(streams=4, hang_s=0.6, start_s=10.0, drain_s=5.0)


@asynccontextmanager
async def pool(
    options: dict[str, Any] | None = None,
    *,
    workers: int = 1,
    finish_s: float = 3.0,
    queue_s: float = 0.2,
    limits: Limits = QUICK,
) -> AsyncGenerator[Pool]:
    made = Pool("tests.speech", options or {}, workers=workers, finish_s=finish_s, queue_s=queue_s, limits=limits)
    async with made.running():
        yield made


async def until(pool: Pool, holds: Callable[[Load], bool]) -> Load:
    for _ in range(2000):
        if holds(load := pool.load()):
            return load
        await asyncio.sleep(0.005)
    raise AssertionError(f"it never came to that: {pool.load()}")


def told(pool: Pool, *orders: str) -> PoolHearing:
    hearing = pool.listen()
    for text in orders:
        hearing.push(order(text))
    for _ in range(3):
        hearing.push(SILENCE)  # fills the batch, so that it is sent
    return hearing


async def says(pool: Pool, word: str = "hello") -> str:
    return (await told(pool, f"say {word}").finish()).text


async def test_it_works_and_says_how_busy_it_is() -> None:
    async with pool(workers=2) as two:
        assert await says(two) == "hello"
        load = await until(two, lambda load: load.ready == 2)
        assert (load.workers, load.capacity, load.live, load.queued, load.restarts) == (2, 8, 0, 0, 0)
        busy = [told(two, "say a") for _ in range(5)]
        assert two.load().live == 5
        assert load.memory_bytes > 10_000_000
        for hearing in busy:
            hearing.drop()
        assert two.load().live == 0


async def test_a_worker_killed_in_mid_utterance_fails_it_at_once_and_comes_back() -> None:
    async with pool() as one:
        os.kill(one.pids[0], signal.SIGSTOP)  # so that it cannot answer before it is killed
        waiting = asyncio.ensure_future(told(one, "say hello").finish())
        speaking = told(one, "say more")
        await asyncio.sleep(0)
        os.kill(one.pids[0], signal.SIGKILL)
        with pytest.raises(WorkerGone):
            await waiting
        with pytest.raises(WorkerGone):
            await speaking.finish()
        await until(one, lambda load: load.ready == 1 and load.restarts == 1)
        assert await says(one) == "hello"


async def test_others_take_over_while_one_is_down() -> None:
    async with pool(workers=2) as two:
        await until(two, lambda load: load.ready == 2)
        os.kill(two.pids[0], signal.SIGKILL)
        await until(two, lambda load: load.ready == 1)
        assert await says(two) == "hello"
        await until(two, lambda load: load.ready == 2)


async def test_a_hung_worker_is_given_up_within_the_limit_and_replaced() -> None:
    async with pool(finish_s=0.3) as one:
        hearing = told(one, "sleep 60")
        began = asyncio.get_running_loop().time()
        with pytest.raises(SpeechError):
            await hearing.finish()
        assert asyncio.get_running_loop().time() - began < 0.5
        await until(one, lambda load: load.restarts == 1 and load.ready == 1)
        assert await says(one) == "hello"


async def test_a_worker_that_does_not_read_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    async with pool(limits=replace(QUICK, hang_s=60.0)) as one:
        os.kill(one.pids[0], signal.SIGSTOP)
        hearing = one.listen()
        for _ in range(5):  # more than may wait for it, twice over
            for _ in range(100 * 50):
                hearing.push(SILENCE)
            hearing.drop()
            hearing = one.listen()
        await until(one, lambda load: load.restarts == 1 and load.ready == 1)
        assert await says(one) == "hello"
    assert len([record for record in caplog.records if "does not read" in record.message]) == 1


async def test_a_stopped_process_is_replaced_though_nobody_listens() -> None:
    async with pool() as one:
        os.kill(one.pids[0], signal.SIGSTOP)
        await until(one, lambda load: load.restarts == 1 and load.ready == 1)
        assert await says(one) == "hello"


SMALL = replace(QUICK, memory_mb=100, hang_s=60.0)  # to take memory is not to hang, on a busy machine either


async def test_out_of_memory_in_mid_utterance() -> None:
    async with pool(limits=SMALL, finish_s=30.0) as one:
        with pytest.raises(WorkerGone):
            await told(one, "hoard 400").finish()
        await until(one, lambda load: load.restarts == 1 and load.ready == 1)
        assert await says(one) == "hello"


async def test_out_of_memory_in_the_words_of_a_library() -> None:
    async with pool(limits=SMALL, finish_s=30.0) as one:
        with pytest.raises(WorkerGone):
            await told(one, "choke").finish()
        await until(one, lambda load: load.restarts == 1 and load.ready == 1)
        assert await says(one) == "hello"


async def test_a_worker_that_has_grown_gets_a_successor_and_finishes_what_it_has() -> None:
    async with pool(limits=SMALL, finish_s=30.0) as one:
        before = one.pids
        large = told(one, "hoard 120", "say still here")
        await until(one, lambda load: load.recycled == 1)
        assert await says(one) == "hello"
        assert (await large.finish()).text == "still here"
        await until(one, lambda load: load.live == 0 and len(one.pids) == 1)
        assert one.pids != before
        assert one.load().restarts == 0


async def test_a_worker_that_has_served_long_gets_a_successor() -> None:
    async with pool(limits=replace(QUICK, utterances=3)) as one:
        for times in (1, 2):
            for _ in range(3):
                assert await says(one) == "hello"
            load = await until(one, lambda load, times=times: load.recycled == times)  # type: ignore[misc]
            assert load.restarts == 0


async def test_who_finds_no_worker_in_time_is_told() -> None:
    async with pool(limits=replace(QUICK, streams=1)) as one:
        first = told(one, "say a")
        began = asyncio.get_running_loop().time()
        second = told(one, "say b")
        assert one.load().queued == 1
        await until(one, lambda load: load.overloaded == 1)
        assert second.failure is not None
        assert 0.15 < asyncio.get_running_loop().time() - began < 0.4  # the default is 200 ms; it need not be asked
        with pytest.raises(Overloaded):
            await second.finish()
        assert one.load().overloaded == 1
        assert (await first.finish()).text == "a"


async def test_who_waits_a_little_loses_nothing() -> None:
    async with pool(limits=replace(QUICK, streams=1), queue_s=5.0) as one:
        first = told(one, "say a")
        second = told(one, "say b")
        third = asyncio.ensure_future(told(one, "say c").finish())
        assert (await first.finish()).text == "a"
        assert (await second.finish()).text == "b"
        assert (await third).text == "c"


async def test_dropped_while_waiting() -> None:
    async with pool(limits=replace(QUICK, streams=1)) as one:
        first = told(one, "say a")
        second = told(one, "say b")
        second.drop()
        assert one.load().queued == 0
        assert (await first.finish()).text == "a"


async def test_one_bad_utterance_harms_no_other() -> None:
    async with pool() as one:
        good = told(one, "say fine")
        with pytest.raises(SpeechError, match="no such sound"):
            await told(one, "fail").finish()
        assert (await good.finish()).text == "fine"
        assert one.load().restarts == 0


async def test_a_worker_that_speaks_nonsense_is_replaced() -> None:
    async with pool() as one:
        with pytest.raises(SpeechError):
            await told(one, "babble").finish()
        await until(one, lambda load: load.restarts == 1 and load.ready == 1)
        assert await says(one) == "hello"


async def test_a_model_that_does_not_load_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match="the model is not there yet"):
        async with pool({"fails_first": True, "marks": str(tmp_path / "mark")}):
            raise AssertionError


async def test_a_model_that_takes_for_ever_is_given_up() -> None:
    with pytest.raises(SpeechError, match="not ready within"):
        async with pool({"never_ready": True}, limits=replace(QUICK, start_s=0.3)):
            raise AssertionError


async def test_a_model_that_fails_at_first_comes_back(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    mark.touch()
    async with pool({"fails_first": True, "marks": str(mark)}) as one:
        mark.unlink()
        os.kill(one.pids[0], signal.SIGKILL)
        await until(one, lambda load: load.restarts == 2 and load.ready == 1)
        assert await says(one) == "hello"


async def test_an_utterance_without_end_is_bounded() -> None:
    async with pool() as one:
        hearing = one.listen()
        for _ in range(200 * 50):
            hearing.push(order("say x"))
        assert len((await hearing.finish()).text.split()) == 120 * 50


async def test_an_error_of_the_body_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with pool():
            raise ZeroDivisionError


async def test_workers_are_gone_when_the_pool_is() -> None:
    async with pool(workers=2) as two:
        await until(two, lambda load: load.ready == 2)
        pids = two.pids
        hearing = told(two, "say a")
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(SpeechError):
        await hearing.finish()
    assert two.listen().partial == ""  # too late, but nothing breaks


async def test_a_worker_is_gone_though_the_pool_is_left_at_once() -> None:
    async with pool() as one:
        (pid,) = one.pids
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert one.pids == []


async def test_workers_are_nicer_than_the_engine_and_keep_to_one_core() -> None:
    async with pool({"nice": 7}) as one:
        (pid,) = one.pids
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 7)
        assert b"OMP_NUM_THREADS=1" in environment(pid)


async def test_the_settings_reach_the_processes() -> None:
    asked = Workers(workers=1, streams=3, memory_mb=100, utterances=2, nice=7)
    async with asked.pool("tests.speech", {}, memory_mb=900).running() as one:
        assert (niceness(one), hard_memory_mb(one), one.load().capacity) == (7, 200, 3)
        for _ in range(2):
            assert await says(one) == "hello"
        await until(one, lambda load: load.recycled == 1)
    async with Workers(workers=1).pool("tests.speech", {}, memory_mb=300).running() as one:
        assert (niceness(one), hard_memory_mb(one)) == (5, 600)


def niceness(pool: Pool) -> int:
    """Of its first process, above ours."""
    return os.getpriority(os.PRIO_PROCESS, pool.pids[0]) - os.getpriority(os.PRIO_PROCESS, 0)


def hard_memory_mb(pool: Pool) -> int:
    return resource.prlimit(pool.pids[0], resource.RLIMIT_DATA)[1] >> 20


def environment(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


async def test_signals_for_the_engine_do_not_end_a_worker() -> None:
    async with pool() as one:
        for meant_for_the_engine in (signal.SIGTERM, signal.SIGINT):
            os.kill(one.pids[0], meant_for_the_engine)
        assert await says(one) == "hello"
        assert one.load().restarts == 0


def test_messages_survive_any_cutting() -> None:
    sent = [(Kind.BEGIN, 1, b"{}"), (Kind.AUDIO, 4_000_000_000, b"\0" * 960), (Kind.FINISH, 7, b"")]
    stream = b"".join(pack(*message) for message in sent)
    for step in (1, 2, 9, 10, 500, len(stream)):
        unpacker = Unpacker()
        found = [m for at in range(0, len(stream), step) for m in unpacker.feed(stream[at : at + step])]
        assert found == sent


@pytest.mark.parametrize("bad", [b"\xff" * 9, pack(Kind.AUDIO)[:5] + (LONGEST + 1).to_bytes(4, "little")])
def test_nonsense_is_known_as_such(bad: bytes) -> None:
    with pytest.raises(Garbled):
        list(Unpacker().feed(bad))
