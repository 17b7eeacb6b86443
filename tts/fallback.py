"""Several voices as one: the first speaks, the next takes over when it fails, is overloaded or is too slow.

    render ─▶ first, unless it rests ─▶ its sound
                 └ failed, overloaded, longer than patience_s ─▶ second ─▶ its sound, makeshift

After `failures` in a row a voice rests for `pause_s`; then one text tries it again while the others pass it by.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from engine.errors import Overloaded, SpeechError
from engine.model import Sound
from engine.ports import Synthesizer

log = logging.getLogger(__name__)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    voices: Annotated[tuple[str, ...], Field(min_length=2, max_length=8)]  # names under `synthesizers`
    patience_s: Annotated[float, Field(gt=0, le=60)] = 4.0  # of each but the last
    failures: Annotated[int, Field(ge=1, le=100)] = 3
    pause_s: Annotated[float, Field(gt=0, le=3600)] = 30.0

    @field_validator("voices")
    @classmethod
    def _different(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("name each voice once")
        return value


def wraps(settings: Settings) -> Sequence[str]:
    """The voices that `open` must be given."""
    return settings.voices


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path, inner: Mapping[str, Synthesizer]) -> AsyncGenerator[Fallback]:
    yield Fallback(settings, inner)


class Fallback:
    """See `engine.ports.Synthesizer`. What the first did not say itself is `makeshift`."""

    def __init__(self, settings: Settings, inner: Mapping[str, Synthesizer]) -> None:
        self._settings = settings
        self._circuits = [_Circuit(name, inner[name], settings) for name in settings.voices]

    @property
    def resting(self) -> list[str]:
        """The voices that are passed by just now."""
        return [circuit.name for circuit in self._circuits if not circuit.closed]

    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        """Raises SpeechError if no voice could say it: the last one's."""
        problem = SpeechError("no voice could say it")
        rested: list[tuple[int, _Circuit]] = []
        for at, circuit in enumerate(self._circuits):
            if not circuit.enter():
                rested.append((at, circuit))
                continue
            try:
                return await self._said(at, circuit, text, voice, language)
            except SpeechError as error:
                problem = error
        for at, circuit in rested:  # better a voice that is likely to fail than none
            try:
                return await self._said(at, circuit, text, voice, language)
            except SpeechError as error:
                problem = error
        raise problem

    async def _said(self, at: int, circuit: _Circuit, text: str, voice: str, language: str) -> Sound:
        last = at == len(self._circuits) - 1
        sound = await circuit.render(text, voice, language, None if last else self._settings.patience_s)
        return replace(sound, makeshift=True) if at else sound


class _Circuit:
    """One voice, and whether it is worth asking."""

    def __init__(self, name: str, inner: Synthesizer, settings: Settings) -> None:
        self.name = name
        self._inner = inner
        self._settings = settings
        self._failed = 0
        self._again_at = 0.0
        self._trying = False

    @property
    def closed(self) -> bool:
        return self._failed < self._settings.failures

    def enter(self) -> bool:
        """Whether to ask now; after a rest, True for one asker only until it knows."""
        if self.closed:
            return True
        if self._trying or asyncio.get_running_loop().time() < self._again_at:
            return False
        self._trying = True
        return True

    async def render(self, text: str, voice: str, language: str, patience_s: float | None) -> Sound:
        try:
            async with asyncio.timeout(patience_s):
                sound = await self._inner.render(text, voice=voice, language=language)
        except TimeoutError:
            self._fail()
            raise SpeechError(f"{self.name} did not answer within {patience_s:g} s") from None
        except Overloaded:
            raise  # it works, it is only busy
        except SpeechError:
            self._fail()
            raise
        finally:
            self._trying = False
        if not self.closed:
            log.info("a voice is back", extra={"voice": self.name})
        self._failed = 0
        return sound

    def _fail(self) -> None:
        self._failed += 1
        if not self.closed:
            self._again_at = asyncio.get_running_loop().time() + self._settings.pause_s
        if self._failed == self._settings.failures:
            log.warning("a voice fails, the next one speaks", extra={"voice": self.name})
