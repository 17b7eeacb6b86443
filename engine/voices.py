"""The voices put together: the engine that speaks, kept on disk, its texts prepared, each project's own manner.

project's pronunciations ─▶ text prepared ─▶ recordings ─▶ fallback ─┬▶ cached ─▶ http
                                                                     └▶ cached ─▶ espeak
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from engine import plugins
from engine.config import Speech
from engine.errors import ConfigError, DozvonError, NotFound
from engine.model import Sound
from engine.ports import Synthesizer
from engine.prompts import PLAIN, Manner
from engine.store import Store
from engine.store.paging import MOST, Ask
from tts import _auto, cached, espeak, recorded
from tts._prepared import Prepared
from tts._text.lexicon import Entry, Lexicon

log = logging.getLogger(__name__)

FRESH_S = 10.0  # a project's pronunciations and recordings are looked up again after so long
MOST_RECORDINGS = 5000  # of a project
MOST_PREVIEWS = 2  # at once, so that listening to voices does not keep calls waiting
Materials = Literal["none", "whole", "fragments"]
Gender = Literal["f", "m", ""]
RHVOICE: Mapping[str, Gender] = {  # as its authors list them
    **dict.fromkeys(("anna", "arina", "elena", "irina", "tatiana", "victoria", "slt", "clb", "lyubov"), "f"),
    **dict.fromkeys(("aleksandr", "artemiy", "evgeniy-rus", "mikhail", "pavel", "vsevolod", "yuriy"), "m"),
    **dict.fromkeys(("alan", "bdl"), "m"),
}


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice that can be asked for by name. `gender` is empty where nobody knows."""

    name: str
    language: str
    engine: str = ""
    gender: Gender = ""


@dataclass(slots=True)
class Voice:
    """See `engine.ports.Synthesizer` and `web.ask.Voices`."""

    choice: _auto.Choice
    raw: Synthesizer  # takes prepared texts
    speakers: Sequence[tuple[str, str]]
    standby: Synthesizer | None  # always quick: speaks when `raw` keeps a call waiting
    materials: Materials = "none"
    manners: Manners | None = None
    described: Sequence[Speaker] = ()
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_PREVIEWS))

    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        return await Prepared(self.raw).render(text, voice=voice, language=language)

    def voices(self) -> list[tuple[str, str]]:
        return list(self.speakers)

    def speakers_told(self) -> list[Speaker]:
        return list(self.described) or [Speaker(name, language) for name, language in self.speakers]

    async def preview(self, text: str, *, voice: str, language: str, project: int | None = None) -> Sound:
        manner = PLAIN if project is None or self.manners is None else await self.manners.of(project)
        async with self._room:
            return await (manner.voice or self).render(text, voice=voice, language=language)


@asynccontextmanager
async def open_voice(speech: Speech, data_dir: Path) -> AsyncGenerator[Voice]:
    """The voice that the settings ask for. Raises ConfigError with the mend."""
    choice = _auto.choose(speech.synthesizer, speech.synthesizers)
    async with AsyncExitStack() as stack:
        booth = _Booth(speech, data_dir, stack)
        raw = await booth.open(choice.name)
        standby = await booth.standby()
        materials: Materials = "none"
        if isinstance(asked := booth.settings.get(choice.name), recorded.Settings):
            materials = asked.materials
        told = booth.speakers()
        named = [(each.name, each.language) for each in told]
        yield Voice(choice, raw, named, standby, materials, described=told)


class _Booth:
    """Opens voices by name, each once, and those that they wrap."""

    def __init__(self, speech: Speech, data_dir: Path, stack: AsyncExitStack) -> None:
        self._speech = speech
        self._data_dir = data_dir
        self._stack = stack
        self._opened: dict[str, Synthesizer] = {}
        self._engines: list[tuple[str, Any]] = []
        self.settings: dict[str, Any] = {}

    async def open(self, name: str, above: tuple[str, ...] = ()) -> Synthesizer:
        if name in above:
            raise ConfigError(
                f"speech.synthesizers: {' asks '.join((*above, name))}: a voice cannot stand in for itself"
            )
        if name not in self._opened:
            self._opened[name] = await self._made(name, (*above, name))
        return self._opened[name]

    async def _made(self, name: str, above: tuple[str, ...]) -> Synthesizer:
        options = dict(self._speech.synthesizers.get(name, {}))
        module = plugins.load("tts", str(options.pop("engine", name)))
        if module is cached:
            raise ConfigError("speech.synthesizers: every engine is cached by itself, name the engine")
        chosen = self.settings[name] = _valid(module, name, options)
        wraps = getattr(module, "wraps", None)
        if wraps is not None:
            inner = {one: await self.open(one, above) for one in wraps(chosen)}
            made: Synthesizer = await self._enter(module.open(chosen, data_dir=self._data_dir, inner=inner))
            return made
        engine = await self._enter(module.open(chosen, data_dir=self._data_dir))
        self._engines.append((module.__name__.rpartition(".")[2], engine))
        kept = _valid(cached, "cached", dict(self._speech.synthesizers.get("cached", {})))
        identity = f"{name}:{getattr(engine, 'identity', '')}"
        around: Synthesizer = await self._enter(
            cached.open(kept, data_dir=self._data_dir, inner=engine, identity=identity)
        )
        return around

    async def _enter(self, opening: Any) -> Any:
        return await self._stack.enter_async_context(opening)

    async def standby(self) -> Synthesizer | None:
        if set(self._opened) == {"espeak"} or not espeak.available():
            return None
        return Prepared(await self.open("espeak"))

    def speakers(self) -> list[Speaker]:
        """Every voice that can be asked for by name, in each of its languages, the best engine's first."""
        found: dict[tuple[str, str], Speaker] = {}
        for kind, engine in self._engines:
            for name in getattr(engine, "voices", ()):
                for language in getattr(engine, "languages", (self._speech.language,)):
                    found.setdefault((name, language), Speaker(name, language, kind, _gender(kind, name)))
        return list(found.values())


