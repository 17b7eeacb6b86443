"""The phrases of one listening as they come: each counts once, and only when it can be no other's beginning any more.

    text ─▶ greetings.clues ─┬─ is what it is ──────────────────────────────────────────────────────────────┐
                             └─ may yet be another kind's ─▶ waits ─┬─ other words, a silence, time ────────┴▶ counts
                                                                    └─ became that one, was taken back ─▶ nothing

"Вас приветствует" is a machine, "вас приветствует ассистент" is an assistant, and half a second lies between.
"""

from __future__ import annotations

from engine.rules import greetings
from engine.rules.greetings import Clue


class Phrases:
    """What waits counts when other words follow, `silence_ms` after the last sound of speech, or `longest_ms` after it
    was heard first. Pure; `now_ms` never goes back."""

    __slots__ = ("_counted", "_longest_ms", "_silence_ms", "_since", "_waiting")

    def __init__(self, longest_ms: int, silence_ms: int) -> None:
        self._longest_ms = longest_ms
        self._silence_ms = silence_ms
        self._counted: set[str] = set()
        self._since: dict[str, int] = {}  # when a phrase that has waited, or waits, was heard first
        self._waiting: dict[str, Clue] = {}

    def heard(self, text: str, now_ms: int) -> list[Clue]:
        """Those that count from this text on."""
        found: list[Clue] = []
        self._waiting = {}  # what the recogniser has taken back was never said
        for clue in greetings.clues(text):
            if clue.phrase in self._counted:
                continue
            if greetings.became_another(clue, text):
                self._counted.add(clue.phrase)
            elif greetings.unfinished(clue, text) and not self._is_late(clue, now_ms):
                self._waiting[clue.phrase] = clue
            else:
                found.append(clue)
        return self._count(found)

    def ripe(self, now_ms: int, silence_ms: int) -> list[Clue]:
        """Those that have waited long enough, with no speech for `silence_ms` now."""
        if not self._waiting:
            return []
        quiet = silence_ms >= self._silence_ms
        return self._count([clue for clue in self._waiting.values() if quiet or self._is_late(clue, now_ms)])

    @property
    def waiting(self) -> bool:
        """Something has been said of which it is not known what it will be."""
        return bool(self._waiting)

    def _is_late(self, clue: Clue, now_ms: int) -> bool:
        return now_ms - self._since.setdefault(clue.phrase, now_ms) >= self._longest_ms

    def _count(self, clues: list[Clue]) -> list[Clue]:
        for clue in clues:
            self._counted.add(clue.phrase)
            self._waiting.pop(clue.phrase, None)
        return clues
