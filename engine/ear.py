"""Frames in; speech started, partial, ended, and silence out.

    frame ─▶ Vad ─▶ Endpointer ─▶ Started ─▶ Hearing.push … ─▶ Stood (a partial that no longer changes) ─▶ Ended
                    │   └▶ patience, counted only while the robot is silent and nobody speaks ─▶ Quiet
                    └▶ the robot's own echo, a tone, music, breath: nobody began to speak

An utterance belongs to the `Listen` that stood when it began; one that began while nothing was listened for, or under a
prompt that does not let itself be interrupted, belongs to nobody: it is waited out and never recognised.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from engine.audio import peak
from engine.model import FRAME_BYTES, FRAME_MS
from engine.ports import Hearing, Recognizer, Vad
from engine.rules.barge_in import BargeIn, Playback, is_breath, is_music, is_tone, lasting
from engine.rules.endpointing import Endpointer, Endpointing, Expected, Turn, expected
from scenarios.digits import digits
from scenarios.talk import Listen

PREROLL = 300 // FRAME_MS  # frames recognised from before the onset: a first syllable is often quiet
DOUBTED = 160 // FRAME_MS  # frames by which an onset is judged
KEY = 120 * FRAME_BYTES // FRAME_MS  # bytes: the last of an onset, as long as a key sounds
STEADY = 0.9  # so much of it in lines that stay is a tone or a pair of them
FAINT = 0.04  # of the loudest frame of what is being said: fainter ones (−28 dB) are its fading, not its sound
CERTAIN = 0.6  # so likely a voice is one
OTHER = 600 // FRAME_MS  # frames after which it is something else that is said


@dataclass(frozen=True, slots=True)
class Started:
    """The person has begun to speak, and it matters."""


@dataclass(frozen=True, slots=True)
class Stood:
    """This partial has not changed for the card's `settle_ms`. Told once for each text."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The person has stopped; `hearing` can be finished."""

    hearing: Hearing
    owner: int = 0


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing was said for as long as the card was ready to wait. Told once."""


Signal = Started | Stood | Ended | Quiet
STARTED, QUIET = Started(), Quiet()


@dataclass(frozen=True, slots=True)
class TurnTaking:
    """How turns are taken in every call."""

    endpointing: Endpointing = field(default_factory=Endpointing)
    barge_in: BargeIn = field(default_factory=BargeIn)


USUAL = TurnTaking()


@dataclass(slots=True)
class _Utterance:
    """What is being said, its partial, and for how many frames that has stood."""

    hearing: Hearing
    expected: Expected
    partial: str = ""
    stands: int = 0
    owner: int = 0  # whose answer it is; the caller's word
    wordless: bool = False  # it has begun while the robot speaks, and matters when there is a word in it


class _LastSound:
    """How many frames ago it was; a detector calls what comes some 100 ms after it voiced still."""

    __slots__ = ("_loudest", "ago")

    def __init__(self) -> None:
        self.ago = 0
        self._loudest = 0  # of what is being said

    def voiced(self, frame: bytes) -> None:
        loud = peak(frame)
        self._loudest = loud if self.ago > OTHER else max(self._loudest, loud)
        if loud >= FAINT * self._loudest:
            self.ago = 0


class Ear:
    def __init__(
        self, vad: Vad, recognizer: Callable[[str], Recognizer], language: str, rules: TurnTaking = USUAL
    ) -> None:
        self._vad = vad
        self._recognizer = recognizer
        self._language = language
        self._rules = rules
        self._endpointer = Endpointer(rules.endpointing)
        self._playback = Playback(rules.barge_in)
        self._before: deque[bytes] = deque(maxlen=PREROLL + self._endpointer.started_after)
        self._want: Listen | None = None
        self._utterance: _Utterance | None = None
        self._patience = -1  # frames; negative: not waiting
        self._frame = 0
        self._last = _LastSound()

    @property
    def listening(self) -> Listen | None:
        return self._want

    @property
    def since_sound(self) -> int:
        """Frames since the subscriber's last sound."""
        return self._last.ago

    @property
    def hearing(self) -> bool:
        """An utterance that belongs to the standing card is going on."""
        return self._utterance is not None and not self._utterance.wordless

    @property
    def trouble(self) -> str:
        """What the recognition of the utterance that goes on has gone through; empty: nothing."""
        return str(getattr(self._utterance.hearing, "trouble", "")) if self._utterance else ""

    def listen(self, want: Listen | None) -> None:
        """From now on this is listened for; patience begins anew. None: nothing is; what is being said is nobody's."""
        self._want = want
        if self._utterance is not None and self._utterance.wordless:
            self.disown()
        if want is None:
            self._patience = -1
            self.disown()
            return
        self._patience = max(1, round(want.timeout_s * 1000 / FRAME_MS))
        self._endpointer.started_after = max(1, want.min_speech_ms // FRAME_MS)
        self._endpointer.longest = max(1, round(want.max_utterance_s * 1000 / FRAME_MS))

    def own(self, owner: int) -> None:
        """Whose answer the utterance is that has just begun; `Ended` tells it."""
        if self._utterance is not None:
            self._utterance.owner = owner

    def disown(self) -> None:
        """What is being said belongs to nobody any more."""
        if self._utterance is not None:
            self._utterance.hearing.drop()
            self._utterance = None

    def plays(self, pcm: bytes) -> None:
        """From now on the subscriber is played this; what comes back of it is nobody's speech."""
        self._playback.began(pcm, self._frame)

    def push(self, frame: bytes, *, speaking: bool, interruptible: bool) -> Signal | None:
        """The next frame. `speaking`: the robot is; `interruptible`: it may be interrupted by this."""
        self._frame += 1
        voiced = self._vad.voiced(frame)
        self._last.ago += 1
        if voiced:
            self._last.voiced(frame)
        utterance = self._utterance
        if utterance is None:
            self._before.append(frame)
        else:
            utterance.hearing.push(frame)
        turn = self._endpointer.push(voiced, voiced and self._vad.likely >= CERTAIN)
        if turn is None:
            return self._goes_on(utterance, speaking) if utterance is not None else self._wait(speaking)
        if turn is Turn.STARTED:
            heard = b"".join(islice(self._before, max(0, len(self._before) - DOUBTED), None))
            if self._nobody(heard):
                self._endpointer.recant(tone=lasting(heard[-KEY:]) >= STEADY)
                return self._wait(speaking)
            return self._start(speaking) if interruptible or not speaking else None
        if utterance is None:
            return None
        if utterance.wordless:
            self.disown()
            return self._wait(speaking)
        self._utterance, self._patience = None, -1
        return Ended(utterance.hearing, utterance.owner)

    def _nobody(self, heard: bytes) -> bool:
        """What has just begun is a tone, music, a breath, or the robot's own voice coming back."""
        likely, rules = self._vad.likely, self._rules.barge_in
        if is_tone(heard) or is_breath(heard, likely, rules) or is_music(heard, likely, rules):
            return True
        return self._playback.echoes(heard, self._frame)

    def _start(self, speaking: bool) -> Started | None:
        want = self._want
        if want is None or not want.voice:
            return None
        hearing = self._recognizer(want.recognizer).listen(
            language=want.language or self._language, phrases=want.phrases
        )
        for frame in self._before:
            hearing.push(frame)
        self._before.clear()
        wordless = speaking and self._rules.barge_in.words
        self._utterance = _Utterance(hearing, expected(want.phrases, want.digits), wordless=wordless)
        return None if wordless else STARTED

    def _goes_on(self, utterance: _Utterance, speaking: bool) -> Signal | None:
        if not utterance.wordless:
            return self._stood(utterance)
        if speaking and not utterance.hearing.partial:
            return None
        utterance.wordless = False
        return STARTED

    def _stood(self, utterance: _Utterance) -> Stood | None:
        partial = utterance.hearing.partial
        if partial != utterance.partial:
            utterance.partial, utterance.stands = partial, 0
            silence_ms = utterance.expected.silence_ms(partial, digits, self._rules.endpointing)
            self._endpointer.ended_after = max(1, silence_ms // FRAME_MS)
        if not partial or self._want is None or not self._want.partials:
            return None
        utterance.stands += 1
        return Stood(partial) if utterance.stands == max(1, self._want.settle_ms // FRAME_MS) else None

    def _wait(self, speaking: bool) -> Quiet | None:
        if self._patience < 0 or speaking or self._endpointer.speaking:
            return None
        self._patience -= 1
        if self._patience > 0 or self._endpointer.doubtful:
            self._patience = max(self._patience, 0)
            return None
        self._patience = -1
        return QUIET

    def close(self) -> None:
        self.disown()
