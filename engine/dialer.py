"""Takes a campaign's contacts one after another: lease, call, settle.

due ─▶ plan ─┬ Dial ─▶ lease ─▶ (at its moment) call ─▶ settle: totals, next time or closed
             └ Wait | Postpone | Blocked | Finished
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from engine.ahead import Ahead
from engine.attempt import Attempt, Desk, Job
from engine.model import CallEnd, Contact, Due, Status
from engine.ports import Contacts
from engine.purse import Purse
from engine.records import CampaignStore
from engine.rules import retry, split
from engine.rules.campaign import Campaign
from engine.rules.outcome import Totals
from engine.rules.plan import Answer, Blocked, Dial, Facts, Finished, Option, Postpone, Wait, number_for, plan
from engine.rules.why import Why
from engine.stubborn import FIRST_PAUSE_S, LONGEST_PAUSE_S, Abandoned
from engine.tasks import surely

log = logging.getLogger(__name__)

LEASE = timedelta(hours=6)  # longer than any call with its transfers; a crash is put right at the next start, not by it
LOST_RACE = timedelta(seconds=1)  # another engine was faster; look again after this
HELD = timedelta(seconds=5)  # this contact's own number is busy; others first
SELF_TIMED = frozenset({"pacing", "trunk_cps", "store_down"})  # waits that the end of a call does not shorten


class _Bell:
    """What a dialler waits for: a moment, or that something changes."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._deaf = False

    def ring(self) -> None:
        self._rung.set()

    def knock(self) -> None:
        """As `ring`, but not heard in a wait that it would not shorten."""
        if not self._deaf:
            self._rung.set()

    def still(self) -> None:
        self._rung.clear()

    async def wait(self, delay_s: float | None, *, deaf: bool = False) -> None:
        handle = None if delay_s is None else asyncio.get_running_loop().call_later(delay_s, self._rung.set)
        self._deaf = deaf
        try:
            await self._rung.wait()
        finally:
            self._deaf = False
            if handle is not None:
                handle.cancel()


