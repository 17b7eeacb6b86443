from __future__ import annotations

import numpy as np
import pytest

from engine import audio
from engine.ear import Ear, Ended, Quiet, Signal, Started, Stood
from engine.model import SILENCE
from scenarios.talk import Listen
from tests.fakes import FakeHearing, FakeRecognizer, FakeVad, spoken, utterance
from tests.speech import frames


class Bench:
    """An ear, and a count of frames."""

    def __init__(self, want: Listen | None = None) -> None:
        self.recognizer = FakeRecognizer()
        self.ear = Ear(FakeVad(), lambda _: self.recognizer, "ru")
        self.ear.listen(want)
        self.n = 0

    def push(
        self, frames: list[bytes], *, speaking: bool = False, interruptible: bool = True
    ) -> list[tuple[int, Signal]]:
        found = []
        for frame in frames:
            signal = self.ear.push(frame, speaking=speaking, interruptible=interruptible)
            if signal is not None:
                found.append((self.n, signal))
            self.n += 1
        return found


def test_silence_is_told_once_and_to_the_frame() -> None:
    bench = Bench(Listen(timeout_s=3.0))
    assert bench.push([SILENCE] * 400) == [(149, Quiet())]


def test_patience_stands_still_while_the_robot_speaks() -> None:
    bench = Bench(Listen(timeout_s=1.0))
    assert bench.push([SILENCE] * 500, speaking=True) == []
    assert bench.push([SILENCE] * 60) == [(549, Quiet())]


def test_patience_does_not_run_out_while_somebody_may_be_beginning_to_speak() -> None:
    bench = Bench(Listen(timeout_s=1.0))
    found = bench.push([SILENCE] * 47 + utterance("да", 0.3) + [SILENCE] * 60)
    assert [type(signal) for _, signal in found] == [Started, Stood, Ended]


def test_an_utterance_is_heard_from_before_its_onset() -> None:
    bench = Bench(Listen())
    quiet_syllable = spoken("не")[:-1] + b"\1"  # heard by the recogniser, but here the VAD hears it too: it is short
    found = bench.push(
        [SILENCE] * 50 + [quiet_syllable] * 2 + [SILENCE] * 2 + utterance("сейчас", 0.4) + [SILENCE] * 40
    )
    hearing = next(signal.hearing for _, signal in found if isinstance(signal, Ended))
    assert hearing.partial == "не сейчас"


def test_a_partial_is_told_when_it_has_stood_for_settle_ms() -> None:
    bench = Bench(Listen(settle_ms=200))
    found = bench.push(utterance("да конечно", 2.0))
    stood = [(n, signal.text) for n, signal in found if isinstance(signal, Stood)]
    assert [text for _, text in stood] == ["да", "да конечно"]
    assert stood[1][0] == 50 + 9  # the second word comes at 1.0 s


def test_no_partials_where_the_card_wants_none() -> None:
    bench = Bench(Listen(partials=False))
    assert [type(s) for _, s in bench.push(utterance("да", 2.0) + [SILENCE] * 40)] == [Started, Ended]


def test_speech_under_a_prompt_that_must_be_heard_is_nobodys() -> None:
    bench = Bench(Listen(timeout_s=1.0))
    assert bench.push(utterance("стоп", 0.5), speaking=True, interruptible=False) == []
    assert bench.push(utterance("стоп", 0.5)) == []  # it goes on after the prompt's end: still nobody's
    assert bench.recognizer.asked == []
    assert [type(s) for _, s in bench.push([SILENCE] * 100)] == [Quiet]


def test_speech_that_began_before_anybody_listened_is_nobodys_but_the_next_is_heard() -> None:
    bench = Bench()
    assert bench.push(utterance("алло", 0.5)) == []
    bench.ear.listen(Listen())
    assert bench.push(utterance("алло", 0.3) + [SILENCE] * 30) == []
    assert [type(s) for _, s in bench.push(utterance("да", 0.3))] == [Started]


def test_a_card_that_wants_keys_only_hears_no_voice() -> None:
    bench = Bench(Listen(voice=False, timeout_s=2.0))
    assert [type(s) for _, s in bench.push(utterance("да", 0.5) + [SILENCE] * 200)] == [Quiet]


def test_what_nobody_wants_any_more_is_dropped() -> None:
    bench = Bench(Listen())
    bench.push(utterance("да", 0.4))
    assert bench.ear._utterance is not None
    hearing = bench.ear._utterance.hearing
    assert isinstance(hearing, FakeHearing)
    bench.ear.listen(None)
    assert hearing.dropped
    assert bench.push(utterance("да", 0.4) + [SILENCE] * 50) == []


def test_the_cards_phrases_and_language_reach_the_recogniser() -> None:
    bench = Bench(Listen(phrases=("yes", "no"), language="en"))
    bench.push(utterance("yes", 0.4))
    assert bench.recognizer.asked == [("en", ("yes", "no"))]


# --- who it was that was heard ----------------------------------------------------------------------------------------


