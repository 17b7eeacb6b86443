"""Digits out of speech."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.digits import MOST_DIGITS, digits
from scenarios.speech import spoken_digits, spoken_phone, words


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("двадцать пять", "25"),
        ("двадцати пяти", "25"),
        ("двадцать пятого", "25"),
        ("ноль ноль семь", "007"),
        ("один два три", "123"),
        ("пять пять пять", "555"),
        ("сто двадцать три", "123"),
        ("двадцать двенадцать", "2012"),
        ("двести пять шесть", "2056"),
        ("одиннадцать два", "112"),
        ("пятьдесят ноль", "500"),
        ("две тысячи двадцать шесть", "2026"),
        ("тысяча", "1000"),
        ("пять тысяч", "5000"),
        ("восемь девятьсот двенадцать сто двадцать три сорок пять ноль семь", "89121234507"),
        ("мой код 25 и три", "253"),
        ("twenty five", "25"),
        ("oh oh seven", "007"),
        ("double five one", "551"),
        ("two hundred five", "205"),
        ("two thousand twenty six", "2026"),
        ("нет", ""),
        ("", ""),
    ],
)
def test_digits(said: str, expected: str) -> None:
    assert digits(said) == expected


@given(st.integers(0, 999_999))
def test_a_number_said_in_words_is_that_number(n: int) -> None:
    assert digits(words(n, "ru")) == str(n)
    assert digits(words(n, "en")) == str(n)


@given(st.text("0123456789", min_size=1, max_size=20))
def test_digit_by_digit(text: str) -> None:
    assert digits(spoken_digits(text, "ru")) == text
    assert digits(spoken_digits(text, "en")) == text


@given(st.text("123456789", min_size=10, max_size=11))
def test_a_telephone_number_comes_back(text: str) -> None:
    """Without zeros: «четыреста, двадцать три» is 400 23 or 423, and only a pause tells."""
    assert digits(spoken_phone(text, "ru").replace(",", " и ")) == text


@given(st.text(max_size=300))
def test_never_raises_and_is_bounded(text: str) -> None:
    found = digits(text * 20)
    assert found == "" or (found.isdigit() and len(found) <= MOST_DIGITS)
