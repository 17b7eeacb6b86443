"""When does a person begin and stop speaking? Counted in frames of 20 ms, never by a clock.

voiced? voiced? … ─▶ Endpointer.push ─▶ STARTED … ENDED
                          ▲
what has been heard so far ┘  an unfinished phrase is waited for longer, the last digit of a number is not
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

FRAME_MS = 20
SCATTERED = (1 << 300 // FRAME_MS) - 1  # frames over which those of a certain voice are counted, as bits


class Turn(Enum):
    STARTED = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Endpointing:
    """So much silence closes an utterance, ms. People pause for up to 400 ms inside a phrase."""

    end_ms: int = 600
    unfinished_ms: int = 1200  # what was heard is the beginning of something expected: "не …" of "не интересно"
    complete_ms: int = 240  # nothing more can be wanted: the last digit of the number


USUAL = Endpointing()


class Expected:
    """What a card waits for, as far as it tells when somebody has finished. Made once for a card."""

    __slots__ = ("_beginnings", "_least", "_longest", "_most", "_wholes")

    def __init__(self, phrases: Sequence[str] = (), digits: tuple[int, int] = (0, 0)) -> None:
        said = [_words(phrase) for phrase in phrases if "/" not in phrase]
        self._wholes = frozenset(said)
        self._beginnings = frozenset(words[:size] for words in said for size in range(1, len(words)))
        self._longest = max(map(len, said), default=0)
        self._least, self._most = digits

    def silence_ms(self, heard: str, digits: Callable[[str], str], rules: Endpointing = USUAL) -> int:
        """How long a silence after `heard` ends the utterance; `digits` finds those in it."""
        if self._most:
            found = digits(heard)
            if len(found) >= self._most and not found.endswith("0"):  # "twenty" may become "twenty-five"
                return rules.complete_ms
            return rules.unfinished_ms if 0 < len(found) < self._least else rules.end_ms
        words = _words(heard)
        tails = [words[-size:] for size in range(1, min(self._longest, len(words)) + 1)]
        if any(tail in self._wholes for tail in tails):
            return rules.end_ms
        return rules.unfinished_ms if any(tail in self._beginnings for tail in tails) else rules.end_ms


@lru_cache(maxsize=1000)
def expected(phrases: tuple[str, ...], digits: tuple[int, int]) -> Expected:
    """The same card asks again and again."""
    return Expected(phrases, digits)


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[\w'-]+", text.lower().replace("ё", "е")))


class Endpointer:
    """Voiced or not, frame by frame, in; STARTED and ENDED, in turn, out.

    A voiced frame counts up, an unvoiced one down, so that a drop-out inside a word does not begin the count anew and
    scattered clicks never reach it. Where the voice is certain, all voiced frames of the last 300 ms count: between the
    first consonants of "кто" and of "stop" and their vowels there is more silence than sound. `started_after` and
    `longest` are the listening card's, in frames; so is `ended_after`, which begins anew with each utterance.
    """

    __slots__ = (
        "_count",
        "_end",
        "_length",
        "_recent",
        "_silence",
        "ended_after",
        "longest",
        "speaking",
        "started_after",
    )

    def __init__(self, rules: Endpointing = USUAL) -> None:
        self._end = max(1, rules.end_ms // FRAME_MS)
        self._count = self._silence = self._length = self._recent = 0
        self.ended_after = self._end
        self.speaking = False
        self.started_after = 6
        self.longest = 750

    @property
    def doubtful(self) -> bool:
        """Something is heard that may yet become speech."""
        return self._count > 0

    def push(self, voiced: bool, certain: bool = False) -> Turn | None:
        """The next frame; `certain`: what is voiced is a voice beyond doubt."""
        if self.speaking:
            return self._in_speech(voiced)
        self._recent = (self._recent << 1 | voiced) & SCATTERED
        if not voiced:
            if self._count:
                self._count -= 1
            return None
        self._count += 1
        if certain:
            self._count = max(self._count, self._recent.bit_count())
        if self._count < self.started_after:
            return None
        self.speaking, self._length, self._silence = True, self._count, 0
        self.ended_after = self._end
        return Turn.STARTED

    def recant(self, *, tone: bool = False) -> None:
        """What has just started was no speech. It is asked again soon: somebody may be speaking into an echo. After a
        `tone` a little later: the end of one sounds like anything."""
        again = self.started_after // 2 if tone else self.started_after // 3
        self.speaking, self._count = False, self.started_after - max(1, again)
        self._recent = (1 << self._count) - 1

    def _in_speech(self, voiced: bool) -> Turn | None:
        self._length += 1
        self._silence = 0 if voiced else self._silence + 1
        if self._silence < self.ended_after and self._length < self.longest:
            return None
        self.speaking, self._count, self._recent = False, 0, 0
        return Turn.ENDED
