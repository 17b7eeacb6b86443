"""What of vosk's results is sure enough to be told. The embedded model's partials have no confidence of their own.

partial with a phrase in it ─▶ all sound so far, recognised aside to its end ─▶ the same phrase, and sure? told
                               (some 10 ms; asked again 120 ms later)           else: not (yet) told
the voice has fallen silent ─▶ the same, for the partial comes 100 ms later  ─▶ a sure phrase? told, till it comes
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

BYTES_S = 16_000
AGAIN = 120 * BYTES_S // 1000  # bytes after which a partial that stands is doubted once more: before a card acts on it
FALLEN = 80 * BYTES_S // 1000  # bytes of silence after which a word can be over: the network waits for longer to see
FAINT = 1 / 40  # of the loudest (−16 dB): silence, or the last consonants
PIECE = 20 * BYTES_S // 1000  # bytes of which one loudness is taken
SOME = 4  # one sample in so many tells how loud it is
FORESEEN = 160 * BYTES_S // 1000  # bytes for which a phrase is told of which the partial knows nothing yet
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
        self._fall = Fall()

    def take(self, pcm: bytes) -> None:
        self._pcm += pcm
        self._since += len(pcm)
        self._fall.take(pcm)

    def held(self, partial: str) -> list[str]:
        """The words of the partial, if they hold."""
        said = words(partial)
        if partial != self._partial:
            foreseen = not self._partial and bool(said) and said == self._told
            self._partial, self._since, self._asked = partial, 0, int(foreseen)
            if not foreseen:
                self._told = []
        if said and (self._asked == 0 or (self._asked == 1 and self._since >= AGAIN)):
            self._asked += 1
            self._told = said if said == self._aside() else []
        elif not partial and self._fall.over:
            self._since, self._told = 0, self._aside()
        elif not said and self._since >= FORESEEN:
            self._told = []
        return self._told

    def _aside(self) -> list[str]:
        spent = self._spent + len(self._pcm)
        if spent > AT_FIRST + EACH * len(self._pcm):
            return []
        self._spent = spent
        recognizer = self._recognizer()
        recognizer.AcceptWaveform(bytes(self._pcm))
        return [word for said, _ in heard(recognizer.FinalResult(), self._sure) for word in said]


class Fall:
    """`over`: the voice has been silent for FALLEN just now."""

    def __init__(self) -> None:
        self._loudest = 0.0
        self._quiet = 0  # bytes
        self.over = False

    def take(self, pcm: bytes) -> None:
        before = self._quiet
        for at in range(0, len(pcm), PIECE):
            some = memoryview(pcm[at : at + PIECE]).cast("h")[::SOME]
            loud = sum(sample * sample for sample in some) / max(1, len(some))
            self._loudest = max(self._loudest, loud)
            self._quiet = self._quiet + PIECE if loud < self._loudest * FAINT else 0
        self.over = before < FALLEN <= self._quiet
