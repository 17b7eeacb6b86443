"""A synthesizer that says everything only once: prompts are kept in memory and on disk by what they say.

    render ─▶ in memory? ─▶ being made by somebody? ─▶ on disk (whole)? ─▶ inner.render ─▶ disk, memory

Files are data_dir/prompts/xx/SHA256.pcm, written in one step, so that several processes may share them. A file that is
not whole is not there. A disk that is full or gone costs the keeping, never the speaking.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import struct
import tempfile
import time
import zlib
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from engine.errors import SpeechError
from engine.model import Sound
from engine.ports import Synthesizer
from engine.tasks import surely

log = logging.getLogger(__name__)
HEAD = struct.Struct("<8sII")
MAGIC = b"DOZVPCM1"
STALE_S = 3600.0  # an unfinished file this old was left by a crash
ROOM = 0.9  # of the bound is left after clearing, so that it is not cleared at every prompt


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    disk_mb: Annotated[int, Field(ge=0)] = 2048
    memory_mb: Annotated[int, Field(ge=0)] = 128


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path, inner: Synthesizer, identity: str = "") -> AsyncGenerator[Cached]:
    """Wraps `inner`; `identity` names what else makes its sound: the engine's version, its speed and pitch."""
    cached = Cached(inner, data_dir / "prompts", settings, identity=identity)
    await asyncio.to_thread(cached.tidy)
    yield cached


class Cached:
    """See `engine.ports.Synthesizer`."""

    def __init__(self, inner: Synthesizer, folder: Path, settings: Settings, *, identity: str = "") -> None:
        self._inner = inner
        self._folder = folder
        self._identity = identity
        self._most = settings.disk_mb << 20
        self._most_memory = settings.memory_mb << 20
        self._memory: OrderedDict[str, Sound] = OrderedDict()
        self._in_memory = 0
        self._on_disk = 0
        self._unseen = 0  # bytes written since the folder was looked at: other processes write there too
        self._making: dict[str, asyncio.Future[Sound]] = {}
        self.trouble = ""  # why prompts are not kept on disk just now; empty: they are

    @property
    def identity(self) -> str:
        return self._identity

    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        key = self._key(text, voice, language)
        if (sound := self._memory.get(key)) is not None:
            self._memory.move_to_end(key)
            return sound
        if (making := self._making.get(key)) is not None:
            return await asyncio.shield(making)
        self._making[key] = asyncio.get_running_loop().create_future()
        # Others may come to wait for this one, so it is finished even if the first who asked has gone.
        return await surely(self._make(key, text, voice, language))

    async def _make(self, key: str, text: str, voice: str, language: str) -> Sound:
        future = self._making[key]
        try:
            sound = await asyncio.to_thread(self._load, key)
            if sound is None:
                sound = await self._inner.render(text, voice=voice, language=language)
                if not sound.makeshift:
                    await asyncio.to_thread(self._store, key, sound)
        except BaseException as error:
            failure = error if isinstance(error, SpeechError) else SpeechError("the prompt was not made")
            future.set_exception(failure)
            future.exception()  # seen: perhaps nobody else waits
            raise
        else:
            if not sound.makeshift:
                self._remember(key, sound)
            future.set_result(sound)
            return sound
        finally:
            del self._making[key]

    def _key(self, text: str, voice: str, language: str) -> str:
        said = json.dumps([self._identity, language, voice, text]).encode()
        return hashlib.sha256(said).hexdigest()

    def _remember(self, key: str, sound: Sound) -> None:
        if len(sound.pcm) > self._most_memory:
            return
        self._memory[key] = sound
        self._in_memory += len(sound.pcm)
        while self._in_memory > self._most_memory:
            _, forgotten = self._memory.popitem(last=False)
            self._in_memory -= len(forgotten.pcm)

    # --- the disk: in threads -----------------------------------------------------------------------------------------

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.pcm"

    def _load(self, key: str) -> Sound | None:
        path = self._path(key)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        if len(data) < HEAD.size:
            return None
        magic, length, crc = HEAD.unpack_from(data)
        pcm = data[HEAD.size :]
        if magic != MAGIC or len(pcm) != length or zlib.crc32(pcm) != crc:
            log.warning("a kept prompt is damaged, making it again", extra={"file": path.name})
            return None
        return Sound(pcm)

    def _store(self, key: str, sound: Sound) -> None:
        if not self._most:
            return
        path = self._path(key)
        scratch = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, scratch = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(HEAD.pack(MAGIC, len(sound.pcm), zlib.crc32(sound.pcm)) + sound.pcm)
            os.replace(scratch, path)
        except OSError as error:
            with suppress(OSError):
                os.unlink(scratch)
            if not self.trouble:
                log.error("prompts cannot be kept on disk", extra={"why": error.strerror})
            self.trouble = f"{self._folder}: {error.strerror}"
            return
        self.trouble = ""
        size = HEAD.size + len(sound.pcm)
        self._on_disk += size
        self._unseen += size
        if self._on_disk > self._most or self._unseen > (1 - ROOM) * self._most:
            self.tidy()

    def tidy(self) -> None:
        """Count what is on disk; beyond the bound, the longest unused go. Blocks."""
        kept: list[tuple[float, int, Path]] = []
        for path in self._folder.glob("??/*"):
            with suppress(OSError):
                stat = path.stat()
                if path.suffix == ".pcm":
                    kept.append((stat.st_mtime, stat.st_size, path))
                elif path.suffix == ".part" and stat.st_mtime < time.time() - STALE_S:
                    path.unlink()
        total = sum(size for _, size, _ in kept)
        if total > self._most:
            for _, size, path in sorted(kept):
                if total <= self._most * ROOM:
                    break
                with suppress(OSError):
                    path.unlink()
                    total -= size
        self._on_disk, self._unseen = total, 0
