"""Models run here: worker processes, each with many utterances at once, so that the engine's loop never runs a model.

    listen ─▶ Hearing ─ waits (≤ queue_s) ─▶ the least busy Worker ─▶ partials, final
                          └ none free: Overloaded        └ died, hung, too slow: SpeechError; a new one is started

A worker that has grown too large, or has served long, gets a successor first and then finishes what it has.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from asr._process import Limits, Worker, WorkerGone
from asr._wire import Kind
from engine.errors import Overloaded, SpeechError
from engine.model import FRAME_BYTES, Transcript
from engine.tasks import beside

log = logging.getLogger(__name__)
BATCH = 2 * FRAME_BYTES  # 40 ms: a message for each frame would cost more than it brings
PIECE = 65_536  # of one message
WAITING = 1000  # utterances without a worker
LONGEST = 120 * 50 * FRAME_BYTES  # of one utterance; the rest is not listened to
PHRASES = 1000
FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S = 0.1, 10.0, 30.0


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a pool is."""

    workers: int  # wanted
    ready: int
    capacity: int  # utterances at once
    live: int
    queued: int
    restarts: int  # after a death
    recycled: int  # because of size or age
    overloaded: int  # utterances that found no worker
    memory_bytes: int


@dataclass(slots=True)
class _Count:
    restarts: int = 0
    recycled: int = 0
    overloaded: int = 0


