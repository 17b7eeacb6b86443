"""Who has picked up: told beside the talk, from the same frames; and what the campaign wants done with a machine.

    media ─▶ Tap ─▶ Call (the scenario speaks at once: a person never waits)
              └▶ Detector: Vad, Hearing ─▶ rules.amd ─▶ Verdict ─┬▶ hang up
                                                                 ├▶ wait for the beep, leave the message
                                                                 ├▶ tell an assistant why we call, then a person
                                                                 └▶ go on, and note what it is

A call whose campaign does not ask for this has none of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

from engine.call import Call, Senses
from engine.chronicle import BY_RULE, Chronicle
from engine.errors import SpeechError
from engine.model import FRAME_MS, Digit, Sound, Status, TalkLog
from engine.ports import Hearing, Line, MediaStream, Recognizer, TransferEnd, TransferOrder, Vad
from engine.rules.amd import Amd, Kind, Verdict
from engine.rules.campaign import Machines
from engine.rules.greetings import EXPECTED
from engine.tasks import beside
from scenarios.talk import Prompt

log = logging.getLogger(__name__)

LISTENS_MS = 20_000  # after the answer; whoever is still there by then is taken for what they seem
CONTENT_MS = 8_000  # a person is listened to no longer than this after the verdict
PREROLL = 300 // FRAME_MS
GREETING_MS = 60_000  # a machine that speaks longer is not waited for
SECOND_BEEP_MS = 300  # after a beep: there may be two
BEFORE_MS = 400  # a beep that ended so shortly before the verdict is the one that the message follows
TURNS_OUT_MS = 1500  # a machine that is to be hung up on may turn out one that something is to be said to
STANDS_MS = 1500  # an announcement before the answer is believed when it has stood for so long,
UNTOLD_MS = 4000  # or for so long if it has not said what it tells of
PERSON_MS = 45_000  # an assistant may need so long to bring somebody
RESTARTS = 2  # of a message that began before the machine had finished
ROUNDS = 3  # of machine, then person, then machine …


class Tap:
    """A MediaStream that is overheard."""

    def __init__(self, media: MediaStream, hear: Callable[[bytes | Digit], None]) -> None:
        self._media = media
        self._hear = hear
        self._items: AsyncIterator[bytes | Digit] | None = None
        self.write, self.drain, self.flush = media.write, media.drain, media.flush

    def __aiter__(self) -> AsyncIterator[bytes | Digit]:
        self._items = self._media.__aiter__()
        return self

    async def __anext__(self) -> bytes | Digit:
        assert self._items is not None
        item = await self._items.__anext__()
        self._hear(item)
        return item


class TappedLine:
    """A Line whose media is overheard."""

    def __init__(self, line: Line, hear: Callable[[bytes | Digit], None]) -> None:
        self._line = line
        self._media = Tap(line.media, hear)

    @property
    def id(self) -> str:
        return self._line.id

    @property
    def media(self) -> MediaStream:
        return self._media

    @property
    def cause(self) -> int:
        return self._line.cause

    async def transfer(self, order: TransferOrder) -> TransferEnd:
        return await self._line.transfer(order)

    async def hang_up(self) -> None:
        await self._line.hang_up()

    def recording(self) -> tuple[str, str] | None:
        return self._line.recording()


class Detector:
    """Frames and keys in; `told` of each verdict. Its own recognition: the card's may know the card's words only."""

    def __init__(
        self, vad: Vad, recognizer: Recognizer, language: str, told: Callable[[Verdict], None] = lambda _: None
    ) -> None:
        self.amd = Amd()
        self.resting = False
        self._voiced = vad.voiced
        self._recognizer = recognizer
        self._expected = _expected(recognizer)
        self._language = language
        self._told = told
        self._before: deque[bytes] = deque(maxlen=PREROLL)
        self._hearing: Hearing | None = None
        self._until_ms = LISTENS_MS

    def push(self, item: bytes | Digit) -> None:
        if self.resting:
            return
        if isinstance(item, bytes):
            self._tell(self.amd.push(item, self._voiced(item)))
            self._listen(item)
        else:
            self._tell(self.amd.pressed())
        if self.amd.now_ms >= self._until_ms:
            self.rest()

    def afresh(self) -> None:
        """Somebody else may come to the telephone."""
        self.amd.afresh()
        self.on()

    def on(self) -> None:
        """Listen on, for as long as it takes."""
        self.resting = False
        self._until_ms = self.amd.now_ms + GREETING_MS + PERSON_MS

    def rest(self) -> None:
        """Nothing more is to be found out: the call costs what every other does."""
        self.resting = True
        self._drop()

    def _listen(self, frame: bytes) -> None:
        hearing = self._hearing
        if hearing is None:
            self._before.append(frame)
            if self.amd.speaking:
                self._hearing = self._recognizer.listen(language=self._language, phrases=self._expected)
                for earlier in self._before:
                    self._hearing.push(earlier)
                self._before.clear()
            return
        hearing.push(frame)
        self._tell(self.amd.text(hearing.partial))
        if not self.amd.speaking:
            self._drop()

    def _drop(self) -> None:
        if self._hearing is not None:
            self._hearing.drop()
            self._hearing = None

    def _tell(self, verdict: Verdict | None) -> None:
        if verdict is None:
            return
        if verdict.kind is Kind.PERSON:
            self._until_ms = min(self._until_ms, self.amd.now_ms + CONTENT_MS)
        self._told(verdict)


def _expected(recognizer: object) -> tuple[str, ...]:
    """What must be told to a recogniser that hears nothing else; the first, where others stand in for it."""
    while inners := getattr(recognizer, "inners", ()):
        _, recognizer = inners[0]
    return EXPECTED if getattr(recognizer, "any_phrase", False) else ()


async def overhear(media: MediaStream, *, senses: Senses, language: str) -> Status | None:
    """`engine.ports.Early`: what the network says before anybody answers, as a status; None if it says nothing."""
    detector = Detector(senses.vad(), senses.recognizer(""), language)
    amd = detector.amd
    try:
        async for item in media:
            if isinstance(item, bytes):
                detector.push(item)
                detector.on()
            verdict = amd.verdict  # "… but you may leave a message" may follow
            stands_ms = STANDS_MS if amd.means else UNTOLD_MS
            if verdict.kind is Kind.ANNOUNCEMENT and amd.now_ms - verdict.at_ms >= stands_ms:
                return Status(verdict.means)
    finally:
        detector.rest()
    return None


@dataclass(frozen=True, slots=True)
class Lines:
    """What is said to machines; None: nothing."""

    message: Prompt | None = None
    purpose: Prompt | None = None

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        return tuple(prompt for prompt in (self.message, self.purpose) if prompt is not None)


def lines(rules: Machines, language: str) -> Lines:
    """What the campaign has for machines to hear."""
    message = None
    if rules.mode == "message" and rules.material_id:
        message = Prompt(material=rules.material_id)
    elif rules.mode == "message" and rules.text:
        message = Prompt(text=rules.text, language=language)
    purpose = Prompt(text=rules.purpose, language=language) if rules.mode != "off" and rules.purpose else None
    return Lines(message, purpose)


Begin = Callable[[Line], Call]
"""Makes the talk, from its first card, on this line."""


class Pickup:
    """One answered call of a campaign that looks who has picked up. `run` it once."""

    def __init__(self, line: Line, rules: Machines, language: str, senses: Senses, chronicle: Chronicle) -> None:
        self._rules = rules
        self._lines = lines(rules, language)
        self._senses = senses
        self._chronicle = chronicle
        self._detector = Detector(senses.vad(), senses.recognizer(""), language, self._found)
        self._line = TappedLine(line, self._hear)
        self._call: Call | None = None
        self._wants = ""  # what is to be done when the talk has been stopped: hangup | message | screening
        self._leaving = False
        self._hangs_up_ms = 0  # when the talk is to be stopped, unless it is somebody else by then; 0: it is not
        self._told_purpose = False

    @property
    def call(self) -> Call | None:
        """The talk that goes on, or was the last."""
        return self._call

    async def run(self, begin: Begin) -> TalkLog:
        """Talk to whoever is there, to the end. Cancelled: the log so far is in the chronicle."""
        try:
            for _ in range(ROUNDS):
                self._call, self._wants = begin(self._line), ""
                log = await self._call.run()
                if not self._wants:
                    return log
                if not await self._to_a_machine(self._wants) or self._leaving:
                    break
                self._chronicle.stopped("")
        finally:
            self._detector.rest()
        assert self._call is not None
        return self._chronicle.close(self._call.state)

    def dismiss(self, goodbye: Prompt | None) -> None:
        self._leaving = True
        if self._call is not None:
            self._call.dismiss(goodbye)

    # --- the verdict -------------------------------------------------------------------------------------------------

    def _hear(self, item: bytes | Digit) -> None:
        self._detector.push(item)
        if 0 < self._hangs_up_ms <= self._detector.amd.now_ms:
            self._stop("hangup")

    def _found(self, verdict: Verdict) -> None:
        """Called from within a frame of the talk, or while a machine is attended to."""
        because = [(each.what, each.weight, each.at_ms) for each in verdict.evidence]
        machine = verdict.kind is not Kind.PERSON and verdict.kind is not Kind.UNKNOWN
        self._chronicle.answered_by(verdict.kind.value, machine=machine, at_ms=verdict.at_ms, because=because)
        self._hangs_up_ms = 0
        if machine and not self._wants and (wish := self._wish(verdict.kind)):
            self._detector.on()
            if wish == "hangup" and self._lines.prompts:
                self._hangs_up_ms = verdict.at_ms + TURNS_OUT_MS
            else:
                self._stop(wish)

    def _stop(self, wants: str) -> None:
        """The talk ends, for this."""
        self._hangs_up_ms = 0
        if self._call is not None:
            self._wants = wants
            self._call.dismiss(None, BY_RULE)

    def _wish(self, kind: Kind) -> str:
        if kind is Kind.SCREENING and self._lines.purpose is not None:
            return "screening"
        if self._rules.mode == "message":
            return "message" if kind in (Kind.MACHINE, Kind.SCREENING) and self._lines.message is not None else "hangup"
        return "hangup" if self._rules.mode == "hangup" else ""

    async def _to_a_machine(self, what: str) -> bool:
        """Do what is wanted. True: a person is there now, the talk is to begin anew."""
        try:
            if what == "screening":
                return await self._through_an_assistant()
            if what == "message":
                return await self._after_the_beep()
        except SpeechError as error:
            log.warning("a machine could not be told anything", extra={"reason": str(error)})
            self._chronicle.lost("voice", str(error))
        return False

    # --- an assistant ------------------------------------------------------------------------------------------------

    async def _through_an_assistant(self) -> bool:
        """When it has finished asking: say what the call is about, once; then a person may come."""
        amd = self._detector.amd
        assert self._lines.purpose is not None
        self._told_purpose = True
        if not await self._until(lambda: amd.silence_ms >= 700 or self._is_a_person(), PERSON_MS):
            return False
        if not self._is_a_person():
            if not await self._say(self._lines.purpose, lambda: False):
                return False
            self._detector.afresh()
            await self._until(lambda: amd.verdict.kind is not Kind.UNKNOWN and not amd.speaking, PERSON_MS)
        if amd.verdict.kind in (Kind.MACHINE, Kind.SCREENING) and self._lines.message is not None:
            return await self._after_the_beep()  # it takes a message instead
        return self._is_a_person()

    # --- voicemail ---------------------------------------------------------------------------------------------------

    async def _after_the_beep(self) -> bool:
        amd = self._detector.amd
        assert self._lines.message is not None
        since_ms = amd.now_ms - BEFORE_MS
        for _ in range(RESTARTS + 1):
            if not await self._until(partial(self._may_begin, since_ms), GREETING_MS):
                return False
            if self._is_a_person():
                return True
            if self._asks():
                return await self._through_an_assistant()
            since_ms = amd.now_ms
            if await self._say(self._lines.message, partial(self._too_early, since_ms + SECOND_BEEP_MS)):
                return False
        return False

    def _too_early(self, at_ms: int) -> bool:
        return self._detector.amd.beeped_ms > at_ms or self._asks()

    def _may_begin(self, since_ms: int) -> bool:
        amd = self._detector.amd
        if self._is_a_person() or self._asks():
            return True
        if amd.beeped_ms >= since_ms:
            return amd.now_ms - amd.beeped_ms >= SECOND_BEEP_MS
        silent_ms = amd.now_ms - max(since_ms, amd.now_ms - amd.silence_ms)
        return silent_ms >= self._rules.beep_wait_s * 1000 and not amd.speaking

    def _asks(self) -> bool:
        """What seemed voicemail was an assistant."""
        screens = self._detector.amd.verdict.kind is Kind.SCREENING
        return screens and self._lines.purpose is not None and not self._told_purpose

    def _is_a_person(self) -> bool:
        return self._detector.amd.verdict.kind is Kind.PERSON

    # --- hearing and speaking without a scenario ---------------------------------------------------------------------

    async def _until(self, ready: Callable[[], bool], most_ms: int) -> bool:
        """Hear on until it is so; False: they are gone, or it took too long."""
        most = most_ms // FRAME_MS
        async for _ in self._line.media:
            most -= 1
            if ready():
                return True
            if self._leaving or most <= 0:
                return False
        return False

    async def _say(self, prompt: Prompt, cut: Callable[[], bool]) -> bool:
        """Said to its end; False: it was cut, or they are gone. Raises SpeechError."""
        sound = await self._senses.sounds.sound(prompt)
        self._chronicle.said(prompt)
        said = asyncio.Event()
        async with beside(self._utter(sound, said)):
            most_ms = round(sound.seconds * 1000) + 10_000
            await self._until(lambda: said.is_set() or cut(), most_ms)
        if not said.is_set():
            self._line.media.flush()
        return said.is_set()

    async def _utter(self, sound: Sound, said: asyncio.Event) -> None:
        media = self._line.media
        await media.write(sound.pcm)
        await media.drain()
        said.set()
