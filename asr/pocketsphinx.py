"""Recognition of English menus by pocketsphinx in worker processes: a card's phrases are the grammar.

open ─▶ Pool of `asr._pocketsphinx` ─▶ SphinxRecognizer.listen ─▶ Hearing
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from asr._pool import Load, Pool, PoolHearing
from asr._process import Limits
from engine.errors import ConfigError


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Path | None = None  # a folder like pocketsphinx's own en-us; none: that one, which comes with the library
    workers: Annotated[int, Field(ge=0, le=64)] = 0  # 0: one less than the cores, at least one
    streams: Annotated[int, Field(ge=0, le=1000)] = 0  # utterances at once in a worker; 0: found by measuring
    memory_mb: Annotated[int, Field(ge=0)] = 0  # a larger worker is replaced; 0: 1024
    utterances: Annotated[int, Field(ge=1)] = 5000  # a worker is replaced after so many
    queue_s: Annotated[float, Field(gt=0, le=5)] = 0.2  # how long an utterance may wait for a worker
    finish_s: Annotated[float, Field(gt=0, le=30)] = 3.0  # how long the text may take after the last sound
    start_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    nice: Annotated[int, Field(ge=0, le=19)] = 5  # below the media loop


class SphinxRecognizer:
    """See `engine.ports.Recognizer`. English only: `language` of an utterance is not looked at."""

    demonstration = False

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def listen(self, *, language: str = "en", phrases: Sequence[str] = ()) -> PoolHearing:
        return self._pool.listen(language=language, phrases=phrases)

    def load(self) -> Load:
        return self._pool.load()

    @property
    def pids(self) -> list[int]:
        return self._pool.pids


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path) -> AsyncGenerator[SphinxRecognizer]:
    """Enters when the first worker has loaded the model. Raises ConfigError where there is no pocketsphinx or no model,
    SpeechError where it cannot be loaded."""
    if find_spec("pocketsphinx") is None:
        raise ConfigError("pocketsphinx is not installed: pip install 'dozvon[pocketsphinx]'")
    if settings.model is not None and not (settings.model / "en-us" / "mdef").is_file():
        raise ConfigError(f"there is no pocketsphinx model in {settings.model}: it needs en-us/mdef")
    pool = Pool(
        "asr._pocketsphinx",
        {"model": str(settings.model or ""), "nice": settings.nice},
        workers=settings.workers or max(1, (os.cpu_count() or 2) - 1),
        queue_s=settings.queue_s,
        finish_s=settings.finish_s,
        limits=Limits(
            streams=settings.streams,
            memory_mb=settings.memory_mb or 1024,
            utterances=settings.utterances,
            start_s=settings.start_s,
        ),
    )
    async with pool.running():
        yield SphinxRecognizer(pool)
