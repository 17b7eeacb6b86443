"""The nouns of the engine: small frozen values, no behaviour that needs I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from scenarios.talk import Value

RATE = 8000  # samples a second, everywhere inside
FRAME_MS = 20
FRAME_BYTES = RATE * 2 * FRAME_MS // 1000  # 320: 16-bit mono PCM, little-endian ("slin")
SILENCE = bytes(FRAME_BYTES)


# --- sound ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Digit:
    """A key pressed on the telephone: 0-9 * # A-D."""

    key: str


@dataclass(frozen=True, slots=True)
class Sound:
    """A finished piece of audio in memory: 16-bit mono PCM at `RATE`.

    `makeshift`: said by a stand-in because the voice that was asked for failed: to be played, not to be kept.
    """

    pcm: bytes
    makeshift: bool = field(default=False, compare=False)

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / RATE


@dataclass(frozen=True, slots=True)
class Transcript:
    text: str
    confidence: float = 1.0


# --- what came of a call --------------------------------------------------------------------------------------------


class Status(StrEnum):
    """The API's `status` of a call: the first four while it lives, then how it ended."""

    QUEUED = "queued"
    DIALING = "dialing"
    RINGING = "ringing"
    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    INVALID_NUMBER = "invalid_number"
    CONGESTION = "congestion"
    FAILED = "failed"  # our fault, not theirs
    BLOCKED = "blocked"  # by a stop list or a rule of ours: never dialled


class Result(StrEnum):
    """The API's `result` of an answered call."""

    GOAL = "goal"
    OPT_OUT = "opt_out"
    ANSWERING_MACHINE = "answering_machine"
    NON_TARGET = "non_target"
    TRANSFERRED = "transferred"


@dataclass(frozen=True, slots=True)
class StepLog:
    """One card that a call passed; times are counted from the answer."""

    at_ms: int
    node: str
    kind: str
    ms: int
    port: str
    by: str = ""
    heard: str = ""
    confidence: float = 0.0
    reaction_ms: int | None = None  # end of the subscriber's last sound (or the key) -> first sound that answers it
    detail: str = ""
    partial: bool = False  # decided before the end of speech


@dataclass(frozen=True, slots=True)
class Spoken:
    """One line of a transcript. `who`: robot | subscriber."""

    at_ms: int
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class TalkLog:
    """What a conversation came to."""

    ending: str  # hangup | left | failed
    ended_by: str  # robot | subscriber | system
    result: Result | None
    reason: str = ""
    tags: tuple[str, ...] = ()
    vars: Mapping[str, Value] = field(default_factory=dict[str, Value])
    opted_out: bool = False
    retry_after_s: float | None = None
    retry_at: datetime | None = None
    steps: tuple[StepLog, ...] = ()
    transcript: tuple[Spoken, ...] = ()
    recorded: tuple[str, ...] = ()  # files of `record` cards


# --- dialling -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DialOrder:
    """One call to be placed. `id` is the attempt's: unique for ever, it becomes Asterisk's ChannelId."""

    id: str
    phone: str  # E.164 with +
    number: str  # caller ID, E.164 with +
    trunk: str
    answer_timeout_s: float = 27.0
    record: bool = True


@dataclass(frozen=True, slots=True)
class Contact:
    """One person in one campaign, leased to this engine together with the attempt that was opened for them."""

    id: int
    campaign_id: int
    phone: str
    timezone: str
    call_id: int  # the attempt's row
    uid: str  # the attempt's id towards Asterisk
    attempt: int  # 1 for the first
    leased_until: datetime  # the fencing token
    first_number: str = ""  # the number that the first attempt came from
    fields: Mapping[str, Value] = field(default_factory=dict[str, Value])


@dataclass(frozen=True, slots=True)
class Due:
    """When the next contact is to be called, and on whose wall clock."""

    at: datetime
    timezone: str


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How an attempt ended; written once."""

    status: Status
    cause: int
    ended_at: datetime
    dialed_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    talk: TalkLog | None = None
    number: str = ""
    scenario_version: int = 0
    scenario_id: int = 0
    variant: int = 0
    recording: str = ""  # path under the data folder, empty if there is none
    reason: str = ""
    cost: int = 0  # minor units
    billed_s: int = 0


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Something that happened in a call, for live listeners, metrics and the log."""

    call_id: int
    kind: str  # created dialing ringing answered step said heard partial ended recording_lost ...
    at: datetime
    data: Mapping[str, Value] = field(default_factory=dict[str, Value])
