"""One pass over a text: the first pattern that fits where the reader stands is said by its own function."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

Say = Callable[[re.Match[str]], str | None]  # None: not this after all


class Reader:
    """Patterns in the order of their right; none may match the empty text."""

    def __init__(self, rules: Sequence[tuple[str, Say]], flags: re.RegexFlag = re.NOFLAG) -> None:
        self._rules = [(re.compile(pattern, flags), say) for pattern, say in rules]

    def read(self, text: str) -> str:
        """What nobody says stays; a function that raises ValueError has not said it."""
        out: list[str] = []
        at = 0
        upcoming = [rule.search(text) for rule, _ in self._rules]
        while True:
            best = -1
            for index, found in enumerate(upcoming):
                if found is not None and found.start() < at:
                    found = upcoming[index] = self._rules[index][0].search(text, at)
                if found is not None and (best < 0 or found.start() < _start(upcoming[best])):
                    best = index
            match = upcoming[best] if best >= 0 else None
            if match is None:
                return "".join([*out, text[at:]])
            said = _tried(self._rules[best][1], match)
            if said is None:  # the next one that fits may say it; this rule looks further on
                upcoming[best] = self._rules[best][0].search(text, match.start() + 1)
                continue
            out += [text[at : match.start()], said]
            at = match.end()


def _start(match: re.Match[str] | None) -> int:
    return 1 << 60 if match is None else match.start()


def _tried(say: Say, match: re.Match[str]) -> str | None:
    try:
        return say(match)
    except (ValueError, OverflowError, KeyError, IndexError, ArithmeticError, NotImplementedError):
        return None
