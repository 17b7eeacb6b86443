"""Recognition by Vosk (Kaldi models) in worker processes; a card's phrases are all that is heard where it can be so.

open ─▶ the model's folder is looked at ─▶ Pool of `asr._vosk` ─▶ VoskRecognizer.listen ─▶ Hearing
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from asr._catalogue import demo_model, is_demo, is_model
from asr._pool import Load, Pool, PoolHearing
from asr._process import Limits
from engine.errors import ConfigError


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Path | None = None  # its folder; none: the demonstration model
    workers: Annotated[int, Field(ge=0, le=64)] = 0  # 0: one less than the cores, at least one
    streams: Annotated[int, Field(ge=0, le=1000)] = 0  # utterances at once in a worker; 0: found by measuring
    memory_mb: Annotated[int, Field(ge=0)] = 0  # a larger worker is replaced; 0: by the size of the model
    utterances: Annotated[int, Field(ge=1)] = 5000  # a worker is replaced after so many
    queue_s: Annotated[float, Field(gt=0, le=5)] = 0.2  # how long an utterance may wait for a worker
    finish_s: Annotated[float, Field(gt=0, le=30)] = 3.0  # how long the text may take after the last sound
    start_s: Annotated[float, Field(gt=0, le=600)] = 120.0
    nice: Annotated[int, Field(ge=0, le=19)] = 5  # below the media loop


class VoskRecognizer:
    """See `engine.ports.Recognizer`. One model, one language: `language` of an utterance is not looked at, but by the
    embedded model, which knows Russian and English and hears any phrases of theirs."""

    def __init__(self, pool: Pool, model: Path) -> None:
        self._pool = pool
        self.model = model
        self.demonstration = is_demo(model)
        self.any_phrase = (model / "lexicon.json").is_file()  # it hears what it is told to expect, whatever that is

    def listen(self, *, language: str = "ru", phrases: Sequence[str] = ()) -> PoolHearing:
        return self._pool.listen(language=language, phrases=phrases)

    def load(self) -> Load:
        return self._pool.load()

    @property
    def pids(self) -> list[int]:
        return self._pool.pids


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path) -> AsyncGenerator[VoskRecognizer]:
    """Enters when the first worker has loaded the model. Raises ConfigError where there is no such model, SpeechError
    where it cannot be loaded."""
    model = settings.model or demo_model(data_dir)
    size = check(model)
    pool = Pool(
        "asr._vosk",
        {"model": str(model), "nice": settings.nice},
        workers=settings.workers or max(1, (os.cpu_count() or 2) - 1),
        queue_s=settings.queue_s,
        finish_s=settings.finish_s,
        limits=Limits(
            streams=settings.streams,
            memory_mb=settings.memory_mb or 512 + 4 * (size >> 20),
            utterances=settings.utterances,
            start_s=settings.start_s,
        ),
    )
    async with pool.running():
        yield VoskRecognizer(pool, model)


def check(model: Path) -> int:
    """The size of a model's files. Raises ConfigError if this is no folder of a Kaldi model that vosk can load."""
    if not model.is_dir():
        raise ConfigError(f"there is no Vosk model in {model}: `dozvon models install NAME` fetches one")
    if not is_model(model):
        raise ConfigError(
            f"{model} is no Kaldi model: it needs am/final.mdl and graph/HCLG.fst, or HCLr.fst and Gr.fst"
        )
    return sum(file.stat().st_size for file in model.rglob("*") if file.is_file())
