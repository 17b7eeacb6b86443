"""Piper: neural voices on the processor, from model files (`.onnx` with its `.onnx.json`), in worker processes."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.errors import ConfigError
from engine.model import Sound
from tts import _text
from tts._speakable import speakable
from tts._worker import Pool, pool


class Model(BaseModel):
    """One voice. A relative path is one in `data_dir/models`."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model: str
    speaker: Annotated[int, Field(ge=0)] | None = None
    language: str = ""  # it is this language's default voice

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"model": value} if isinstance(value, str) else value


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model: str = ""  # the default voice
    voices: dict[str, Model] = Field(default_factory=dict)  # {anna: ru_RU-irina-medium.onnx}
    rate: Annotated[float, Field(ge=0.3, le=3)] = 1.0
    workers: Annotated[int, Field(ge=1, le=16)] = 1
    queue_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    render_s: Annotated[float, Field(gt=0, le=60)] = 10.0

    @model_validator(mode="after")
    def _some_voice(self) -> Settings:
        if not self.model and not self.voices:
            raise ValueError("name a model: `model: ./models/ru_RU-irina-medium.onnx`, or several under `voices`")
        return self


def available() -> bool:
    """Whether piper-tts is installed."""
    return importlib.util.find_spec("piper") is not None


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path) -> AsyncGenerator[Piper]:
    """Raises ConfigError if piper-tts or a model file is not there."""
    if not available():
        raise ConfigError("there is no piper-tts: `pip install piper-tts` (GPL-3.0), and a voice from its catalogue")
    models = {name: _found(model, data_dir) for name, model in settings.voices.items()}
    if settings.model:
        models[""] = _found(Model(model=settings.model), data_dir)
    async with pool(
        "tts._piper_worker",
        name="Piper",
        workers=settings.workers,
        queue_s=settings.queue_s,
        render_s=settings.render_s,
    ) as workers:
        yield Piper(settings, models, workers)


class Piper:
    """See `engine.ports.Synthesizer`."""

    def __init__(self, settings: Settings, models: dict[str, Model], workers: Pool) -> None:
        self._models = models
        self._workers = workers
        self._length = 1.0 / settings.rate

    @property
    def identity(self) -> str:
        """The models by name, size and date: another file under the same name is another voice."""
        found = []
        for name, model in sorted(self._models.items()):
            stat = Path(model.model).stat()
            found.append(f"{name}={Path(model.model).name}:{model.speaker}:{stat.st_size}:{int(stat.st_mtime)}")
        return f"piper-1 {self._length:g} {' '.join(found)}"

    @property
    def voices(self) -> list[str]:
        return sorted(name for name in self._models if name)

    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        """An unknown voice is the language's default one, else the default one, else the first."""
        spoken = _text.spelled(speakable(text), "none")
        if not spoken:
            return Sound(b"")
        model = self._model(voice, language)
        asked = {"model": model.model, "speaker": model.speaker, "length": self._length, "text": spoken}
        return Sound(await self._workers.ask(asked))

    def _model(self, voice: str, language: str) -> Model:
        named = self._models.get(voice) or self._models.get(voice.lower()) if voice else None
        if named is not None:
            return named
        base = language.split("-")[0].lower()
        own = next((model for model in self._models.values() if model.language.split("-")[0] == base), None)
        return own or self._models.get("") or next(iter(self._models.values()))


def _found(model: Model, data_dir: Path) -> Model:
    path = data_dir / "models" / model.model  # an absolute path stays itself
    for file in (path, path.with_name(f"{path.name}.json")):
        if not file.is_file():
            raise ConfigError(f"there is no {file}: a Piper voice is two files, NAME.onnx and NAME.onnx.json")
    return model.model_copy(update={"model": str(path)})
