"""The store in dictionaries: implements `Contacts`, `CampaignStore`, `CallStore`, `PasswordStore` and `LineStore`,
quick enough for a week of 100,000 contacts. Set `failure` and every method raises it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from heapq import heapify, heappop, heappush

from engine.model import CallEnd, Contact, Due, Status
from engine.records import ActiveCampaign, Decide, InboundCall, InboundLine, OpenCall, PasswordCall, Reject, SingleCall
from engine.rules.campaign import Campaign
from engine.rules.outcome import LIVE, Totals
from scenarios.talk import Value

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class ContactRow:
    id: int
    campaign_id: int
    phone: str
    timezone: str
    due: datetime | None
    fields: Mapping[str, Value]
    leased_until: datetime | None = None
    attempts: int = 0
    first_number: str = ""
    closed: str = ""


@dataclass(slots=True)
class CallRow:
    id: int
    uid: str
    kind: str
    status: Status
    created_at: datetime
    phone: str = ""
    number: str = ""
    contact: Contact | None = None
    answered_at: datetime | None = None
    end: CallEnd | None = None


@dataclass
class CampaignRow:
    active: ActiveCampaign
    reason: str = ""
    changed_at: datetime | None = None


@dataclass
class MemoryStore:
    contacts: dict[int, ContactRow] = field(default_factory=dict)
    calls: dict[int, CallRow] = field(default_factory=dict)
    campaigns: dict[int, CampaignRow] = field(default_factory=dict)
    stop_list: set[str] = field(default_factory=set)
    singles: dict[int, SingleCall] = field(default_factory=dict)
    passwords: dict[int, PasswordCall] = field(default_factory=dict)
    password_states: dict[int, str] = field(default_factory=dict)
    lines: dict[str, InboundLine] = field(default_factory=dict)
    failure: Exception | None = None
    busy_s: float = 0.0  # before an incoming call is looked at
    writing_s: float = 0.0  # its row
    rows_touched: int = 0
    _last_call: int = 0
    _queues: dict[int, dict[str, list[tuple[datetime, int]]]] = field(default_factory=dict)

    # --- what a test sets up and looks at -----------------------------------------------------------------------------

    def add_contact(
        self,
        id: int,
        campaign: int,
        phone: str,
        timezone: str,
        due: datetime = LONG_AGO,
        fields: Mapping[str, Value] | None = None,
    ) -> None:
        self.contacts[id] = ContactRow(id, campaign, phone, timezone, None, fields or {})
        self._due(self.contacts[id], due)

    def add_campaign(self, campaign: Campaign, state: str = "running") -> None:
        self.campaigns[campaign.id] = CampaignRow(ActiveCampaign(campaign, state, Totals()))

    def add_single(self, call: SingleCall) -> None:
        self.singles[call.call_id] = call
        self.calls[call.call_id] = CallRow(call.call_id, call.uid, "single", Status.QUEUED, call.created_at, call.phone)

    def add_password(self, call: PasswordCall, at: datetime = LONG_AGO) -> None:
        self.passwords[call.id] = call
        self.password_states[call.id] = "calling"
        self.calls[call.call_id] = CallRow(call.call_id, call.uid, "password", Status.QUEUED, at, call.phone)

    def ends(self, contact: int | None = None) -> list[CallEnd]:
        """How the calls of a contact (None: of anybody) ended, in the order they were begun."""
        return [
            row.end
            for row in self.calls.values()
            if row.end is not None and (contact is None or (row.contact is not None and row.contact.id == contact))
        ]

    def _new_call(self) -> int:
        """Never the id of another call, not even of a forgotten one."""
        self._last_call = max(self._last_call + 1, 1_000_000)
        return self._last_call

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    # --- Contacts -----------------------------------------------------------------------------------------------------

    def _due(self, row: ContactRow, due: datetime | None) -> None:
        row.due = due
        if due is not None:
            heappush(self._queues.setdefault(row.campaign_id, {}).setdefault(row.timezone, []), (due, row.id))

    def _first(self, queue: list[tuple[datetime, int]]) -> tuple[datetime, int] | None:
        """The earliest entry that still stands; the others are thrown away."""
        while queue:
            due, id = queue[0]
            if self.contacts[id].due == due:
                return queue[0]
            heappop(queue)
        return None

    async def next_due(self, campaign: int) -> Due | None:
        self._check()
        best: Due | None = None
        for timezone, queue in self._queues.get(campaign, {}).items():
            first = self._first(queue)
            if first is not None and (best is None or first[0] < best.at):
                best = Due(first[0], timezone)
        return best

    async def lease(self, campaign: int, timezone: str, *, now: datetime, until: datetime) -> Contact | None:
        self._check()
        queue = self._queues.get(campaign, {}).get(timezone, [])
        first = self._first(queue)
        if first is None or first[0] > now:
            return None
        heappop(queue)
        row = self.contacts[first[1]]
        call_id = self._new_call()
        contact = Contact(
            row.id,
            campaign,
            row.phone,
            timezone,
            call_id,
            f"dz-{call_id:032x}",
            row.attempts + 1,
            until,
            row.first_number,
            row.fields,
        )
        row.leased_until = until
        row.attempts += 1
        self._due(row, until)
        self.calls[call_id] = CallRow(call_id, contact.uid, "campaign", Status.DIALING, now, row.phone, "", contact)
        self.rows_touched += 2
        return contact

    async def postpone(self, campaign: int, timezone: str, *, now: datetime, until: datetime | None) -> int:
        self._check()
        queue = self._queues.get(campaign, {}).get(timezone, [])
        later, moved = [], set()
        for due, id in queue:
            row = self.contacts[id]
            if row.due != due or id in moved:
                continue
            if due > now:
                later.append((due, id))
            else:
                moved.add(id)
                row.due = until
                row.closed = "" if until is not None else "window"
        if until is not None:
            later += [(until, id) for id in moved]
        heapify(later)
        queue[:] = later
        self.rows_touched += len(moved)
        return len(moved)

    async def settle(self, contact: Contact, end: CallEnd, *, next_at: datetime | None, closed: str) -> bool:
        self._check()
        call = self.calls.get(contact.call_id)
        if call is None or call.end is not None:
            return False  # written already, or forgotten: once is enough
        call.end, call.status, call.number = end, end.status, end.number
        row = self.contacts[contact.id]
        row.first_number = row.first_number or end.number
        self._count(contact.campaign_id, end)
        self.rows_touched += 3
        if row.due is None or row.leased_until != contact.leased_until or row.due != contact.leased_until:
            return False
        row.leased_until = None
        row.closed = "" if next_at is not None else closed
        self._due(row, next_at)
        return True

    def _count(self, campaign: int, end: CallEnd) -> None:
        row = self.campaigns.get(campaign)
        if row is not None:
            row.active = replace(row.active, totals=row.active.totals.plus(end))

    async def release(self, contact: Contact, *, due_at: datetime) -> None:
        self._check()
        if self.calls.pop(contact.call_id, None) is None:
            return
        row = self.contacts[contact.id]
        row.attempts -= 1
        if row.leased_until == contact.leased_until:
            row.leased_until = None
            self._due(row, due_at)

    # --- CampaignStore ------------------------------------------------------------------------------------------------

    async def active(self) -> Sequence[ActiveCampaign]:
        self._check()
        return [row.active for row in self.campaigns.values() if row.active.state in ("running", "scheduled")]

    async def change_state(self, campaign: int, *, was: str, becomes: str, reason: str, at: datetime) -> bool:
        self._check()
        row = self.campaigns[campaign]
        if row.active.state != was:
            return False
        row.active, row.reason, row.changed_at = replace(row.active, state=becomes), reason, at
        return True

    async def barred(self, contact: Contact) -> bool:
        self._check()
        return contact.phone in self.stop_list

    # --- CallStore ----------------------------------------------------------------------------------------------------

    async def progressed(self, call_id: int, status: Status, at: datetime, *, number: str = "") -> None:
        self._check()
        row = self.calls[call_id]
        if row.end is None and row.status in LIVE:
            row.status = status
            row.number = number or row.number
            row.answered_at = at if status is Status.ANSWERED else row.answered_at
            self.rows_touched += 1

    async def open_calls(self) -> Sequence[OpenCall]:
        self._check()
        return [
            OpenCall(row.id, row.uid, row.status, row.created_at, None, None, row.answered_at, row.contact, row.number)
            for row in self.calls.values()
            if row.end is None and row.status is not Status.QUEUED
        ]

    async def end(self, call_id: int, end: CallEnd) -> bool:
        self._check()
        row = self.calls[call_id]
        if row.end is not None:
            return False
        row.end, row.status, row.number = end, end.status, end.number
        return True

    async def queued(self) -> Sequence[int]:
        self._check()
        return [id for id in self.singles if self.calls[id].status is Status.QUEUED]

    async def take(self, call_id: int) -> SingleCall | None:
        self._check()
        if call_id not in self.singles or self.calls[call_id].status is not Status.QUEUED:
            return None
        self.calls[call_id].status = Status.DIALING
        return self.singles[call_id]

    async def requeue(self, call_id: int) -> None:
        self._check()
        if self.calls[call_id].end is None:
            self.calls[call_id].status = Status.QUEUED

    async def password(self, password_id: int) -> PasswordCall | None:
        self._check()
        call = self.passwords.get(password_id)
        if call is None or self.password_states[password_id] != "calling":
            return None
        row = self.calls[call.call_id]
        if row.status is not Status.QUEUED:
            return None
        row.status = Status.DIALING
        return call

    async def password_rang(self, password_id: int, *, delivered: bool) -> None:
        self._check()
        if self.password_states[password_id] == "calling":
            self.password_states[password_id] = "delivered" if delivered else "failed"

    # --- LineStore ----------------------------------------------------------------------------------------------------

    async def receive(self, number: str, *, uid: str, phone: str, at: datetime, decide: Decide) -> InboundCall | Reject:
        await asyncio.sleep(self.busy_s)
        self._check()
        line = self.lines.get(number)
        decision = decide(line, bool(phone) and phone in self.stop_list)
        if isinstance(decision, Reject):
            return decision
        assert line is not None
        await asyncio.sleep(self.writing_s)
        call_id = self._new_call()
        self.calls[call_id] = CallRow(call_id, uid, "inbound", Status.RINGING, at, phone, number)
        return InboundCall(line, call_id, decision.scenario_id)
