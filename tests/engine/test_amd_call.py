"""Who picks up, in whole conversations in virtual time: people are talked to at once, machines as the campaign says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from engine import audio
from engine.call import Call, Senses, Talk
from engine.chronicle import Chronicle
from engine.errors import NotReached, SpeechError
from engine.model import FRAME_BYTES, FRAME_MS, DialOrder, Result, Sound, Status, TalkLog
from engine.pickup import Pickup, lines, overhear
from engine.ports import Line
from engine.rules.campaign import Machines, read
from engine.rules.greetings import EXPECTED
from scenarios.check import load
from scenarios.interpreter import Interpreter
from scenarios.talk import Fetch, Fetched, Prompt
from tests.fakes import (
    FakeLine,
    FakeRecognizer,
    FakeSynthesizer,
    FakeVad,
    FakeVoiceChannel,
    Fate,
    ScriptedMedia,
    Speech,
    words,
)
from tests.virtual_time import LoopClock, virtually

OFFER = """
dozvon: 1
name: Предложение
language: ru
start: hello
defaults: {timeout_s: 4}
nodes:
  hello: {kind: play, say: "Здравствуйте, хотите узнать о предложении", next: ask}
  ask:
    kind: recognize
    filters:
      - {voice: [да], goto: agreed}
      - {silence: true, goto: bye}
      - {other: true, goto: ask}
  agreed: {kind: goal, tag: yes, next: bye}
  bye: {kind: hangup}
