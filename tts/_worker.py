"""Voice engines in processes of their own: a library may be GPL, keep global state, leak or crash.

ask ─▶ an idle worker (≤ queue_s) ─▶ its PCM (≤ render_s)     died, hung, too slow: SpeechError; the next starts afresh
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from engine.errors import Overloaded, SpeechError
from engine.tasks import surely
from tts._serve import ANSWER, REQUEST

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 64 << 20
START_S = 60.0  # a large model on a busy machine


@asynccontextmanager
async def pool(
    module: str, *arguments: str, name: str, workers: int, queue_s: float, render_s: float
) -> AsyncGenerator[Pool]:
    """Processes that run `module`; each is started when it is first needed."""
    made = Pool([_Worker(module, arguments, name) for _ in range(workers)], name, queue_s, render_s)
    try:
        yield made
    finally:
        await surely(made.close())


class Pool:
    def __init__(self, workers: Sequence[_Worker], name: str, queue_s: float, render_s: float) -> None:
        self._all = workers
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in workers:
            self._idle.put_nowait(worker)
        self._name = name
        self._queue_s = queue_s
        self._render_s = render_s

    async def ask(self, asked: Mapping[str, Any]) -> bytes:
        """Raises Overloaded if no worker was free in time, else SpeechError."""
        request = json.dumps(asked, ensure_ascii=False).encode()
        try:
            async with asyncio.timeout(self._queue_s):
                worker = await self._idle.get()
        except TimeoutError:
            raise Overloaded(f"no {self._name} worker was free in time") from None
        # An answer must be taken even if nobody waits for it any more, or the next request would get it.
        return await surely(self._ask(worker, request))

    async def _ask(self, worker: _Worker, request: bytes) -> bytes:
        try:
            return await worker.ask(request, self._render_s)
        finally:
            self._idle.put_nowait(worker)

    async def close(self) -> None:
        for worker in self._all:
            await worker.stop()


class _Worker:
    """One process, one request at a time; started when it is needed."""

    def __init__(self, module: str, arguments: Sequence[str], name: str) -> None:
        self._command = (sys.executable, "-m", module, *arguments)
        self._name = name
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, request: bytes, limit_s: float) -> bytes:
        status, payload = await self._within(START_S, self._started())
        if not status:
            status, payload = await self._within(limit_s, self._exchange(request))
        if status:
            raise SpeechError(payload.decode("utf-8", "replace"))
        return payload

    async def _within(self, limit_s: float, work: Any) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(limit_s):
                answer: tuple[int, bytes] = await work
                return answer
        except TimeoutError:
            await self.stop()
            raise SpeechError(f"{self._name} did not answer within {limit_s:g} s") from None
        except (OSError, asyncio.IncompleteReadError):
            await self.stop()
            raise SpeechError(f"the {self._name} process has gone") from None

    async def _started(self) -> tuple[int, bytes]:
        if self._process is not None:
            return 0, b""
        paths = (str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        )
        status, payload = await self._answer(self._process)
        if status:
            await self.stop()
        return status, payload

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        process = self._process
        assert process is not None and process.stdin is not None
        process.stdin.write(REQUEST.pack(len(request)) + request)
        return await self._answer(process)

    @staticmethod
    async def _answer(process: asyncio.subprocess.Process) -> tuple[int, bytes]:
        assert process.stdout is not None
        status, length = ANSWER.unpack(await process.stdout.readexactly(ANSWER.size))
        if length > MOST_BYTES:
            raise OSError("the worker speaks nonsense")
        return status, await process.stdout.readexactly(length)

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            # Not Popen.kill: it polls, and takes the exit code away from asyncio, which logs that it is unknown.
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        while await process.stdout.read(65_536):
            pass
        await process.wait()