def _gender(kind: str, name: str) -> Gender:
    if kind == "rhvoice":
        return RHVOICE.get(name.lower(), "")
    variant = espeak.VOICES.get(name, "") if kind == "espeak" else ""
    return "f" if variant.startswith("f") else "m" if variant.startswith("m") else ""


def _valid(module: Any, name: str, options: Mapping[str, Any]) -> Any:
    try:
        return module.Settings(**options)
    except ValueError as error:
        raise ConfigError(f"tts {name}: {' '.join(str(error).split())}") from None


class Manners:
    """`engine.talks.OfProject`: how each project wants its texts to be spoken."""

    def __init__(self, store: Store, voice: Voice, folder: Path) -> None:
        self._store = store
        self._voice = voice
        self._folder = folder
        self._kept: dict[int, tuple[float, Manner]] = {}
        voice.manners = self

    async def of(self, project: int) -> Manner:
        """As it was some seconds ago at most; while the store is away, as it was. Never raises."""
        now = asyncio.get_running_loop().time()
        looked, manner = self._kept.get(project, (-FRESH_S, PLAIN))
        if now - looked < FRESH_S:
            return manner
        if project in self._kept:
            self._kept[project] = now, manner  # one call looks, the others do not wait for it
        try:
            manner = await self._look(project, manner)
        except DozvonError as error:
            log.warning("pronunciations cannot be read", extra={"project": project, "error": type(error).__name__})
        self._kept[project] = now, manner
        return manner

    async def _look(self, project: int, was: Manner) -> Manner:
        try:
            kept = await self._store.projects.pronunciations(project, user=None)
        except NotFound:
            return PLAIN
        lexicon = Lexicon(entries(kept))
        sounds = await self._sounds(project) if self._voice.materials != "none" else []
        if not lexicon.stamp and not sounds:
            return PLAIN
        stamp = sha256(repr((lexicon.stamp, [(s.text, s.path.name) for s in sounds])).encode()).hexdigest()[:16]
        if stamp == was.stamp:
            return was
        raw = self._voice.raw
        if sounds:
            said = [recorded.Recording(lexicon.apply(s.text, s.language), s.path, "", s.language) for s in sounds]
            raw = recorded.Recorded(raw, said, fragments=self._voice.materials == "fragments")
        return Manner(stamp, _Pronounced(lexicon, Prepared(raw)))

    async def _sounds(self, project: int) -> list[recorded.Recording]:
        found: list[recorded.Recording] = []
        cursor = ""
        while len(found) < MOST_RECORDINGS:
            page = await self._store.materials.page(
                project, Ask(MOST, cursor, "-created_at"), user=None, kind="audio", status="active"
            )
            found += [
                recorded.Recording(row.text, self._folder / row.path, "", language)
                for row in page.items
                if row.text and row.path
                for language in ("ru", "en")
            ]
            if not (cursor := page.next or ""):
                break
        return found


class _Pronounced:
    """See `engine.ports.Synthesizer`: with a project's pronunciations."""

    def __init__(self, lexicon: Lexicon, inner: Synthesizer) -> None:
        self._lexicon = lexicon
        self._inner = inner

    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        return await self._inner.render(self._lexicon.apply(text, language), voice=voice, language=language)


def entries(kept: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """What the API keeps, as the lexicon takes it."""
    return [
        Entry(str(one["word"]), str(one["say"]), bool(one.get("forms")), str(one.get("language") or "")) for one in kept
    ]