"""
MESSAGE = Machines("message", text="Перезвоните нам", purpose="Звоню по заказу", beep_wait_s=2.0)
VOICEMAIL = "здравствуйте вы позвонили Ивану я не могу ответить оставьте сообщение после сигнала"


def beep(media: ScriptedMedia, at: float, hz: float = 1000.0, seconds: float = 0.4) -> None:
    """Put a tone into the subscriber's sound."""
    pcm = audio.padded(audio.tone(hz, seconds).pcm)
    first = round(at * 1000 / FRAME_MS)
    for n in range(len(pcm) // FRAME_BYTES):
        media._voice[first + n] = pcm[n * FRAME_BYTES : (n + 1) * FRAME_BYTES]


class Voice:
    def __init__(self, synthesizer: FakeSynthesizer) -> None:
        self._synthesizer = synthesizer

    async def sound(self, prompt: Prompt) -> Sound:
        return await self._synthesizer.render(prompt.text or prompt.audio)


@dataclass
class World:
    media: ScriptedMedia
    machines: Machines
    recognizer: FakeRecognizer = field(default_factory=FakeRecognizer)
    synthesizer: FakeSynthesizer = field(default_factory=lambda: FakeSynthesizer(takes_s=0.0))
    events: list[tuple[str, object]] = field(default_factory=list)
    pickup: Pickup | None = None
    sounds: Callable[[FakeSynthesizer], Voice] = Voice

    def note(self, event: object) -> None:
        self.events.append((getattr(event, "kind", ""), getattr(event, "data", {}).get("port")))

    async def fetch(self, request: Fetch) -> Fetched:
        return Fetched(0, error="no answer")

    async def keep(self, call: str, sound: Sound) -> str:
        return "nowhere"

    async def talk(self) -> TalkLog:
        clock = LoopClock()
        senses = Senses(FakeVad, lambda _: self.recognizer, self.sounds(self.synthesizer), self, clock)
        chronicle = Chronicle(1, self, clock)
        interpreter = Interpreter(load(OFFER))

        def begin(line: Line) -> Call:
            return Call(line, Talk(interpreter), senses, chronicle)

        self.pickup = Pickup(FakeLine(self.media), self.machines, "ru", senses, chronicle)
        return await self.pickup.run(begin)

    def run(self) -> TalkLog:
        return virtually(self.talk)

    @property
    def heard(self) -> list[str]:
        return [words(said.pcm[:FRAME_BYTES]) + ("" if said.whole else "…") for said in self.media.heard]

    def said_at(self, text: str) -> float:
        return next(said.at for said in self.media.heard if words(said.pcm[:FRAME_BYTES]) == text)


def kinds(log: TalkLog) -> Sequence[str]:
    return [step.port for step in log.steps if step.kind == "amd"]


def voicemail(*, with_beep: bool = True) -> ScriptedMedia:
    media = ScriptedMedia([Speech(at=0.6, seconds=4.0, text=VOICEMAIL)], hangs_up_at=40)
    if with_beep:
        beep(media, 5.4)
    return media


def test_a_person_is_spoken_to_from_the_first_moment() -> None:
    world = World(ScriptedMedia([Speech(0.4, 0.1, "алло"), Speech(4, 0.5, "да")]), Machines("hangup"))
    log = world.run()
    assert world.media.heard[0].at <= 0.1
    assert log.result is Result.GOAL
    assert kinds(log) == ["person"]
    assert world.heard == ["Здравствуйте, хотите узнать о предложении"]


def test_a_machine_is_hung_up_on() -> None:
    world = World(voicemail(), Machines("hangup"))
    log = world.run()
    assert (log.result, log.ended_by, log.reason) == (Result.ANSWERING_MACHINE, "robot", "answering_machine")
    assert kinds(log) == ["machine"]
    assert world.media.heard[-1].until <= 3.5
    assert ("amd", "machine") in world.events


def test_the_evidence_is_among_the_steps() -> None:
    log = World(voicemail(), Machines("hangup")).run()
    (step,) = [step for step in log.steps if step.kind == "amd"]
    assert "phrase: вы позвонили +2.7 @" in step.detail
    assert 600 < step.at_ms < 3500


def test_a_message_is_left_when_the_beep_has_ended() -> None:
    world = World(voicemail(), MESSAGE)
    log = world.run()
    assert world.heard[-1] == "Перезвоните нам"
    assert 5.8 < world.said_at("Перезвоните нам") < 6.3
    assert log.result is Result.ANSWERING_MACHINE
    assert [line.text for line in log.transcript if line.who == "robot"][-1] == "Перезвоните нам"


def test_the_message_may_be_a_recording() -> None:
    class Recordings(Voice):
        async def sound(self, prompt: Prompt) -> Sound:
            return Sound(b"\x10\x10" * 8000) if prompt == Prompt(material=7) else await super().sound(prompt)

    world = World(voicemail(), replace(MESSAGE, text="", material_id=7), sounds=Recordings)
    log = world.run()
    assert world.media.heard[-1].pcm[:4] == b"\x10" * 4
    assert world.media.heard[-1].whole
    assert [line.text for line in log.transcript if line.who == "robot"][-1] == "#7"
    assert log.result is Result.ANSWERING_MACHINE


def test_without_a_beep_the_message_begins_after_a_while_of_silence() -> None:
    world = World(voicemail(with_beep=False), MESSAGE)
    world.run()
    assert 4.6 + 2.0 <= world.said_at("Перезвоните нам") < 4.6 + 2.0 + 0.5


def test_a_message_that_was_begun_too_early_is_said_again_after_the_beep() -> None:
    media = ScriptedMedia([Speech(at=0.6, seconds=3.0, text=VOICEMAIL)], hangs_up_at=40)
    beep(media, 6.4)  # the message has begun by then
    world = World(media, replace(MESSAGE, beep_wait_s=1.0))
    world.synthesizer.char_ms = 200
    world.run()
    assert world.heard[-2:] == ["Перезвоните нам…", "Перезвоните нам"]


def test_a_campaign_may_go_on_with_its_scenario() -> None:
    world = World(voicemail(with_beep=False), Machines("continue"))
    log = world.run()
    assert log.result is Result.ANSWERING_MACHINE
    assert log.reason == ""


def test_somebody_who_picks_up_while_the_machine_speaks_is_talked_to() -> None:
    media = ScriptedMedia(
        [Speech(0.4, 2.5, "привет это Иван оставьте сообщение"), Speech(8.0, 0.4, "да")], hangs_up_at=30
    )
    media = replace(media, digits=[(4.0, "1")])  # machines press no keys
    world = World(media, Machines("message", text="Перезвоните нам", beep_wait_s=8.0))
    log = world.run()
    assert kinds(log) == ["machine", "person"]
    assert world.heard[1:] == ["Здравствуйте, хотите узнать о предложении"]
    assert log.result is Result.GOAL


def test_an_assistant_is_told_the_purpose_once_and_then_a_person_is_talked_to() -> None:
    media = ScriptedMedia(
        [
            Speech(0.4, 3.0, "это виртуальный секретарь Олег представьтесь пожалуйста"),
            Speech(9.0, 0.4, "алло"),
            Speech(14.0, 0.4, "да"),
        ],
        hangs_up_at=40,
    )
    world = World(media, MESSAGE)
    log = world.run()
    assert kinds(log) == ["screening", "person"]
    assert world.heard.count("Звоню по заказу") == 1
    assert world.said_at("Звоню по заказу") > 3.4
    assert world.heard[-1].startswith("Здравствуйте, хотите узнать")
    assert log.result is Result.GOAL


def test_an_assistant_whose_owner_does_not_come_was_a_machine() -> None:
    media = ScriptedMedia([Speech(0.4, 3.0, "представьтесь пожалуйста")], hangs_up_at=15)
    log = World(media, Machines("hangup", purpose="Звоню по заказу")).run()
    assert kinds(log) == ["screening"]
    assert log.result is Result.ANSWERING_MACHINE


def test_a_message_that_cannot_be_made_ends_the_call() -> None:
    world = World(voicemail(), MESSAGE)
    said = world.synthesizer.render

    class Dumb(FakeSynthesizer):
        async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
            if text == MESSAGE.text:
                raise SpeechError("no voice")
            return await said(text, voice=voice, language=language)

    world.synthesizer = Dumb()
    log = world.run()
    assert log.result is Result.ANSWERING_MACHINE
    assert ("lost", None) in world.events


def test_a_subscriber_who_leaves_ends_the_wait() -> None:
    media = ScriptedMedia([Speech(at=0.6, seconds=3.0, text=VOICEMAIL)], hangs_up_at=4.0)
    assert World(media, MESSAGE).run().result is Result.ANSWERING_MACHINE


def test_the_engine_may_stop_while_a_machine_speaks() -> None:
    world = World(ScriptedMedia([Speech(0.6, 30.0, VOICEMAIL)], hangs_up_at=60), MESSAGE)

    async def main() -> tuple[TalkLog, float]:
        task = asyncio.ensure_future(world.talk())
        await asyncio.sleep(5)
        assert world.pickup is not None
        world.pickup.dismiss(None)
        log = await task
        return log, asyncio.get_running_loop().time()

    log, at = virtually(main)
    assert at < 5.5
    assert log.result is Result.ANSWERING_MACHINE


def test_a_recogniser_that_understands_nothing_leaves_the_rhythm() -> None:
    media, noise = voicemail(with_beep=False), random.Random(1)
    media._voice = {at: b"\x1f" + noise.randbytes(FRAME_BYTES - 1) for at in media._voice}  # a voice without words
    world = World(media, Machines("hangup"))
    log = world.run()
    assert kinds(log) == ["machine"]
    assert "speech_1700_ms +0.8" in next(step.detail for step in log.steps if step.kind == "amd")


def announced() -> ScriptedMedia:
    return ScriptedMedia([Speech(0.5, 3.0, "аппарат абонента выключен или находится вне зоны действия сети")])


def busy() -> ScriptedMedia:
    media = ScriptedMedia()
    for n in range(6):
        beep(media, 0.2 + 0.7 * n, 425, 0.35)
    return media


@pytest.mark.parametrize(("media", "status"), [(announced, Status.UNREACHABLE), (busy, Status.BUSY)])
def test_what_the_network_says_before_the_answer_ends_the_attempt(
    media: Callable[[], ScriptedMedia], status: Status
) -> None:
    world = World(ScriptedMedia(), Machines("hangup"))
    senses = Senses(FakeVad, lambda _: world.recognizer, Voice(world.synthesizer), world, LoopClock())
    network = FakeVoiceChannel(usual=Fate(answer_s=20.0, early=media))

    async def main() -> float:
        order = DialOrder("dz-1", "+79001234567", "+74950000001", "main")
        with pytest.raises(NotReached) as caught:
            async with network.dial(order, lambda _: None, partial(overhear, senses=senses, language="ru")):
                pass
        assert caught.value.status is status
        return asyncio.get_running_loop().time()

    assert virtually(main) < 6.0


def test_music_instead_of_ringing_is_waited_out() -> None:
    world = World(ScriptedMedia(), Machines("hangup"))
    senses = Senses(FakeVad, lambda _: world.recognizer, Voice(world.synthesizer), world, LoopClock())
    network = FakeVoiceChannel(
        usual=Fate(answer_s=9.0, early=lambda: ScriptedMedia([Speech(0.5, 8.0, "песня играет вместо гудков")]))
    )

    async def main() -> str:
        order = DialOrder("dz-1", "+79001234567", "+74950000001", "main")
        async with network.dial(order, lambda _: None, partial(overhear, senses=senses, language="ru")) as line:
            return line.id

    assert virtually(main) == "dz-1"


def test_a_campaign_says_it_in_the_api_s_words() -> None:
    row = {"id": 1, "project_id": 1, "scenario_id": 1, "amd": {"mode": "message", "material_id": 7}}
    assert read(row, callers=()).amd == Machines("message", material_id=7)
    assert read({**row, "amd": {}}, callers=()).amd == Machines()
    assert lines(read(row, callers=()).amd, "ru").prompts == (Prompt(material=7),)


def test_what_seemed_voicemail_and_then_asks_is_told_the_purpose() -> None:
    media = ScriptedMedia(
        [
            Speech(0.4, 1.2, "вы позвонили Ивану"),
            Speech(2.4, 2.0, "это виртуальный секретарь представьтесь"),
            Speech(9.0, 0.4, "алло"),
            Speech(14.0, 0.4, "да"),
        ],
        hangs_up_at=40,
    )
    world = World(media, MESSAGE)
    log = world.run()
    assert kinds(log) == ["machine", "screening", "person"]
    assert world.heard.count("Звоню по заказу") == 1
    assert "Перезвоните нам" not in world.heard
    assert log.result is Result.GOAL


def test_nobody_is_hung_up_on_who_turns_out_to_be_spoken_to() -> None:
    media = ScriptedMedia(
        [Speech(0.4, 0.8, "абонент занят"), Speech(1.5, 1.0, "оставьте сообщение после сигнала")], hangs_up_at=30
    )
    world = World(media, MESSAGE)
    log = world.run()
    assert kinds(log) == ["announcement", "machine"]
    assert world.heard[-1] == "Перезвоните нам"


def test_an_announcement_that_stays_one_is_hung_up_on() -> None:
    media = ScriptedMedia([Speech(0.4, 1.0, "абонент временно недоступен")], hangs_up_at=30)
    world = World(media, MESSAGE)
    log = world.run()
    assert kinds(log) == ["announcement"]
    assert (log.result, log.ended_by) == (Result.ANSWERING_MACHINE, "robot")
    assert world.media.heard[-1].until <= 4.0


class Told(FakeRecognizer):
    any_phrase = True


class StoodInFor(FakeRecognizer):
    inners = (("first", Told()), ("second", FakeRecognizer()))


@pytest.mark.parametrize(
    ("recognizer", "told"),
    [(Told(), EXPECTED), (StoodInFor(), EXPECTED), (FakeRecognizer(), ())],
    ids=["it", "stood in for", "hears anything"],
)
def test_a_recogniser_that_hears_only_what_it_is_told_is_told_the_phrases(
    recognizer: FakeRecognizer, told: tuple[str, ...]
) -> None:
    World(voicemail(), Machines("hangup"), recognizer=recognizer).run()
    assert ("ru", told) in recognizer.asked
