"""When does a person begin and stop speaking? Counted in frames of 20 ms, never by a clock.

voiced? voiced? … ─▶ Endpointer.push ─▶ STARTED … ENDED
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

FRAME_MS = 20


class Turn(Enum):
    STARTED = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Endpointing:
    end_ms: int = 600  # this much silence closes an utterance


USUAL = Endpointing()


class Endpointer:
    """Voiced or not, frame by frame, in; STARTED and ENDED, in turn, out.

    A voiced frame counts up, an unvoiced one down, so that a drop-out inside a word does not begin the count anew and
    scattered clicks never reach it. `started_after` and `longest` are the listening card's, in frames.
    """

    __slots__ = ("_count", "_end", "_length", "_silence", "longest", "speaking", "started_after")

    def __init__(self, rules: Endpointing = USUAL) -> None:
        self._end = max(1, rules.end_ms // FRAME_MS)
        self._count = self._silence = self._length = 0
        self.speaking = False
        self.started_after = 6
        self.longest = 750

    @property
    def doubtful(self) -> bool:
        """Something is heard that may yet become speech."""
        return self._count > 0

    def push(self, voiced: bool) -> Turn | None:
        if self.speaking:
            return self._in_speech(voiced)
        if not voiced:
            if self._count:
                self._count -= 1
            return None
        self._count += 1
        if self._count < self.started_after:
            return None
        self.speaking, self._length, self._silence = True, self._count, 0
        return Turn.STARTED

    def _in_speech(self, voiced: bool) -> Turn | None:
        self._length += 1
        self._silence = 0 if voiced else self._silence + 1
        if self._silence < self._end and self._length < self.longest:
            return None
        self.speaking, self._count = False, 0
        return Turn.ENDED
