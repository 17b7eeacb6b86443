"""Is there a voice in this frame? WebRTC's detector, then a gate against line noise where it says yes.

    frame ─▶ webrtcvad ─ no ─▶ not voiced (every 4th such frame teaches the noise floor)
                └─ yes ─▶ loud enough against the floor? ─▶ voiced

The floor is the quietest frame of the last second and a half: a person's syllables have gaps, steady noise has none.
About 2 µs a frame in silence and 4 µs in speech; one object a call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import webrtcvad  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field

from engine.model import FRAME_BYTES, RATE
from engine.ports import Vad

PCM = np.dtype("<i2")
SAMPLES = FRAME_BYTES // 2
BLOCK = 15  # frames with a known energy in each block of the floor
BLOCKS = 5
TAUGHT_BY = 4  # one unvoiced frame in so many is measured


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Annotated[int, Field(ge=0, le=3)] = 3  # 3 lets the least noise through
    gate: bool = True
    open_db: Annotated[float, Field(ge=0, le=40)] = 8.0  # above the floor to begin
    hold_db: Annotated[float, Field(ge=0, le=40)] = 4.0  # above the floor to go on
    quietest_dbfs: Annotated[float, Field(ge=-96, le=0)] = -55.0  # nothing below this is a voice


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path) -> AsyncGenerator[Callable[[], Vad]]:
    """Gives what makes a Vad for each call."""
    yield lambda: WebRtcVad(settings)


class WebRtcVad:
    def __init__(self, settings: Settings | None = None) -> None:
        rules = settings or Settings()
        self._detect = webrtcvad.Vad(rules.mode).is_speech
        self._gate = _Gate(rules) if rules.gate else None
        self._unvoiced = 0

    def voiced(self, frame: bytes) -> bool:
        """`frame` is FRAME_BYTES of PCM; anything else is not voice."""
        if len(frame) != FRAME_BYTES:
            return False
        gate = self._gate
        if self._detect(frame, RATE, SAMPLES):
            return gate is None or gate.passes(frame)
        if gate is not None:
            self._unvoiced += 1
            if self._unvoiced >= TAUGHT_BY:
                self._unvoiced = 0
                gate.learn(frame)
        return False


class _Gate:
    """Energy against the quietest moment of the recent past."""

    def __init__(self, rules: Settings) -> None:
        self._open = 10 ** (rules.open_db / 10)
        self._hold = 10 ** (rules.hold_db / 10)
        self._quietest = SAMPLES * 32768.0**2 * 10 ** (rules.quietest_dbfs / 10)
        self._blocks: deque[float] = deque(maxlen=BLOCKS)
        self._least = float("inf")  # of the block that is being filled
        self._count = 0
        self._floor = 0.0
        self._is_open = False

    def passes(self, frame: bytes) -> bool:
        energy = self._measure(frame)
        self._is_open = energy > self._quietest and energy > self._floor * (self._hold if self._is_open else self._open)
        return self._is_open

    def learn(self, frame: bytes) -> None:
        self._measure(frame)
        self._is_open = False

    def _measure(self, frame: bytes) -> float:
        samples = np.frombuffer(frame, PCM).astype(np.float32)
        energy = float(samples.dot(samples))
        if energy < self._least:
            self._least = energy
        self._count += 1
        if self._count == BLOCK:
            self._blocks.append(self._least)
            self._floor = min(self._blocks)
            self._least, self._count = float("inf"), 0
        elif energy < self._floor:
            self._floor = energy
        return energy
