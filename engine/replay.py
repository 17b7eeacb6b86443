"""What a recorded call would have come to with another recogniser, or another version of its scenario.

    the steps that were kept ─▶ each card that listened ─────────────────────────▶ what was heard, the arrow taken
                                       │ its stretch of the subscriber's side            ╲
                                       └▶ Ear ─▶ another recogniser ─▶ the card, then or now ─▶ compared, card by card

Each card is heard by itself, at the time when it stood, so one that goes another way does not shift the others; but
what came after it belongs to a conversation that would have been another one: from there on all is hypothetical.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile  # type: ignore[import-untyped]

from engine.ear import USUAL, Ear, Ended, Quiet, Stood, TurnTaking
from engine.errors import InputError, SpeechError
from engine.model import FRAME_BYTES, FRAME_MS, RATE, SILENCE, StepLog
from engine.ports import Hearing, Recognizer, Vad
from scenarios.card import Card, Here, Turn
from scenarios.document import Scenario
from scenarios.talk import NONE, Event, Heard, Listen, Partial, Pressed, Silent, Value, Vars, nothing

LEAD_MS = 2000  # heard before the card stood: the voice detector learns the line's noise from it
BARGED_MS = 500  # an interruption began so shortly before the card stood that it decided for
LATE_MS = 400  # an answer may begin so late after the end that was kept: two clocks are compared
HELD_MS = 200  # the robot's pauses within a prompt are no silence
LOUD = 64  # of 32768: what the robot's side has when it speaks
LONGEST_S = 4 * 3600
OVER = ("left", "failed")
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)

Flags = np.ndarray[Any, np.dtype[np.bool_]]
Difference = Literal["same", "text", "arrow", "absent", "unheard"]
"""`text`: heard otherwise, left by the same arrow. `absent`: the other version has no such card that listens.
`unheard`: the recogniser failed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a card was left. `ms` counts from when it stood; `to` is the card that its arrow leads to."""

    text: str
    by: str
    port: str
    to: str
    confidence: float = 0.0
    partial: bool = False
    ms: int = 0


@dataclass(frozen=True, slots=True)
class Compared:
    """One card that listened, then and now."""

    at_ms: int
    node: str
    kind: str
    difference: Difference
    hypothetical: bool  # an earlier card would have led elsewhere: this one might not have stood at all
    was: Answer
    now: Answer | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Replay:
    """A call, card by card."""

    cards: tuple[Compared, ...]

    @property
    def differs(self) -> bool:
        """Would the call have gone another way?"""
        return any(card.difference in ("arrow", "absent") for card in self.cards)

    @property
    def failed(self) -> bool:
        """Some cards could not be heard again."""
        return any(card.difference == "unheard" for card in self.cards)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"differs": self.differs, "failed": self.failed, "cards": [asdict(card) for card in self.cards]}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A call as it was kept. Both sides are PCM at RATE from the answer on."""

    steps: Sequence[StepLog]
    subscriber: bytes
    robot: bytes = b""
    vars: Vars = field(default_factory=nothing)


@dataclass(frozen=True, slots=True)
class Hearers:
    """What calls are heard with. `recognizer` is asked by the card's name for it. `frame_s`: how long a frame takes;
    a recogniser answers in its own time, so only at the pace of life do partials come as they did."""

    vad: Callable[[], Vad]
    recognizer: Callable[[str], Recognizer]
    turns: TurnTaking = USUAL
    frame_s: float = FRAME_MS / 1000
    at_once: int = 2  # cards heard at the same time


async def replay(call: Recorded, was: Scenario, now: Scenario, hearers: Hearers, *, language: str = "ru") -> Replay:
    """Hear every card of `was` that listened again, and sort what is heard as `now` does. Raises nothing."""
    heard: dict[int, Compared] = {}
    room = asyncio.Semaphore(max(1, hearers.at_once))

    async def one(index: int) -> None:
        async with room:
            heard[index] = await _again(call, index, was, now, hearers, language)

    async with asyncio.TaskGroup() as group:
        for index, step in enumerate(call.steps):
            card = was.steps.get(step.node)
            if card is not None and card.listens and was.kinds.get(step.node) == step.kind:
                group.create_task(one(index), name=f"replay {index}")
    return Replay(_told([heard[index] for index in sorted(heard)]))


