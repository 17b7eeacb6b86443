"""Which answer was given, by what Russian and English speakers really say."""

from __future__ import annotations

import time

import pytest

from scenarios.match import Answer, Matcher
from scenarios.patterns import BadPattern, keys, regex

ASK = Matcher(
    [
        Answer(("да", "удобно", "конечно"), "agreed"),
        Answer(("нет", "неудобно", "не смогу"), "refused"),
        Answer(("позже", "перезвоните"), "later"),
    ]
)


def heard(matcher: Matcher, text: str) -> str:
    hit = matcher.match(text)
    return "" if hit is None else matcher.answers[hit.answer].to


@pytest.mark.parametrize(
    ("text", "to"),
    [
        ("да", "agreed"),
        ("Да, конечно!", "agreed"),
        ("ДА", "agreed"),
        ("да нет", "refused"),
        ("нет, да", "agreed"),
        ("неудобно", "refused"),
        ("мне не удобно", "refused"),
        ("удобен", "agreed"),
        ("я не смогу", "refused"),
        ("мы не сможем", "refused"),
        ("перезвони", "later"),
        ("перезвонить", "later"),
        ("а вы перезвоните потом", "later"),
        ("перезвонишь", "later"),
        ("перезвоню", "later"),
        ("звоните", ""),
        ("далеко", ""),
        ("нетто", ""),
        ("поздно", ""),
        ("", ""),
        ("...", ""),
        ("да " * 500, "agreed"),
    ],
)
def test_contains_a_phrase_in_any_form(text: str, to: str) -> None:
    assert heard(ASK, text) == to


def test_yo_case_and_punctuation_do_not_matter() -> None:
    matcher = Matcher([Answer(("ещё раз", "всё-таки"), "x")])
    assert heard(matcher, "ЕЩЕ, раз") == "x"
    assert heard(matcher, "все таки") == "x"


def test_exact_turns_forms_off() -> None:
    matcher = Matcher([Answer(("перезвоните",), "x", exact=True), Answer(("неудобно",), "y", exact=True)])
    assert heard(matcher, "перезвоните") == "x"
    assert heard(matcher, "перезвони") == ""
    assert heard(matcher, "не удобно") == ""


def test_the_longest_phrase_wins_wherever_it_stands() -> None:
    matcher = Matcher([Answer(("надо",), "yes"), Answer(("не надо",), "no")])
    assert heard(matcher, "не надо") == "no"
    assert heard(matcher, "надо") == "yes"
    assert heard(matcher, "не надо говорю же надо") == "no"


def test_then_the_filters_order() -> None:
    matcher = Matcher([Answer(("карта",), "first"), Answer(("карты",), "second")])
    assert heard(matcher, "карту") == "first"


def test_english_stems() -> None:
    matcher = Matcher([Answer(("call me back", "calling"), "later"), Answer(("yes",), "yes")])
    assert heard(matcher, "please CALL me back") == "later"
    assert heard(matcher, "they called") == "later"
    assert heard(matcher, "yesterday") == ""


def test_a_rare_reading_is_no_reading() -> None:
    """«надо» is also a form of the preposition «над», which nobody means."""
    assert heard(Matcher([Answer(("надо",), "x")]), "над домом") == ""


def test_regular_expressions_count_their_words() -> None:
    matcher = Matcher([Answer(("/через \\w+ (час|минут)/",), "later"), Answer(("час",), "hour")])
    assert heard(matcher, "Через два часа") == "later"
    assert heard(matcher, "который час") == "hour"


@pytest.mark.parametrize("text", ["да", "да ещё", "не удобно", "перезвоните", "не смогу"])
def test_decisive(text: str) -> None:
    assert ASK.decisive(text)


@pytest.mark.parametrize("text", ["", "ну", "не", "да не", "поздно"])
def test_not_decisive_while_another_arrow_may_still_come(text: str) -> None:
    assert not ASK.decisive(text)


