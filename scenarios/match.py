"""Which answer was given: phrases met in what was said, word by word, in any grammatical form.

    "да нет, неудобно" ─▶ words ─▶ every phrase where it stands ─▶ the longest, the last said, the first filter

A matcher is made once for a card and then only looks: under a millisecond for an utterance.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from scenarios.forms import forms, without_not, words
from scenarios.patterns import REGEX_SEES, is_regex, regex

Word = frozenset[str]


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase was heard: `answer` is whose, `length` in words, `end` where its last word stands."""

    answer: int
    length: int
    end: int
    phrase: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One arrow's phrases. Answers with the same `to` are one arrow."""

    phrases: tuple[str, ...]
    to: str = ""
    exact: bool = False


@dataclass(frozen=True, slots=True)
class _Phrase:
    answer: int
    words: tuple[Word, ...]
    text: str


def _heard(word: str) -> Word:
    return forms(word) | {"=" + word}


@dataclass(slots=True)
class Matcher:
    """What one card listens for."""

    answers: Sequence[Answer]
    _by_word: dict[str, list[_Phrase]] = field(init=False, default_factory=dict)
    _regexes: list[tuple[int, str]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        for index, answer in enumerate(self.answers):
            for phrase in answer.phrases:
                if is_regex(phrase):
                    self._regexes.append((index, phrase))
                else:
                    for variant in keyed(phrase, answer.exact):
                        self._add(_Phrase(index, variant, phrase))

    def _add(self, phrase: _Phrase) -> None:
        for key in phrase.words[0]:
            self._by_word.setdefault(key, []).append(phrase)

    @property
    def phrases(self) -> tuple[str, ...]:
        """What a recogniser may expect, in words, each once."""
        said = (" ".join(words(p)) for a in self.answers for p in a.phrases if not is_regex(p))
        return tuple(dict.fromkeys(phrase for phrase in said if phrase))

    def match(self, text: str) -> Hit | None:
        """The answer that was given, None if none of them was."""
        return self._best(words(text))

    def _best(self, said: tuple[str, ...]) -> Hit | None:
        best: Hit | None = None
        heard = [_heard(word) for word in said]
        for at, word in enumerate(heard):
            for phrase in {id(p): p for key in word for p in self._by_word.get(key, ())}.values():
                size = len(phrase.words)
                if at + size <= len(heard) and all(
                    not want.isdisjoint(heard[at + i]) for i, want in enumerate(phrase.words)
                ):
                    best = _better(best, Hit(phrase.answer, size, at + size, phrase.text))
        if self._regexes:
            for hit in self._met(said):
                best = _better(best, hit)
        return best

    def _met(self, said: tuple[str, ...]) -> list[Hit]:
        hits: list[Hit] = []
        line = " ".join(said)[-REGEX_SEES:]
        skipped = len(said) - len(line.split())
        for index, phrase in self._regexes:
            found = next(iter(deque(regex(phrase).finditer(line), maxlen=1)), None)
            if found is not None and found[0].strip():
                end = skipped + len(line[: found.end()].split())
                hits.append(Hit(index, len(found[0].split()), end, phrase))
        return hits

    def misheard(self) -> Iterator[tuple[int, int, str]]:
        """Each answer one of whose own phrases leads another way: (it, the answer that takes it, the phrase)."""
        for index, answer in enumerate(self.answers):
            for phrase in answer.phrases:
                hit = None if is_regex(phrase) else self.match(phrase)
                if hit is not None and self._to(hit.answer) != self._to(index):
                    yield index, hit.answer, phrase
                    break

    def decisive(self, partial: str) -> bool:
        """An answer has been given, and no longer phrase that has begun to be said leads another way."""
        said = words(partial)
        hit = self._best(said)
        if hit is None:
            return False
        to = self._to(hit.answer)
        if any(self._to(index) != to for index, _ in self._regexes):
            return False
        heard = [_heard(word) for word in said]
        return not any(
            len(phrase.words) > hit.length and self._to(phrase.answer) != to and self._begun(phrase, heard)
            for phrases in self._by_word.values()
            for phrase in phrases
        )

    @staticmethod
    def _begun(phrase: _Phrase, heard: list[Word]) -> bool:
        """The utterance ends in the middle of this phrase."""
        return any(
            all(not want.isdisjoint(got) for want, got in zip(phrase.words, heard[-size:], strict=False))
            for size in range(1, min(len(phrase.words) - 1, len(heard)) + 1)
        )

    def _to(self, index: int) -> str:
        return self.answers[index].to or str(index)


def keyed(phrase: str, exact: bool) -> list[tuple[Word, ...]]:
    """The ways a phrase may be said: itself, and `неудобно` also as `не удобно` and back."""
    said = words(phrase)
    if not said:
        return []
    if exact:
        return [tuple(frozenset({"=" + word}) for word in said)]
    variants = [said]
    for i, word in enumerate(said):
        if rest := without_not(word):
            variants.append((*said[:i], "не", rest, *said[i + 1 :]))
        if word == "не" and i + 1 < len(said) and without_not("не" + said[i + 1]):
            variants.append((*said[:i], "не" + said[i + 1], *said[i + 2 :]))
    return [tuple(forms(word) for word in variant) for variant in variants]


def _better(best: Hit | None, hit: Hit) -> Hit:
    if best is None:
        return hit
    return max(best, hit, key=lambda h: (h.length, h.end, -h.answer))
