"""Turns, exact to a frame, in virtual time: what the subscriber hears, and when, measured from what they did."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from engine import audio
from engine.model import FRAME_BYTES, Sound
from scenarios.talk import Prompt
from tests.engine.test_call import World, path, step
from tests.fakes import FakeRecognizer, FakeSynthesizer, ScriptedMedia, Speech
from tests.virtual_time import virtually

FRAME = 0.02
ONSET, SETTLED = 0.12, 0.2  # min_speech_ms and settle_ms of a card that says nothing else
SCENARIO = """
dozvon: 1
name: turns
language: ru
start: ask
nodes:
  ask:
    kind: recognize
    say: "Вопрос"
    timeout_s: 3
    {more}
    filters:
      - {{voice: [да, не интересно], goto: known}}
      - {{silence: true, goto: silent}}
      - {{other: true, goto: other}}
  known: {{kind: play, say: "Понятно", next: bye}}
  silent: {{kind: play, say: "Тишина", next: bye}}
  other: {{kind: play, say: "Другое", next: bye}}
  bye: {{kind: hangup}}
"""


def world(*speeches: Speech, digits: tuple[tuple[float, str], ...] = ()) -> World:
    """A recogniser and a voice that take no time, so that every moment is the turn's own."""
    return World(
        ScriptedMedia(speeches, digits), FakeRecognizer(takes_s=0.0), FakeSynthesizer(takes_s=0.0, char_ms=100)
    )


def answered_at(one: World, more: str = "barge_in: true") -> tuple[str, float, float]:
    """The card after the question, when the question's prompt ended, and when the answer's began."""
    log = one.run(SCENARIO.format(more=more))
    asked, answer = one.media.heard[:2]
    return path(log)[1], asked.until, answer.at


def within_a_frame(moment: float, wanted: float) -> bool:
    return wanted - 1e-6 <= moment <= wanted + FRAME + 1e-6


@pytest.mark.parametrize("timeout_s", [0.5, 1.0, 3.0, 7.0])
def test_patience_is_exact(timeout_s: float) -> None:
    one = world()
    log = one.run(SCENARIO.replace("timeout_s: 3", f"timeout_s: {timeout_s}").format(more="barge_in: true"))
    asked, answer = one.media.heard[:2]
    assert path(log)[1] == "silent"
    assert within_a_frame(answer.at - asked.until, timeout_s)


def test_an_utterance_nobody_can_sort_leads_by_other_600_ms_after_its_end() -> None:
    node, _, at = answered_at(world(Speech(2.0, 0.8, "погода хорошая")))
    assert (node, within_a_frame(at, 2.0 + 0.8 + 0.6)) == ("other", True)


def test_a_partial_that_is_enough_ends_it_at_once() -> None:
    node, _, at = answered_at(world(Speech(2.0, 3.0, "да")))
    assert (node, within_a_frame(at, 2.0 + ONSET + SETTLED)) == ("known", True)


def test_where_the_end_is_wanted_it_is_waited_for() -> None:
    node, _, at = answered_at(world(Speech(2.0, 1.0, "да")), "decide: final")
    assert (node, within_a_frame(at, 2.0 + 1.0 + 0.6)) == ("known", True)


def test_an_unfinished_phrase_is_waited_for_twice_as_long() -> None:
    node, _, at = answered_at(world(Speech(2.0, 0.8, "не")))
    assert (node, within_a_frame(at, 2.0 + 0.8 + 1.2)) == ("other", True)


def test_the_rest_of_a_phrase_after_a_second_is_the_same_answer() -> None:
    node, _, at = answered_at(world(Speech(2.0, 0.6, "не"), Speech(3.6, 0.8, "интересно")))
    assert (node, within_a_frame(at, 3.6 + SETTLED)) == ("known", True)


@pytest.mark.parametrize("pause_s", [0.1, 0.2, 0.3, 0.4])
def test_pauses_of_up_to_400_ms_are_part_of_the_answer(pause_s: float) -> None:
    one = world(Speech(2.0, 0.5, "погода"), Speech(2.5 + pause_s, 0.5, "хорошая"))
    log = one.run(SCENARIO.format(more="barge_in: true"))
    assert step(log, "ask").heard == "погода хорошая"


