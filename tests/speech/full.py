"""A recogniser that never has room."""

from __future__ import annotations

from collections.abc import Sequence

from asr._pool import Load
from engine.errors import Overloaded, SpeechError
from engine.model import Transcript


class Full:
    def listen(self, *, language: str = "ru", phrases: Sequence[str] = ()) -> Refused:
        return Refused()

    def load(self) -> Load:
        return Load(1, 1, 1, 1, 0, 0, 0, 0, 0)


class Refused:
    partial = ""
    failure: SpeechError | None = Overloaded("full")

    def push(self, frame: bytes) -> None:
        pass

    async def finish(self) -> Transcript:
        raise Overloaded("full")

    def drop(self) -> None:
        pass
