"""What may be the beginning of another kind's phrase waits for its end, and not for ever."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import audio
from engine.model import FRAME_BYTES, FRAME_MS
from engine.rules import greetings
from engine.rules.amd import USUAL, Amd, Kind
from engine.rules.greetings import EXPECTED, became_another, clues, unfinished
from engine.rules.phrases import Phrases

SILENCE = bytes(FRAME_BYTES)
VOICE = audio.to_pcm(np.random.default_rng(1).standard_normal(FRAME_BYTES // 2) * 0.05)
LIMIT_MS, QUIET_MS = USUAL.unfinished_ms, USUAL.unfinished_silence_ms


def hear(amd: Amd, ms: int, voiced: bool = True) -> list[Kind]:
    pushed = (amd.push(VOICE if voiced else SILENCE, voiced) for _ in range(ms // FRAME_MS))
    return [verdict.kind for verdict in pushed if verdict is not None]


def test_an_assistant_that_greets_is_no_machine_meanwhile() -> None:
    amd = Amd()
    found = hear(amd, 900)
    assert amd.text("вас приветствует") is None
    found += hear(amd, 660)
    verdict = amd.text("вас приветствует ассистент")
    assert verdict is not None
    assert [*found, verdict.kind] == [Kind.SCREENING]
    assert [e.kind for e in verdict.evidence if e.what.startswith("phrase")] == [Kind.SCREENING] * 2
    assert hear(amd, 300) == []  # the beginning is not counted later


def test_its_rhythm_does_not_know_better_than_the_words_that_wait() -> None:
    amd = Amd()
    found = hear(amd, 1500)
    amd.text("вас приветствует")
    found += hear(amd, 900)  # 2.4 s without a pause
    assert found == []
    verdict = amd.text("вас приветствует ваш личный ассистент")
    assert verdict is not None and verdict.kind is Kind.SCREENING


@pytest.mark.parametrize(
    "then", ["автоответчик", "компания вектор к", "магазин и не только"], ids=["its own end", "a third word", "others"]
)
def test_other_words_settle_it(then: str) -> None:
    amd = Amd()
    hear(amd, 900)
    assert amd.text("вас приветствует") is None
    verdict = amd.text(f"вас приветствует {then}")
    assert verdict is not None and verdict.kind is Kind.MACHINE


def test_a_silence_settles_it() -> None:
    amd = Amd()
    hear(amd, 900)
    amd.text("вас приветствует")
    assert hear(amd, QUIET_MS - FRAME_MS, voiced=False) == []
    assert hear(amd, FRAME_MS, voiced=False) == [Kind.MACHINE]


def test_time_settles_it_while_the_voice_goes_on() -> None:
    amd = Amd()
    hear(amd, 400)
    amd.text("вас приветствует")
    assert hear(amd, LIMIT_MS - FRAME_MS) == []
    assert hear(amd, FRAME_MS) == [Kind.MACHINE]


def test_what_is_taken_back_was_not_said() -> None:
    amd = Amd()
    hear(amd, 500)
    amd.text("вас приветствует")
    amd.text("вас")
    hear(amd, 300)
    hear(amd, 1000, voiced=False)
    assert amd.verdict.kind is Kind.PERSON
    assert all("phrase" not in e.what for e in amd.verdict.evidence)


def test_somebody_else_may_say_it_again() -> None:
    amd = Amd()
    hear(amd, 400)
    amd.text("представьтесь")
    amd.afresh()
    hear(amd, 400)
    assert amd.text("представьтесь") is not None


def forks() -> list[tuple[str, Kind, str, Kind]]:
    """Every phrase with whose end one of another kind begins, and both together."""
    found = []
    for _, clue in greetings._CLUES:
        for words, rest, _ in greetings._longer(clue):
            whole = " ".join((*words, *rest)).replace("*", "")
            kinds = {other.kind for other in clues(whole) if not became_another(other, whole)}
            found += [(clue.phrase.replace("*", ""), clue.kind, whole, kind) for kind in kinds - {clue.kind}]
    return found


FORKS = forks()


def test_there_are_such_phrases() -> None:
    assert ("вас приветствует", Kind.MACHINE) in {(begin, kind) for begin, kind, _, _ in FORKS}
    assert {kind for _, kind, _, _ in FORKS} == {Kind.MACHINE, Kind.SCREENING, Kind.ANNOUNCEMENT}


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(FORKS),
    st.lists(st.sampled_from(["наш", "очень", "the"]), max_size=greetings.BETWEEN),
    st.lists(st.integers(0, 300), min_size=8, max_size=8),
)
def test_word_by_word_the_first_kind_is_never_counted(
    fork: tuple[str, Kind, str, Kind], others: list[str], pauses: list[int]
) -> None:
    begin, kind, whole, becomes = fork
    said, now_ms = Phrases(LIMIT_MS, QUIET_MS), 0
    rest = whole.removeprefix(begin).split()
    others = others if becomes is Kind.SCREENING else []
    heard = begin.split()
    texts = [" ".join(heard[: n + 1]) for n in range(len(heard))]
    for word in (*others, *rest):
        heard.append(word)
        texts.append(" ".join(heard))
    counted = []
    for text, pause_ms in zip(texts[len(begin.split()) - 1 :], pauses, strict=False):
        counted += said.heard(text, now_ms)
        now_ms += pause_ms if now_ms + pause_ms < LIMIT_MS else 0
        counted += said.ripe(now_ms, 0)
    counted += said.ripe(now_ms, QUIET_MS)
    assert begin not in {clue.phrase.replace("*", "") for clue in counted if clue.kind is kind}
    assert becomes in {clue.kind for clue in counted}


WORDS = sorted({word for phrase in EXPECTED for word in phrase.split()})
TEXTS = st.lists(st.sampled_from([*WORDS, "ромашка", "Вектор"]), max_size=14).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(TEXTS, st.integers(0, 800)), max_size=12), st.booleans())
def test_each_counts_once_and_late_at_most_by_the_limit(steps: list[tuple[str, int]], ends_quiet: bool) -> None:
    said, now_ms = Phrases(LIMIT_MS, QUIET_MS), 0
    shown: dict[str, int] = {}
    counted: list[str] = []
    for text, pause_ms in steps:
        now = said.heard(text, now_ms)
        there = clues(text)
        for clue in there:
            since = shown.setdefault(clue.phrase, now_ms)
            waits = unfinished(clue, text) and now_ms - since < LIMIT_MS
            assert (
                waits
                or became_another(clue, text)
                or clue.phrase in {*counted, *(c.phrase for c in now)} | gone(clue.phrase, steps)
            )
        counted += [clue.phrase for clue in now]
        now_ms += pause_ms
        counted += [clue.phrase for clue in said.ripe(now_ms, 0)]
    quiet = said.ripe(now_ms + (0 if ends_quiet else LIMIT_MS), QUIET_MS if ends_quiet else 0)
    assert not said.waiting
    counted += [clue.phrase for clue in quiet]
    assert len(counted) == len(set(counted))


def gone(phrase: str, steps: list[tuple[str, int]]) -> set[str]:
    """Phrases that were the beginning of another in some text: they count no more."""
    return {
        clue.phrase for text, _ in steps for clue in clues(text) if clue.phrase == phrase and became_another(clue, text)
    }
