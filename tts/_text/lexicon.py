"""A project's own pronunciations: whole words, or phrases of a few, and what is said for them.

"СберБанк пришлёт СМС" + {СберБанк: сбер-б+анк} ─▶ "сбер-б+анк пришлёт СМС"
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from scenarios import forms

MOST_WORDS = 5  # of a phrase
MOST_SAID = 20_000  # characters of what comes out; beyond, the rest stays as it is

_TOKEN = re.compile(
    r"[^\W_]+(?:\+[^\W_]+)*"
)  # a word with a stress mark in it is one word, and the author's own choice
_GAP = re.compile(r"[ \-.'’]{1,3}\Z")


@dataclass(frozen=True, slots=True)
class Entry:
    """`word`, in any case, with ё or е, is said as `say`. `forms`: in every grammatical form (`say` stays as it is).
    `language`: in this one only, if one is given."""

    word: str
    say: str
    forms: bool = False
    language: str = ""


class _Known(NamedTuple):
    exact: dict[tuple[str, ...], str]
    inflected: dict[str, list[tuple[tuple[frozenset[str], ...], str]]]  # by a form of the first word


class Lexicon:
    """Compiled once, applied to every text of the project."""

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self._entries = tuple(entries)
        self._known: dict[str, _Known] = {}
        plain = repr([(e.word, e.say, e.forms, e.language) for e in self._entries])
        self.stamp = sha256(plain.encode("utf-8", "backslashreplace")).hexdigest()[:16] if self._entries else ""

    def apply(self, text: str, language: str) -> str:
        """Each place once, the longest phrase first; what was put in is not looked at again. Never raises."""
        if not self._entries:
            return text
        base = language.split("-")[0].lower()
        known = self._known.get(base)
        if known is None:
            known = self._known[base] = self._compiled(base)
        tokens = list(_TOKEN.finditer(text))
        words = [_plain(token[0]) for token in tokens]
        out: list[str] = []
        done = at = length = 0
        while at < len(tokens):
            took, said = self._found(known, text, tokens, words, at)
            if not took or length + len(said) > MOST_SAID:
                at += 1
                continue
            out += [text[done : tokens[at].start()], said]
            length += len(said)
            done = tokens[at + took - 1].end()
            at += took
        return "".join([*out, text[done:]])

    def _found(
        self, known: _Known, text: str, tokens: list[re.Match[str]], words: list[str], at: int
    ) -> tuple[int, str]:
        together = 1
        while (
            together < MOST_WORDS
            and at + together < len(tokens)
            and _GAP.match(text[tokens[at + together - 1].end() : tokens[at + together].start()])
        ):
            together += 1
        for count in range(together, 0, -1):
            here = words[at : at + count]
            if (said := known.exact.get(tuple(here))) is not None:
                return count, said
            if known.inflected:
                spoken = [forms.forms(word) for word in here]
                for first in spoken[0]:
                    for wanted, said in known.inflected.get(first, ()):
                        if len(wanted) == count and all(a & b for a, b in zip(wanted, spoken, strict=True)):
                            return count, said
        return 0, ""

    def _compiled(self, language: str) -> _Known:
        known = _Known({}, {})
        for entry in self._entries:
            words = tuple(_plain(token) for token in _TOKEN.findall(entry.word))[:MOST_WORDS]
            if not words or entry.language.split("-")[0].lower() not in ("", language):
                continue
            known.exact.setdefault(words, entry.say)
            if entry.forms:
                sets = tuple(forms.forms(word) for word in words)
                for form in sets[0]:
                    known.inflected.setdefault(form, []).append((sets, entry.say))
        return known


def _plain(word: str) -> str:
    return word.lower().replace("ё", "е")