def _told(cards: Sequence[Compared]) -> tuple[Compared, ...]:
    """With what follows a different arrow marked as hypothetical."""
    found: list[Compared] = []
    astray = False
    for card in cards:
        found.append(replace(card, hypothetical=astray))
        astray = astray or card.difference in ("arrow", "absent")
    return tuple(found)


async def _again(call: Recorded, index: int, was: Scenario, now: Scenario, hearers: Hearers, language: str) -> Compared:
    step = call.steps[index]
    then = _then(step, was.steps[step.node])
    card = now.steps.get(step.node)
    compared = Compared(step.at_ms, step.node, step.kind, "absent", False, then, None)
    if card is None or not card.listens:
        return compared
    standing = _Standing(card, step.node, now, call.vars, language)
    if step.by == "dtmf":
        return _judged(compared, standing.keys(step.heard) or then)
    try:
        answer = await _Listener(call, index, standing, hearers).run()
    except SpeechError as error:
        return replace(compared, difference="unheard", trouble=" ".join(str(error).split())[:300])
    if answer is None:  # nothing was said, and they left, or the call failed
        answer = None if step.port in OVER else standing.silent(step.ms)
    return _judged(compared, answer or then)


def _judged(compared: Compared, answer: Answer) -> Compared:
    was = compared.was
    difference: Difference = "same"
    if (answer.port, answer.to) != (was.port, was.to):
        difference = "arrow"
    elif answer.text != was.text:
        difference = "text"
    return replace(compared, difference=difference, now=answer)


def _then(step: StepLog, card: Card) -> Answer:
    to = _ways(card).get(step.port, "")
    return Answer(step.heard, step.by, step.port, to, step.confidence, step.partial, step.ms)


def _ways(card: Card) -> Mapping[str, str]:
    ports: dict[str, str] = {}
    for way in card.ways():
        ports.setdefault(way.port, way.to)
    return ports


class _Standing:
    """A card that listens, as it would in a call; events in, an Answer when it leaves."""

    def __init__(self, card: Card, node: str, scenario: Scenario, vars: Vars, language: str) -> None:
        self.card = card
        self.language = scenario.language or language
        self.want: Listen  # what it listens for now
        self._here = Here(
            node=node,
            names=lambda: vars,
            memo=NONE,
            now=MOMENT,
            contact_key="",
            language=self.language,
            barged=False,
            ahead=lambda: None,
            kept=scenario.kept,
        )
        self.want = card.listen(self._here)

    def on(self, event: Event, ms: int = 0) -> Answer | None:
        turn = self.card.on(event, self._here)
        if turn.port:
            return self._left(turn, ms)
        if turn.memo:
            memo: dict[str, Value] = {**self._here.memo, **turn.memo}
            self._here.memo = memo
        self.want = next((each for each in turn.commands if isinstance(each, Listen)), self.want)
        return None

    def keys(self, pressed: str) -> Answer | None:
        """Keys are not in the recording, but what was pressed is kept."""
        for key in pressed:
            if (answer := self.on(Pressed(key))) is not None:
                return answer
        return self.on(Silent())

    def silent(self, ms: int) -> Answer | None:
        return self.on(Silent(), ms)

    def _left(self, turn: Turn, ms: int) -> Answer:
        ports = _ways(self.card)
        port = turn.port
        if port not in ports:
            port = self.card.fallback(port) or port
        return Answer(turn.heard, turn.by, turn.port, ports.get(port, ""), turn.confidence, turn.partial, ms)


@dataclass(slots=True)
class _Stretch:
    """Where in the recording a card stood, in frames."""

    first: int
    listens: int
    stood: int
    ended: int
    last: int  # of the recording, and of the silence after it that ends an answer


