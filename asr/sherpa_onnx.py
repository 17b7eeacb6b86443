"""Recognition by sherpa-onnx in worker processes: T-one, streaming zipformers, and offline models such as GigaAM.

open ─▶ the model's folder is looked at ─▶ Pool of `asr._sherpa` ─▶ SherpaRecognizer.listen ─▶ Hearing
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from asr._pool import Load, Pool, PoolHearing
from asr._process import Limits
from asr._sherpa import KINDS, OFFLINE, files, kind_of
from engine.errors import ConfigError


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Path  # its folder
    kind: Literal["auto", "t_one", "transducer", "offline_transducer", "nemo_transducer", "nemo_ctc"] = "auto"
    partial_s: Annotated[float, Field(ge=0, le=10)] = 0.6  # an offline model looks at what there is so often; 0: never
    workers: Annotated[int, Field(ge=0, le=64)] = 0  # 0: one less than the cores, at least one
    streams: Annotated[int, Field(ge=0, le=1000)] = 0  # utterances at once in a worker; 0: found by measuring
    memory_mb: Annotated[int, Field(ge=0)] = 0  # a larger worker is replaced; 0: by the size of the model
    utterances: Annotated[int, Field(ge=1)] = 5000  # a worker is replaced after so many
    queue_s: Annotated[float, Field(gt=0, le=5)] = 0.2  # how long an utterance may wait for a worker
    finish_s: Annotated[float, Field(gt=0, le=30)] = 3.0  # how long the text may take after the last sound
    start_s: Annotated[float, Field(gt=0, le=600)] = 120.0
    nice: Annotated[int, Field(ge=0, le=19)] = 5  # below the media loop


class SherpaRecognizer:
    """See `engine.ports.Recognizer`. One model, one language: `language` of an utterance is not looked at.

    `phrases` bias transducers that come with their bpe.vocab; the others hear freely.
    """

    demonstration = False

    def __init__(self, pool: Pool, model: Path) -> None:
        self._pool = pool
        self.model = model

    def listen(self, *, language: str = "ru", phrases: Sequence[str] = ()) -> PoolHearing:
        return self._pool.listen(language=language, phrases=phrases)

    def load(self) -> Load:
        return self._pool.load()

    @property
    def pids(self) -> list[int]:
        return self._pool.pids


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path) -> AsyncGenerator[SherpaRecognizer]:
    """Enters when the first worker has loaded the model. Raises ConfigError where there is no such model or no
    sherpa-onnx, SpeechError where it cannot be loaded."""
    if find_spec("sherpa_onnx") is None:
        raise ConfigError("sherpa-onnx is not installed: pip install 'dozvon[sherpa]'")
    kind, size = check(settings.model, settings.kind)
    pool = Pool(
        "asr._sherpa",
        {"model": str(settings.model), "kind": kind, "partial_s": settings.partial_s, "nice": settings.nice},
        workers=settings.workers or max(1, (os.cpu_count() or 2) - 1),
        queue_s=settings.queue_s,
        finish_s=settings.finish_s,
        limits=Limits(
            streams=settings.streams,
            memory_mb=settings.memory_mb or 1024 + 4 * (size >> 20),
            utterances=settings.utterances,
            start_s=settings.start_s,
        ),
    )
    async with pool.running():
        yield SherpaRecognizer(pool, settings.model)


def check(model: Path, kind: str = "auto") -> tuple[str, int]:
    """The kind of a model and the size of its files. Raises ConfigError if sherpa-onnx could not load it: it would end
    its process without a word."""
    if not model.is_dir():
        raise ConfigError(f"there is no sherpa-onnx model in {model}: `dozvon models install NAME` fetches one")
    found, kind = files(model), kind_of(model) if kind == "auto" else kind
    wanted = ("model", "tokens") if kind in ("t_one", "nemo_ctc") else ("encoder", "decoder", "joiner", "tokens")
    if missing := [name for name in wanted if name not in found]:
        raise ConfigError(
            f"{model} is no sherpa-onnx model, it lacks {', '.join(missing)}; a kind can be named: {', '.join(KINDS)}"
        )
    return kind, sum(found[name].stat().st_size for name in wanted)


def is_offline(kind: str) -> bool:
    """Such a one hears nothing before it is asked: its partials cost as much as its text."""
    return kind in OFFLINE
