"""One telephone call from the first word to the last.

    media ──frames──▶ ear ──signals──▶ interpreter ──commands──▶ mouth ──audio──▶ media
                                            └──▶ errands: fetch, transfer, record

The scenario is fed synchronously from wherever an event comes (a frame, the end of a prompt, an errand), one event at a
time; nothing here waits for anything while it decides. A hang-up is the end of the frames.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from engine import ports
from engine.chronicle import Chronicle
from engine.ear import USUAL, Ear, Ended, Quiet, Started, Stood, TurnTaking
from engine.errors import SpeechError
from engine.model import RATE, Digit, Sound, TalkLog
from engine.mouth import Mouth, Sounds
from engine.ports import Clock, Hearing, Line, Recognizer, TransferOrder, Vad
from engine.tape import Tape
from engine.tasks import Errands, Inbox, beside
from scenarios.interpreter import Interpreter
from scenarios.talk import (
    Began,
    Command,
    Event,
    Faulted,
    Fetch,
    HangUp,
    Heard,
    Left,
    Listen,
    Mark,
    Move,
    Partial,
    Play,
    Played,
    Pressed,
    Prompt,
    Record,
    Recorded,
    Silent,
    State,
    Transfer,
    Transferred,
    Vars,
    nothing,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Senses:
    """What one call hears and speaks with, and who does its errands."""

    vad: Callable[[], Vad]
    recognizer: Callable[[str], Recognizer]  # by the card's name for it; "" is the default
    sounds: Sounds
    errands: ports.Errands
    clock: Clock
    turns: TurnTaking = USUAL


@dataclass(frozen=True, slots=True)
class Talk:
    """What this call is about."""

    interpreter: Interpreter
    vars: Vars = field(default_factory=nothing)
    contact_key: str = ""
    language: str = "ru"
    max_call_s: float = 600.0
    transfer: Callable[[Transfer], TransferOrder | None] = field(default=lambda _: None)


class Call:
    def __init__(self, line: Line, talk: Talk, senses: Senses, chronicle: Chronicle) -> None:
        self._line = line
        self._talk = talk
        self._senses = senses
        self._chronicle = chronicle
        self._ear = Ear(senses.vad(), senses.recognizer, talk.language, senses.turns)
        self._mouth = Mouth(line.media, senses.sounds, self)
        self._state = State(node="")
        self._inbox = Inbox(self._take)
        self._errands = Errands(self._failed)
        self._joined: asyncio.Event | None = None  # set when a transfer is over
        self._tape: Tape | None = None
        self._over = asyncio.Event()

    @property
    def state(self) -> State:
        return self._state

    async def run(self) -> TalkLog:
        """Talk to the end. Cancelled (shutdown, hang-up from the panel): the log so far is in the chronicle."""
        try:
            async with beside(self._mouth.run(), self._hear()):
                self._inbox.first(self._start)
                try:
                    async with asyncio.timeout(self._talk.max_call_s):
                        await self._over.wait()
                except TimeoutError:
                    self._stop("max_call_s")
                if self._state.ending != "left":
                    await self._say_out()
        finally:
            self._errands.cancel()
            self._ear.close()
        return self._chronicle.close(self._state)

    def dismiss(self, goodbye: Prompt | None, reason: str = "shutdown") -> None:
        """End this talk politely, now: whatever is being said is cut, `goodbye` is said, `run` returns."""
        if self._over.is_set():
            return
        self._mouth.hush()
        if goodbye is not None:
            self._mouth.say(Play(goodbye, barge_in=False))
        self._stop(reason)

    async def _say_out(self) -> None:
        """What is still to be said is said, but a subscriber who is gone or a stuck line keeps nobody."""
        left = asyncio.ensure_future(self._mouth.idle())
        try:
            async with asyncio.timeout(60):
                await left
        except TimeoutError:
            log.warning("the last prompt never ended")

    # --- hearing -----------------------------------------------------------------------------------------------------

    async def _hear(self) -> None:
        async for item in self._line.media:
            if isinstance(item, bytes):
                self._frame(item)
            else:
                self._digit(item)
        if self._joined is not None:  # how the transfer ended comes before the end of the call
            await self._joined.wait()
        self._mouth.hush()
        self._feed(Left())

    def _frame(self, frame: bytes) -> None:
        mouth = self._mouth
        if self._tape is not None and self._tape.push(frame, silent=mouth.speaking):
            self._keep(self._tape)
        signal = self._ear.push(frame, speaking=mouth.speaking, interruptible=mouth.interruptible)
        if self._chronicle.unfinished:
            self._chronicle.sounds_on(self._ear.since_sound)
        if signal is None:
            return
        match signal:
            case Started():
                self._began()
            case Stood(text):
                self._chronicle.partial(text)
                self._chronicle.strained(self._ear.trouble)
                self._chronicle.sounded(self._ear.since_sound, finished=False)
                self._feed(Partial(text))
            case Ended(hearing, owner):
                self._chronicle.sounded(self._ear.since_sound)
                self._errands.run(self._understand(hearing, owner))
            case Quiet():
                self._feed(Silent())

    def _began(self) -> None:
        interrupts = self._mouth.speaking
        if interrupts:
            self._mouth.hush()
        self._chronicle.began()
        self._feed(Began())
        self._ear.own(self._state.steps)
        if interrupts and self._mouth.speaking:  # now comes what must be said: this utterance is nobody's answer
            self._ear.disown()

    def _digit(self, digit: Digit) -> None:
        if self._tape is not None:
            self._keep(self._tape)
            return
        listening = self._ear.listening
        if listening is None or not listening.keys:
            return
        if self._mouth.speaking:
            if not self._mouth.interruptible:
                return
            self._mouth.hush()
        self._chronicle.sounded(0)
        self._feed(Pressed(digit.key))

    async def _understand(self, hearing: Hearing, asked_at: int) -> None:
        try:
            said = await hearing.finish()
            text, confidence, trouble = said.text, said.confidence, str(getattr(hearing, "trouble", ""))
        except SpeechError as error:
            log.warning("speech was not recognised", extra={"reason": str(error)})
            self._chronicle.lost("recogniser", str(error))
            text, confidence, trouble = "", 0.0, f"not recognised: {error}"
        if asked_at != self._state.steps:
            return  # an answer to an earlier question is no answer
        self._chronicle.strained(trouble)
        self._chronicle.heard(text, confidence)
        self._feed(Heard(text, confidence))

    # --- the scenario ------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        now = self._senses.clock.now()
        self._apply(self._talk.interpreter.start(self._talk.vars, now=now, contact_key=self._talk.contact_key), False)

    def _feed(self, event: Event) -> None:
        self._inbox.put(event)

    def _take(self, event: Event) -> None:
        if not self._over.is_set():
            move = self._talk.interpreter.feed(self._state, event, now=self._senses.clock.now())
            self._apply(move, isinstance(event, Began))

    def _apply(self, move: Move, answers: bool) -> None:
        """`answers`: what is being said just now is meant for the card that stands after this move."""
        moved = move.state.steps != self._state.steps
        self._state = move.state
        for visit in move.visits:
            self._chronicle.passed(visit)
        if moved:
            self._chronicle.at(move.state.node)
            if not answers:
                self._ear.disown()
            if not any(isinstance(command, Listen) for command in move.commands):
                self._ear.listen(None)
        for command in move.commands:
            self._perform(command)
        if move.state.ending:
            self._over.set()

    def _perform(self, command: Command) -> None:
        match command:
            case Play():
                self._mouth.say(command)
            case Listen():
                self._ear.listen(command)
            case Fetch():
                if command.fill is not None:
                    self._mouth.say(Play(command.fill, barge_in=False))
                self._errands.run(self._fetch(command))
            case Transfer():
                self._joined = asyncio.Event()
                self._errands.run(self._transfer(command, self._joined))
            case Record(max_s, silence_s, beep):
                if beep:
                    self._mouth.say(Play(Prompt(audio="beep"), barge_in=False))
                self._tape = Tape(max_s, silence_s, self._senses.vad())
            case Mark():
                self._chronicle.mark(command, self._senses.clock.now())
            case HangUp():
                pass  # it comes with an ending, which `run` waits for

    def _stop(self, reason: str) -> None:
        self._chronicle.stopped(reason)
        self._ear.listen(None)
        self._over.set()

    # --- errands -----------------------------------------------------------------------------------------------------

    def _failed(self, error: BaseException) -> None:
        self._feed(Faulted(f"{type(error).__name__}: {error}"))

    async def _fetch(self, request: Fetch) -> None:
        steps = self._state.steps
        answer = await self._senses.errands.fetch(request)
        if steps == self._state.steps:
            if request.fill is not None and not request.fill.text:
                self._mouth.hush()  # music stops; words are said to their end
            self._feed(answer)

    async def _transfer(self, command: Transfer, joined: asyncio.Event) -> None:
        try:
            if command.hold is not None:
                self._mouth.say(Play(command.hold, barge_in=False))
            await self._mouth.idle()
            order = self._talk.transfer(command)
            if order is None:
                self._feed(Transferred("failed"))
                return
            if command.whisper is not None:
                whisper = await self._senses.sounds.sound(command.whisper)
                order = TransferOrder(order.to, order.trunk, order.ring_s, order.caller_id, whisper)
            end = await self._line.transfer(order)
            if end.outcome == "done":
                self._chronicle.transferred()
            self._feed(Transferred(end.outcome, end.talked_s))
        finally:
            self._joined = None
            joined.set()

    def _keep(self, tape: Tape) -> None:
        self._tape = None
        self._errands.run(self._save(tape.sound()))

    async def _save(self, sound: Sound) -> None:
        where = await self._senses.errands.keep(self._line.id, sound)
        self._chronicle.kept(where)
        self._feed(Recorded(where, len(sound.pcm) / 2 / RATE))

    # --- what the mouth tells ----------------------------------------------------------------------------------------

    def began(self, prompt: Prompt, sound: Sound) -> None:
        self._ear.plays(sound.pcm)
        self._chronicle.said(prompt, sound)

    def finished(self) -> None:
        self._feed(Played())

    def dumb(self, reason: str) -> None:
        self._feed(Faulted(reason))
