"""One worker process with a model, as the engine sees it: its utterances, its wear, its end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from asr._pipe import End, Pipe
from asr._wire import RSS, Kind
from engine.errors import SpeechError
from engine.tasks import surely

log = logging.getLogger(__name__)
PING_S = 1.0
BUSY = 0.5  # of a core: what a worker's streams may need together, media and database beside it
MOST_STREAMS = 200


class Listener(Protocol):
    """An utterance that waits for a worker's answers."""

    def heard(self, partial: str) -> None: ...
    def ended(self, text: str, confidence: float) -> None: ...
    def failed(self, error: SpeechError) -> None: ...


class WorkerGone(SpeechError):
    """The process ended, hung, or spoke nonsense."""


@dataclass(frozen=True, slots=True)
class Limits:
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
        self._pipe: Pipe | None = None
        self._answered_at = 0.0
        self._live: dict[int, Listener] = {}
        self._idle = asyncio.Event()
        self._most_memory = limits.memory_mb << 20
        self._left = limits.utterances
        self.leaving = asyncio.Event()
        self.dismissed = False  # its end is ours
        self.rss = 0
        self.streams = 0  # 0 while it cannot take any

    async def start(self) -> None:
        """Returns when the model is loaded. Raises WorkerGone."""
        pipe = self._pipe = await Pipe.start("asr._worker", *self._command)
        try:
            async with asyncio.timeout(self._limits.start_s), asyncio.TaskGroup() as group:
                errors = group.create_task(pipe.read_errors(), name="asr worker stderr")
                kind, _, payload = await pipe.next()
                errors.cancel()
        except TimeoutError:
            await surely(pipe.stop())
            raise WorkerGone(f"a recogniser's process was not ready within {self._limits.start_s:g} s") from None
        except BaseExceptionGroup as group_error:
            why = await pipe.last_words()
            await surely(pipe.stop())
            raise WorkerGone(f"a recogniser's process did not start: {why}") from group_error
        except BaseException:
            await surely(pipe.stop())
            raise
        if kind is not Kind.READY:
            await surely(pipe.stop())
            raise WorkerGone("a recogniser's process spoke before it was ready")
        about = json.loads(payload)
        self.rss = int(about["rss"])
        self._most_memory = max(self._most_memory, self.rss * 3 // 2)  # a model may be larger than was thought
        self.streams = self._limits.streams or max(1, min(MOST_STREAMS, int(BUSY / max(float(about["rtf"]), 1e-4))))
        self._answered_at = asyncio.get_running_loop().time()

    async def serve(self) -> None:
        """Hand out answers until the process ends; always raises: WorkerGone, or CancelledError. All live utterances
        have failed by then and the process is down."""
        assert self._pipe is not None
        pipe = self._pipe
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pipe.read_errors(), name="asr worker stderr")
                group.create_task(self._watch(pipe), name="asr worker watch")
                while True:
                    self._take(*await pipe.next())
        except BaseExceptionGroup as group_error:
            why = await pipe.last_words() if isinstance(group_error.exceptions[0], End) else "it spoke nonsense"
            raise WorkerGone(f"a recogniser's process ended: {why}") from group_error
        finally:
            self.streams = 0
            self.leaving.set()
            for listener in list(self._live.values()):
                listener.failed(WorkerGone("the recogniser's process has gone in the middle of speech"))
            self._live.clear()
            self._idle.set()
            pipe.kill()
            await surely(pipe.stop())

    @property
    def pid(self) -> int:
        return self._pipe.pid if self._pipe else 0

    @property
    def live(self) -> int:
        return len(self._live)

    @property
    def open(self) -> bool:
        """Takes new utterances, when it has room."""
        return self.streams > 0 and not self.dismissed

    @property
    def free(self) -> bool:
        return self.open and len(self._live) < self.streams

    def send(self, kind: Kind, number: int = 0, payload: bytes = b"") -> None:
        if self.streams and self._pipe is not None and not self._pipe.send(kind, number, payload):
            log.error("recogniser worker does not read, ending it", extra={"pid": self.pid})
            self.streams = 0
            self._pipe.kill()

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

    async def stop(self) -> None:
        """Ends the process, now."""
        if self._pipe is not None:
            self._pipe.kill()
            await surely(self._pipe.stop())

    async def dismiss(self) -> None:
        """No new utterances; the live ones have `drain_s` to end. Then it ends."""
        self.dismissed = True
        if self._live:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.drain_s):
                    await self._idle.wait()
        if self._pipe is not None:
            self._pipe.dismiss()

    def _take(self, kind: Kind, number: int, payload: bytes) -> None:
        self._answered_at = asyncio.get_running_loop().time()
        listener = self._live.get(number)
        if kind is Kind.PONG:
            (self.rss,) = RSS.unpack(payload)
            if self.rss > self._most_memory:
                self.leaving.set()
        elif kind is Kind.UNKNOWN_WORDS:
            log.warning("scenarios wait for words that the model does not know", extra={"pid": self.pid})
        elif kind is Kind.PARTIAL and listener:
            listener.heard(payload.decode())
        elif kind is Kind.FINAL and listener:
            found = json.loads(payload)
            listener.ended(str(found["text"]), float(found["confidence"]))
        elif kind is Kind.FAILED and listener:
            listener.failed(SpeechError(f"the recogniser failed: {payload.decode('utf-8', 'replace')}"))

    async def _watch(self, pipe: Pipe) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() - self._answered_at > self._limits.hang_s:
                log.error("recogniser worker hangs, ending it", extra={"pid": self.pid})
                pipe.kill()
            self.send(Kind.PING)
            await asyncio.sleep(min(PING_S, self._limits.hang_s / 3))
