"""What the recognisers in worker processes share: their settings, their pool, and what the engine asks of them.

settings of one ─▶ pool ─▶ `Pooled.listen` ─▶ Hearing
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from asr._pool import Load, Pool, PoolHearing
from asr._process import Limits


class Workers(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: Annotated[int, Field(ge=0, le=64)] = 0  # 0: one less than the cores, at least one
    streams: Annotated[int, Field(ge=0, le=1000)] = 0  # utterances at once in a worker; 0: found by measuring
    memory_mb: Annotated[int, Field(ge=0)] = 0  # a larger worker is replaced; 0: by the size of the model
    utterances: Annotated[int, Field(ge=1)] = 5000  # a worker is replaced after so many
    queue_s: Annotated[float, Field(gt=0, le=5)] = 0.2  # how long an utterance may wait for a worker
    finish_s: Annotated[float, Field(gt=0, le=30)] = 3.0  # how long the text may take after the last sound
    start_s: Annotated[float, Field(gt=0, le=600)] = 120.0
    nice: Annotated[int, Field(ge=0, le=19)] = 5  # below the media loop

    def pool(self, module: str, options: Mapping[str, Any], *, memory_mb: int) -> Pool:
        """Workers that run `module` with `options`; `memory_mb` where the settings do not say it."""
        return Pool(
            module,
            {**options, "nice": self.nice},
            workers=self.workers or max(1, (os.cpu_count() or 2) - 1),
            queue_s=self.queue_s,
            finish_s=self.finish_s,
            limits=Limits(
                streams=self.streams,
                memory_mb=self.memory_mb or memory_mb,
                utterances=self.utterances,
                start_s=self.start_s,
            ),
        )


class Pooled:
    """See `engine.ports.Recognizer`."""

    demonstration = False

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def listen(self, *, language: str = "ru", phrases: Sequence[str] = ()) -> PoolHearing:
        return self._pool.listen(language=language, phrases=phrases)

    def load(self) -> Load:
        return self._pool.load()

    @property
    def pids(self) -> list[int]:
        return self._pool.pids
