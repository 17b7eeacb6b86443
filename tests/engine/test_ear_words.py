"""`interrupt_by: words`: a voice in which no word is recognised lets the robot speak on."""

from __future__ import annotations

from engine.config import Speech, Turns
from engine.ear import Ear, Ended, Signal, Started, Stood, TurnTaking
from engine.model import SILENCE
from engine.rules.barge_in import BargeIn
from engine.turns import turns
from scenarios.talk import Listen
from tests.fakes import FakeRecognizer, FakeVad, spoken, utterance

MURMUR = spoken("")  # a voice, and no words


class Room:
    """An ear where other people's voices are heard, while the robot speaks unless said."""

    def __init__(self) -> None:
        self.recognizer = FakeRecognizer()
        self.ear = Ear(FakeVad(), lambda _: self.recognizer, "ru", TurnTaking(barge_in=BargeIn(words=True)))
        self.ear.listen(Listen(timeout_s=1.0))
        self.n = 0

    def push(self, frames: list[bytes], *, speaking: bool = True) -> list[tuple[int, Signal]]:
        first, self.n = self.n, self.n + len(frames)
        signals = (self.ear.push(frame, speaking=speaking, interruptible=True) for frame in frames)
        return [(n, signal) for n, signal in enumerate(signals, first) if signal is not None]


def kinds(found: list[tuple[int, Signal]]) -> list[type[Signal]]:
    return [type(signal) for _, signal in found]


def test_a_murmur_interrupts_nothing_however_long() -> None:
    room = Room()
    assert room.push([MURMUR] * 600 + [SILENCE] * 100) == []
    assert not room.ear.hearing


def test_a_word_interrupts_with_the_frame_in_which_it_is_recognised() -> None:
    room = Room()
    found = room.push([MURMUR] * 100 + utterance("да", 0.6) + [SILENCE] * 40)
    assert [n for n, signal in found if isinstance(signal, Started)] == [100]
    assert kinds(found) == [Started, Stood, Ended]


def test_a_word_at_once_interrupts_as_soon_as_a_voice_does() -> None:
    room = Room()
    found = room.push([SILENCE] * 20 + utterance("да", 0.6))
    assert [n for n, signal in found if isinstance(signal, Started)] == [20 + 6]  # one frame after the onset


def test_when_the_robot_has_finished_a_voice_is_enough() -> None:
    room = Room()
    assert room.push([MURMUR] * 30) == []
    assert kinds(room.push([MURMUR] * 2, speaking=False)) == [Started]
    assert kinds(Room().push([MURMUR] * 20, speaking=False)) == [Started]


def test_the_next_card_does_not_inherit_a_murmur() -> None:
    room = Room()
    room.push([MURMUR] * 30)
    room.ear.listen(Listen())
    assert room.push(utterance("да", 0.4)) == []  # it began before that card, and goes on
    assert kinds(room.push([SILENCE] * 40 + utterance("да", 0.4))) == [Started, Stood]


def test_the_settings_say_by_what() -> None:
    assert not turns(Speech()).barge_in.words
    assert turns(Speech(turns=Turns(interrupt_by="words"))).barge_in.words
