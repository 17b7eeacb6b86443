from __future__ import annotations

from engine.ear import Ear, Ended, Quiet, Signal, Started, Stood
from engine.model import SILENCE
from scenarios.talk import Listen
from tests.fakes import FakeHearing, FakeRecognizer, FakeVad, spoken, utterance


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
    hearing = bench.ear._hearing
    assert isinstance(hearing, FakeHearing)
    bench.ear.listen(None)
    assert hearing.dropped
    assert bench.push(utterance("да", 0.4) + [SILENCE] * 50) == []


def test_the_cards_phrases_and_language_reach_the_recogniser() -> None:
    bench = Bench(Listen(phrases=("yes", "no"), language="en"))
    bench.push(utterance("yes", 0.4))
    assert bench.recognizer.asked == [("en", ("yes", "no"))]
