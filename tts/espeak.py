"""The voice that is always there: espeak-ng, in worker processes (see `tts._espeak_worker` for why)."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from engine.errors import ConfigError
from engine.model import Sound
from tts import _text
from tts._espeak_worker import find_library
from tts._speakable import speakable
from tts._worker import Pool, pool

log = logging.getLogger(__name__)
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
    async with pool(
        "tts._espeak_worker",
        name="espeak-ng",
        workers=settings.workers,
        queue_s=settings.queue_s,
        render_s=settings.render_s,
    ) as workers:
        speaker = Espeak(settings, workers)
        await speaker.render("раз")
        yield speaker


class Espeak:
    """See `engine.ports.Synthesizer`."""

    def __init__(self, settings: Settings, workers: Pool) -> None:
        self._settings = settings
        self._workers = workers
        self._unknown: set[str] = set()

    @property
    def identity(self) -> str:
        """What of the settings changes the sound; a cache keeps it with its prompts."""
        return f"espeak-2 {self._settings.rate_wpm} {self._settings.pitch} {sorted(self._settings.voices.items())}"

    languages = ("ru", "en")

    @property
    def voices(self) -> list[str]:
        return sorted({**VOICES, **self._settings.voices})

    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        """An unknown voice is the language's default one, with a warning: a call is never dumb because of it."""
        spoken = _text.spelled(speakable(text), "none")  # espeak's Russian passes over every mark that was tried
        if not spoken:
            return Sound(b"")
        asked = {
            "voice": self._voice(voice, language),
            "rate": self._settings.rate_wpm,
            "pitch": self._settings.pitch,
            "text": spoken,
        }
        return Sound(await self._workers.ask(asked))

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
