"""How long a silence ends an utterance, by what has been heard."""

from __future__ import annotations

import pytest

from engine.rules.endpointing import Endpointer, Endpointing, Expected, Turn
from scenarios.digits import digits

USUAL, UNFINISHED, COMPLETE = 600, 1200, 240
PHRASES = ("да", "нет", "не интересно", "не надо", "надо", "перезвоните", "перезвоните мне позже", "ещё раз")


@pytest.mark.parametrize(
    ("heard", "silence_ms"),
    [
        ("", USUAL),
        ("да", USUAL),
        ("не", UNFINISHED),
        ("да нет не", UNFINISHED),
        ("не интересно", USUAL),
        ("не надо", USUAL),
        ("перезвоните", USUAL),  # whole, though more may follow
        ("перезвоните мне", UNFINISHED),
        ("Еще", UNFINISHED),  # ё and case aside
        ("погода хорошая", USUAL),
        ("интересно", USUAL),
    ],
)
def test_an_unfinished_phrase_is_waited_for_longer(heard: str, silence_ms: int) -> None:
    assert Expected(PHRASES).silence_ms(heard, digits) == silence_ms


@pytest.mark.parametrize(
    ("heard", "silence_ms"),
    [
        ("", USUAL),
        ("так", USUAL),
        ("один два", UNFINISHED),  # a pause in the middle of the number
        ("один два три", USUAL),  # may be all, or not
        ("один два три четыре", COMPLETE),
        ("двенадцать тридцать", USUAL),  # may become 1235
        ("двенадцать тридцать пять", COMPLETE),
        ("одна тысяча двести тридцать четыре пять", COMPLETE),
    ],
)
def test_a_number_is_waited_for_until_it_is_whole(heard: str, silence_ms: int) -> None:
    assert Expected(("один", "два"), digits=(3, 4)).silence_ms(heard, digits) == silence_ms


def test_the_rules_are_the_callers() -> None:
    rules = Endpointing(end_ms=500, unfinished_ms=900, complete_ms=100)
    assert Expected(PHRASES).silence_ms("да", digits, rules) == 500
    assert Expected(PHRASES).silence_ms("не", digits, rules) == 900
    assert Expected((), (1, 1)).silence_ms("пять", digits, rules) == 100


def test_patterns_are_no_phrases() -> None:
    assert Expected(("/не .*/", "да")).silence_ms("не", digits) == USUAL


def ended(endpointer: Endpointer) -> int:
    """After how many silent frames."""
    return next(n for n in range(1, 1000) if endpointer.push(False) is Turn.ENDED)


def speaking(endpointer: Endpointer) -> Endpointer:
    while endpointer.push(True) is not Turn.STARTED:
        pass
    return endpointer


def test_the_wait_is_exact_and_begins_anew_with_each_utterance() -> None:
    endpointer = speaking(Endpointer())
    endpointer.ended_after = 60
    assert ended(endpointer) == 60
    assert ended(speaking(endpointer)) == 30


def test_the_cards_longest_holds_whatever_is_unfinished() -> None:
    endpointer = speaking(Endpointer())
    endpointer.longest, endpointer.ended_after = 50, 1000
    assert ended(endpointer) == 50 - 6


def test_what_was_no_speech_is_asked_again_soon() -> None:
    endpointer = speaking(Endpointer())
    endpointer.recant()
    assert not endpointer.speaking
    assert [endpointer.push(True) for _ in range(2)] == [None, Turn.STARTED]


@pytest.mark.parametrize("pause", range(1, 21))
def test_a_pause_of_up_to_400_ms_never_cuts_a_phrase(pause: int) -> None:
    for heard in ("", "да", "не", "погода"):
        endpointer = speaking(Endpointer())
        endpointer.ended_after = Expected(PHRASES).silence_ms(heard, digits) // 20
        assert [endpointer.push(False) for _ in range(pause)] == [None] * pause
        assert endpointer.push(True) is None
