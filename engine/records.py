"""What the dialler and the router expect of the store besides `Contacts`: campaigns, calls and inbound lines.

Every method may raise whatever the database raises; the callers wait and do it again, so each is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from engine.model import CallEnd, Contact, Status
from engine.rules.campaign import Caller, Campaign
from engine.rules.outcome import Totals
from engine.rules.window import Window
from scenarios.talk import Value


@dataclass(frozen=True, slots=True)
class ActiveCampaign:
    """A campaign that runs or is to start, with what the limits are held against."""

    campaign: Campaign
    state: str  # running | scheduled
    totals: Totals
    filled: bool = True  # false while its contacts are still being copied in: an empty queue is not its end then


class CampaignStore(Protocol):
    """Which campaigns there are for the engine. Actions of people change rows and then nudge the engine."""

    async def active(self) -> Sequence[ActiveCampaign]:
        """All that run or are scheduled."""
        ...

    async def change_state(self, campaign: int, *, was: str, becomes: str, reason: str, at: datetime) -> bool:
        """Only while the state is still `was`; `reason` is a code of `rules.why` for a pause, else empty. On finishing,
        `finished_at` is `at`; on a scheduled campaign's start, `started_at`."""
        ...

    async def barred(self, contact: Contact) -> bool:
        """Is the number on a stop list of the campaign or its project now? One indexed look-up."""
        ...


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A row of `calls` that has not ended. `contact`: with its lease, where it is a campaign's."""

    call_id: int
    uid: str
    status: Status
    created_at: datetime
    dialed_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    contact: Contact | None = None
    number: str = ""


@dataclass(frozen=True, slots=True)
class SingleCall:
    """One call outside of any campaign, taken on by this engine."""

    call_id: int
    uid: str
    project_id: int
    phone: str
    callers: tuple[Caller, ...]  # to choose from
    scenario_id: int
    created_at: datetime
    not_after: datetime | None = None
    fields: Mapping[str, Value] = field(default_factory=dict[str, Value])


@dataclass(frozen=True, slots=True)
class PasswordCall:
    """A call password to be rung for; its call has a row of `calls` as every other."""

    id: int
    call_id: int
    uid: str
    project_id: int
    phone: str
    caller: Caller  # whose last digits are the code
    expires_at: datetime


class CallStore(Protocol):
    """Rows of `calls`."""

    async def progressed(self, call_id: int, status: Status, at: datetime, *, number: str = "") -> None:
        """The call rings or was answered: durable, since an answered contact must never be dialled again after a crash.
        A call that has ended, or is further on, stays as it is. Only `answered` is promised to be told."""
        ...

    async def open_calls(self) -> Sequence[OpenCall]:
        """All that have been begun and have not ended; not those still `queued`."""
        ...

    async def end(self, call_id: int, end: CallEnd) -> bool:
        """Write the end of a call that no campaign holds. Written once: False if it had ended."""
        ...

    async def queued(self) -> Sequence[int]:
        """Single calls that wait to be taken on, the oldest first."""
        ...

    async def take(self, call_id: int) -> SingleCall | None:
        """queued -> dialing, in one step; None if it is not queued any more."""
        ...

    async def requeue(self, call_id: int) -> None:
        """Nothing was dialled: dialing -> queued."""
        ...


class PasswordStore(Protocol):
    """Call passwords, as far as they ring."""

    async def password(self, password_id: int) -> PasswordCall | None:
        """A call password whose state is `calling` and for which nothing was dialled; None else. Its call row becomes
        dialing in the same step."""
        ...

    async def password_rang(self, password_id: int, *, delivered: bool) -> None:
        """calling -> delivered | failed; any other state stays."""
        ...


@dataclass(frozen=True, slots=True)
class InboundLine:
    """An active inbound line."""

    id: int
    project_id: int
    scenario_id: int
    after_hours_scenario_id: int | None = None
    windows: tuple[Window, ...] = ()  # empty: round the clock
    timezone: str = "UTC"
    record: bool = True


@dataclass(frozen=True, slots=True)
class Accept:
    """An incoming call is to be answered with this scenario."""

    scenario_id: int
    after_hours: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """An incoming call is refused, with this cause of Q.850."""

    cause: int
    reason: str  # no line | stop list | closed | no answer from the store


Decide = Callable[[InboundLine | None, bool], Accept | Reject]
"""The line of the number called (None: there is none), and whether the caller is on its stop list -> who answers.

Quick and pure: it may be asked in a thread, within a transaction."""


@dataclass(frozen=True, slots=True)
class InboundCall:
    """Somebody who called one of our numbers, and is to be answered."""

    line: InboundLine
    call_id: int
    scenario_id: int
    scenario_version: int = 0  # the newest one at that moment; 0: not known
    fields: Mapping[str, Value] = field(default_factory=dict[str, Value])  # from the line's segment, if they are in it
    contact_id: int | None = None


class LineStore(Protocol):
    async def receive(self, number: str, *, uid: str, phone: str, at: datetime, decide: Decide) -> InboundCall | Reject:
        """Somebody calls `number`, now: find its active line and its stop lists, let `decide`, and, for a call that is
        accepted, write its row (direction inbound, status ringing) before it is answered. All of it as the database is
        at that moment. A number withheld (`phone` is empty) is on no list. Done again with the same `uid`, it is the
        same row."""
        ...
