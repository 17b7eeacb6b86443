"""Two small pattern languages that strangers write: keys (`[1-3]`), and `/expressions/` whose cost is bounded."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

codes = importlib.import_module("re._constants")  # the parsed form of an expression, public in all but name
parser = importlib.import_module("re._parser")

KEYS = "0123456789*#ABCD"
MOST_KEYS = 32
MOST_REGEX = 200  # characters of an expression
REGEX_SEES = 200  # characters of an utterance, the last ones
_MOST_WORK = 20_000_000


class BadPattern(ValueError):
    """The pattern cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What may be pressed: a row of places, each with its keys and whether it may be left out."""

    places: tuple[tuple[frozenset[str], bool], ...]

    def _reached(self, pressed: str) -> set[int]:
        at = self._skipped({0})
        for key in pressed:
            at = self._skipped({i + 1 for i in at if i < len(self.places) and key in self.places[i][0]})
        return at

    def _skipped(self, at: set[int]) -> set[int]:
        reached = set(at)
        for i in sorted(at):
            while i < len(self.places) and self.places[i][1]:
                i += 1
                reached.add(i)
        return reached

    def full(self, pressed: str) -> bool:
        return len(self.places) in self._reached(pressed)

    def more(self, pressed: str) -> bool:
        """One more key could still lead to a match."""
        return any(i < len(self.places) for i in self._reached(pressed))

    def covers(self, other: Keys) -> bool:
        """Whatever the other one takes, this one takes too (exact for patterns of one form, else False)."""
        mine, theirs = self.places, other.places
        if any(maybe for _, maybe in (*mine, *theirs)):
            return mine == theirs
        return len(mine) == len(theirs) and all(b <= a for (a, _), (b, _) in zip(mine, theirs, strict=True))


_PLACE = re.compile(
    r"(?:(?P<key>[0-9*#A-Da-d])|(?P<any>\.)|\[(?P<not>\^?)(?P<set>[^\]]+)\])"
    r"(?:\{(?P<n>[0-9]{1,2})(?:,(?P<m>[0-9]{1,2}))?\})?"
)


@lru_cache(maxsize=4096)
def keys(text: str) -> Keys:
    """`1`, `12`, `[1-3]`, `[^0]`, `.` (any digit), `[0-9]{4}`, `[0-9]{1,3}`. Raises BadPattern."""
    places: list[tuple[frozenset[str], bool]] = []
    at = 0
    while at < len(text):
        match = _PLACE.match(text, at)
        if match is None:
            raise BadPattern(f"{text[at:][:20]!r}")
        at = match.end()
        least = int(match["n"] or 1)
        most = int(match["m"] or least)
        if not 0 <= least <= most or most == 0 or len(places) + most > MOST_KEYS:
            raise BadPattern(f"{match[0][:20]!r}")
        allowed = _allowed(match)
        places += [(allowed, False)] * least + [(allowed, True)] * (most - least)
    if not places or all(maybe for _, maybe in places):
        raise BadPattern("it takes no key at all")
    return Keys(tuple(places))


def _allowed(match: re.Match[str]) -> frozenset[str]:
    if match["key"]:
        return frozenset(match["key"].upper())
    if match["any"]:
        return frozenset(KEYS[:10])
    inside = match["set"].upper()
    chosen: set[str] = set()
    i = 0
    while i < len(inside):
        if inside[i] not in KEYS:
            raise BadPattern(f"{match[0][:20]!r}")
        if i + 2 < len(inside) and inside[i + 1] == "-":
            first, last = KEYS.find(inside[i]), KEYS.find(inside[i + 2])
            if first > last:
                raise BadPattern(f"{match[0][:20]!r}")
            chosen.update(KEYS[first : last + 1])
            i += 3
        else:
            chosen.add(inside[i])
            i += 1
    return frozenset(KEYS[:10]) - chosen if match["not"] else frozenset(chosen)


def is_regex(phrase: str) -> bool:
    return len(phrase) > 2 and phrase.startswith("/") and phrase.endswith("/")


@lru_cache(maxsize=1024)
def regex(phrase: str) -> re.Pattern[str]:
    """`/перезвон(и|ите)/`, tried on lower-case words with ё as е. Raises BadPattern: wrong, or it could take long."""
    text = phrase[1:-1].lower().replace("ё", "е") if not re.search(r"\\[A-Z]", phrase) else phrase[1:-1]
    if len(text) > MOST_REGEX:
        raise BadPattern(f"{len(text)} > {MOST_REGEX}")
    try:
        tree = parser.parse(text, re.IGNORECASE)
        if _work(tree) * REGEX_SEES > _MOST_WORK:
            raise BadPattern("it could take too long: fewer * + ? {,} and |")
        compiled = re.compile(text, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadPattern(str(error)[:100]) from None
    if compiled.match(""):
        raise BadPattern("it matches anything")
    return compiled


def _work(tree: Any) -> int:
    """In how many ways the expression can be tried from one place, at worst. Raises BadPattern if without bound."""
    ways = 1
    for code, value in tree:
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            least, most, inside = value
            most = min(int(most), REGEX_SEES)
            least = min(int(least), most)
            inner = _work(inside)
            if inner > 1 and most > 4:
                raise BadPattern("a repeat within a repeat")
            ways *= (most - least + 1) * inner**most
        elif code is codes.BRANCH:
            ways *= max(1, sum(_work(branch) for branch in value[1]))
        elif code is codes.SUBPATTERN:
            ways *= _work(value[3])
        elif code is codes.ATOMIC_GROUP:
            ways *= _work(value)
        elif code is codes.IN:
            # Compiling a wide range letter by letter for both cases takes seconds.
            if any(kind is codes.RANGE and part[1] - part[0] > 2000 for kind, part in value):
                raise BadPattern("a range of more than 2000 letters")
        elif code in (codes.ASSERT, codes.ASSERT_NOT, codes.GROUPREF, codes.GROUPREF_EXISTS):
            raise BadPattern("no back-references, no look-around")
        if ways > _MOST_WORK:
            raise BadPattern("it could take too long: fewer * + ? {,} and |")
    return ways
