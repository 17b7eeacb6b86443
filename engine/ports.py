"""What the engine expects of the world. Adapters implement these; `tests/fakes.py` fakes them; one contract suite holds
both to the guarantees written here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from engine.model import CallEnd, CallEvent, Contact, DialOrder, Digit, Due, Sound, Status, Transcript
from engine.rules.why import Why as Why
from scenarios.talk import Fetch, Fetched


class Clock(Protocol):
    """The only source of "now". Durations are awaited with asyncio, never polled."""

    def now(self) -> datetime:
        """The current moment, UTC, timezone-aware."""
        ...


# --- sound ----------------------------------------------------------------------------------------------------------


class MediaStream(Protocol):
    """Two-way audio of one call, 16-bit mono PCM at `engine.model.RATE`.

    Iterating gives what the subscriber sends: `bytes` of exactly `FRAME_BYTES` for every 20 ms of real time (the
    adapter fills gaps with silence), and `Digit` for keys, in order. It ends when the call ends: a hang-up is the end
    of the iteration, never an exception; after it the other methods do nothing. While a transfer rings or talks, and
    while a lost media link is being re-made, it merely pauses. One iterator at a time.
    """

    def __aiter__(self) -> AsyncIterator[bytes | Digit]: ...

    async def write(self, pcm: bytes) -> None:
        """Queue PCM of any length for the subscriber; padded to a whole frame. Waits while the far buffer is full."""
        ...

    async def drain(self) -> None:
        """Wait until all that was written has been handed on to the subscriber, or was flushed, or the call is over."""
        ...

    def flush(self) -> None:
        """Forget all that was written and not yet handed on; a `write` or `drain` in flight returns at once."""
        ...


class Vad(Protocol):
    """Is there a voice in this frame? One instance per call; may keep state. Synchronous, microseconds."""

    def voiced(self, frame: bytes) -> bool: ...

    @property
    def likely(self) -> float:
        """How likely the sound of the last 160 ms was a voice, from 0 to 1; 0.5 where that is not known."""
        ...


class Hearing(Protocol):
    """One utterance being recognised; owns all state of that utterance."""

    @property
    def partial(self) -> str:
        """The best guess so far, lower case; empty if there is none. Cheap: read for every frame."""
        ...

    def push(self, frame: bytes) -> None:
        """Take the next frame. Never blocks: models run in worker processes."""
        ...

    async def finish(self) -> Transcript:
        """The utterance is over; give its text (empty: nothing understood). Raises SpeechError when the worker is gone
        or does not answer within its limit. After it the hearing is spent."""
        ...

    def drop(self) -> None:
        """The utterance does not matter any more. May be called at any time, any number of times."""
        ...


class Recognizer(Protocol):
    """A loaded speech-to-text model, shared by every call."""

    def listen(self, *, language: str = "ru", phrases: Sequence[str] = ()) -> Hearing:
        """Begin one utterance; never blocks. `phrases` are expected: a grammar or a bias where the model can."""
        ...


class Synthesizer(Protocol):
    """A loaded text-to-speech voice, shared by every call."""

    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        """The whole text as sound at `RATE`. Raises SpeechError."""
        ...


# --- the telephone --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TransferOrder:
    to: str  # E.164 number or sip:… address
    trunk: str
    ring_s: float
    caller_id: str
    whisper: Sound | None = None


@dataclass(frozen=True, slots=True)
class TransferEnd:
    outcome: str  # done | busy | no_answer | failed
    talked_s: float = 0.0


class Line(Protocol):
    """One live telephone call, answered."""

    @property
    def id(self) -> str: ...

    @property
    def media(self) -> MediaStream: ...

    @property
    def cause(self) -> int:
        """Q.850 cause of the hang-up, 0 while the call lives."""
        ...

    async def transfer(self, order: TransferOrder) -> TransferEnd:
        """Join the subscriber to a person, wait until that is over. If the subscriber is still there afterwards,
        `media` goes on. Never raises; a call that ended meanwhile gives `done` if they had been joined, else
        `failed`."""
        ...

    async def hang_up(self) -> None:
        """Drop the line; returns when it is down. Any number of times."""
        ...

    def recording(self) -> tuple[str, str] | None:
        """The files (subscriber's side, robot's side; mono WAV 8 kHz) that Asterisk is writing, if it was asked to."""
        ...


Progress = Callable[[str], None]  # "ringing" | "answered"; called at most once each, synchronously


Early = Callable[[MediaStream], Awaitable[Status | None]]
"""Listens before the answer, cancelled by it. A status: nobody will answer, for this reason. None: nothing was said."""


class Incoming(Protocol):
    """A call that came in and has not been answered yet."""

    @property
    def id(self) -> str: ...

    @property
    def phone(self) -> str:
        """Who calls: E.164 with +, or empty if withheld."""
        ...

    @property
    def number(self) -> str:
        """The number that was called, E.164 with +."""
        ...

    def accept(self, *, record: bool) -> AbstractAsyncContextManager[Line]:
        """Answer. Raises NotReached if the caller has gone. Leaving the block hangs up, whatever happened inside."""
        ...

    async def reject(self, cause: int = 17) -> None:
        """Do not answer; the caller hears what their network plays for this Q.850 cause (17: busy)."""
        ...


class VoiceChannel(Protocol):
    """Calls out and calls in."""

    def dial(
        self, order: DialOrder, progress: Progress, early: Early | None = None
    ) -> AbstractAsyncContextManager[Line]:
        """Call a person. Entering waits for the answer or raises NotReached (the person) or ChannelDown (nothing was
        dialled: safe to do again). Leaving hangs up, whatever happened inside. Cancelled while entering: hangs up.
        `early` hears what the network plays before the answer, if it plays anything; a status from it is raised."""
        ...

    async def ring(self, order: DialOrder, progress: Progress, *, ring_s: float) -> None:
        """Let it ring for `ring_s` from the first ringing, then drop it unanswered; dropped at once if answered.
        Raises NotReached if it never rang, ChannelDown as above."""
        ...

    def calls(self) -> AsyncIterator[Incoming]:
        """Incoming calls as they come. While nobody iterates, callers hear busy."""
        ...

    async def drop_strangers(self, known: Callable[[str], bool]) -> Sequence[str]:
        """Hang up every live channel with an id of ours for which `known(id)` is false. Gives the ids of calls that
        were answered, as far as is known: those that live, and those that no engine has brought to their end."""
        ...


# --- errands and memory ---------------------------------------------------------------------------------------------


class Errands(Protocol):
    """What a scenario may ask of the outside world in the middle of a talk."""

    async def fetch(self, request: Fetch) -> Fetched:
        """Do the request within its `timeout_s`. Never raises: status 0 and `error` mean no answer."""
        ...

    async def keep(self, call: str, sound: Sound) -> str:
        """Keep what the subscriber recorded; where it is, under the data folder."""
        ...


class Contacts(Protocol):
    """Who is to be called by a campaign, and when.

    A contact's due time is the whole queue: leasing moves it ahead, so a crashed engine's contacts come back by
    themselves; a contact without one is closed.
    """

    async def next_due(self, campaign: int) -> Due | None:
        """The earliest open contact; None if all are closed."""
        ...

    async def lease(self, campaign: int, timezone: str, *, now: datetime, until: datetime) -> Contact | None:
        """Take one due contact of this timezone: due again at `until` unless settled before. In the same transaction
        its attempt (a row of `calls`, status dialing) is written. None: another engine was faster."""
        ...

    async def postpone(self, campaign: int, timezone: str, *, now: datetime, until: datetime | None) -> int:
        """Those of this timezone who are due now are due at `until`; None closes them. How many they were."""
        ...

    async def settle(self, contact: Contact, end: CallEnd, *, next_at: datetime | None, closed: str) -> bool:
        """Write the attempt's end, and, only while this lease still stands, when the contact is due next; None closes
        it for the reason `closed` (goal, answered, attempts, opt_out, blocked, ...). False: the lease was lost."""
        ...

    async def release(self, contact: Contact, *, due_at: datetime) -> None:
        """Nothing was dialled: forget the attempt's row, the contact is due at `due_at`."""
        ...


