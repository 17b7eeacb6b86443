"""RHVoice, by the program that comes with it: a process for each text. Some of its voices may not be used commercially.

text ─▶ stdin of `RHVoice-test --profile anna --rate 100 --output FILE` ─▶ WAV ─▶ 8 kHz, one loudness
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from engine import audio
from engine.errors import ConfigError, InputError, Overloaded, SpeechError
from engine.model import RATE, Sound
from engine.tasks import surely
from tts import _text
from tts._sound import finished
from tts._speakable import speakable

PROGRAM = "RHVoice-test"
LONGEST_S = 600.0
MOST_BYTES = 64 << 20
# Each language's own first; the others' names are unknown to an installation without them, and then the default speaks.
DEFAULTS = {"ru": "anna", "en": "slt"}

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,39}")


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    program: str = PROGRAM
    voices: dict[str, str] = Field(default_factory=dict)  # our names for RHVoice's profiles: {maria: elena}
    default_voice: str = ""
    rate: Annotated[int, Field(ge=20, le=500)] = 100  # percent
    pitch: Annotated[int, Field(ge=50, le=200)] = 100
    workers: Annotated[int, Field(ge=1, le=16)] = 2
    queue_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    render_s: Annotated[float, Field(gt=0, le=60)] = 10.0


def available(program: str = PROGRAM) -> str:
    """Where the program is; empty if it is not installed."""
    return shutil.which(program) or ""


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path) -> AsyncGenerator[RHVoice]:
    """Raises ConfigError if RHVoice is not installed or one of the voices is no name."""
    found = available(settings.program)
    if not found:
        raise ConfigError(
            f"there is no {settings.program}: `apt-get install rhvoice rhvoice-russian` (Debian, non-free)"
        )
    for name in (*settings.voices.values(), *filter(None, [settings.default_voice])):
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is no RHVoice voice: a name such as anna, or anna+slt")
    yield RHVoice(settings, found)


class RHVoice:
    """See `engine.ports.Synthesizer`."""

    def __init__(self, settings: Settings, program: str) -> None:
        self._settings = settings
        self._program = program
        self._room = asyncio.Semaphore(settings.workers)

    @property
    def identity(self) -> str:
        settings = self._settings
        return f"rhvoice-1 {settings.rate} {settings.pitch} {settings.default_voice} {sorted(settings.voices.items())}"

    @property
    def voices(self) -> list[str]:
        return sorted({*self._settings.voices, *DEFAULTS.values()} - {""})

    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        """A voice is one of the settings' names or RHVoice's own; RHVoice takes its default for one it has not got."""
        spoken = speakable(text)  # stress marks as they are: RHVoice understands `+`
        if language.split("-")[0].lower() != "ru":
            spoken = _text.spelled(spoken, "none")
        if not spoken:
            return Sound(b"")
        try:
            async with asyncio.timeout(self._settings.queue_s):
                await self._room.acquire()
        except TimeoutError:
            raise Overloaded("no RHVoice process was free in time") from None
        try:
            return await surely(self._say(spoken, self._profile(voice, language)))
        finally:
            self._room.release()

    def _profile(self, voice: str, language: str) -> str:
        known = self._settings.voices
        default = self._settings.default_voice or DEFAULTS.get(language.split("-")[0].lower(), "")
        asked = known.get(voice) or known.get(voice.lower()) or voice or default
        return asked if _NAME.fullmatch(asked) else default

    async def _say(self, text: str, profile: str) -> Sound:
        folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="dozvon-rhvoice-")
        try:
            file = Path(folder) / "said.wav"
            await self._run(text, profile, file)
            return await asyncio.to_thread(_read, file)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, True)

    async def _run(self, text: str, profile: str, file: Path) -> None:
        settings = self._settings
        process = await asyncio.create_subprocess_exec(
            *(self._program, *(("--profile", profile) if profile else ())),
            *("--rate", str(settings.rate), "--pitch", str(settings.pitch), "--output", str(file)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(settings.render_s):
                _, complaint = await process.communicate(f"{text}\n".encode())
        except TimeoutError:
            raise SpeechError(f"RHVoice did not answer within {settings.render_s:g} s") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode:
            why = " ".join(complaint.decode("utf-8", "replace").split())[:200]
            raise SpeechError(f"RHVoice failed ({process.returncode}): {why}")


def _read(file: Path) -> Sound:
    try:
        return finished(audio.samples(audio.read(file, longest_s=LONGEST_S, most_bytes=MOST_BYTES).pcm), RATE)
    except InputError as error:
        raise SpeechError(f"RHVoice made no sound: {error}") from None
