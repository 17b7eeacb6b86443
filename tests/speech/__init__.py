"""Speech for tests: voices over a telephone's codec, and a worker's model that misbehaves when it is told to."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from engine import audio
from engine.model import FRAME_BYTES, SILENCE, Sound

PAUSE = 15 * SILENCE


def frames(pcm: bytes) -> Iterator[bytes]:
    """Whole frames of it, the last one padded."""
    whole = audio.padded(pcm)
    return (whole[at : at + FRAME_BYTES] for at in range(0, len(whole), FRAME_BYTES))


def telephoned(sound: Sound) -> list[bytes]:
    """As it comes from a subscriber: silence around it, A-law on the way."""
    return list(frames(audio.decode(audio.encode(PAUSE + sound.pcm + PAUSE, "alaw"), "alaw")))


class Moody:
    """A model for `asr._worker` that does what it is told: every frame is an order in ASCII, padded with NULs."""

    unknown_words = 0

    def __init__(self, options: dict[str, Any]) -> None:
        self._marks = Path(options["marks"]) if "marks" in options else None
        if self._marks and options.get("fails_first") and not self._marks.exists():
            self._marks.touch()
            raise RuntimeError("Error: the model is not there yet")
        if options.get("never_ready"):
            time.sleep(600)

    def begin(self, language: str, phrases: Sequence[str]) -> MoodyUtterance:
        return MoodyUtterance()


class MoodyUtterance:
    def __init__(self) -> None:
        self._said: list[str] = []
        self._hoard: list[bytes] = []

    def push(self, pcm: bytes) -> str:
        for at in range(0, len(pcm), FRAME_BYTES):
            self._obey(pcm[at : at + FRAME_BYTES].rstrip(b"\0").decode("ascii", "ignore"))
        return " ".join(self._said)

    def finish(self) -> tuple[str, float]:
        return " ".join(self._said), 1.0

    def _obey(self, order: str) -> None:
        match order.split():
            case ["die"]:
                os.kill(os.getpid(), signal.SIGKILL)
            case ["sleep", seconds]:
                time.sleep(float(seconds))
            case ["hoard", megabytes]:
                self._hoard.append(b"x" * (int(megabytes) << 20))
            case ["choke"]:
                try:
                    for _ in range(64):
                        self._hoard.append(b"x" * (8 << 20))
                except MemoryError:
                    raise RuntimeError("Failed to create a model") from None  # as C++ libraries say it
            case ["fail"]:
                raise ValueError("no such sound")
            case ["babble"]:
                os.write(3, b"x" * 100)
            case ["say", *words]:
                self._said += words


def load(options: dict[str, Any]) -> Moody:
    return Moody(options)


def order(text: str) -> bytes:
    return text.encode().ljust(FRAME_BYTES, b"\0")
