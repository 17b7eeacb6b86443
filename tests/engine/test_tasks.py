"""The ways of starting tasks, where what goes wrong must come out as it is."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from engine.tasks import beside


async def forever() -> None:
    await asyncio.Event().wait()


async def fails(after: asyncio.Event | None = None) -> None:
    if after is not None:
        await after.wait()
    raise LookupError("the work")


async def test_an_error_of_the_body_comes_out_as_it_is_and_the_work_is_ended() -> None:
    work = forever()
    with pytest.raises(KeyError, match="mine"):
        async with beside(work):
            await asyncio.sleep(0)
            raise KeyError("mine")
    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED


async def test_a_failure_of_the_work_cancels_the_body_and_comes_out_as_it_is() -> None:
    with pytest.raises(LookupError, match="the work"):
        async with beside(forever(), fails()):
            await asyncio.Event().wait()


async def test_of_two_errors_none_is_lost() -> None:
    go = asyncio.Event()
    with pytest.raises(ExceptionGroup) as caught:
        async with beside(fails(go)):
            go.set()
            try:
                await asyncio.Event().wait()
            finally:
                raise KeyError("while it was ended")
    assert {type(error) for error in caught.value.exceptions} == {LookupError, KeyError}


async def test_a_cancellation_from_outside_stays_one() -> None:
    async def body() -> None:
        async with beside(forever()):
            await asyncio.Event().wait()

    task = asyncio.create_task(body())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
