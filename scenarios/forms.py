"""Words without their grammar: what was said and what was expected meet in their dictionary forms.

"Перезвоните, пожалуйста!" ─▶ words ─▶ [{перезвонить, перезвоните}, {пожалуйста}]
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import snowballstemmer  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from pymorphy3 import MorphAnalyzer  # type: ignore[import-untyped]

MOST_HEARD = 2000  # characters of an utterance that are looked at
_UNLIKELY = 0.05  # a reading rarer than this is no reading: надо as a form of над
_LONGEST = 40  # a longer word is no word
_WORD = re.compile(r"[^\W_]+")
_RUSSIAN = re.compile(r"[а-я]+\Z")


def words(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, ё as е, punctuation gone."""
    plain = unicodedata.normalize("NFC", text[:MOST_HEARD]).lower()
    return tuple(_WORD.findall(plain.replace("ё", "е").replace("\u0301", "")))


@cache
def _russian() -> MorphAnalyzer:
    from pymorphy3 import MorphAnalyzer  # 0.1 s and 20 MB, which a scenario in English does not need

    return MorphAnalyzer()


@cache
def _english() -> Any:
    return snowballstemmer.stemmer("english")


def warm() -> None:
    """Load the dictionaries now, so that the first call does not wait for them."""
    forms("слово")
    forms("word")


@lru_cache(maxsize=65536)
def forms(word: str) -> frozenset[str]:
    """The word itself and the dictionary forms it may have; two words are forms of one if these sets meet."""
    if len(word) > _LONGEST:
        return frozenset({word})
    if _RUSSIAN.match(word):
        parses = _russian().parse(word)
        likely = [p for p in parses if p.score >= _UNLIKELY] or parses[:1]
        return frozenset({word, *(str(p.normal_form).replace("ё", "е") for p in likely)})
    if word.isascii() and word.isalpha():
        return frozenset({word, "~" + str(_english().stemWord(word))})
    return frozenset({word})


@lru_cache(maxsize=4096)
def without_not(word: str) -> str:
    """`неудобно` is also said, and written by recognisers, as `не удобно`: the second word of that; else empty."""
    rest = word[2:]
    if word.startswith("не") and len(rest) > 3 and _RUSSIAN.match(word) and _russian().word_is_known(rest):
        return rest
    return ""


@lru_cache(maxsize=16384)
def with_yo(word: str) -> str:
    """A Russian word as it is spoken: `еще` is `ещё`. Unchanged where е is right, or either may be (`все`)."""
    small = word.lower()
    if "е" not in small or "ё" in small or len(word) > _LONGEST or not _RUSSIAN.match(small):
        return word
    spellings = {str(p.word) for p in _russian().parse(small) if p.is_known}
    if len(spellings) != 1 or "ё" not in (right := spellings.pop()) or len(right) != len(word):
        return word
    return "".join("Ё" if w == "Е" and r == "ё" else "ё" if r == "ё" else w for w, r in zip(word, right, strict=True))


@lru_cache(maxsize=4096)
def gender(word: str) -> str:
    """`m`, `f` or `n` of a Russian noun; empty if it is none or unknown."""
    small = word.lower()
    if len(word) > _LONGEST or not all("а" <= c <= "я" or c == "ё" for c in small):
        return ""
    parse = _russian().parse(small)[0]
    if parse.tag.POS != "NOUN":
        return ""
    return {"masc": "m", "femn": "f", "neut": "n"}.get(str(parse.tag.gender), "")


@lru_cache(maxsize=1024)
def inflected(word: str, case: str) -> str:
    """A Russian noun in the singular of this case (`loct`, `datv`, …); as it is where that is not known."""
    nouns = [parse for parse in _russian().parse(word) if parse.tag.POS == "NOUN"]
    found = nouns[0].inflect({"sing", case}) if nouns else None
    return str(found.word) if found is not None else word
