"""The built-in corpora: synthetic voices that no model of ours was trained on, each phrase made once and kept.

    texts × held-out voices ─▶ espeak-ng, RHVoice where it is ─▶ cache folder, by content, bounded ─▶ Built

It is synthetic: figures of it compare recognisers and versions, and are no promise about people.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.hearing import texts
from bench.hearing.channel import murmur
from bench.hearing.corpus import Clip
from bench.hearing.talks import DIGITS
from engine import audio
from engine.audio import Floats
from engine.model import RATE, Sound
from engine.ports import Synthesizer
from engine.setup.debian import cache_dir
from tts import cached, espeak, rhvoice

HELD_OUT = ("m7", "f4", "Alex", "Annie", "linda", "quincy", "travis", "david")  # variants of espeak-ng
HELD_OUT_RHVOICE = ("aleksandr", "anna", "elena", "irina", "evgeniy-rus")
ESPEAK = {"ru": "ru", "en": "en-us"}
RATE_WPM = 140
CACHE = cached.Settings(disk_mb=200, memory_mb=64)
LICENSE = "synthetic; texts Apache-2.0"
PROMPT_S = 10.0
PAUSE_MS = (100, 400)
LANGUAGES = ("ru", "en")


@dataclass(frozen=True, slots=True)
class Voice:
    engine: str
    name: str


@dataclass(frozen=True, slots=True)
class Built:
    """By language. `babble` is people talking at once."""

    commands: dict[str, list[Clip]] = field(default_factory=dict[str, list[Clip]])
    foreign: dict[str, list[Clip]] = field(default_factory=dict[str, list[Clip]])
    digits: dict[str, list[Clip]] = field(default_factory=dict[str, list[Clip]])
    paused: dict[str, list[Clip]] = field(default_factory=dict[str, list[Clip]])
    prompts: dict[str, Sound] = field(default_factory=dict[str, Sound])
    babble: Floats = field(default_factory=lambda: np.zeros(0, np.float32))


class Studio:
    def __init__(self, speakers: dict[str, Synthesizer]) -> None:
        self._speakers = speakers

    def voices(self, language: str) -> list[Voice]:
        found = [Voice("espeak", f"{ESPEAK[language]}+{variant}") for variant in HELD_OUT]
        if language == "ru" and "rhvoice" in self._speakers:
            found += [Voice("rhvoice", name) for name in HELD_OUT_RHVOICE]
        return found

    async def say(self, text: str, language: str, voice: Voice) -> bytes:
        sound = await self._speakers[voice.engine].render(text, voice=voice.name, language=language)
        return sound.pcm

    async def clip(self, text: str, language: str, voice: Voice, label: str = "") -> Clip:
        pcm = await self.say(text, language, voice)
        return Clip(pcm, text, label, language, f"{voice.engine} {voice.name}", LICENSE)


@asynccontextmanager
async def opened(folder: Path | None = None) -> AsyncGenerator[Studio]:
    """What is made is kept in `folder`; by default in the cache that all of this machine's installations share."""
    folder = folder or cache_dir() / "hearing"
    async with AsyncExitStack() as stack:

        async def kept(module: Any, settings: Any) -> Synthesizer:
            inner = await stack.enter_async_context(module.open(settings, data_dir=folder))
            identity = f"{module.__name__} {settings.model_dump_json()}"
            opening = cached.open(CACHE, data_dir=folder, inner=inner, identity=identity)
            made: Synthesizer = await stack.enter_async_context(opening)
            return made

        speakers = {"espeak": await kept(espeak, espeak.Settings(rate_wpm=RATE_WPM))}
        if rhvoice.available():
            speakers["rhvoice"] = await kept(rhvoice, rhvoice.Settings())
        yield Studio(speakers)


async def build(studio: Studio, seed: int, *, quick: bool = False, told: Callable[[], None] = lambda: None) -> Built:
    """Every clip, the same for the same seed and voices; `quick`: a few of each."""
    built = Built()
    for language in LANGUAGES:
        voices = studio.voices(language)
        some = voices[:2] if quick else voices
        built.commands[language] = [
            await studio.clip(word, language, voice, word) for voice in some for word in texts.COMMANDS[language]
        ]
        phrases = texts.FOREIGN[language][:6] if quick else texts.FOREIGN[language]
        built.foreign[language] = [await studio.clip(text, language, voice) for voice in some for text in phrases]
        built.digits[language] = [
            await _number(studio, language, voice, random.Random(f"{seed} digits {language} {voice} {count}"))
            for voice in some
            for count in range(1 if quick else 3)
        ]
        paused = texts.PAUSED[language][:3] if quick else texts.PAUSED[language]
        built.paused[language] = [
            await _paused(studio, pair, language, voice, random.Random(f"{seed} paused {language} {voice} {pair}"))
            for voice in some
            for pair in paused
            for _ in range(1 if quick else 3)
        ]
        whole = await studio.say(texts.PROMPTS[language], language, Voice("espeak", f"{ESPEAK[language]}+f3"))
        built.prompts[language] = Sound(_ten_seconds(whole))
        told()
    murmurs = [audio.samples(await studio.say(t, "ru", v)) for t in texts.BABBLE["ru"] for v in _few(studio)]
    return Built(
        built.commands, built.foreign, built.digits, built.paused, built.prompts,
        murmur(murmurs, random.Random(f"{seed} babble")),
    )  # fmt: skip


def _few(studio: Studio) -> Sequence[Voice]:
    return studio.voices("ru")[:6]


async def _number(studio: Studio, language: str, voice: Voice, chance: random.Random) -> Clip:
    figures = [chance.randrange(10) for _ in range(DIGITS)]
    words = " ".join(texts.DIGITS[language][figure] for figure in figures)
    return await studio.clip(words, language, voice, "".join(map(str, figures)))


async def _paused(studio: Studio, pair: str, language: str, voice: Voice, chance: random.Random) -> Clip:
    first, second = [await studio.say(part, language, voice) for part in pair.split("|")]
    gap = round(chance.uniform(*PAUSE_MS)) * RATE // 1000
    return Clip(
        first + bytes(2 * gap) + second, pair.replace("|", " … "), "", language, f"{voice.engine} {voice.name}", LICENSE
    )  # fmt: skip


def _ten_seconds(pcm: bytes) -> bytes:
    """A prompt of just that length."""
    size = round(PROMPT_S * RATE) * 2
    return (pcm * (size // max(1, len(pcm)) + 1))[:size] if pcm else bytes(size)
