"""Whole conversations in virtual time: a scripted subscriber, a real scenario, a fake voice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from engine.call import Call, Senses, Talk
from engine.chronicle import Chronicle
from engine.errors import SpeechError
from engine.model import Result, Sound, StepLog, TalkLog
from engine.ports import TransferEnd, TransferOrder
from scenarios.check import load
from scenarios.interpreter import Interpreter
from scenarios.talk import Fetch, Fetched, Prompt, Transfer
from tests.fakes import FakeLine, FakeRecognizer, FakeSynthesizer, FakeVad, ScriptedMedia, Speech, words
from tests.virtual_time import LoopClock, virtually

REMINDER = """
dozvon: 1
name: Запись
language: ru
start: hello
defaults: {timeout_s: 3}
fields: {name: {type: string, default: "Анна"}}
nodes:
  hello: {kind: play, say: "Здравствуйте, {{ name }}", next: ask}
  ask:
    kind: recognize
    say: "Вам удобно"
    filters:
      - {voice: [да, удобно], goto: agreed}
      - {voice: [нет, не удобно], goto: refused}
      - {dtmf: "1", goto: agreed}
      - {silence: true, goto: again}
      - {other: true, goto: again}
  again: {kind: play, say: "Скажите да или нет", max_visits: 1, next: ask, exhausted: bye}
  agreed: {kind: goal, tag: confirmed, next: thanks}
  thanks: {kind: play, say: "Спасибо", next: bye}
  refused: {kind: tag, tag: refused, next: bye}
  bye: {kind: hangup}
