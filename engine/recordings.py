"""The two sides that were recorded apart become one stereo file, which is kept, drawn and served.

    uid-in.wav  (the subscriber) ─┐ wait until they          left  ┐
    uid-out.wav (the robot)      ─┤ are closed         ─▶    right ┘ recordings/YYYY/MM/DD/uid.wav
    uid+MS-in.wav, uid+MS-out.wav ┘ with an operator, MS milliseconds from the beginning

Joining is plain copying in threads of its own. An encoder would cost more than the whole call did (Opus 0.8 s of CPU a
minute), so packing is left to whoever asks for it. What could not be joined stays where it is.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import struct
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from engine.audio import PCM, wav_header
from engine.errors import RecordingLost
from engine.model import RATE

log = logging.getLogger(__name__)
THREADS = 2
WAITING = 500  # recordings to be joined at once; beyond that they stay where they are
CLOSING_S = 2.0  # Asterisk closes its files a moment after the hang-up
LOOK_S = 0.05
MISSING_S = 3.0  # so much, or a quarter of the call, may be absent from a recording
LEFT_S = 600.0  # files that have not grown for so long belong to no live call
OLD_S = 7 * 86_400.0
BLOCK = 1 << 16  # samples of one side
LONGEST = 4 * 3600 * RATE  # samples of one side
BESIDE = re.compile(r"\+(\d{1,9})-(?:in|out)\.wav$")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
HEADER_BYTES = len(wav_header(2, 0))
SIDES = ("-in.wav", "-out.wav")


class NothingRecorded(RecordingLost):
    """Both files are absent, or have no sound."""


class Recordings:
    """`trouble` says why the last one was lost; empty: it was not."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._left = data_dir / "asterisk" / "recordings"
        self._threads: ThreadPoolExecutor | None = None
        self._under_way = 0
        self.kept = 0
        self.lost = 0
        self.trouble = ""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Recordings]:
        with ThreadPoolExecutor(THREADS, thread_name_prefix="recordings") as self._threads:
            yield self

    def health(self) -> tuple[bool, str]:
        """Was the last one kept whole?"""
        return not self.trouble, self.trouble

    async def keep(self, uid: str, files: tuple[str, str], seconds: float = 0.0) -> str:
        """Join the subscriber's and the robot's file; gives the path under the data folder, or nothing for a call that
        was too short to be recorded. Raises RecordingLost, also when what there is is much shorter than `seconds`.

        A side that is absent or broken is silence; the originals are removed only when the joined file is there.
        """
        try:
            path = await self._keep(uid, files)
        except NothingRecorded as error:
            return "" if 0 < seconds < MISSING_S else self._lose(str(error))
        except RecordingLost as error:
            return self._lose(str(error))
        if seconds - self.seconds(path) > max(MISSING_S, seconds / 4):
            return self._lose("a recording ends before its call: is the disk full?", path)
        self.kept += 1
        self.trouble = ""
        return path

    async def salvage(self, uid: str) -> str:
        """What Asterisk recorded of a call that nobody brought to its end; empty: nothing. Raises RecordingLost."""
        subscriber, robot = (self._left / f"{uid}{side}" for side in SIDES)
        if not NAME.fullmatch(uid) or not any(file.exists() for file in (*parts(subscriber), *parts(robot))):
            return ""
        return await self._keep(uid, (str(subscriber), str(robot)))

    async def tidy(self, attach: Callable[[str, str], Awaitable[bool]], lives: Callable[[str], bool]) -> None:
        """Join what was left behind (the disk was full, the engine crashed): `attach` is told the call's uid and the
        path, and says whether there is such a call. What cannot be joined is removed when it is old."""
        for uid, age_s in await asyncio.to_thread(_left_behind, self._left):
            if lives(uid):
                continue
            try:
                path = await self.salvage(uid)
            except RecordingLost:
                path = ""
            if path and not await attach(uid, path):
                log.warning("a recording belongs to no call", extra={"call": uid})
            elif not path and age_s > OLD_S:
                await asyncio.to_thread(_remove, self._left, uid)

    def seconds(self, path: str) -> float:
        """How long the joined recording is."""
        try:
            return max(0, (self._data_dir / path).stat().st_size - HEADER_BYTES) / (4 * RATE)
        except OSError:
            return 0.0

    async def _keep(self, uid: str, files: tuple[str, str]) -> str:
        if self._threads is None or self._under_way >= WAITING:
            raise RecordingLost("too many recordings are waiting to be joined")
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            subscriber, robot = Path(files[0]), Path(files[1])
            for _ in range(round(CLOSING_S / LOOK_S)):
                path = await loop.run_in_executor(self._threads, join_closed, self._data_dir, uid, subscriber, robot)
                if path:
                    return path
                await asyncio.sleep(LOOK_S)
            return await loop.run_in_executor(self._threads, join, self._data_dir, uid, subscriber, robot)
        finally:
            self._under_way -= 1

    def _lose(self, why: str, kept: str = "") -> str:
        self.lost += 1
        if why != self.trouble:
            log.error("a recording was lost", extra={"why": why})
        self.trouble = why
        raise RecordingLost(why, kept)