def test_the_cards_longest_answer_holds() -> None:
    node, _, at = answered_at(world(Speech(2.0, 9.0, "погода")), "max_utterance_s: 2")
    assert (node, within_a_frame(at, 2.0 + 2.0)) == ("other", True)


@pytest.mark.parametrize("said_s", [0.02, 0.06, 0.1])
def test_clicks_neither_interrupt_nor_answer(said_s: float) -> None:
    one = world(Speech(0.2, said_s, "да"), Speech(1.5, said_s, "да"))
    node, asked, at = answered_at(one)
    assert (node, within_a_frame(at, asked + 3.0)) == ("silent", True)
    assert one.media.heard[0].whole


def test_speech_silences_the_robot_120_ms_after_its_onset() -> None:
    one = world(Speech(0.2, 2.0, "да"))
    assert answered_at(one)[0] == "known"
    assert not one.media.heard[0].whole
    assert within_a_frame(one.media.heard[0].until, 0.2 + ONSET - FRAME)


def test_a_key_is_answered_at_once() -> None:
    one = world(digits=((2.0, "5"),))
    node, _, at = answered_at(one)
    assert (node, within_a_frame(at, 2.0)) == ("other", True)


COLLECT = """
dozvon: 1
name: digits
language: ru
start: ask
nodes:
  ask: {kind: collect, say: "Номер", save: code, min: 3, max: 4, timeout_s: 5, ok: done, invalid: wrong, silence: wrong}
  done: {kind: play, say: "Есть", next: bye}
  wrong: {kind: play, say: "Нет", next: bye}
  bye: {kind: hangup}
"""


@pytest.mark.parametrize(
    ("said", "wait_s"), [("один два три", 0.6), ("один два три четыре", 0.24)], ids=["maybe more", "no more"]
)
def test_the_last_digit_of_a_number_is_known(said: str, wait_s: float) -> None:
    one = world(Speech(2.0, 1.2, said))
    log = one.run(COLLECT)
    assert path(log)[1] == "done"
    assert within_a_frame(one.media.heard[1].at, 2.0 + 1.2 + wait_s)


def test_a_second_of_thought_in_the_middle_of_a_number_is_no_end() -> None:
    one = world(Speech(2.0, 0.6, "один два"), Speech(3.6, 0.6, "три четыре"))
    log = one.run(COLLECT)
    assert path(log)[1] == "done"
    assert step(log, "ask").heard == "один два три четыре"


# --- the robot's own echo ---------------------------------------------------------------------------------------------


class _Loud:
    """`Sounds`: noise in syllables, another one for each text."""

    async def sound(self, prompt: Prompt) -> Sound:
        return Sound(syllables(len(prompt.text)))


def syllables(seed: int, seconds: float = 3.0) -> bytes:
    wave = np.random.default_rng(seed).standard_normal(round(seconds * 8000))
    return audio.to_pcm(wave * np.abs(np.sin(np.arange(len(wave)) / 900)) * 0.2)


@pytest.mark.parametrize("late_ms", [20, 100, 250])
@pytest.mark.parametrize("db", [-20, -26, -40])
def test_its_own_echo_never_interrupts_it(db: float, late_ms: int) -> None:
    one = world()
    prompt = syllables(len("Вопрос"))
    echo = audio.to_pcm(audio.samples(bytes(late_ms * 16) + prompt) * 10 ** (db / 20))
    heard = [echo[at : at + FRAME_BYTES] for at in range(0, len(echo) - FRAME_BYTES, FRAME_BYTES)]
    assert sum(frame[0] != 0 for frame in heard) > len(heard) * 0.8  # the VAD hears a voice
    one.media._voice = dict(enumerate(heard))

    async def main() -> list[str]:
        call = one.call(SCENARIO.format(more="barge_in: true"))
        call._mouth._sounds = _Loud()
        return path(await call.run())

    assert virtually(main)[1] == "silent"
    assert one.media.heard[0].whole
    assert one.recognizer.asked == []
    assert all(earlier.until <= later.at + 1e-6 for earlier, later in pairwise(one.media.heard))