"""


class Voice:
    """`Sounds` over the fake synthesizer."""

    def __init__(self, synthesizer: FakeSynthesizer) -> None:
        self._synthesizer = synthesizer

    async def sound(self, prompt: Prompt) -> Sound:
        return await self._synthesizer.render(prompt.text or prompt.audio)


@dataclass
class World:
    """Everything one conversation needs, and what came of it."""

    media: ScriptedMedia
    recognizer: FakeRecognizer = field(default_factory=FakeRecognizer)
    synthesizer: FakeSynthesizer = field(default_factory=FakeSynthesizer)
    ends: dict[str, TransferEnd] = field(default_factory=dict)
    answers: dict[str, Fetched] = field(default_factory=dict)
    fetch_s: float = 0.5
    events: list[str] = field(default_factory=list)
    kept: list[Sound] = field(default_factory=list)
    fetched: list[Fetch] = field(default_factory=list)
    max_call_s: float = 600.0

    def note(self, event: object) -> None:
        self.events.append(getattr(event, "kind", ""))

    async def fetch(self, request: Fetch) -> Fetched:
        self.fetched.append(request)
        await asyncio.sleep(self.fetch_s)
        return self.answers.get(request.url, Fetched(0, error="no answer"))

    async def keep(self, call: str, sound: Sound) -> str:
        self.kept.append(sound)
        return f"messages/{call}.wav"

    def line(self) -> FakeLine:
        return FakeLine(self.media, ends=self.ends)

    def call(self, text: str) -> Call:
        clock = LoopClock()
        senses = Senses(FakeVad, lambda _: self.recognizer, Voice(self.synthesizer), self, clock)
        talk = Talk(Interpreter(load(text)), transfer=order, max_call_s=self.max_call_s)
        return Call(self.line(), talk, senses, Chronicle(1, self, clock))

    def run(self, text: str = REMINDER) -> TalkLog:
        async def main() -> TalkLog:
            return await self.call(text).run()

        return virtually(main)

    @property
    def heard(self) -> list[str]:
        """The prompts that reached the subscriber, a cut one with an ellipsis."""
        return [words(said.pcm[:320]) + ("" if said.whole else "…") for said in self.media.heard]


def order(transfer: Transfer) -> TransferOrder | None:
    return TransferOrder(transfer.to, "main", transfer.ring_s, transfer.caller_id or "+74950000001")


def path(log: TalkLog) -> list[str]:
    return [step.node for step in log.steps]


def step(log: TalkLog, node: str) -> StepLog:
    return next(step for step in log.steps if step.node == node)


def test_yes_is_a_goal() -> None:
    world = World(ScriptedMedia([Speech(at=4, seconds=0.6, text="да")]))
    log = world.run()
    assert path(log) == ["hello", "ask", "agreed", "thanks", "bye"]
    assert (log.result, log.tags, log.ending, log.ended_by) == (Result.GOAL, ("confirmed",), "hangup", "robot")
    assert world.heard == ["Здравствуйте, Анна", "Вам удобно", "Спасибо"]
    assert [(line.who, line.text) for line in log.transcript] == [
        ("robot", "Здравствуйте, Анна"),
        ("robot", "Вам удобно"),
        ("subscriber", "да"),
        ("robot", "Спасибо"),
    ]


def test_speech_over_the_greeting_silences_it_and_answers_the_question() -> None:
    world = World(ScriptedMedia([Speech(at=0.5, seconds=0.8, text="нет")]))
    log = world.run()
    assert path(log) == ["hello", "ask", "refused", "bye"]
    assert world.heard == ["Здравствуйте, Анна…"]  # and the question was never asked aloud
    assert step(log, "ask").by == "voice"


def test_the_robot_is_silent_within_140_ms_of_the_onset() -> None:
    world = World(ScriptedMedia([Speech(at=0.5, seconds=0.8, text="нет")]))
    world.run()
    assert world.media.heard[0].until <= 0.5 + 0.14


def test_a_key_answers_and_interrupts() -> None:
    world = World(ScriptedMedia(digits=[(0.4, "1")]))
    log = world.run()
    assert path(log) == ["hello", "ask", "agreed", "thanks", "bye"]
    assert step(log, "ask").by == "dtmf"
    assert world.heard == ["Здравствуйте, Анна…", "Спасибо"]


def test_silence_is_asked_again_then_given_up() -> None:
    world = World(ScriptedMedia())
    log = world.run()
    assert path(log) == ["hello", "ask", "again", "ask", "again", "bye"]
    assert world.heard == ["Здравствуйте, Анна", "Вам удобно", "Скажите да или нет", "Вам удобно"]
    assert step(log, "ask").by == "silence"


def test_silence_is_counted_from_the_end_of_the_prompt() -> None:
    world = World(ScriptedMedia())
    log = world.run()
    asked, again = world.media.heard[1], world.media.heard[2]
    assert 3.0 <= again.at - asked.until <= 3.0 + 0.1 + 0.06  # the patience, the synthesis, the frame it falls into
    assert log.ending == "hangup"


def test_something_else_is_other() -> None:
    world = World(ScriptedMedia([Speech(at=4, seconds=0.6, text="банан")]))
    assert step(world.run(), "ask").by == "other"


def test_a_dead_recogniser_is_other_and_the_call_goes_on() -> None:
    world = World(
        ScriptedMedia([Speech(at=4, seconds=0.6, text="да")]),
        recognizer=FakeRecognizer(failure=SpeechError("the worker was killed")),
    )
    log = world.run(REMINDER.replace('say: "Вам удобно"', 'say: "Вам удобно"\n    decide: final'))
    assert step(log, "ask").by == "other"
    assert "lost" in world.events
    assert log.ending == "hangup"


def test_a_partial_decides_before_the_end_of_speech() -> None:
    world = World(ScriptedMedia([Speech(at=4, seconds=0.5, text="да")]))
    log = world.run()
    thanks = world.media.heard[2]
    assert thanks.at < 4.5 + 0.2  # the last sound is at 4.5; waiting for the end of speech would take 0.6 s more
    reaction_ms = step(log, "ask").reaction_ms
    assert reaction_ms is not None and reaction_ms < 400


def test_a_longer_phrase_that_would_turn_the_answer_is_waited_for() -> None:
    world = World(ScriptedMedia([Speech(at=4, seconds=2.0, text="нет не нет да")]))
    assert step(world.run(), "ask").heard.startswith("нет")


def test_a_hang_up_in_mid_prompt() -> None:
    log = World(ScriptedMedia(hangs_up_at=0.5)).run()
    assert (log.ending, log.ended_by, path(log)) == ("left", "subscriber", ["hello"])
    assert log.steps[0].port == "left"


def test_a_hang_up_during_thanks_keeps_the_goal() -> None:
    media = ScriptedMedia(digits=[(0.4, "1")], hangs_up_at=0.7)
    log = World(media).run()
    assert (log.ending, log.result) == ("left", Result.GOAL)


def test_no_voice_ends_the_call_as_failed_not_in_silence() -> None:
    log = World(ScriptedMedia(), synthesizer=FakeSynthesizer(failure=SpeechError("no voice"))).run()
    assert (log.ending, log.ended_by) == ("failed", "system")
    assert "no voice" in log.reason


def test_a_call_ends_by_itself() -> None:
    world = World(ScriptedMedia(), max_call_s=5.0)
    log = world.run()
    assert (log.reason, log.ended_by) == ("max_call_s", "system")


LEGAL = """
dozvon: 1
name: Запись разговора
start: hello
nodes:
  hello: {kind: play, say: "Длинное и скучное вступление", next: legal}
  legal: {kind: play, say: "Разговор записывается", barge_in: false, next: ask}
  ask:
    kind: recognize
    timeout_s: 2
    filters: [{voice: [да], goto: bye}, {silence: true, goto: bye}, {other: true, goto: bye}]
  bye: {kind: hangup}