class Dialer:
    """One campaign. `run` ends when the campaign is finished, blocked or (after `stop`) has no live call left."""

    def __init__(
        self,
        campaign: Campaign,
        totals: Totals,
        desk: Desk,
        contacts: Contacts,
        store: CampaignStore,
        *,
        filled: bool = True,
    ) -> None:
        self.campaign = campaign
        self._why = Why("dialing", {"live": 0})
        self.live: dict[int, tuple[Attempt, datetime]] = {}  # by call: its attempt, the end of its lease
        self._desk = desk
        self._contacts = contacts
        self._store = store
        self._last_slot: datetime | None = None
        self._purse = Purse(totals)
        self._stopping = False
        self._bell = _Bell()
        self._pause_s = FIRST_PAUSE_S
        self._ahead = Ahead(desk.render, self.nudge, filled=filled)

    # --- from outside -------------------------------------------------------------------------------------------------

    @property
    def why(self) -> Why:
        """Why it dials, or does not, right now. Calls whose end cannot be written hold it as well."""
        return Why("store_down") if self._desk.stubborn.down else self._ahead.why or self._why

    @property
    def _key(self) -> str:
        return f"campaign {self.campaign.id}"

    def nudge(self) -> None:
        """Something has changed: look again now."""
        self._bell.ring()

    def update(self, campaign: Campaign, *, filled: bool, balance: int | None) -> None:
        """The campaign's row as it is now. Goals and money spent are this dialler's own count."""
        self.campaign, self._ahead.filled, self._stopping = campaign, filled, False
        self._purse.top_up(balance)
        self.nudge()

    def stop(self) -> None:
        """No new calls; those that live go on to their end."""
        self._stopping = True
        self.nudge()

    # --- the loop -----------------------------------------------------------------------------------------------------

    async def run(self) -> Finished | Blocked | None:
        """None: it was stopped. Cancelled: live calls are ended and settled first."""
        try:
            async with asyncio.TaskGroup() as group:
                rendering = group.create_task(self._ahead.run(self.campaign), name="ahead")
                try:
                    while not (self._stopping and not self.live):
                        self._bell.still()
                        answer = await self._step(group)
                        if isinstance(answer, Finished | Blocked):
                            return answer
                finally:
                    rendering.cancel()
            return None
        finally:
            self._desk.trunks.leave(self._key)

    async def _step(self, group: asyncio.TaskGroup) -> Answer | None:
        try:
            answer = await self._ask()
            self._why = answer.why
            await self._do(answer, group)
            self._pause_s = FIRST_PAUSE_S
            return answer
        except Exception as error:  # noqa: BLE001 - one step: a database that is away is a state, not the campaign's end
            log.warning(
                "campaign cannot go on for now", extra={"campaign": self.campaign.id, "error": type(error).__name__}
            )
            self._why = Why("store_down")
            self._desk.trunks.leave(self._key)
            until = self._desk.clock.now() + timedelta(seconds=self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            await self._wait(until, "store_down")
            return None

    async def _ask(self) -> Answer:
        if self._stopping:
            return Wait(None, Why("draining", {"live": len(self.live)}))
        if self._ahead.why is not None:
            return Wait(None, self._ahead.why)
        due = await self._contacts.next_due(self.campaign.id)
        return plan(self.campaign, self._facts(due))

    def _facts(self, due: Due | None) -> Facts:
        now = self._desk.clock.now()
        return Facts(
            now=now,
            due=due,
            live=len(self.live),
            own_lease=min((until for _, until in self.live.values()), default=None) if due and due.at > now else None,
            last_slot=self._last_slot,
            options=self._desk.trunks.options(self._key, self.campaign.callers, now),
            totals=self._purse.totals,
            tight=self._purse.tight,
            down_until=self._desk.trunks.down_until,
            full=self._desk.full(),
            filled=self._ahead.filled,
        )

    async def _do(self, answer: Answer, group: asyncio.TaskGroup) -> None:
        self._queue(answer)
        match answer:
            case Dial():
                await self._dial(answer, group)
            case Postpone(zone, until):
                now = self._desk.clock.now()
                await self._contacts.postpone(self.campaign.id, zone, now=now, until=until)
            case Wait(until, why):
                await self._wait(until, why.code)

    def _queue(self, answer: Answer) -> None:
        """Take or leave this campaign's place among those who wait for a trunk."""
        trunks, why = self._desk.trunks, answer.why
        if why.code == "trunk_channels":
            trunks.wait(self._key, str(why.params["trunk"]), self.nudge)
        elif why.code == "trunk_cps" and why.until is not None:
            options = trunks.options(self._key, self.campaign.callers, self._desk.clock.now())
            option = next((o for o in options if o.slot == why.until and o.caller.trunk == why.params["trunk"]), None)
            if option is not None:
                trunks.hold(self._key, option)
        elif not isinstance(answer, Dial):
            trunks.leave(self._key)

    async def _wait(self, until: datetime | None, code: str) -> None:
        delay_s = None if until is None else max(0.0, (until - self._desk.clock.now()).total_seconds())
        await self._bell.wait(delay_s, deaf=code in SELF_TIMED)

    # --- one contact --------------------------------------------------------------------------------------------------

    async def _dial(self, answer: Dial, group: asyncio.TaskGroup) -> None:
        now = self._desk.clock.now()
        contact = await self._contacts.lease(self.campaign.id, answer.timezone, now=now, until=now + LEASE)
        if contact is None:
            self._desk.trunks.leave(self._key)
            await self._wait(now + LOST_RACE, "dialing")
            return
        self._desk.owned.add(contact.call_id)
        attempt = None
        try:
            attempt = await self._prepared(contact, answer)
        finally:
            if attempt is None:
                self._desk.owned.discard(contact.call_id)
        if attempt is not None:
            self.live[contact.call_id] = (attempt, contact.leased_until)
            group.create_task(self._call(contact, attempt), name=f"call {contact.call_id}")

    async def _prepared(self, contact: Contact, answer: Dial) -> Attempt | None:
        """The call of this leased contact, its channel taken; None: not now or never, which is written."""
        now = self._desk.clock.now()
        if await self._barred(contact):
            await surely(self._settle(contact, CallEnd(Status.BLOCKED, 0, now, reason="stop list")))
            return None
        now = self._desk.clock.now()
        option = self._number(contact, answer.option, now)
        job = None if isinstance(option, Why) else self._job(contact, option)
        if isinstance(option, Why) or job is None:
            self._last_slot = now
            self._desk.trunks.leave(self._key)
            due_at = now + HELD if isinstance(option, Why) else now
            await surely(
                self._desk.stubborn.until_done("release", lambda: self._contacts.release(contact, due_at=due_at))
            )
            return None
        at = max(answer.at, option.slot)
        started = max(at, now)
        self._last_slot = self.campaign.pace.kept(at, started)
        self._desk.trunks.take(self._key, option, started)
        return Attempt(job, self._desk, at)

    def _number(self, contact: Contact, planned: Option, now: datetime) -> Option | Why:
        if contact.attempt == 1:
            return planned
        options = self._desk.trunks.options(self._key, self.campaign.callers, now)
        return number_for(contact.attempt, contact.first_number, self.campaign, options, planned)

    async def _barred(self, contact: Contact) -> bool:
        try:
            return await self._store.barred(contact)
        except BaseException:
            # the lease stands: give it back, or nobody calls this contact for hours
            due_at = self._desk.clock.now()
            await surely(
                self._desk.stubborn.until_done("release", lambda: self._contacts.release(contact, due_at=due_at))
            )
            raise

    def _job(self, contact: Contact, option: Option) -> Job | None:
        """None: what is left of the money does not pay for a talk with this contact."""
        campaign = self.campaign
        tariff = self._desk.tariffs.of(contact.phone)
        allowed_s = self._purse.reserve(contact.call_id, tariff, campaign.max_call_s, campaign.max_spend)
        if allowed_s is None:
            return None
        variant = split.pick(contact.id, [share for _, share in campaign.variants], campaign.id)
        return Job(
            call_id=contact.call_id,
            uid=contact.uid,
            project_id=campaign.project_id,
            phone=contact.phone,
            caller=option.caller,
            scenario_id=campaign.scenario(variant),
            variant=variant,
            attempt=contact.attempt,
            campaign=campaign,
            contact_id=contact.id,
            fields=contact.fields,
            answer_timeout_s=campaign.answer_timeout_s,
            action_timeout_s=campaign.action_timeout_s,
            max_call_s=allowed_s,
            record=campaign.record,
        )

    async def _call(self, contact: Contact, attempt: Attempt) -> None:
        try:
            await attempt.run()
        finally:
            await surely(self._close(contact, attempt))

    async def _close(self, contact: Contact, attempt: Attempt) -> None:
        self._desk.trunks.free(attempt.job.caller)
        try:
            end = await attempt.finish()
            if end is not None:
                await self._settle(contact, end)
                return
            now = self._desk.clock.now()
            if attempt.undialled:
                self._desk.trunks.failed(now)
            await self._desk.stubborn.until_done("release", lambda: self._contacts.release(contact, due_at=now))
        except Abandoned:
            pass  # said in the log; the attempt's row stays open for the next start
        except Exception:
            # around one call: whatever is wrong with this one, the campaign goes on; its row is swept up later
            log.exception("call could not be settled", extra={"call": contact.call_id})
        finally:
            attempt.forget()
            self._desk.owned.discard(contact.call_id)
            self.live.pop(contact.call_id, None)
            self._purse.free(contact.call_id)
            self._bell.knock()

    async def _settle(self, contact: Contact, end: CallEnd) -> None:
        campaign = self.campaign
        follow = retry.after(
            campaign.retry,
            end,
            contact.attempt,
            numbers=len(campaign.callers),
            windows=campaign.windows,
            timezone=campaign.zone(contact.timezone),
        )
        self._purse.count(end)
        await self._desk.stubborn.until_done(
            "settle", lambda: self._contacts.settle(contact, end, next_at=follow.at, closed=follow.closed)
        )
