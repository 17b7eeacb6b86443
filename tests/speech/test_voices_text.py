"""What a text is made into before a voice speaks it: by example, and whatever the text."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts import _text
from tts._text import prepare, spelled
from tts._text.lexicon import MOST_SAID, Entry, Lexicon

RUSSIAN = {
    "Ваш долг 1 500 руб. до 01.12": "Ваш долг одна тысяча пятьсот рублей до первого декабря",
    "Это 1500,50 ₽. Жду.": "Это одна тысяча пятьсот рублей пятьдесят копеек. Жду.",
    "от 500 рублей": "от пятисот рублей",
    "5 тыс. руб.": "пять тысяч рублей.",
    "3 млн рублей": "три миллиона рублей",
    "тел. +7 (495) 123-45-67": "телефон плюс семь, четыре девять пять, один два три, четыре пять, шесть семь",
    "по тел. 8-800-555-35-35": "по телефону восемь, восемь ноль ноль, пять пять пять, три пять, три пять",
    "25.12.2026 г. в 14:30": "двадцать пятого декабря две тысячи двадцать шестого года в четырнадцать часов "
    "тридцать минут",
    "с 9:00 до 21:00": "с девяти часов до двадцати одного часа",
    "к 15:00": "к пятнадцати часам",
    "до 1 января 2027 года": "до первого января две тысячи двадцать седьмого года",
    "в 2026 году": "в две тысячи двадцать шестом году",
    "на ул. Ленина, д. 5/2, кв. 17": "на улице Ленина, дом пять дробь два, квартира семнадцать",
    "2 минуты, 21 копейка, 1 окно": "две минуты, двадцать одна копейка, одно окно",
    "через 1 минуту": "через одну минуту",
    "от 5 до 10 дней": "от пяти до десяти дней",
    "скидка 15% и 2,5 %": "скидка пятнадцать процентов и две целых пять десятых процента",
    "-5°C": "минус пять градусов",
    "1-й этаж, 2-я линия, 5-го числа": "первый этаж, вторая линия, пятого числа",
    "т.е. г. Тула и т.д.": "то есть город Тула и так далее.",
    "код 0042": "код ноль ноль четыре два",
    "10-12 дней": "десять — двенадцать дней",
    "еще раз счет, но все": "ещё раз счёт, но все",
    "за́мок и зам+ок": "з+амок и зам+ок",
    "a + b": "a плюс b",
    "№ 7": "номер семь",
    "рейс SU123": "рейс SU один два три",
}
ENGLISH = {
    "Mr. Smith, $1,500.50": "Mister Smith, one thousand, five hundred dollars fifty cents",
    "+1 212 555 0100": "plus one, two one two, five five five, zero one, zero zero",
    "at 14:30 or 2:30 pm, not 9:05": "at two thirty p m or two thirty p m, not nine oh five",
    "St. John St., Apt. 5": "Saint John Street, Apartment five",
    "21st floor": "twenty-first floor",
    "15% off": "fifteen percent off",
    "December 1, 2026": "December first, twenty twenty-six",
    "2026-12-01": "December first, twenty twenty-six",
    "$5 million": "five million dollars",
    "10-12 days": "ten to twelve days",
    "code 0042, e.g. #5": "code zero zero four two, for example number five",
}


@pytest.mark.parametrize(("text", "said"), RUSSIAN.items())
def test_russian(text: str, said: str) -> None:
    assert prepare(text, "ru") == prepare(said, "ru") == said


@pytest.mark.parametrize(("text", "said"), ENGLISH.items())
def test_english(text: str, said: str) -> None:
    assert prepare(text, "en-US") == prepare(said, "en-US") == said


WORDS_OF_BOTH = ["добрый", "день", "вам", "удобно", "конечно", "замок", "я", "и", "вода", "yes", "hello"]
PLAIN = st.lists(st.sampled_from(WORDS_OF_BOTH))
PARTS = st.one_of(
    st.sampled_from(
        ["1", "12", "05", "2026", "1000000", "007", "5,5", "+7", "495", "12:30", "01.02", "25.12.2026", "9" * 18]
    ),
    st.sampled_from([".", ",", ":", "-", "+", "/", "№", "%", "₽", "$", "(", ")", "*", "#", "@", "&", "1st", "2-й"]),
    st.sampled_from(["руб.", "г.", "ул.", "д.", "т.е.", "и т.д.", "с", "до", "в", "по", "Mr.", "St.", "млн", "Ж"]),
    st.sampled_from(["е", "ё", "за+мок", "замо\u0301к"]),
)
SPEECHLIKE = st.lists(st.tuples(PARTS, st.sampled_from(["", " ", "  ", "\n"])), max_size=30).map(
    lambda parts: "".join(a + b for a, b in parts)
)
ANY = st.one_of(st.text(max_size=300), SPEECHLIKE)
LANGUAGES = st.sampled_from(["ru", "en", "ru-RU", "de"])


@given(PLAIN, LANGUAGES)
def test_plain_words_stay_as_they_are(words: list[str], language: str) -> None:
    text = " ".join(words)
    assert prepare(text, language) == text


@given(ANY, LANGUAGES)
def test_any_text_comes_out_as_one_bounded_line_that_is_ready(text: str, language: str) -> None:
    said = prepare(text, language)
    assert len(said) <= _text.LONGEST_SAID * len(text) + 100
    assert said == " ".join(said.split())
    if language != "de":
        assert not re.search(r"[0-9]", said)


@pytest.mark.parametrize(
    "text", ["1 " * 9999, "+" * 9999, "1.1.1." * 2000, "8 800 " * 2000, "т. " * 2000, "9" * 9999, "с 1:1" * 999]
)
def test_hostile_lengths_take_bounded_time(text: str) -> None:
    began = time.process_time()
    assert len(prepare(text, "ru")) <= _text.LONGEST_SAID * _text.MOST
    assert time.process_time() - began < 3.0


def test_stress_is_spelled_for_the_engine() -> None:
    assert spelled("за+мок + 5", "plus") == "за+мок + 5"
    assert spelled("з+амок", "acute") == "за\u0301мок"
    assert spelled("з+амок +5", "none") == "замок +5"


# --- a project's own pronunciations ---------------------------------------------------------------------------------

WORDS = Lexicon(
    [
        Entry("СберБанк", "сбер-б+анк"),
        Entry("Wi-Fi", "вай-ф+ай"),
        Entry("договор", "догов+ор", forms=True),
        Entry("счёт", "сч+от"),
        Entry("лицевой счёт", "ЛС"),
        Entry("read", "red", language="en"),
    ]
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("СБЕРБАНК раздаёт Wi-Fi и wi fi", "сбер-б+анк раздаёт вай-ф+ай и вай-ф+ай"),
        ("Сбербанка нет, сбербанковский есть", "Сбербанка нет, сбербанковский есть"),  # other forms only if asked for
        ("по договору", "по догов+ор"),
        ("лицевой счет, счет", "ЛС, сч+от"),
        ("лицевой. А счёт", "лицевой. А сч+от"),
        ("read", "read"),
    ],
)
def test_pronunciations(text: str, said: str) -> None:
    assert WORDS.apply(text, "ru") == said


def test_pronunciations_of_a_language() -> None:
    assert WORDS.apply("Read it", "en-GB") == "red it"


def test_what_was_put_in_is_not_looked_at_again() -> None:
    assert Lexicon([Entry("а", "б"), Entry("б", "а")]).apply("а б", "ru") == "б а"


def test_a_change_is_another_stamp() -> None:
    assert Lexicon().stamp == ""
    assert Lexicon([Entry("а", "б")]).stamp != Lexicon([Entry("а", "в")]).stamp


@given(ANY, st.lists(st.builds(Entry, st.text(max_size=20), st.text(max_size=200), st.booleans()), max_size=5))
def test_any_lexicon_is_bounded(text: str, entries: list[Entry]) -> None:
    assert len(Lexicon(entries).apply(text, "ru")) <= len(text) + MOST_SAID
