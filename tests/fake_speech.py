"""Speech that is not there: words that travel in frames, so that a conversation can be tested without a model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.errors import SpeechError
from engine.model import FRAME_BYTES, FRAME_MS, Sound, Transcript

# --- speech ---------------------------------------------------------------------------------------------------------


def spoken(text: str, n: int = 0) -> bytes:
    """A voiced frame that carries words (up to about 300 bytes of UTF-8); another `n` makes it another word, else equal
    frames in a row are one word that lasts."""
    tail = f"\x1f{n}".encode()
    head = text.encode("utf-8")[: FRAME_BYTES - len(tail)].decode("utf-8", "ignore").encode("utf-8")
    return (head + tail).ljust(FRAME_BYTES, b"\0")


def words(frame: bytes) -> str:
    """The words a `spoken` frame carries; empty for silence."""
    return frame.rstrip(b"\0").split(b"\x1f")[0].decode("utf-8", "ignore")


def utterance(text: str, seconds: float = 0.6) -> list[bytes]:
    """Frames of somebody saying `text`, its words one after another, so that a partial grows as they pass."""
    said = text.split()
    frames = max(len(said), round(seconds * 1000 / FRAME_MS))
    return [spoken(said[i * len(said) // frames], i * len(said) // frames) for i in range(frames)]


class FakeHearing:
    """Reads `spoken` frames back, word by word."""

    def __init__(self, recognizer: FakeRecognizer) -> None:
        self._recognizer = recognizer
        self._words: list[str] = []
        self._last = b""
        self._spent = False
        self.dropped = False

    @property
    def partial(self) -> str:
        return " ".join(self._words)

    def push(self, frame: bytes) -> None:
        if not self._spent and frame != self._last and (heard := words(frame)):
            self._words.append(heard.lower())
        self._last = frame

    async def finish(self) -> Transcript:
        if self._spent:
            raise SpeechError("this utterance is over already")
        self._spent = True
        await asyncio.sleep(self._recognizer.takes_s)
        if self.dropped or self._recognizer.failure is not None:
            raise self._recognizer.failure or SpeechError("the utterance was dropped")
        return Transcript(self.partial, self._recognizer.confidence if self._words else 0.0)

    def drop(self) -> None:
        self._spent = self.dropped = True


@dataclass
class FakeRecognizer:
    """Understands `spoken` frames. Set `failure` and utterances end with it."""

    takes_s: float = 0.3
    confidence: float = 0.9
    failure: SpeechError | None = None
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)  # language and phrases of each utterance

    def listen(self, *, language: str = "ru", phrases: Sequence[str] = ()) -> FakeHearing:
        self.asked.append((language, tuple(phrases)))
        return FakeHearing(self)


@dataclass
class FakeSynthesizer:
    """Says a text in frames that carry it: `words` of any of them tells which prompt it is."""

    takes_s: float = 0.1
    char_ms: int = 60
    failure: SpeechError | None = None
    said: list[str] = field(default_factory=list)

    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        self.said.append(text)
        await asyncio.sleep(self.takes_s)
        if self.failure is not None:
            raise self.failure
        frames = max(1, len(text.strip()) * self.char_ms // FRAME_MS) if text.strip() else 0
        return Sound(b"".join(spoken(text, n) for n in range(frames)))


class FakeVad:
    """Every `spoken` frame is voice, every other one is not."""

    likely = 1.0

    def voiced(self, frame: bytes) -> bool:
        return frame[0] != 0