def _left_behind(folder: Path) -> list[tuple[str, float]]:
    """Calls whose files nobody writes any more: (uid, seconds since the last sound)."""
    found: dict[str, float] = {}
    with suppress(OSError):
        for file in folder.glob("*.wav"):
            age_s = time.time() - file.stat().st_mtime
            uid = file.name.removesuffix(SIDES[0]).removesuffix(SIDES[1]).partition("+")[0]
            found[uid] = min(age_s, found.get(uid, age_s))
    return [(uid, age_s) for uid, age_s in found.items() if age_s > LEFT_S]


def _remove(folder: Path, uid: str) -> None:
    for side in SIDES:
        for file in parts(folder / f"{uid}{side}"):
            with suppress(OSError):
                file.unlink(missing_ok=True)


# --- joining: in threads ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """The sound inside a mono WAV file of 16 bits at RATE."""

    file: Path
    at: int = 0  # samples from the recording's beginning
    start: int = 0
    samples: int = 0
    closed: bool = True  # the header agrees with the file


def still_open(*files: Path) -> bool:
    return not all(look(part).closed for file in files for part in parts(file))


def join_closed(data_dir: Path, uid: str, subscriber: Path, robot: Path) -> str:
    """As `join`; empty while somebody still writes one of the files."""
    return "" if still_open(subscriber, robot) else join(data_dir, uid, subscriber, robot)


def join(data_dir: Path, uid: str, subscriber: Path, robot: Path) -> str:
    """See `Recordings.keep`; takes the files as they are. Blocks."""
    if not NAME.fullmatch(uid):
        raise RecordingLost("the call's id is no file name")
    sides = [[look(part) for part in parts(file)] for file in (subscriber, robot)]
    whole = [part for side in sides for part in side if part.samples]
    if not whole:
        raise NothingRecorded("nothing was recorded: is the disk full, or the recordings folder not writable?")
    length = min(max(part.at + part.samples for part in whole), LONGEST)
    there = whole[0].file
    try:
        day = datetime.fromtimestamp(there.stat().st_mtime, UTC)
        made = data_dir / "recordings" / f"{day:%Y/%m/%d}" / f"{uid}.wav"
        made.parent.mkdir(parents=True, exist_ok=True)
        _write(made, sides, length)
    except OSError as error:
        raise RecordingLost(f"recordings cannot be written: {error.strerror or error}") from None
    for part in (*sides[0], *sides[1]):
        with suppress(OSError):
            part.file.unlink()
    return str(made.relative_to(data_dir))


def parts(file: Path) -> list[Path]:
    """This file of one side, and those that belong beside it."""
    base, suffix = file.name.rpartition("-")[::2]
    return [file, *sorted(file.parent.glob(f"{base}+*-{suffix}"))]


def look(file: Path) -> Part:
    """What is in the file: as much as its header says, or, if nobody came to write that, all there is."""
    later = BESIDE.search(file.name)
    offset = int(later[1]) * RATE // 1000 if later else 0
    try:
        with file.open("rb") as source:
            head = source.read(4096)
            size = source.seek(0, os.SEEK_END)
    except OSError:
        return Part(file, offset)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return Part(file, offset, closed=size >= HEADER_BYTES)  # less: its header is still in Asterisk's buffer
    at = 12
    while at + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, at)
        at += 8
        if name == b"fmt " and struct.unpack_from("<HHI", head, at) != (1, 1, RATE):
            return Part(file, offset)
        if name == b"data":
            there = size - at
            closed = 0 < length <= there
            return Part(file, offset, at, (length if closed else max(0, there)) // 2, closed)
        at += length + length % 2
    return Part(file, offset, closed=False)


def _write(made: Path, sides: Sequence[Sequence[Part]], length: int) -> None:
    unfinished = made.with_suffix(".part")
    try:
        with unfinished.open("wb") as out:
            out.write(wav_header(2, length))
            with ExitStack() as stack:
                sources = [
                    (column, part, stack.enter_context(part.file.open("rb")))
                    for column, side in enumerate(sides)
                    for part in side
                    if part.samples
                ]
                for at in range(0, length, BLOCK):
                    both = np.zeros((min(BLOCK, length - at), 2), PCM)
                    for column, part, source in sources:
                        _read(part, source, at, both[:, column])
                    out.write(both.tobytes())
        unfinished.replace(made)
    finally:
        unfinished.unlink(missing_ok=True)


def _read(part: Part, source: IO[bytes], at: int, into: npt.NDArray[np.int16]) -> None:
    """What the part has for the samples from `at` on."""
    first, last = max(at, part.at), min(at + into.size, part.at + part.samples)
    if first < last:
        source.seek(part.start + 2 * (first - part.at))
        raw = source.read(2 * (last - first))
        samples = np.frombuffer(raw, PCM, count=len(raw) // 2)
        into[first - at : first - at + samples.size] = samples
