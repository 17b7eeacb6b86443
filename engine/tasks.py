"""The ways this engine starts tasks outside a TaskGroup. There is no other one."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")


@asynccontextmanager
async def beside(*work: Coroutine[Any, Any, None]) -> AsyncGenerator[asyncio.TaskGroup]:
    """Run `work` beside the body and stop it when the body is done.

    If any of the work fails, the body is cancelled and the failure is raised. An error of the body, or of one work
    alone, is raised as it is, not in a group.
    """
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coro, name=getattr(coro, "__qualname__", "beside")) for coro in work]
            try:
                yield group
            except Exception as error:
                if any(task.done() and not task.cancelled() and task.exception() for task in tasks):
                    raise  # it came of the work's failure
                failure = error
            finally:
                for task in tasks:
                    task.cancel()
    except BaseExceptionGroup as failures:
        if len(failures.exceptions) > 1:
            raise
        failure = failure or failures.exceptions[0]
    if failure is not None:
        raise failure


async def surely(work: Coroutine[Any, Any, T]) -> T:
    """Finish `work` even if the caller is cancelled meanwhile, however often; then be cancelled."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while True:
        try:
            result = await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
            continue
        if cancelled is not None:
            raise cancelled
        return result


async def kept_alive(
    name: str,
    run: Callable[[], Awaitable[None]],
    *,
    first_pause_s: float = 0.5,
    longest_pause_s: float = 10.0,
    steady_s: float = 30.0,
) -> None:
    """Run `run` for ever: when it ends or fails, again after a pause that doubles until it has held for `steady_s`."""
    pause = first_pause_s
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            await run()
            log.warning("adapter ended, starting it again", extra={"adapter": name})
        except Exception:  # noqa: BLE001 - whatever broke an adapter, it is logged and the adapter comes back
            log.exception("adapter failed, starting it again", extra={"adapter": name})
        if loop.time() - began >= steady_s:
            pause = first_pause_s
        await asyncio.sleep(pause)
        pause = min(pause * 2, longest_pause_s)


class Errands:
    """Tasks of one owner, none of which it waits for; `failed` is told of one that broke."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=getattr(work, "__qualname__", "errand"))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("errand failed", exc_info=error)
            self._failed(error)

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()


class Inbox(Generic[T]):
    """What comes in while something is being taken waits its turn: `take` is never entered twice."""

    def __init__(self, take: Callable[[T], None]) -> None:
        self._take = take
        self._waiting: deque[T] = deque()
        self._taking = False

    def put(self, item: T) -> None:
        self._waiting.append(item)
        if not self._taking:
            self._work_off()

    def first(self, work: Callable[[], None]) -> None:
        """Do this before anything is taken."""
        self._taking = True
        try:
            work()
        finally:
            self._taking = False
        self._work_off()

    def _work_off(self) -> None:
        self._taking = True
        try:
            while self._waiting:
                self._take(self._waiting.popleft())
        finally:
            self._taking = False
