"""The words between a scenario and whoever carries it out.

    interpreter.feed(state, event, now) ──▶ Move(state, commands, visits)

Events say what has happened, commands say what the scenario wants done. A telephone call, a rehearsal and a chat speak
the same words; this module imports nothing of the engine. All values are plain, so that a talk can sleep in a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Value = str | int | float | bool | None
Vars = Mapping[str, Value]
NONE: Vars = MappingProxyType({})


def nothing() -> Vars:
    return NONE


@dataclass(frozen=True, slots=True)
class Prompt:
    """Something to be said: exactly one of `text` (rendered from its template), `audio` (a file) or `material`."""

    text: str = ""
    audio: str = ""
    material: int = 0
    voice: str = ""
    language: str = ""


# --- commands -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Play:
    """Say this after what is already being said. `Played` follows when it has been said to its end, and only then."""

    prompt: Prompt
    barge_in: bool = True


@dataclass(frozen=True, slots=True)
class Listen:
    """From now on this is listened for; a later `Listen` replaces it, a move to a card that does not listen ends it.

    Patience (`timeout_s`) runs only while the robot is silent and nothing is said or pressed; then comes `Silent`.
    """

    timeout_s: float = 7.0
    voice: bool = True  # speech matters here; else only keys do
    keys: bool = True
    phrases: tuple[str, ...] = ()  # what is expected: a grammar or a bias for the recogniser
    digits: tuple[int, int] = (0, 0)  # a number is expected, of so many digits (at least, at most)
    max_utterance_s: float = 15.0
    partials: bool = True  # a partial that has stood for `settle_ms` is given as `Partial`
    settle_ms: int = 200
    min_speech_ms: int = 120
    recognizer: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Fetch:
    """An HTTP request; `Fetched` follows. `integration` names a stored one, whose fields these override."""

    integration: str = ""
    url: str = ""
    method: str = "POST"
    type: str = "json"  # json | form
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    body: object = None  # JSON-like, templates already rendered
    auth: Mapping[str, str] = field(default_factory=dict[str, str])  # {basic: "user:pass"} or {bearer: token}
    timeout_s: float = 5.0
    fill: Prompt | None = None  # said meanwhile


@dataclass(frozen=True, slots=True)
class Transfer:
    """Join the subscriber to a person; `Transferred` follows."""

    to: str  # a number, a SIP address or an operator group
    ring_s: float = 25.0
    caller_id: str = ""
    whisper: Prompt | None = None  # said to the operator before the two are joined
    hold: Prompt | None = None  # said to the subscriber before it rings


@dataclass(frozen=True, slots=True)
class Record:
    """The subscriber's message as a file; `Recorded` follows."""

    max_s: float = 60.0
    silence_s: float = 3.0
    beep: bool = True


@dataclass(frozen=True, slots=True)
class Mark:
    """Something to be remembered about this contact. `kind`: goal, tag, opt_out or retry_later."""

    kind: str
    tag: str = ""
    after_s: float = 0.0
    at: str = ""  # ISO 8601, for retry_later


@dataclass(frozen=True, slots=True)
class HangUp:
    """The talk is over: everything queued is said to its end, then the line is dropped."""


Command = Play | Listen | Fetch | Transfer | Record | Mark | HangUp


# --- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Began:
    """The person began to speak while the standing card let itself be interrupted."""


@dataclass(frozen=True, slots=True)
class Partial:
    """What has been heard so far, unchanged for the card's `settle_ms`. The card may decide by it, or wait."""

    text: str


@dataclass(frozen=True, slots=True)
class Heard:
    """The utterance is over. Empty `text`: something was said that nobody could understand."""

    text: str
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Pressed:
    key: str  # 0-9 * # A-D


@dataclass(frozen=True, slots=True)
class Silent:
    """Patience ran out."""


@dataclass(frozen=True, slots=True)
class Played:
    """Everything that this card wanted said has been said to its end."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """`status` 0: no answer at all, `error` says why. `body` is JSON-like, or None if it was not JSON."""

    status: int
    body: object = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Transferred:
    outcome: str  # done | busy | no_answer | failed
    talked_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Recorded:
    audio: str  # where the file is, in the engine's terms
    seconds: float


@dataclass(frozen=True, slots=True)
class Left:
    """The person is gone."""


@dataclass(frozen=True, slots=True)
class Faulted:
    """What the card wanted could not be done (no audio, recogniser gone): the talk ends as failed, with this reason."""

    reason: str


Event = Began | Partial | Heard | Pressed | Silent | Played | Fetched | Transferred | Recorded | Left | Faulted


# --- state ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class State:
    """Where a talk stands."""

    node: str
    vars: Vars = field(default_factory=nothing)
    memo: Vars = field(default_factory=nothing)  # the standing card's own notes, forgotten on leaving it
    visits: Mapping[str, int] = field(default_factory=dict[str, int])  # how often each counted card was entered
    steps: int = 0  # cards entered so far
    ending: str = ""  # empty while the talk lives; then hangup | left | failed
    reason: str = ""  # for failed: why, in words
    contact_key: str = ""  # tells this contact from others: whoever comes twice is sorted the same way twice


@dataclass(frozen=True, slots=True)
class Visit:
    """A card that has been left."""

    node: str
    kind: str
    port: str  # the arrow: next, ok, a filter's `port` (else the card it leads to), ..., or hangup / left / failed
    by: str = ""  # what decided: voice | dtmf | silence | other | barge_in | exhausted; empty: nothing had to
    heard: str = ""
    confidence: float = 0.0
    partial: bool = False  # decided before the end of speech
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """What the interpreter gives back: the new state, what to do now, and the cards passed on the way, in order."""

    state: State
    commands: tuple[Command, ...] = ()
    visits: tuple[Visit, ...] = ()
