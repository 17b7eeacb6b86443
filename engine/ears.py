"""The recognisers put together: the one that the settings ask for, those that cards may name, those that others wrap.

speech.recognizer: near ─▶ near: {engine: fallback, recognizers: [far, vosk]} ─┬▶ far: {engine: vosk_server, url: …}
                                                                               └▶ vosk
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr import _catalogue as models
from asr import fallback
from asr._pool import Load
from engine import plugins
from engine.config import Speech
from engine.errors import ConfigError
from engine.ports import Recognizer

GAUGES = {  # of /metrics -> field of Load
    "recogniser_workers": "workers",
    "recogniser_workers_ready": "ready",
    "recogniser_capacity": "capacity",
    "recogniser_live": "live",
    "recogniser_queued": "queued",
    "recogniser_restarts": "restarts",
    "recogniser_recycled": "recycled",
    "recogniser_overloaded": "overloaded",
    "recogniser_memory_bytes": "memory_bytes",
}

AWAY = "no recogniser process is alive: one is being started"


@dataclass(frozen=True, slots=True)
class Ears:
    choice: models.Choice
    default: Any  # a Recognizer with a `load`
    by_name: Mapping[str, Any]

    def of(self, name: str) -> Recognizer:
        """The one that a card names; the default for a name that nobody knows."""
        found: Recognizer = self.by_name.get(name, self.default)
        return found

    def how(self) -> tuple[bool, str]:
        """Does the default one work, and if not, or if another stands in for it, why."""
        load = self.default.load()
        if not load.ready:
            return False, AWAY
        away = [name for name, one in getattr(self.default, "inners", ()) if not one.load().ready]
        return True, f"{', '.join(away)}: {AWAY}; another recogniser stands in" if away else ""

    def full(self) -> bool:
        """There is no room for another utterance: no new calls for now."""
        load = self.default.load()
        return bool(load.live >= load.capacity)

    def loads(self) -> dict[str, Load]:
        """How busy each one is that does the work itself."""
        return {
            name: one.load()
            for name, one in self.by_name.items()
            if hasattr(one, "load") and not hasattr(one, "inners")
        }

    def gauges(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """The same for /metrics: (name, labels) -> value."""
        figures: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {
            (gauge, (("recogniser", name),)): float(getattr(load, field))
            for name, load in self.loads().items()
            for gauge, field in GAUGES.items()
        }
        for name, one in self.by_name.items():
            if hasattr(one, "takeovers"):
                figures["recogniser_takeovers", (("recogniser", name),)] = float(one.takeovers)
        return figures


@asynccontextmanager
async def open_ears(
    speech: Speech, data_dir: Path, *, language: str = "", workers: int | None = None
) -> AsyncGenerator[Ears]:
    """What the settings ask for and describe.

    Raises ConfigError with the mend, SpeechError if a model does not load.
    """
    choice = models.choose(
        speech.recognizer,
        speech.recognizers,
        language=language or speech.language,
        data_dir=data_dir,
        workers=speech.workers if workers is None else workers,
    )
    async with AsyncExitStack() as stack:
        booth = _Booth(speech, data_dir, choice, stack)
        default = await booth.open(choice.name)
        for name in speech.recognizers:
            await booth.open(name)
        yield Ears(choice, default, dict(booth.opened))


class _Booth:
    """Opens recognisers by name, each once, and those that they wrap."""

    def __init__(self, speech: Speech, data_dir: Path, choice: models.Choice, stack: AsyncExitStack) -> None:
        self._speech = speech
        self._data_dir = data_dir
        self._choice = choice
        self._stack = stack
        self.opened: dict[str, Any] = {}

    async def open(self, name: str, above: tuple[str, ...] = ()) -> Any:
        if name in above:
            asks = " asks ".join((*above, name))
            raise ConfigError(f"speech.recognizers: {asks}: a recogniser cannot stand in for itself")
        if name not in self.opened:
            self.opened[name] = await self._made(name, (*above, name))
        return self.opened[name]

    async def _made(self, name: str, above: tuple[str, ...]) -> Any:
        options = dict(self._options(name))
        module = plugins.load("asr", str(options.pop("engine", name)))
        try:
            chosen = module.Settings(**options)
        except ValueError as error:
            raise ConfigError(f"asr {name}: {' '.join(str(error).split())}") from None
        if module is fallback:
            inners = [(one, await self.open(one, above)) for one in chosen.recognizers]
            return await self._stack.enter_async_context(fallback.open(chosen, data_dir=self._data_dir, inners=inners))
        return await self._stack.enter_async_context(module.open(chosen, data_dir=self._data_dir))

    def _options(self, name: str) -> Mapping[str, Any]:
        if name == self._choice.name:
            return self._choice.options
        given = self._speech.recognizers.get(name, {})
        if name in models.LIBRARIES and "engine" not in given:  # its model may be the best one that is here
            speech = self._speech
            return models.choose(
                name, speech.recognizers, language=speech.language, data_dir=self._data_dir, workers=speech.workers
            ).options
        return given