class Pool:
    """`options` go to the `load` of the worker module; `limits` are each worker's."""

    def __init__(
        self,
        module: str,
        options: Mapping[str, Any],
        *,
        workers: int = 1,
        queue_s: float = 0.2,
        finish_s: float = 3.0,
        limits: Limits | None = None,
    ) -> None:
        self.finish_s = finish_s
        self._queue_s = queue_s
        self._make = partial(Worker, module, options, limits or Limits())
        self._wanted = workers
        self._group: asyncio.TaskGroup
        self._workers: list[Worker] = []
        self._lives: set[asyncio.Task[None]] = set()
        self._waiting: dict[int, PoolHearing] = {}
        self._numbers = itertools.count(1)
        self._starting = asyncio.Semaphore(1)  # loading a model takes a core: not all at once
        self._count = _Count()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Pool]:
        """Runs the workers beside the body; enters when the first is ready. Raises SpeechError if it cannot be."""
        first = await self._started()
        failure: Exception | None = None
        try:
            async with beside(self._keep(first), *(self._keep(None) for _ in range(self._wanted - 1))) as self._group:
                self._begin(first)
                try:
                    yield self
                except Exception as error:  # noqa: BLE001 - the body's own: raised again below, as it was, in no group
                    failure = error
                finally:
                    for life in self._lives:
                        life.cancel()
                    for hearing in list(self._waiting.values()):
                        hearing.failed(SpeechError("the recogniser is being shut down"))
        finally:
            for worker in list(self._workers):  # those whose life had not begun when it was ended
                await worker.stop()
            self._workers.clear()
        if failure is not None:
            raise failure

    def listen(self, *, language: str = "ru", phrases: Sequence[str] = ()) -> PoolHearing:
        """Begin an utterance; never blocks."""
        asked = json.dumps({"language": language, "phrases": list(phrases[:PHRASES])}).encode()
        hearing = PoolHearing(self, next(self._numbers) & 0xFFFFFFFF, asked)
        worker = self._free()
        if worker is not None:
            hearing.attach(worker)
        elif len(self._waiting) >= WAITING:
            self._refuse(hearing)
        else:
            self._waiting[hearing.number] = hearing
            asyncio.get_running_loop().call_later(self._queue_s, self._late, hearing)
        return hearing

    def load(self) -> Load:
        return Load(
            workers=self._wanted,
            ready=sum(worker.open for worker in self._workers),
            capacity=sum(worker.streams for worker in self._workers if worker.open),
            live=sum(worker.live for worker in self._workers),
            queued=len(self._waiting),
            restarts=self._count.restarts,
            recycled=self._count.recycled,
            overloaded=self._count.overloaded,
            memory_bytes=sum(worker.rss for worker in self._workers),
        )

    @property
    def pids(self) -> list[int]:
        """Of the worker processes, those on their way out too."""
        return [worker.pid for worker in self._workers]

    def freed(self) -> None:
        """A worker may have room again."""
        while self._waiting and (worker := self._free()) is not None:
            self._waiting.pop(next(iter(self._waiting))).attach(worker)

    def forget(self, hearing: PoolHearing) -> None:
        self._waiting.pop(hearing.number, None)

    def _free(self) -> Worker | None:
        return min((worker for worker in self._workers if worker.free), key=lambda w: w.live, default=None)

    def _late(self, hearing: PoolHearing) -> None:
        if self._waiting.pop(hearing.number, None) is not None:
            self._refuse(hearing)

    def _refuse(self, hearing: PoolHearing) -> None:
        self._count.overloaded += 1
        hearing.failed(Overloaded("no recogniser was free in time: add workers, or call fewer people at once"))

    # --- the workers' lives -------------------------------------------------------------------------------------------

    async def _started(self) -> Worker:
        async with self._starting:
            worker = self._make()
            await worker.start()
        return worker

    async def _keep(self, fresh: Worker | None) -> None:
        """One place in the pool, always filled: a death is followed by a fresh start, wear by a successor."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_S
        worn: Worker | None = None
        while True:
            began = loop.time()
            try:
                fresh = fresh or await self._started()
            except WorkerGone as error:
                self._count.restarts += 1
                log.error("recogniser worker does not start", extra={"why": str(error)})
            else:
                if fresh not in self._workers:
                    self._begin(fresh)
                if worn is not None:
                    self._count.recycled += 1
                    self._spawn(worn.dismiss())
                await fresh.leaving.wait()
                worn, fresh = fresh if fresh.open else None, None
                if worn is not None:
                    continue
            if loop.time() - began >= STEADY_S:
                pause = FIRST_PAUSE_S
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _begin(self, worker: Worker) -> None:
        self._workers.append(worker)
        self._spawn(self._live_out(worker))
        self.freed()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._group.create_task(work, name="asr worker")
        self._lives.add(task)
        task.add_done_callback(self._lives.discard)

    async def _live_out(self, worker: Worker) -> None:
        try:
            await worker.serve()
        except WorkerGone as error:
            if not worker.dismissed:
                self._count.restarts += 1
                log.error("recogniser worker lost, starting another", extra={"why": str(error)})
        finally:
            self._workers.remove(worker)


class PoolHearing:
    """One utterance; see `engine.ports.Hearing`. Its sound waits here until a worker is free."""

    def __init__(self, pool: Pool, number: int, asked: bytes) -> None:
        self.number = number
        self.partial = ""
        self._pool = pool
        self._asked = asked
        self._worker: Worker | None = None
        self._sound = bytearray()
        self._room = LONGEST
        self._closed = False  # takes no more sound
        self._error: SpeechError | None = None
        self._result: asyncio.Future[Transcript] | None = None

    def push(self, frame: bytes) -> None:
        if self._closed or self._room < len(frame):
            return
        self._room -= len(frame)
        self._sound += frame
        if self._worker is not None and len(self._sound) >= BATCH:
            self._send(self._worker)

    @property
    def failure(self) -> SpeechError | None:
        """Why there will be no text; known at once, so that another recogniser can take over in mid-speech."""
        return self._error

    async def finish(self) -> Transcript:
        if self._error is not None or self._result is not None:
            raise self._error or SpeechError("this utterance is over already")
        self._closed = True
        self._result = asyncio.get_running_loop().create_future()
        if self._worker is not None:
            self._send(self._worker)
            self._worker.send(Kind.FINISH, self.number)
        try:
            async with asyncio.timeout(self._pool.finish_s):
                return await self._result
        except TimeoutError:
            raise SpeechError(f"the recogniser did not answer within {self._pool.finish_s:g} s") from None
        finally:
            self.drop()

    def drop(self) -> None:
        if self._worker is not None:
            self._worker.send(Kind.DROP, self.number)
        self.failed(SpeechError("the utterance was dropped"))

    def attach(self, worker: Worker) -> None:
        self._worker = worker
        worker.take(self.number, self)
        worker.send(Kind.BEGIN, self.number, self._asked)
        self._send(worker)
        if self._result is not None:
            worker.send(Kind.FINISH, self.number)

    # --- what the worker says -----------------------------------------------------------------------------------------

    def heard(self, partial: str) -> None:
        self.partial = partial

    def ended(self, text: str, confidence: float) -> None:
        if self._result is not None and not self._result.done():
            self._result.set_result(Transcript(text, confidence))
        self._let_go()

    def failed(self, error: SpeechError) -> None:
        self._closed = True
        self._error = self._error or error
        if self._result is not None and not self._result.done():
            self._result.set_exception(error)
        self._let_go()

    def _let_go(self) -> None:
        self._sound.clear()
        worker, self._worker = self._worker, None
        if worker is None:
            self._pool.forget(self)
        else:
            worker.release(self.number)
            self._pool.freed()

    def _send(self, worker: Worker) -> None:
        for at in range(0, len(self._sound), PIECE):
            worker.send(Kind.AUDIO, self.number, bytes(self._sound[at : at + PIECE]))
        self._sound.clear()
