"""A person's recorded voice: whole prompts, or fragments joined; what was not recorded is said by another voice.

    "Ваш долг | две тысячи | рублей"        longest recorded fragment first
         file      other voice   file  ─▶ joined at zero crossings, with the pauses of the punctuation

A folder of wav, mp3, ogg or flac files. `texts.csv` in it (columns `audio,text` and, if wished, `voice,language`) tells
what they say; without it a file says its name (`ваш долг.wav`).
"""

from __future__ import annotations

import asyncio
import csv
import logging
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from engine import audio, loudness
from engine.audio import Floats
from engine.errors import ConfigError, InputError
from engine.model import RATE, Sound
from engine.ports import Synthesizer
from tts import _text

log = logging.getLogger(__name__)
KINDS = {".wav", ".mp3", ".ogg", ".flac"}
MOST_FILES = 20_000
MOST_WORDS = 200  # of a fragment
LONGEST_S = 120.0
KEPT_BYTES = 64 << 20
SEARCH_S = 0.008  # how far from a joint a zero crossing is looked for
PAUSES_S = {",": 0.2, ";": 0.25, ":": 0.25, "—": 0.2, ".": 0.4, "!": 0.4, "?": 0.4, "…": 0.4}
BREATH_S = 0.03  # between two fragments with nothing between them

_WORD = re.compile(r"[^\W_]+(?:[-+][^\W_]+)*")


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    voice: str  # the name under `synthesizers` of the one that says the rest
    folder: str = ""  # empty: the project's own materials alone
    materials: Literal["none", "whole", "fragments"] = "whole"  # of a project's sounds, those that have a `text`
    fragments: bool = True  # false: whole prompts only
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$")] = "ru"  # of those that do not say


@dataclass(frozen=True, slots=True)
class Recording:
    """`text` as it is spoken; no `voice`: whichever is asked for."""

    text: str
    path: Path
    voice: str = ""
    language: str = "ru"


def wraps(settings: Settings) -> Sequence[str]:
    """The voices that `open` must be given."""
    return (settings.voice,)


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path, inner: Mapping[str, Synthesizer]) -> AsyncGenerator[Recorded]:
    """Raises ConfigError if there is no such folder, or its list is none. Files are read when they are needed."""
    folder = data_dir / settings.folder  # an absolute path stays itself
    found = await asyncio.to_thread(listed, folder, settings.language) if settings.folder else []
    yield Recorded(inner[settings.voice], found, fragments=settings.fragments)


class Recorded:
    """See `engine.ports.Synthesizer`."""

    def __init__(self, inner: Synthesizer, recordings: Iterable[Recording], *, fragments: bool = True) -> None:
        self._inner = inner
        self._fragments = fragments
        self._known: dict[tuple[str, tuple[str, ...]], list[Recording]] = {}
        self._longest = 0
        self._memory: OrderedDict[Path, Floats] = OrderedDict()
        self._held = 0
        for recording in recordings:
            base = _base(recording.language)
            words = tuple(_plain(w) for w in _WORD.findall(_text.prepare(recording.text, recording.language)))
            if words and len(words) <= MOST_WORDS:
                self._known.setdefault((base, words), []).append(recording)
                self._longest = max(self._longest, len(words))

    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        """A recording that cannot be read is as if it were not there."""
        parts = self._parts(text, voice, _base(language))
        if not any(isinstance(part, Recording) for part in parts):
            return await self._inner.render(text, voice=voice, language=language)
        said = await asyncio.gather(*(self._said(part, voice, language) for part in parts))
        pcm = await asyncio.to_thread(joined, [wave for wave, _ in said], _pauses(parts))
        return Sound(pcm, makeshift=any(makeshift for _, makeshift in said))

    def _parts(self, text: str, voice: str, base: str) -> list[Recording | str]:
        """The text in order: recordings, and what stands between them, punctuation included."""
        tokens = list(_WORD.finditer(text))
        words = [_plain(token[0]) for token in tokens]
        parts: list[Recording | str] = []
        at = done = 0
        while at < len(words):
            longest = min(self._longest, len(words) - at)
            counts = range(longest, 0, -1) if self._fragments else (len(words),) if not at else ()
            for count in counts:
                found = self._recording(base, tuple(words[at : at + count]), voice)
                if found is not None:
                    parts += [text[done : tokens[at].start()], found]
                    done = tokens[at + count - 1].end()
                    at += count
                    break
            else:
                at += 1
        return [part for part in [*parts, text[done:]] if part]

    def _recording(self, base: str, words: tuple[str, ...], voice: str) -> Recording | None:
        found = self._known.get((base, words), ())
        return next((r for r in found if r.voice == voice), None) or next((r for r in found if not r.voice), None)

    async def _said(self, part: Recording | str, voice: str, language: str) -> tuple[Floats, bool]:
        if isinstance(part, str):
            if not any(character.isalnum() for character in part):
                return np.zeros(0, np.float32), False
            sound = await self._inner.render(part.strip(" ,;:—"), voice=voice, language=language)
            return audio.samples(sound.pcm), sound.makeshift
        try:
            return await self._read(part.path), False
        except (InputError, OSError) as error:
            log.warning("a recording cannot be played", extra={"file": part.path.name, "why": str(error)[:100]})
            sound = await self._inner.render(part.text, voice=voice, language=language)
            return audio.samples(sound.pcm), sound.makeshift

    async def _read(self, path: Path) -> Floats:
        if (wave := self._memory.get(path)) is None:
            wave = await asyncio.to_thread(_levelled, path)
            self._memory[path] = wave
            self._held += wave.nbytes
            while self._held > KEPT_BYTES:
                self._held -= self._memory.popitem(last=False)[1].nbytes
        else:
            self._memory.move_to_end(path)
        return wave


