"""Several recognisers as one: the first answers, the next takes over an utterance when one fails or has no room.

frame ─▶ the first's Hearing ─ failed? ─▶ the next's Hearing, told everything from the beginning
     └─▶ kept until the utterance is over
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

from asr._pool import LONGEST, Load
from engine.errors import SpeechError
from engine.model import FRAME_BYTES, Transcript
from engine.ports import Hearing

log = logging.getLogger(__name__)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    recognizers: Annotated[tuple[str, ...], Field(min_length=2, max_length=8)]  # by name, the preferred one first
    beside: bool = False  # all hear from the beginning: twice the work, no wait when the second is needed


class Inner(Protocol):
    """One of them: a `engine.ports.Recognizer` that tells how busy it is."""

    def listen(self, *, language: str = "ru", phrases: Sequence[str] = ()) -> Hearing: ...

    def load(self) -> Load: ...


class FallbackRecognizer:
    """See `engine.ports.Recognizer`."""

    def __init__(self, inners: Sequence[tuple[str, Inner]], *, beside: bool = False) -> None:
        self.inners = tuple(inners)
        self.demonstration = all(getattr(inner, "demonstration", False) for _, inner in self.inners)
        self.takeovers = 0
        self._beside = beside

    def listen(self, *, language: str = "ru", phrases: Sequence[str] = ()) -> FallbackHearing:
        return FallbackHearing(self, language, phrases, beside=self._beside)

    def load(self) -> Load:
        """Of all together; what one lacks another may have."""
        loads = [inner.load() for _, inner in self.inners]
        return Load(**{name: sum(getattr(load, name) for load in loads) for name in Load.__dataclass_fields__})

    def loads(self) -> dict[str, Load]:
        return {name: inner.load() for name, inner in self.inners}

    @property
    def pids(self) -> list[int]:
        return [pid for _, inner in self.inners for pid in getattr(inner, "pids", ())]


class FallbackHearing:
    """One utterance; see `engine.ports.Hearing`. Raises what the last one raised when all have failed."""

    def __init__(self, owner: FallbackRecognizer, language: str, phrases: Sequence[str], *, beside: bool) -> None:
        self._owner = owner
        self._language, self._phrases = language, phrases
        self._hearings: list[Hearing] = []
        self._at = 0
        self._sound = bytearray()
        self._spent = False
        self.trouble = ""  # which ones failed, and why; for whoever looks at the call
        for _ in owner.inners if beside else owner.inners[:1]:
            self._hearings.append(self._open())

    @property
    def partial(self) -> str:
        return self._hearings[self._at].partial

    @property
    def failure(self) -> SpeechError | None:
        return getattr(self._hearings[self._at], "failure", None) if self._is_last else None

    def push(self, frame: bytes) -> None:
        if self._spent or len(self._sound) + len(frame) > LONGEST:
            return
        self._sound += frame
        for hearing in self._hearings[self._at :]:
            hearing.push(frame)
        failure = getattr(self._hearings[self._at], "failure", None)
        if failure is not None and not self._is_last:
            self._next(failure)

    async def finish(self) -> Transcript:
        if self._spent:
            raise SpeechError("this utterance is over already")
        self._spent = True
        try:
            while True:
                try:
                    return await self._hearings[self._at].finish()
                except SpeechError as error:
                    if self._is_last:
                        raise
                    self._next(error)
        finally:
            self.drop()

    def drop(self) -> None:
        self._spent = True
        self._sound.clear()
        for hearing in self._hearings:
            hearing.drop()

    @property
    def _is_last(self) -> bool:
        return self._at + 1 >= len(self._owner.inners)

    def _open(self) -> Hearing:
        _, inner = self._owner.inners[len(self._hearings)]
        return inner.listen(language=self._language, phrases=self._phrases)

    def _next(self, why: SpeechError) -> None:
        """The next one takes over, and hears what it has missed."""
        self._hearings[self._at].drop()
        (name, _), (other, _) = self._owner.inners[self._at : self._at + 2]
        self._at += 1
        self._owner.takeovers += 1
        self.trouble = "; ".join(filter(None, (self.trouble, f"{other} took over from {name}: {why}")))
        log.warning("another recogniser takes over", extra={"from": name, "to": other, "reason": str(why)})
        if self._at == len(self._hearings):
            hearing = self._open()
            self._hearings.append(hearing)
            for at in range(0, len(self._sound), FRAME_BYTES):
                hearing.push(bytes(self._sound[at : at + FRAME_BYTES]))


@asynccontextmanager
async def open(
    settings: Settings, *, data_dir: Path, inners: Sequence[tuple[str, Inner]]
) -> AsyncGenerator[FallbackRecognizer]:
    """`inners` are open already and stand in the order of `settings.recognizers`."""
    yield FallbackRecognizer(inners, beside=settings.beside)
