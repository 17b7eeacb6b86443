"""Is there a voice in this frame? WebRTC's detector, a gate against line noise, then silero where these hear something.

    frame ─▶ webrtcvad ─ no ─▶ not voiced (every 4th such frame teaches the noise floor)
                └─ yes ─▶ loud enough against the floor? ─▶ [silero, from 60 ms before until all is quiet] ─▶ voiced

The floor is the quietest frame of the last second and a half: a person's syllables have gaps, steady noise has none.
About 2 µs a frame in silence; in speech 4 µs, with silero 50 µs. One object a call. Silero knows music, tones and the
noise of a street from a voice, which neither of the others does; it needs the `silero` extra, and is used where that is
installed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
import webrtcvad  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field

from asr._silero import Silero, installed
from engine.errors import ConfigError
from engine.model import FRAME_BYTES, FRAME_MS, RATE
from engine.ports import Vad

PCM = np.dtype("<i2")
SAMPLES = FRAME_BYTES // 2
BLOCK = 15  # frames with a known energy in each block of the floor
BLOCKS = 5
TAUGHT_BY = 4  # one unvoiced frame in so many is measured
EARLIER = 60 // FRAME_MS  # frames that silero hears from before the gate opened; more silence makes it deaf for a while
LASTING = 200 // FRAME_MS  # frames of voice after which it is no short word any more
CLEAR = 10 ** (18 / 10)  # above the floor: no noise of a line or a street is so loud, so
CLEARLY = 0.2  # of what silero is asked for otherwise is enough
RECENT = 160 // FRAME_MS  # frames whose likeliest tells how likely a voice is
TRUSTED = 100 // FRAME_MS  # frames for which the gate is believed meanwhile: too few for speech by themselves


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Annotated[int, Field(ge=0, le=3)] | None = None  # 3 lets the least through; None: 1 before silero, else 3
    gate: bool = True
    open_db: Annotated[float, Field(ge=0, le=40)] = 8.0  # above the floor to begin
    hold_db: Annotated[float, Field(ge=0, le=40)] = 4.0  # above the floor to go on
    quietest_dbfs: Annotated[float, Field(ge=-96, le=0)] = -55.0  # nothing below this is a voice
    second: Literal["auto", "silero", "none"] = "auto"  # auto: silero where it is installed
    sure: Annotated[float, Field(gt=0, lt=1)] = 0.2  # of silero, to begin: 0.4 misses 5 in 100 short words
    hold: Annotated[float, Field(gt=0, lt=1)] = 0.12  # of silero, to go on
    hold_ms: Annotated[int, Field(ge=20, le=2000)] = 200  # silero goes on for so long after its last voice


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path) -> AsyncGenerator[Callable[[], Vad]]:
    """Gives what makes a Vad for each call. Raises ConfigError where silero is asked for and not installed."""
    if settings.second == "silero" and not installed():
        raise ConfigError("silero is not installed: pip install onnxruntime && pip install --no-deps silero-vad")
    silero = Silero() if settings.second != "none" and installed() else None
    yield lambda: make(settings, silero)


def make(settings: Settings, silero: Silero | None) -> Vad:
    """A detector for one call."""
    if silero is not None and settings.mode is None:
        settings = settings.model_copy(update={"mode": 1})  # an onset is noticed sooner, and silero knows noise better
    first = WebRtcVad(settings)
    return first if silero is None else TwoStageVad(first, silero.stream, settings)


class WebRtcVad:
    likely = 0.5  # it does not know

    def __init__(self, settings: Settings | None = None) -> None:
        rules = settings or Settings()
        self._detect = webrtcvad.Vad(3 if rules.mode is None else rules.mode).is_speech
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

    def audible(self, frame: bytes) -> bool:
        """Louder than the line is by itself; every frame is where there is no gate."""
        return self._gate is None or self._gate.stands_out(frame)

    @property
    def clear(self) -> bool:
        """The last voiced frame was far above the line's noise."""
        return self._gate is not None and self._gate.is_clear


class First(Vad, Protocol):
    """What a first stage tells beside `voiced`."""

    def audible(self, frame: bytes) -> bool: ...

    @property
    def clear(self) -> bool: ...


class Stream(Protocol):
    """The second stage's ear for one stretch of sound."""

    def push(self, frame: bytes) -> float:
        """How likely the last 32 ms were a voice."""
        ...


class TwoStageVad:
    """The second stage runs from when the first hears something until neither has heard a voice for `hold_ms`.

    It remembers: for some 250 ms after the last sound it still takes silence for a voice. A short word needs that to
    be one; what has lasted longer needs more than a memory to go on: the first stage, or a frame that is `audible`.
    """

    def __init__(self, first: First, second: Callable[[], Stream], settings: Settings) -> None:
        self._first = first
        self._second = second
        self._earlier: deque[bytes] = deque(maxlen=EARLIER)
        self._stream: Stream | None = None
        self._voice = False
        self._quiet = self._trusted = self._lasted = 0
        self._recent: deque[float] = deque(maxlen=RECENT)  # of the stream that is open
        self._sure, self._hold = settings.sure, settings.hold
        self._most_quiet = settings.hold_ms // FRAME_MS

    def voiced(self, frame: bytes) -> bool:
        hears = self._first.voiced(frame)
        stream = self._stream
        if stream is None:
            if not hears:
                self._earlier.append(frame)
                return False
            stream = self._open()
        elif len(frame) != FRAME_BYTES:
            return False
        likely = stream.push(frame)
        self._recent.append(likely)
        asked = self._hold if self._voice else self._sure
        self._voice = likely >= (asked * CLEARLY if hears and self._first.clear else asked)
        if hears or self._voice:
            self._quiet = 0
        else:
            self._quiet += 1
            if self._quiet >= self._most_quiet:
                self._stream = None
        if self._trusted:
            self._trusted -= 1
            found = hears or self._voice
        else:
            found = self._voice and (hears or self._lasted < LASTING or self._first.audible(frame))
        self._lasted += found
        return found

    @property
    def likely(self) -> float:
        """The most that the second stage has said of the last 160 ms."""
        return max(self._recent, default=0.0)

    def _open(self) -> Stream:
        stream = self._stream = self._second()
        self._voice, self._quiet, self._trusted, self._lasted = False, 0, TRUSTED, 0
        for frame in self._earlier:
            stream.push(frame)
        self._earlier.clear()
        self._recent.clear()
        return stream


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
        self._is_open = self.is_clear = False

    def passes(self, frame: bytes) -> bool:
        energy = self._measure(frame)
        self._is_open = energy > self._quietest and energy > self._floor * (self._hold if self._is_open else self._open)
        self.is_clear = energy > self._floor * CLEAR > 0.0
        return self._is_open

    def learn(self, frame: bytes) -> None:
        self._measure(frame)
        self._is_open = False

    def stands_out(self, frame: bytes) -> bool:
        energy = self._measure(frame)
        return energy > self._quietest and energy > self._floor * self._hold

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
