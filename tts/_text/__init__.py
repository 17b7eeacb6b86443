"""What every text goes through before a voice engine sees it: after this it is words, pauses and stress marks.

    "Ваш долг 1 500 руб. до 01.12" ─▶ clean ─▶ ё and stress marks ─▶ numbers, money, dates, times, telephones,
    abbreviations ─▶ "Ваш долг одна тысяча пятьсот рублей до первого декабря"

A stress mark is `+` before the vowel (`за+мок`); a combining acute after it means the same. `spelled` writes them as an
engine understands them. All of it is pure, never raises, and what is plain already stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from tts._text import english, russian

MOST = 5000  # characters that are looked at
LONGEST_SAID = 40  # what comes out is at most so many times as long

Stress = Literal["plus", "acute", "none"]

_UNSAID = ("Cc", "Cf", "Cs", "Co", "Cn")
_ACUTE = "\u0301"
_RU_VOWELS = "аеёиоуыэюяАЕЁИОУЫЭЮЯ"
_ACCENTED = re.compile(f"([{_RU_VOWELS}]){_ACUTE}")
_MARK = re.compile(rf"\+(?=[{_RU_VOWELS}])")
_DIGITS = re.compile(r"\d+")


def prepare(text: str, language: str = "ru") -> str:
    """The text as it is to be spoken. For languages other than Russian and English it is only cleaned."""
    plain = clean(text[:MOST])
    match language.split("-")[0].lower():
        case "ru":
            said = russian.said(_ACCENTED.sub(r"+\1", plain))
        case "en":
            said = english.said(plain)
        case _:
            return plain
    return " ".join(said.split())[: LONGEST_SAID * MOST]


def clean(text: str) -> str:
    """One line of characters that can be said: no control characters, no lone surrogates, no runs of spaces."""
    composed = unicodedata.normalize("NFC", "".join(" " if unicodedata.category(c) in _UNSAID else c for c in text))
    return " ".join(composed.split())


def spelled(text: str, stress: Stress) -> str:
    """Stress marks for an engine: `plus` as they are, `acute` as U+0301 after the vowel, `none` without them."""
    if stress == "plus":
        return text
    if stress == "none":
        return _MARK.sub("", text)
    return re.sub(rf"\+([{_RU_VOWELS}])", rf"\1{_ACUTE}", text)
