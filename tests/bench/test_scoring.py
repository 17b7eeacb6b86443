from __future__ import annotations

import numpy as np
import pytest

from bench import memory
from bench.hearing import score
from bench.hearing.calls import Came
from bench.hearing.corpus import Span
from bench.hearing.run import Result, figures
from bench.hearing.score import Tried
from bench.talking import Talking, speech
from engine import audio

SPOKEN = Span(1000, 1500)


def taken(wanted: str, port: str, *, by: str = "voice", span: Span | None = SPOKEN) -> Tried:
    return Tried(wanted, span, Came(node="ask", port=port, by=by))


def test_a_command_is_right_another_or_missed() -> None:
    tried = [
        taken("да", "да"),
        taken("да", "нет"),
        taken("да", "other", by="other"),
        taken("нет", "silence", by="silence"),
        taken("", "да"),
    ]
    assert score.commands(tried) == {"commands": 4, "right": 0.25, "wrong": 0.25, "missed": 0.5}
    assert score.foreign(tried) == {"foreign": 1, "accepted": 1.0}
    assert score.confusions(tried) == {"да → нет": 1, "да → …": 1, "нет → …": 1, "… → да": 1}


def test_a_card_named_like_its_port_is_no_command_unless_a_voice_decided() -> None:
    assert score.commands([taken("other", "other", by="other")])["right"] == 0


def test_nothing_tried_is_no_division_by_zero() -> None:
    assert score.commands([]) == {"commands": 0, "right": 0.0, "wrong": 0.0, "missed": 0.0}
    assert score.quantiles("x", []) == {}


def test_delays_count_from_the_last_word_and_may_be_negative() -> None:
    tried = [
        Tried("да", SPOKEN, Came(port="да", by="voice", partial=True, answered_s=1.4)),
        Tried("да", SPOKEN, Came(port="да", by="voice", answered_s=2.1)),
        Tried("да", SPOKEN, Came()),
    ]
    assert score.delays_ms(tried) == ([-100.0], [600.0])


@pytest.mark.parametrize(("ends_ms", "cut"), [([1200, 2000], True), ([1399], True), ([1400], False), ([2100], False)])
def test_who_is_cut_off_was_still_speaking(ends_ms: list[int], cut: bool) -> None:
    assert score.is_cut(Tried("", SPOKEN, Came(ends_ms=ends_ms))) is cut


def test_who_was_never_heard_was_not_cut_off_and_is_told_apart() -> None:
    tried = [Tried("", SPOKEN, Came(ends_ms=[1100, 2000])), Tried("", SPOKEN, Came())]
    assert score.cut_offs(tried) == {"paused": 2, "cut_off": 0.5, "unheard": 0.5}


def test_an_interruption_before_the_onset_was_none() -> None:
    tried = [Tried("да", SPOKEN, Came(hushed_ms=ms)) for ms in (900, 1100, 1250, 1251)] + [Tried("да", SPOKEN, Came())]
    told = score.interruptions(tried, 250)
    assert (told["noticed"], told["noticed_in_time"], told["too_early"]) == (0.6, 0.4, 0.2)
    assert told["after_ms"] == [100, 250, 251]


def test_a_prompt_that_nobody_interrupted_was_heard_to_its_end() -> None:
    tried = [Tried("", None, Came(hushed_ms=ms)) for ms in (None, None, 5000, None)]
    assert score.false_interruptions(tried) == {"prompts": 4, "interrupted": 0.25}


def test_targets_are_for_the_whole_of_the_built_in_corpora() -> None:
    row = {"kind": "commands", "language": "ru", "condition": "alaw", "full": True, "foreign": 1}
    result = Result("vosk", "", True, [row | {"right": 0.9, "wrong": 0.0, "accepted": 0.0}])
    passes = {figure.name: figure.passes for figure in figures(result)}
    assert passes["ru, alaw: commands right"] is False
    assert passes["ru, alaw: taken for another command"] is True
    assert {figure.passes for figure in figures(result, judged=False)} == {None}
    english = Result("vosk", "", True, [row | {"language": "en", "right": 0.0, "wrong": 0.0, "accepted": 0.0}])
    assert {figure.passes for figure in figures(english)} == {None}


def test_the_first_group_of_calls_is_what_growth_is_counted_from() -> None:
    assert memory.growth([200.0, 205.0, 202.0]) == 2.5
    assert memory.growth([200.0, 190.0]) == -5.0
    assert [figure.passes for figure in memory.figures([200.0, 211.0], 0)][-2:] == [False, True]


def test_subscribers_speak_as_much_as_is_said_of_them_and_not_at_once() -> None:
    phrases = [audio.tone(300, seconds).pcm for seconds in (0.6, 1.1, 2.3)]
    said = [audio.samples(audio.decode(speech(phrases, seed), "alaw")) for seed in (1, 2)]
    for wave in said:
        frames = np.abs(wave[: wave.size // 160 * 160]).reshape(-1, 160).max(axis=1)
        assert (frames > 0.05).mean() == pytest.approx(0.3, abs=0.06)
        assert frames.min() > 0  # comfort noise: a line is never without
    assert not np.array_equal(said[0], said[1])


def test_what_gives_way_first_is_named() -> None:
    quiet = [20.0] * 1000
    steady = Talking(60, 0.3, 0.2, 0.4, 0, 1, 1, quiet, 0, 0, 5, 0, 200, 50)
    assert steady.borne and steady.limit == "nothing yet"
    busy = Talking(120, 0.3, 1.0, 0.4, 0, 2, 1, quiet, 0, 7, 40, 0, 200, 50)
    assert not busy.borne and busy.limit == "the recogniser's processes"
    late = Talking(90, 0.9, 0.2, 0.4, 0, 2, 1, [80.0] * 1000, 0, 0, 5, 0, 200, 50)
    assert not late.borne and late.limit == "the engine's loop"
