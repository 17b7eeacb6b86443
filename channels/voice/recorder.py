"""Both sides of a call while the robot has it, written as it goes: what the subscriber sent, what was played to them.

    Inflow ─heard─▶ Recorder ─every 2 s─▶ Files ─those of 100 ms together─▶ [one thread] ─▶ uid-in.wav
    Outflow ─said─▶    "                                                                 ─▶ uid-out.wav

Asterisk's MixMonitor has a thread for each call and costs as much as all the rest of it. It records only the time with
an operator, when no sound comes by here, into files apart: uid+MS-in.wav begins MS milliseconds after uid-in.wav.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from queue import SimpleQueue

from engine.audio import wav_header
from engine.model import RATE

log = logging.getLogger(__name__)

HELD = 100  # frames that are kept before they go to the disk together: what a crash costs
GATHER_S = 0.1  # each time the thread wakes up it takes the interpreter away from hundreds of calls
MOST_BYTES = 64 * 1024 * 1024  # on their way to a disk that does not keep up
CLOSING_S = 2.0
BYTES_S = 2 * RATE
HEADER_BYTES = len(wav_header(1, 0))


class Side:
    """One file, open from its first sound; only the thread looks at what is below `path`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = -1
        self.end = 0  # bytes of sound
        self.broken = False


Job = tuple[Side, int, bytes, "asyncio.Future[None] | None"]


class Files:
    """Writes all recordings in one thread. Nothing here blocks or raises; a file that cannot be written ends there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._queue: SimpleQueue[list[Job] | None] = SimpleQueue()
        self._gathered: list[Job] = []
        self._given = 0  # bytes; counted by the loop
        self._taken = 0  # of them; counted by the thread: a sum of both would lose counts, and one day refuse all
        self._loop = asyncio.get_running_loop()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Files]:
        thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._hand_on()
            self._queue.put(None)
            await asyncio.to_thread(thread.join, CLOSING_S)

    def write(self, side: Side, at: int, pcm: bytes) -> None:
        """This sound belongs `at` bytes after the file's beginning."""
        if self._given - self._taken + len(pcm) > MOST_BYTES:
            side.broken = True
            return
        self._given += len(pcm)
        self._gather((side, at, pcm, None))

    def close(self, side: Side) -> asyncio.Future[None]:
        """Done when the file is whole, or is known never to be."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._gather((side, 0, b"", done))
        return done

    def _gather(self, job: Job) -> None:
        self._gathered.append(job)
        if len(self._gathered) == 1:
            self._loop.call_later(GATHER_S, self._hand_on)

    def _hand_on(self) -> None:
        if self._gathered:
            self._queue.put(self._gathered)
            self._gathered = []

    def _work(self) -> None:
        while (jobs := self._queue.get()) is not None:
            settled = [done for job in jobs if (done := self._do(*job)) is not None]
            with suppress(RuntimeError):  # the loop has ended
                if settled:
                    self._loop.call_soon_threadsafe(_settle, settled)

    def _do(self, side: Side, at: int, pcm: bytes, done: asyncio.Future[None] | None) -> asyncio.Future[None] | None:
        try:
            if done is None:
                self._taken += len(pcm)
                _write(side, at, pcm)
            else:
                _close(side)
        except OSError as error:
            side.broken = True
            log.warning("a recording cannot be written", extra={"error": error.strerror})
        return done


def _write(side: Side, at: int, pcm: bytes) -> None:
    if side.broken:
        return
    if side.fd < 0:
        side.fd = os.open(side.path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o640)
        os.pwrite(side.fd, wav_header(1, 0), 0)
    written = os.pwrite(side.fd, pcm, HEADER_BYTES + at)
    side.end = max(side.end, at + written)
    if written < len(pcm):
        side.broken = True  # the disk is full


def _close(side: Side) -> None:
    fd, side.fd = side.fd, -1
    if fd < 0:
        return
    try:
        os.pwrite(fd, wav_header(1, side.end // 2), 0)
    finally:
        os.close(fd)


def _settle(closed: Iterable[asyncio.Future[None]]) -> None:
    for done in closed:
        if not done.done():
            done.set_result(None)


class Recorder:
    """One call. Times are the loop's, in seconds; the recording begins with the first media link."""

    def __init__(self, files: Files, call: str) -> None:
        self._base = files.folder / call
        self._files = files
        self._in = Side(f"{self._base}-in.wav")
        self._out = Side(f"{self._base}-out.wav")
        self._frames: list[bytes] = []
        self._at = 0  # where the first of them belongs
        self._began: float | None = None
        self._closed: asyncio.Future[list[None]] | None = None

    @property
    def paths(self) -> tuple[str, str]:
        """The subscriber's and the robot's."""
        return self._in.path, self._out.path

    def begin(self, now: float) -> None:
        """A media link has come; the frames that follow begin now."""
        if self._began is None:
            self._began = now
        self._hand_on()
        self._at = max(self._at, self._place(now))

    def heard(self, frame: bytes) -> None:
        """The subscriber's next frame. Called for each of them."""
        frames = self._frames
        frames.append(frame)
        if len(frames) >= HELD:
            self._hand_on()

    def said(self, end: float, pcm: bytes | memoryview) -> None:
        """This was played to the subscriber until `end`."""
        at = self._place(end) - len(pcm)
        if pcm and at >= 0 and self._closed is None:
            self._files.write(self._out, at, bytes(pcm))

    def beside(self, now: float) -> str:
        """What Asterisk is to call its own files of what follows."""
        return f"{self._base}+{self._place(now) * 1000 // BYTES_S}"

    async def close(self) -> None:
        """Both files are whole then, unless the disk is too slow or too full."""
        if self._closed is None:
            self._hand_on()
            self._closed = asyncio.gather(*(self._files.close(side) for side in (self._in, self._out)))
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                await asyncio.shield(self._closed)

    def _place(self, now: float) -> int:
        return 0 if self._began is None else max(0, round((now - self._began) * RATE)) * 2

    def _hand_on(self) -> None:
        if self._frames:
            pcm = b"".join(self._frames)
            self._frames.clear()
            self._files.write(self._in, self._at, pcm)
            self._at += len(pcm)