class Journal(Protocol):
    """What happened, in order. Never blocks, never fails: what cannot be kept is counted."""

    def note(self, event: CallEvent) -> None: ...


class LiveView(Protocol):
    """A call that lives here, as far as it has come."""

    @property
    def call_id(self) -> int: ...

    @property
    def node(self) -> str:
        """The card where it stands; empty before the first one."""
        ...

    @property
    def partial(self) -> str:
        """What the subscriber is just saying."""
        ...

    @property
    def transcript(self) -> Iterable[tuple[datetime, str, str]]:
        """(when, robot | subscriber, text), the last lines of it, in order."""
        ...


class Robot(Protocol):
    """The running engine, as the web layer sees it."""

    def nudge(self, campaign: int | None = None) -> None:
        """A campaign's row (or any, if None) has changed: look again now."""
        ...

    def why(self, campaign: int) -> Why | None:
        """The last answer of `plan` for a running campaign; None if this engine does not run it."""
        ...

    async def call_now(self, call_id: int) -> None:
        """Place the single call whose row (status queued) is `call_id`. Returns when it was taken on; a robot that
        cannot dial now leaves it queued, and takes it on later."""
        ...

    async def call_password(self, password_id: int) -> None:
        """Ring for this call password. Returns when it was taken on. Raises ChannelDown if the robot cannot ring now:
        a code is of no use later."""
        ...

    async def hang_up(self, call_id: int) -> bool:
        """End a live call, or do not dial one that waits for it; False if neither is here."""
        ...

    def events(self) -> AbstractAsyncContextManager[AsyncIterator[CallEvent]]:
        """Live events from now on; a listener that is too slow loses the oldest ones. Raises OverflowError when there
        are too many listeners."""
        ...

    def live(self) -> Sequence[LiveView]:
        """The calls that live here. Not copies: read them at once."""
        ...

    def health(self) -> Mapping[str, tuple[bool, str]]:
        """Part (database, telephony, recogniser, media, disk) -> (works, in words)."""
        ...
