"""One worker process as the engine sees it: started, spoken to, listened to, put down."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from asr._wire import RSS, Garbled, Kind, Unpacker, pack
from engine.errors import SpeechError
from engine.tasks import surely

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parent.parent
CHUNK = 65_536
BACKLOG = 4 << 20  # bytes that a worker may leave unread before it counts as hung
PING_S = 1.0
BUSY = 0.7  # of a core: what a worker's streams may need together
MOST_STREAMS = 200
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # one core each: the pool is the parallelism


class Listener(Protocol):
    """An utterance that waits for a worker's answers."""

    def heard(self, partial: str) -> None: ...
    def ended(self, text: str, confidence: float) -> None: ...
    def failed(self, error: SpeechError) -> None: ...


class WorkerGone(SpeechError):
    """The process ended, hung, or spoke nonsense."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`engine.errors.SpeechError` and a fresh process is what comes of going over them."""

    streams: int = 0  # utterances at once in one worker; 0: as many as it is found to be quick enough for
    memory_mb: int = 1024  # a larger worker gets a successor; at twice this it can have no more
    utterances: int = 5000  # so does one that has served so many
    start_s: float = 120.0
    hang_s: float = 5.0
    drain_s: float = 20.0


class Worker:
    """Its life: `start`, then `serve` until it ends. `leaving` is set when it is worn or has ended. `send` never
    blocks."""

    def __init__(self, module: str, options: Mapping[str, Any], limits: Limits) -> None:
        self._command = (module, json.dumps({**options, "hard_memory_mb": limits.memory_mb * 2}))
        self._limits = limits
        self._process: asyncio.subprocess.Process | None = None
        self._messages: deque[tuple[Kind, int, bytes]] = deque()
        self._unpacker = Unpacker()
        self._stderr = b""
        self._answered_at = 0.0
        self._live: dict[int, Listener] = {}
        self._idle = asyncio.Event()
        self._most_memory = limits.memory_mb << 20
        self._left = limits.utterances
        self.leaving = asyncio.Event()
        self.dismissed = False  # its end is ours
        self.open = False
        self.rss = 0
        self.streams = 0
        self.unknown_words = 0

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Returns when the model is loaded. Raises WorkerGone."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "asr._worker", *self._command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the engine, which lets live calls finish
            env=_environment(),
        )
        try:
            async with asyncio.timeout(self._limits.start_s), asyncio.TaskGroup() as group:
                errors = group.create_task(self._read_errors(), name="asr worker stderr")
                kind, _, payload = await self._next()
                errors.cancel()
        except TimeoutError:
            await self.stop()
            raise WorkerGone(f"a recogniser's process was not ready within {self._limits.start_s:g} s") from None
        except BaseExceptionGroup as group_error:
            reason = await self._last_words()
            await self.stop()
            raise WorkerGone(reason) from group_error
        except BaseException:
            await self.stop()
            raise
        if kind is not Kind.READY:
            await self.stop()
            raise WorkerGone("a recogniser's process spoke before it was ready")
        about = json.loads(payload)
        self.rss = int(about["rss"])
        self._most_memory = max(self._most_memory, self.rss * 3 // 2)  # a model may be larger than was thought
        self.streams = self._limits.streams or max(1, min(MOST_STREAMS, int(BUSY / max(float(about["rtf"]), 1e-4))))
        self._answered_at = asyncio.get_running_loop().time()
        self.open = True

    async def serve(self) -> None:
        """Hand out answers until the process ends; always raises: WorkerGone, or CancelledError. All live utterances
        have failed by then and the process is down."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read_errors(), name="asr worker stderr")
                group.create_task(self._watch(), name="asr worker watch")
                while True:
                    self._take(*await self._next())
        except BaseExceptionGroup as group_error:
            raise WorkerGone(await self._last_words()) from group_error.exceptions[0]
        finally:
            self.open = False
            self.leaving.set()
            for listener in list(self._live.values()):
                listener.failed(WorkerGone("the recogniser's process has gone in the middle of speech"))
            self._live.clear()
            self._idle.set()
            await surely(self.stop())

    @property
    def live(self) -> int:
        return len(self._live)

    @property
    def free(self) -> bool:
        return self.open and not self.dismissed and len(self._live) < self.streams

    def take(self, number: int, listener: Listener) -> None:
        self._live[number] = listener
        self._idle.clear()
        self._left -= 1
        if self._left <= 0:
            self.leaving.set()

    def release(self, number: int) -> None:
        self._live.pop(number, None)
        if not self._live:
            self._idle.set()

    async def dismiss(self) -> None:
        """No new utterances; the live ones have `drain_s` to end. Then it ends."""
        self.dismissed = True
        if self._live:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.drain_s):
                    await self._idle.wait()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def send(self, kind: Kind, number: int = 0, payload: bytes = b"") -> None:
        process = self._process
        if not self.open or process is None or process.stdin is None or process.stdin.is_closing():
            return
        process.stdin.write(pack(kind, number, payload))
        if process.stdin.transport.get_write_buffer_size() > BACKLOG:
            log.error("recogniser worker does not read, ending it", extra={"pid": self.pid})
            self.kill()

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def stop(self) -> None:
        """Let it end, then make it; returns when it is down."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(0.5):
                await self._drained()
                await process.wait()
        except TimeoutError:
            self.kill()
            await self._drained()
            await process.wait()

    async def _drained(self) -> None:
        """Read both pipes to their end: an end of a process is told only after that of its pipes."""
        assert self._process is not None and self._process.stdout is not None and self._process.stderr is not None
        for stream in (self._process.stdout, self._process.stderr):
            while await stream.read(CHUNK):
                pass

    async def _next(self) -> tuple[Kind, int, bytes]:
        assert self._process is not None and self._process.stdout is not None
        while not self._messages:
            data = await self._process.stdout.read(CHUNK)
            if not data:
                raise _End
            try:
                self._messages.extend(self._unpacker.feed(data))
            except Garbled as error:
                self.kill()
                raise _End from error
        return self._messages.popleft()

    def _take(self, kind: Kind, number: int, payload: bytes) -> None:
        self._answered_at = asyncio.get_running_loop().time()
        if kind is Kind.PONG:
            (self.rss,) = RSS.unpack(payload)
            if self.rss > self._most_memory:
                self.leaving.set()
        elif kind is Kind.UNKNOWN_WORDS:
            if not self.unknown_words:
                log.warning("scenarios wait for words that the model does not know", extra={"pid": self.pid})
            self.unknown_words = int(json.loads(payload))
        elif kind is Kind.PARTIAL:
            if listener := self._live.get(number):
                listener.heard(payload.decode())
        elif kind is Kind.FINAL:
            if listener := self._live.get(number):
                found = json.loads(payload)
                listener.ended(str(found["text"]), float(found["confidence"]))
        elif kind is Kind.FAILED and (listener := self._live.get(number)):
            listener.failed(SpeechError(f"the recogniser failed: {payload.decode('utf-8', 'replace')}"))

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() - self._answered_at > self._limits.hang_s:
                log.error("recogniser worker hangs, ending it", extra={"pid": self.pid})
                self.kill()
            self.send(Kind.PING)
            await asyncio.sleep(min(PING_S, self._limits.hang_s / 3))

    async def _read_errors(self) -> None:
        assert self._process is not None and self._process.stderr is not None
        while data := await self._process.stderr.read(4096):
            self._stderr = (self._stderr + data)[-4096:]

    async def _last_words(self) -> str:
        """Why it ended, as far as it said."""
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await self._read_errors()
        lines = [line.strip() for line in self._stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        telling = [line for line in lines if "ERROR" in line or "Error" in line] or lines
        return f"a recogniser's process ended: {telling[-1][:300] if telling else 'without a word'}"


class _End(Exception):
    """The pipe has ended."""


def _environment() -> dict[str, str]:
    paths: Sequence[str] = (str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    return {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": os.pathsep.join(paths)}
