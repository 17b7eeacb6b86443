"""Digits out of speech, in Russian and English: `ноль ноль семь` is 007, `двадцать пять` is 25, `double five` is 55."""

from __future__ import annotations

from functools import cache

from scenarios.forms import forms, words

MOST_DIGITS = 64

_RUSSIAN = """
ноль один два три четыре пять шесть семь восемь девять
десять одиннадцать двенадцать тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать
двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто
сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот
"""
_ORDINALS = """
первый второй третий четвертый пятый шестой седьмой восьмой девятый десятый одиннадцатый двенадцатый тринадцатый
четырнадцатый пятнадцатый шестнадцатый семнадцатый восемнадцатый девятнадцатый двадцатый
"""
_ENGLISH = """
zero one two three four five six seven eight nine
ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
twenty thirty forty fifty sixty seventy eighty ninety
"""
_RU, _EN = _RUSSIAN.split(), _ENGLISH.split()
_VALUES = (*range(20), *range(20, 100, 10), *range(100, 1000, 100))
_THOUSAND = -1000
_HUNDRED = -100
_TWICE, _THRICE = -2, -3


@cache
def _numbers() -> dict[str, int]:
    found = dict(zip(_RU, _VALUES, strict=True)) | dict(zip(_EN, _VALUES, strict=False))
    found |= {"нуль": 0, "oh": 0, "o": 0, "раз": 1, "двое": 2, "трое": 3, "четверо": 4, "hundred": _HUNDRED}
    found |= {word: n + 1 for n, word in enumerate(_ORDINALS.split())} | {"тридцатый": 30}
    found |= dict.fromkeys(("тысяча", "thousand"), _THOUSAND)
    return found | dict.fromkeys(("дважды", "double"), _TWICE) | dict.fromkeys(("трижды", "triple"), _THRICE)


@cache
def vocabulary(language: str) -> tuple[str, ...]:
    """The words to expect when digits are spoken."""
    if language.startswith("ru"):
        return (*_RU, "одна", "две", "тысяча", "тысячи", "тысяч")
    return (*_EN, "oh", "hundred", "thousand", "double", "triple")


def _number(word: str) -> int | None:
    numbers = _numbers()
    if word in numbers:
        return numbers[word]
    found = {numbers[form] for form in forms(word) if form in numbers}
    return found.pop() if len(found) == 1 else None


def digits(text: str) -> str:
    """The digits that were said, in order; other words are passed over; at most MOST_DIGITS."""
    out = ""
    group = _Group()
    repeat = 1
    for word in words(text):
        if word.isascii() and word.isdigit():
            out += group.close() + word
            continue
        number = _number(word)
        if number is None:
            continue
        if number in (_TWICE, _THRICE):
            out += group.close()
            repeat = -number
            continue
        if repeat > 1 and 0 <= number <= 9:
            out += str(number) * repeat
        else:
            out += group.take(number)
        repeat = 1
        if len(out) > MOST_DIGITS:
            break
    return (out + group.close())[:MOST_DIGITS]


class _Group:
    """One number while it is being said: `двести` + `двадцать` + `пять`."""

    def __init__(self) -> None:
        self._thousands: int | None = None
        self._value = 0
        self._place = 0  # the place said last: 100, 10, 1; 0 is nothing yet

    def take(self, number: int) -> str:
        """Add a word; what was finished by it, as digits."""
        if number == _THOUSAND:
            if self._thousands is not None:
                done = self.close()
                self._thousands, self._place = 1, 1000
                return done
            self._thousands = self._value if self._place else 1
            self._value, self._place = 0, 1000
            return ""
        if number == _HUNDRED:
            if self._place == 1 and 0 < self._value % 100 < 10:
                self._value, self._place = self._value * 100, 100
                return ""
            return self.take(100)
        place = 100 if number >= 100 else 10 if number >= 20 else 1
        below = place < self._place if number not in range(10, 20) else self._place > 10
        fits = self._place > 0 and below and number > 0
        done = "" if fits or self._place == 0 else self.close()
        self._value = self._value + number if fits else number
        self._place = place
        return done

    def close(self) -> str:
        if not self._place:
            return ""
        value = self._value + 1000 * (self._thousands or 0)
        self._thousands, self._value, self._place = None, 0, 0
        return str(value)