class _Listener:
    """Hears one card's stretch of the subscriber's side once."""

    def __init__(self, call: Recorded, index: int, standing: _Standing, hearers: Hearers) -> None:
        self._call = call
        self._standing = standing
        self._hearers = hearers
        self._barge_in = bool(getattr(standing.card, "barge_in", True))
        step = call.steps[index]
        barged = index > 0 and call.steps[index - 1].by == "barge_in"
        stood = step.at_ms // FRAME_MS
        self._at = _Stretch(
            first=max(0, stood - LEAD_MS // FRAME_MS),
            listens=max(0, stood - (BARGED_MS // FRAME_MS if barged else 0)),
            stood=stood,
            ended=(step.at_ms + step.ms + LATE_MS) // FRAME_MS,
            last=len(call.subscriber) // FRAME_BYTES + (0 if step.port in OVER else _patience(hearers.turns)),
        )
        self._speaks = _speaks(call.robot)

    async def run(self) -> Answer | None:
        """None: nothing was said. Raises SpeechError."""
        at, hearers = self._at, self._hearers
        ear = Ear(hearers.vad(), hearers.recognizer, self._standing.language, hearers.turns)
        ear.plays(self._call.robot[at.first * FRAME_BYTES :])
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        number = at.first
        try:
            while number < at.last:
                if number == at.listens:
                    ear.listen(self._standing.want)
                if number >= at.ended and not ear.hearing:
                    return None
                answer = await self._frame(ear, number)
                if answer is not None:
                    return answer
                number += 1
                await asyncio.sleep(max(0.0, began_s + (number - at.first) * hearers.frame_s - loop.time()))
        finally:
            ear.close()
        return None

    async def _frame(self, ear: Ear, number: int) -> Answer | None:
        speaks = number < self._speaks.size and bool(self._speaks[number])
        signal = ear.push(self._sound(number), speaking=speaks, interruptible=self._barge_in)
        ms = max(0, number - self._at.stood) * FRAME_MS
        match signal:
            case Stood(text):
                return self._standing.on(Partial(text), ms)
            case Ended(hearing):
                return await self._understood(ear, hearing, ms)
            case Quiet():
                return self._standing.silent(ms)
        return None

    async def _understood(self, ear: Ear, hearing: Hearing, ms: int) -> Answer | None:
        said = await hearing.finish()
        answer = self._standing.on(Heard(said.text, said.confidence), ms)
        if answer is None:
            ear.listen(self._standing.want)
        return answer

    def _sound(self, number: int) -> bytes:
        frame = self._call.subscriber[number * FRAME_BYTES : (number + 1) * FRAME_BYTES]
        return frame if len(frame) == FRAME_BYTES else SILENCE


def _patience(turns: TurnTaking) -> int:
    """Frames of silence after which every utterance is over."""
    return turns.endpointing.unfinished_ms // FRAME_MS + 1


def _speaks(robot: bytes) -> Flags:
    """Of each frame: does the robot speak in it, or has it just?"""
    frames = len(robot) // FRAME_BYTES
    wave = np.frombuffer(robot, "<i2", count=frames * FRAME_BYTES // 2).reshape(frames, FRAME_BYTES // 2)
    loud: Flags = np.abs(wave.astype(np.int32)).max(axis=1, initial=0) > LOUD
    held = loud.copy()
    for frame in range(1, HELD_MS // FRAME_MS + 1):
        held[frame:] |= loud[:-frame]
    return held


def two_sides(file: Path) -> tuple[bytes, bytes]:
    """The subscriber's and the robot's PCM of a kept recording. Takes time: in a thread. Raises InputError."""
    try:
        with soundfile.SoundFile(file) as source:
            if (source.samplerate, source.channels) != (RATE, 2):
                raise InputError(f"{file.name} is no recording of a call: {RATE} Hz and two channels are")
            both = source.read(LONGEST_S * RATE, dtype="int16", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise InputError(f"the recording cannot be read: {error}") from None
    left, right = (np.ascontiguousarray(both[:, side]).tobytes() for side in (0, 1))
    return left, right