"""


def test_what_must_be_said_survives_an_interruption_and_the_interruption_is_no_answer() -> None:
    world = World(ScriptedMedia([Speech(at=0.5, seconds=3.0, text="да")]))
    log = world.run(LEGAL)
    assert world.heard == ["Длинное и скучное вступление…", "Разговор записывается"]
    assert step(log, "ask").by == "silence"


OPERATOR = """
dozvon: 1
name: Оператор
start: join
nodes:
  join: {kind: transfer, to: "+74950000099", ring_s: 10, done: bye, busy: sorry, no_answer: sorry, failed: sorry}
  sorry: {kind: play, say: "Все заняты", next: bye}
  bye: {kind: hangup}
"""


def test_a_transfer_that_is_answered() -> None:
    world = World(ScriptedMedia(), ends={"+74950000099": TransferEnd("done", 30.0)})
    log = world.run(OPERATOR)
    assert (path(log), log.result) == (["join", "bye"], Result.TRANSFERRED)
    assert step(log, "join").port == "done"


def test_a_transfer_to_a_busy_operator_comes_back_to_the_robot() -> None:
    world = World(ScriptedMedia(), ends={"+74950000099": TransferEnd("busy")})
    log = world.run(OPERATOR)
    assert (path(log), log.result) == (["join", "sorry", "bye"], None)
    assert world.heard == ["Все заняты"]


HOOK = """
dozvon: 1
name: CRM
start: ask_crm
nodes:
  ask_crm:
    kind: webhook
    url: "http://crm.example/x"
    save: {manager: "$.manager"}
    fill: {say: "Секунду"}
    ok: tell
    failed: sorry
  tell: {kind: play, say: "Ваш менеджер {{ manager }}", next: bye}
  sorry: {kind: play, say: "Перезвоним", next: bye}
  bye: {kind: hangup}
"""


def test_a_webhook_with_something_said_meanwhile() -> None:
    world = World(ScriptedMedia(), answers={"http://crm.example/x": Fetched(200, {"manager": "Олег"})})
    assert path(world.run(HOOK)) == ["ask_crm", "tell", "bye"]
    assert world.heard == ["Секунду", "Ваш менеджер Олег"]


def test_a_webhook_that_fails() -> None:
    world = World(ScriptedMedia())
    assert path(world.run(HOOK)) == ["ask_crm", "sorry", "bye"]


MESSAGE = """
dozvon: 1
name: Автоответчик
start: leave
nodes:
  leave: {kind: record, max_s: 10, silence_s: 2, beep: true, next: bye}
  bye: {kind: hangup}
"""


def test_a_message_is_kept_without_the_silence_behind_it() -> None:
    world = World(ScriptedMedia([Speech(at=2.0, seconds=3.0, text="перезвоните мне завтра")]))
    log = world.run(MESSAGE)
    assert log.recorded == ("messages/dz-1.wav",)
    (sound,) = world.kept
    assert 4.0 < sound.seconds < 5.2
    assert path(log) == ["leave", "bye"]


def test_two_hundred_conversations_at_once() -> None:
    worlds = [World(ScriptedMedia([Speech(at=4 + n % 5, seconds=0.6, text="да")])) for n in range(200)]

    async def main() -> list[TalkLog]:
        return await asyncio.gather(*(world.call(REMINDER).run() for world in worlds))

    assert {log.result for log in virtually(main)} == {Result.GOAL}


def test_a_goodbye_at_shutdown() -> None:
    world = World(ScriptedMedia())

    async def main() -> TalkLog:
        call = world.call(REMINDER)
        running = asyncio.create_task(call.run())
        await asyncio.sleep(1.0)
        call.dismiss(Prompt(text="Извините, перезвоним"))
        return await running

    log = virtually(main)
    assert world.heard == ["Здравствуйте, Анна…", "Извините, перезвоним"]
    assert (log.reason, log.ended_by) == ("shutdown", "system")
