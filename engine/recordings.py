"""The two sides that Asterisk recorded become one stereo file, which is kept, drawn and served.

    uid-in.wav  (the subscriber) ─┐ wait until Asterisk      left  ┐
    uid-out.wav (the robot)      ─┘ has closed them    ─▶    right ┘ recordings/YYYY/MM/DD/uid.wav

Joining is plain copying in threads of its own. An encoder would cost more than the whole call did (Opus 0.8 s of CPU a
minute), so packing is left to whoever asks for it. What could not be joined stays where Asterisk put it.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import re
import struct
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np

from engine.audio import PCM
from engine.errors import DozvonError
from engine.model import RATE

log = logging.getLogger(__name__)
THREADS = 2
WAITING = 500  # recordings to be joined at once; beyond that they stay where they are
CLOSING_S = 2.0  # Asterisk closes its files a moment after the hang-up
LOOK_S = 0.05
BLOCK = 1 << 16  # samples of one side
LONGEST = 4 * 3600 * RATE  # samples of one side
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


class RecordingLost(DozvonError):
    """There is no recording of this call; the text says why."""


class Recordings:
    """`trouble` says why the last one was lost; empty: it was not."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._threads: ThreadPoolExecutor | None = None
        self._under_way = 0
        self.kept = 0
        self.lost = 0
        self.trouble = ""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Recordings]:
        with ThreadPoolExecutor(THREADS, thread_name_prefix="recordings") as self._threads:
            yield self

    async def keep(self, uid: str, files: tuple[str, str]) -> str:
        """Join the subscriber's and the robot's file; gives the path under the data folder. Raises RecordingLost.

        A side that is absent or broken is silence; the originals are removed only when the joined file is there.
        """
        if self._threads is None or self._under_way >= WAITING:
            return self._lose("too many recordings are waiting to be joined")
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            subscriber, robot = Path(files[0]), Path(files[1])
            for _ in range(round(CLOSING_S / LOOK_S)):
                if not await loop.run_in_executor(self._threads, still_open, subscriber, robot):
                    break
                await asyncio.sleep(LOOK_S)
            path = await loop.run_in_executor(self._threads, join, self._data_dir, uid, subscriber, robot)
        except RecordingLost as error:
            return self._lose(str(error))
        finally:
            self._under_way -= 1
        self.kept += 1
        self.trouble = ""
        return path

    def _lose(self, why: str) -> str:
        self.lost += 1
        if why != self.trouble:
            log.error("a recording was lost", extra={"why": why})
        self.trouble = why
        raise RecordingLost(why)


# --- joining: in threads ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Side:
    """The sound inside a mono WAV file of 16 bits at RATE."""

    file: Path
    start: int = 0
    samples: int = 0
    closed: bool = True  # the header agrees with the file


def still_open(*files: Path) -> bool:
    return not all(look(file).closed for file in files)


def join(data_dir: Path, uid: str, subscriber: Path, robot: Path) -> str:
    """See `Recordings.keep`; takes the files as they are. Blocks."""
    if not NAME.fullmatch(uid):
        raise RecordingLost("the call's id is no file name")
    sides = (look(subscriber), look(robot))
    length = min(max(side.samples for side in sides), LONGEST)
    if not length:
        raise RecordingLost("Asterisk has recorded nothing: is its disk full, or its recordings folder not writable?")
    there = next(side.file for side in sides if side.samples)
    try:
        day = datetime.fromtimestamp(there.stat().st_mtime, UTC)
        made = data_dir / "recordings" / f"{day:%Y/%m/%d}" / f"{uid}.wav"
        made.parent.mkdir(parents=True, exist_ok=True)
        _write(made, sides, length)
    except OSError as error:
        raise RecordingLost(f"recordings cannot be written: {error.strerror or error}") from None
    for file in (subscriber, robot):
        with suppress(OSError):
            file.unlink()
    return str(made.relative_to(data_dir))


def look(file: Path) -> Side:
    """What is in the file: as much as its header says, or, if Asterisk did not come to write that, all there is."""
    try:
        with file.open("rb") as source:
            head = source.read(4096)
            size = source.seek(0, os.SEEK_END)
    except OSError:
        return Side(file)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return Side(file, closed=size >= HEADER.size)  # less: its header is still in Asterisk's buffer
    at = 12
    while at + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, at)
        at += 8
        if name == b"fmt " and struct.unpack_from("<HHI", head, at) != (1, 1, RATE):
            return Side(file)
        if name == b"data":
            there = size - at
            closed = 0 < length <= there
            return Side(file, at, (length if closed else max(0, there)) // 2, closed)
        at += length + length % 2
    return Side(file, closed=False)


def _write(made: Path, sides: tuple[Side, Side], length: int) -> None:
    part = made.with_suffix(".part")
    try:
        with part.open("wb") as out:
            data = length * 4
            out.write(HEADER.pack(b"RIFF", 36 + data, b"WAVE", b"fmt ", 16, 1, 2, RATE, RATE * 4, 4, 16, b"data", data))
            with _opened(sides[0]) as left, _opened(sides[1]) as right:
                for at in range(0, length, BLOCK):
                    both = np.zeros((min(BLOCK, length - at), 2), PCM)
                    for column, (side, source) in enumerate(((sides[0], left), (sides[1], right))):
                        raw = source.read(2 * max(0, min(len(both), side.samples - at)))
                        samples = np.frombuffer(raw, PCM, count=len(raw) // 2)
                        both[: samples.size, column] = samples
                    out.write(both.tobytes())
        part.replace(made)
    finally:
        part.unlink(missing_ok=True)


def _opened(side: Side) -> IO[bytes]:
    if not side.samples:
        return io.BytesIO()
    source = side.file.open("rb")
    source.seek(side.start)
    return source
