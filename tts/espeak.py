"""The voice that is always there: espeak-ng, in worker processes (see `tts._espeak_worker` for why).

render ─▶ an idle worker (≤ queue_s) ─▶ its PCM          died, hung, too slow: SpeechError; the next one starts afresh
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import sys
import unicodedata
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from engine.errors import ConfigError, Overloaded, SpeechError
from engine.model import Sound
from engine.tasks import surely
from tts._espeak_worker import ANSWER, REQUEST, find_library

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parent.parent
MOST_CHARACTERS = 5000
MOST_BYTES = 64 << 20
EXPLICIT = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8})*(\+[A-Za-z0-9_-]{1,24})?")  # ru+f3, en-gb-x-rp+Alex

LANGUAGES = {"en": "en-us"}
VOICES = {"anna": "f3", "maria": "f2", "elena": "f5", "ivan": "m3", "pavel": "m1", "dmitry": "m8"}
DEFAULT = "anna"


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: Annotated[int, Field(ge=1, le=16)] = 1
    rate_wpm: Annotated[int, Field(ge=80, le=400)] = 150
    pitch: Annotated[int, Field(ge=0, le=99)] = 50
    voices: dict[str, str] = Field(default_factory=dict)  # more names: {alyona: ru+f1}
    queue_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    render_s: Annotated[float, Field(gt=0, le=60)] = 10.0


def available() -> str:
    """Where espeak-ng was found; empty if it was not."""
    found = find_library()
    return found[0] if found else ""


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path) -> AsyncGenerator[Espeak]:
    """Enters when a worker speaks. Raises ConfigError if there is no espeak-ng, SpeechError if it does not start."""
    if not available():
        raise ConfigError("there is no espeak-ng: `pip install 'dozvon[espeak]'`, or `apt-get install espeak-ng`")
    speaker = Espeak(settings)
    try:
        await speaker.warm_up()
        yield speaker
    finally:
        await surely(speaker.close())


class Espeak:
    """See `engine.ports.Synthesizer`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        self._all = [_Worker() for _ in range(settings.workers)]
        for worker in self._all:
            self._idle.put_nowait(worker)
        self._unknown: set[str] = set()

    @property
    def identity(self) -> str:
        """What of the settings changes the sound; a cache keeps it with its prompts."""
        return f"espeak-1 {self._settings.rate_wpm} {self._settings.pitch} {sorted(self._settings.voices.items())}"

    @property
    def voices(self) -> list[str]:
        return sorted({**VOICES, **self._settings.voices})

    async def warm_up(self) -> None:
        await self.render("раз")

    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        """An unknown voice is the language's default one, with a warning: a call is never dumb because of it."""
        if len(text) > MOST_CHARACTERS:
            raise SpeechError(f"a text of {len(text)} characters is too long to be spoken: at most {MOST_CHARACTERS}")
        spoken = " ".join(_clean(text).split())
        if not any(character.isalnum() for character in spoken):
            return Sound(b"")
        asked = {
            "voice": self._voice(voice, language),
            "rate": self._settings.rate_wpm,
            "pitch": self._settings.pitch,
            "text": spoken,
        }
        request = json.dumps(asked, ensure_ascii=False).encode()
        try:
            async with asyncio.timeout(self._settings.queue_s):
                worker = await self._idle.get()
        except TimeoutError:
            raise Overloaded("no espeak-ng worker was free in time") from None
        # An answer must be taken even if nobody waits for it any more, or the next request would get it.
        return Sound(await surely(self._ask(worker, request)))

    async def _ask(self, worker: _Worker, request: bytes) -> bytes:
        try:
            return await worker.ask(request, self._settings.render_s)
        finally:
            self._idle.put_nowait(worker)

    async def close(self) -> None:
        for worker in self._all:
            await worker.stop()

    def _voice(self, voice: str, language: str) -> str:
        name, known = espeak_name(voice, language, self._settings.voices)
        if not known and voice not in self._unknown and len(self._unknown) < 100:
            self._unknown.add(voice)
            log.warning("espeak has no such voice, the default one speaks", extra={"voice": voice[:40]})
        return name


def espeak_name(voice: str, language: str, own: Mapping[str, str]) -> tuple[str, bool]:
    """What espeak calls this voice in this language, and whether it was known; an unknown one is the default's.

    Known are the names in `own` and VOICES, and espeak's own ones with their language: `ru+f3`.
    """
    base = language.split("-")[0].lower()
    base = LANGUAGES.get(base, base) if re.fullmatch(r"[a-z]{2,3}", base) else "ru"
    explicit = own.get(voice, voice)
    if EXPLICIT.fullmatch(explicit) and (voice in own or "+" in explicit):
        return explicit, True
    variant = VOICES.get(voice.lower())
    return f"{base}+{variant or VOICES[DEFAULT]}", variant is not None or not voice


class _Worker:
    """One process, one request at a time; started when it is needed."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, request: bytes, limit_s: float) -> bytes:
        try:
            async with asyncio.timeout(limit_s):
                process = self._process or await self._start()
                assert process.stdin is not None
                process.stdin.write(REQUEST.pack(len(request)) + request)
                status, payload = await _answer(process)
        except TimeoutError:
            await self.stop()
            raise SpeechError(f"espeak-ng did not answer within {limit_s:g} s") from None
        except (OSError, asyncio.IncompleteReadError):
            await self.stop()
            raise SpeechError("the espeak-ng process has gone") from None
        if status:
            raise SpeechError(payload.decode("utf-8", "replace"))
        return payload

    async def _start(self) -> asyncio.subprocess.Process:
        paths = (str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tts._espeak_worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        )
        await _answer(self._process)
        return self._process

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


async def _answer(process: asyncio.subprocess.Process) -> tuple[int, bytes]:
    assert process.stdout is not None
    status, length = ANSWER.unpack(await process.stdout.readexactly(ANSWER.size))
    if length > MOST_BYTES:
        raise OSError("the worker speaks nonsense")
    return status, await process.stdout.readexactly(length)


def _clean(text: str) -> str:
    """No control characters, no lone surrogates: they are not spoken, and espeak takes some for commands."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") else c for c in text)