def joined(waves: Sequence[Floats], pauses: Sequence[float]) -> bytes:
    """One after another, each cut at zero crossings, so that no joint clicks; `pauses[i]` seconds before the i-th."""
    out: list[Floats] = []
    for wave, pause_s in zip(waves, pauses, strict=True):
        if not wave.size:
            continue
        if out:
            out.append(np.zeros(round(pause_s * RATE), np.float32))
        out.append(_cut(wave))
    return audio.to_pcm(np.concatenate(out)) if out else b""


def _cut(wave: Floats) -> Floats:
    """From the first upward zero crossing to the last one, if they are near the ends."""
    reach = round(SEARCH_S * RATE)
    crossings = np.flatnonzero((wave[:-1] <= 0) & (wave[1:] > 0))
    if not crossings.size:
        return wave
    first, last = int(crossings[0]) + 1, int(crossings[-1]) + 1
    return wave[first if first <= reach else 0 : last if wave.size - last <= reach else wave.size]


def _pauses(parts: Sequence[Recording | str]) -> list[float]:
    """Before each part, by the punctuation on either side of the joint."""
    pauses, before = [], ""
    for part in parts:
        text = "" if isinstance(part, Recording) else part
        head = text[: len(text) - len(text.lstrip(" ,;:—.!?…"))]
        pauses.append(max([BREATH_S, *(PAUSES_S.get(c, 0.0) for c in before + head)]))
        spoken = isinstance(part, Recording) or any(c.isalnum() for c in part)
        tail = text[len(text.rstrip(" ,;:—.!?…")) :]
        before = tail if spoken else before + text
    return pauses


def listed(folder: Path, language: str) -> list[Recording]:
    """What a folder holds. Raises ConfigError."""
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in KINDS)[:MOST_FILES]
        table = folder / "texts.csv"
        rows = list(csv.DictReader(table.read_text("utf-8-sig").splitlines())) if table.is_file() else []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"the recordings in {folder} cannot be read: {error}") from None
    told: dict[str, list[Recording]] = {}
    for row in rows[:MOST_FILES]:
        name, text = (row.get("audio") or "").strip(), (row.get("text") or "").strip()
        if not name or not text or Path(name).name != name:
            raise ConfigError(f"{table}: each line needs `audio`, a file of this folder, and `text`, what it says")
        voice, spoken = (row.get("voice") or "").strip(), (row.get("language") or "").strip()
        told.setdefault(name, []).append(Recording(text, folder / name, voice, spoken or language))
    return [
        recording
        for file in files
        for recording in told.get(file.name, [Recording(file.stem.replace("_", " "), file, "", language)])
    ]


def _levelled(path: Path) -> Floats:
    return audio.samples(loudness.telephone(audio.read(path, longest_s=LONGEST_S)).pcm)


def _plain(word: str) -> str:
    return word.lower().replace("ё", "е").replace("+", "")


def _base(language: str) -> str:
    return language.split("-")[0].lower()