def tone(hertz: float, seconds: float, level: float = 0.1) -> list[bytes]:
    wave = np.sin(2 * np.pi * hertz * np.arange(round(seconds * 8000)) / 8000) * level
    return list(frames(audio.to_pcm(wave)))


def babble(seconds: float, level: float, seed: int = 1) -> bytes:
    """Noise in syllables: the stand-in for a prompt whose echo can be known by its sound."""
    wave = np.random.default_rng(seed).standard_normal(round(seconds * 8000))
    return audio.to_pcm(wave * np.abs(np.sin(np.arange(len(wave)) / 900)) * level)


def test_the_robots_own_echo_is_nobody_and_a_person_over_it_is_somebody() -> None:
    bench = Bench(Listen(timeout_s=1.0))
    prompt = babble(4.0, 0.2)
    bench.ear.plays(prompt)
    echo = audio.samples(bytes(1600) + prompt) * 0.05
    heard = audio.to_pcm(echo)
    assert bench.push(list(frames(heard))[:100], speaking=True) == []
    person = audio.samples(babble(1.0, 0.2, seed=2))
    over = audio.to_pcm(echo[32000 - 16000 :][: len(person)] + person)
    began = [n for n, signal in bench.push(list(frames(over)), speaking=True) if isinstance(signal, Started)]
    assert began
    assert began[0] - 100 <= 12  # within 250 ms


def test_an_echo_that_comes_after_the_prompt_makes_nobody_speak() -> None:
    bench = Bench(Listen(timeout_s=1.0))
    prompt = babble(1.0, 0.2)
    bench.ear.plays(prompt)
    bench.push([SILENCE] * 50, speaking=True)
    tail = list(frames(audio.to_pcm(audio.samples(prompt)[-2400:] * 0.05)))
    found = bench.push(tail + [SILENCE] * 100)
    assert [(n, type(signal)) for n, signal in found] == [(99, Quiet)]  # and patience has counted it as silence


def test_under_a_prompt_that_must_be_heard_an_echo_does_not_swallow_the_answer_after_it() -> None:
    bench = Bench(Listen(timeout_s=5.0))
    prompt = babble(1.0, 0.2)
    bench.ear.plays(prompt)
    heard = list(frames(audio.to_pcm(audio.samples(bytes(1600) + prompt) * 0.05)))
    assert bench.push(heard[:50], speaking=True, interruptible=False) == []
    found = bench.push(utterance("да", 0.5) + [SILENCE] * 40)
    assert [type(signal) for _, signal in found][-1] is Ended


@pytest.mark.parametrize("hertz", [425, 1000])
def test_ringing_and_beeps_are_nobody(hertz: float) -> None:
    bench = Bench(Listen(timeout_s=3.0))
    found = bench.push(tone(hertz, 1.0) + [SILENCE] * 200)
    assert [(n, type(signal)) for n, signal in found] == [(149, Quiet)]


# --- how long is waited -----------------------------------------------------------------------------------------------


def length(bench: Bench, said: list[bytes]) -> int:
    """Frames from the last voiced one to the end of the utterance."""
    found = bench.push([*said, *[SILENCE] * 100])
    return next(n for n, signal in found if isinstance(signal, Ended)) - (len(said) - 1)


@pytest.mark.parametrize(
    ("said", "frames_of_silence"), [("да", 30), ("не", 60), ("не интересно", 30), ("погода", 30), ("ну не", 60)]
)
def test_an_unfinished_phrase_is_waited_for_longer(said: str, frames_of_silence: int) -> None:
    bench = Bench(Listen(phrases=("да", "не интересно")))
    assert length(bench, utterance(said, 1.0)) == frames_of_silence


@pytest.mark.parametrize(
    ("said", "frames_of_silence"), [("один два", 60), ("один два три", 30), ("один два три четыре", 12)]
)
def test_a_number_is_waited_for_until_it_is_whole(said: str, frames_of_silence: int) -> None:
    bench = Bench(Listen(phrases=("один",), digits=(3, 4), partials=False))
    assert length(bench, utterance(said, 1.0)) == frames_of_silence


def test_the_cards_longest_answer_holds() -> None:
    bench = Bench(Listen(max_utterance_s=1.0, phrases=("не интересно",)))
    found = bench.push(utterance("не", 0.8) + [SILENCE] * 100)
    assert [n for n, signal in found if isinstance(signal, Ended)] == [49]


def test_a_pause_of_400_ms_inside_a_phrase_cuts_nothing() -> None:
    bench = Bench(Listen(phrases=("да", "оператор")))
    found = bench.push(utterance("позовите", 0.5) + [SILENCE] * 20 + utterance("оператора", 0.5) + [SILENCE] * 40)
    assert [type(signal) for _, signal in found if not isinstance(signal, Stood)] == [Started, Ended]
    ended = next(signal for _, signal in found if isinstance(signal, Ended))
    assert ended.hearing.partial == "позовите оператора"
