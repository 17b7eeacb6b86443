"""How fast the robot answers, as its steps tell it: from the subscriber's last sound to the first of the answer."""

from __future__ import annotations

import asyncio

import pytest

from engine.audio import onset_s, peak, tone
from engine.chronicle import Chronicle
from engine.ear import Ear
from engine.journal import LiveJournal
from engine.model import SILENCE, Sound, TalkLog
from scenarios.talk import Listen, Prompt, State, Visit
from tests.engine.test_call import REMINDER, World, step
from tests.fakes import FakeRecognizer, FakeSynthesizer, ScriptedMedia, Speech, words
from tests.virtual_time import LoopClock, virtually

FRAME_MS = 20
FINAL = REMINDER.replace('say: "Вам удобно"', 'say: "Вам удобно"\n    decide: final')


def truth_ms(world: World, ended_s: float, lead_s: float = 0.0) -> float:
    """What the subscriber's own telephone would measure."""
    thanks = next(said for said in world.media.heard if words(said.pcm[-320:]) == "Спасибо")
    return (thanks.at + lead_s - ended_s) * 1000


def told_ms(log: TalkLog) -> int:
    reaction_ms = step(log, "ask").reaction_ms
    assert reaction_ms is not None
    return reaction_ms


@pytest.mark.parametrize("takes_s", [0.5, 1.0])
def test_a_partial_decides_and_they_speak_on_until_the_answer_is_ready(takes_s: float) -> None:
    world = World(ScriptedMedia([Speech(at=5, seconds=0.6, text="да")]), synthesizer=FakeSynthesizer(takes_s=takes_s))
    log = world.run()
    assert truth_ms(world, 5.6) > 100
    assert abs(told_ms(log) - truth_ms(world, 5.6)) <= FRAME_MS + 1


def test_the_answer_begins_a_moment_before_they_have_finished() -> None:
    world = World(ScriptedMedia([Speech(at=4, seconds=0.5, text="да")]))
    log = world.run()
    assert -300 < truth_ms(world, 4.5) < 0
    assert told_ms(log) == 0
    assert step(log, "ask").partial


def test_a_pause_after_the_answer_has_begun_is_the_end_of_their_turn() -> None:
    """What comes then is another one, and changes nothing."""
    world = World(ScriptedMedia([Speech(at=5, seconds=0.4, text="да"), Speech(at=5.9, seconds=0.4, text="спасибо")]))
    world.synthesizer.takes_s = 0.4
    log = world.run()
    assert abs(told_ms(log) - truth_ms(world, 5.4)) <= FRAME_MS + 1


def test_the_end_of_speech_decides() -> None:
    world = World(ScriptedMedia([Speech(at=4, seconds=0.6, text="да")]))
    log = world.run(FINAL)
    assert not step(log, "ask").partial
    assert 600 < truth_ms(world, 4.6) < 1200
    assert abs(told_ms(log) - truth_ms(world, 4.6)) <= FRAME_MS + 1


def test_a_key_is_the_last_sound() -> None:
    world = World(ScriptedMedia(digits=[(0.4, "1")]))
    log = world.run()
    assert abs(told_ms(log) - truth_ms(world, 0.4)) <= FRAME_MS + 1


def test_silence_before_the_answers_first_word_is_no_answer() -> None:
    class Hesitant(FakeSynthesizer):
        async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
            return Sound(bytes(4800) + (await super().render(text, voice=voice, language=language)).pcm)

    world = World(ScriptedMedia(digits=[(0.4, "1")]), synthesizer=Hesitant())
    assert abs(told_ms(world.run()) - truth_ms(world, 0.4, lead_s=0.3)) <= FRAME_MS + 1


class SlowToLetGo:
    """As real detectors are: what comes after a voice is taken for it for some 100 ms."""

    likely = 0.5

    def __init__(self) -> None:
        self._left = 0

    def voiced(self, frame: bytes) -> bool:
        self._left = 5 if any(frame) else max(0, self._left - 1)
        return self._left > 0


def test_the_detectors_tail_is_no_sound_of_theirs() -> None:
    ear = Ear(SlowToLetGo(), lambda _: FakeRecognizer(), "ru")
    ear.listen(Listen(timeout_s=10))
    for frame in [*[tone(300, 0.02).pcm] * 20, *[SILENCE] * 12]:
        ear.push(frame, speaking=False, interruptible=True)
    assert ear.since_sound == 12


def test_after_something_loud_the_quiet_are_heard_too() -> None:
    ear = Ear(SlowToLetGo(), lambda _: FakeRecognizer(), "ru")
    loud, faint = (tone(300, 0.04, dbfs=level).pcm[320:] for level in (-3.0, -40.0))
    for frame in [loud, *[SILENCE] * 40, faint]:
        ear.push(frame, speaking=False, interruptible=True)
    assert ear.since_sound == 0


def test_levels() -> None:
    assert (peak(b""), peak(SILENCE), peak(b"\x00\x80\x01\x00")) == (0, 0, 32768)
    assert onset_s(bytes(1600) + tone(1000, 0.1).pcm) == pytest.approx(0.1, abs=0.002)
    assert onset_s(SILENCE) == onset_s(b"") == 0


def test_the_next_turn_changes_nothing_of_an_answered_one() -> None:
    async def main() -> TalkLog:
        chronicle = Chronicle(1, LiveJournal(), LoopClock())
        chronicle.sounded(0)
        chronicle.passed(Visit(node="ask", kind="recognize", port="yes", by="dtmf"))
        await asyncio.sleep(0.3)
        chronicle.said(Prompt("Хорошо"))
        await asyncio.sleep(5)
        chronicle.began()
        chronicle.sounded(0, finished=False)
        chronicle.sounds_on(0)
        return chronicle.close(State(node=""))

    assert step(virtually(main), "ask").reaction_ms == 300
