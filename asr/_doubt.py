"""What of vosk's results is sure enough to be told. The embedded model's partials have no confidence of their own.

partial with a phrase in it ─▶ all sound so far, recognised aside to its end ─▶ the same phrase, and sure? told
                               (some 10 ms; asked again 120 ms later)           else: not (yet) told
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

BYTES_S = 16_000
AGAIN = 120 * BYTES_S // 1000  # bytes after which a partial that stands is doubted once more: before a card acts on it
AT_FIRST, EACH = 4 * BYTES_S, 2  # so much, and so many times what was said, is recognised aside: no more than it costs


class Sure(NamedTuple):
    """The least confidence, 0 to 1, of a phrase that is told."""

    alone: float
    beside_foreign: float  # where other speech than the phrases was heard too: most false ones are pieces of such


CERTAIN = Sure(0.0, 0.0)


def heard(result: str, least: Sure) -> list[tuple[list[str], float]]:
    """The words of vosk's result that are sure enough, a phrase's together, with their confidence."""
    found = json.loads(result).get("result", ())
    enough = least.alone if all(words(one["word"]) for one in found) else least.beside_foreign
    told = ((words(one["word"]), float(one["conf"])) for one in found)
    return [(said, sure) for said, sure in told if said and sure >= enough]


def words(text: str) -> list[str]:
    """[unk], [laughter], <eps> are no words; the blanks of a phrase that is one word are `_`."""
    return [part for word in text.lower().split() if word[0] not in "[<" for part in word.split("_")]


class Doubt:
    """Of one utterance."""

    def __init__(self, recognizer: Callable[[], Any], sure: Sure) -> None:
        self._recognizer = recognizer
        self._sure = sure
        self.begin()

    def begin(self) -> None:
        """What was taken has been recognised."""
        self._pcm = bytearray()
        self._partial = ""
        self._since = 0  # bytes taken since the partial changed
        self._asked = 0  # times, of this partial
        self._told: list[str] = []
        self._spent = 0  # bytes recognised aside

    def take(self, pcm: bytes) -> None:
        self._pcm += pcm
        self._since += len(pcm)

    def held(self, partial: str) -> list[str]:
        """The words of the partial, if they hold."""
        if partial != self._partial:
            self._partial, self._since, self._asked, self._told = partial, 0, 0, []
        said = words(partial)
        if said and (self._asked == 0 or (self._asked == 1 and self._since >= AGAIN)):
            self._asked += 1
            self._told = said if said == self._aside() else []
        return self._told

    def _aside(self) -> list[str]:
        spent = self._spent + len(self._pcm)
        if spent > AT_FIRST + EACH * len(self._pcm):
            return []
        self._spent = spent
        recognizer = self._recognizer()
        recognizer.AcceptWaveform(bytes(self._pcm))
        return [word for said, _ in heard(recognizer.FinalResult(), self._sure) for word in said]