def test_a_longer_phrase_of_another_arrow_holds_the_decision_and_one_of_the_same_does_not() -> None:
    matcher = Matcher([Answer(("надо", "надо срочно"), "yes"), Answer(("надо подумать",), "think")])
    assert not matcher.decisive("надо")
    assert matcher.decisive("надо срочно")
    assert matcher.decisive("надо мне")
    same = Matcher([Answer(("надо",), "yes"), Answer(("надо срочно",), "yes")])
    assert same.decisive("надо")


def test_an_expression_of_another_arrow_holds_the_decision() -> None:
    assert not Matcher([Answer(("да",), "a"), Answer(("/.+ потом/",), "b")]).decisive("да")


def test_the_same_phrase_in_another_form_cannot_be_told_apart() -> None:
    taken = [(1, 0, "перезвони")]
    assert list(Matcher([Answer(("нет", "перезвоните"), "a"), Answer(("перезвони",), "b")]).misheard()) == taken
    assert list(Matcher([Answer(("да",), "a"), Answer(("нет",), "b")]).misheard()) == []
    assert list(Matcher([Answer(("да",), "a", exact=True), Answer(("да",), "b")]).misheard()) == [(1, 0, "да")]
    assert list(Matcher([Answer(("да",), "a"), Answer(("да",), "a")]).misheard()) == []
    assert list(Matcher([Answer(("/д./",), "a"), Answer(("да",), "b")]).misheard()) == [(1, 0, "да")]


def test_what_a_recogniser_may_expect() -> None:
    matcher = Matcher([Answer(("Не смогу!", "/x+y/"), "a"), Answer(("не смогу", "да"), "b")])
    assert matcher.phrases == ("не смогу", "да")


def test_a_match_takes_under_a_millisecond() -> None:
    matcher = Matcher([Answer(tuple(f"слово{i}" for i in range(100)), str(i)) for i in range(5)])
    text = "ну я даже не знаю что вам на это сказать если честно давайте потом"
    matcher.match(text)
    began = time.perf_counter()
    for _ in range(200):
        matcher.match(text)
    assert (time.perf_counter() - began) / 200 < 0.001


@pytest.mark.parametrize(
    "text",
    ["/(a+)+b/", "/(a|a)*b/", "/(a|b|ab)*c/", "/" + "a?" * 20 + "a" * 20 + "/", "/.*.*.*x/", "/(?=a)b/", "/(a)\\1/",
     "/[/", "/.*/", "/" + "a" * 300 + "/", "/(a{1,100}){1,100}b/", "/[\\x00-\U0010ffff]/", "/[а-\uffff]x/"],
)  # fmt: skip
def test_dangerous_expressions_are_refused(text: str) -> None:
    with pytest.raises(BadPattern):
        regex(text)


def test_the_worst_allowed_expression_is_bounded() -> None:
    matcher = Matcher([Answer(("/.*а.*б/",), "x")])
    began = time.perf_counter()
    matcher.match("а" * 2000)
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    ("pattern", "full", "not_full"),
    [
        ("1", "1", "2"),
        ("[1-3]", "2", "4"),
        ("[^0]", "5", "0"),
        ("12", "12", "1"),
        ("[0-9]{4}", "0007", "007"),
        ("[0-9]{1,3}", "12", "1234"),
        (".", "7", "#"),
        ("*", "*", "1"),
        ("[*#]", "#", "0"),
        (".{2}#", "12#", "12"),
    ],
)
def test_keys(pattern: str, full: str, not_full: str) -> None:
    assert keys(pattern).full(full)
    assert not keys(pattern).full(not_full)


@pytest.mark.parametrize("pattern", ["", "x", "[3-1]", "[]", "1{0}", "[0-9]{40}", "1|2", "[a-z]", "1{0,2}", "[1-"])
def test_keys_that_are_none(pattern: str) -> None:
    with pytest.raises(BadPattern):
        keys(pattern)


def test_more_keys_may_follow() -> None:
    assert keys("12").more("1")
    assert not keys("12").more("12")
    assert not keys("12").more("3")
    assert keys("[0-9]{1,3}").more("12")
