"""Takes a campaign's contacts one after another: lease, call, settle.

due ─▶ plan ─┬ Dial ─▶ lease ─▶ (at its moment) call ─▶ settle: totals, next time or closed
             └ Wait | Postpone | Blocked | Finished
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from engine.attempt import Attempt, Desk, Job
from engine.model import CallEnd, Contact, Due, Status
from engine.ports import Contacts
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
MARGIN_S = 5.0  # a talk may last a little longer than it was allowed to
LEAST_TALK_S = 60.0  # with money for less nobody is called
SELF_TIMED = frozenset({"pacing", "trunk_cps", "store_down"})  # waits that the end of a call does not shorten


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
        recogniser_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self.campaign = campaign
        self.totals = totals
        self._why = Why("dialing", {"live": 0})
        self.live: dict[int, tuple[Attempt, datetime]] = {}  # by call: its attempt, the end of its lease
        self._filled = filled
        self._desk = desk
        self._contacts = contacts
        self._store = store
        self._recogniser_full = recogniser_full
        self._key = f"campaign {campaign.id}"
        self._last_slot: datetime | None = None
        self._reserved: dict[int, int] = {}  # money that live calls may still cost
        self._tight = False
        self._stopping = False
        self._deaf = False
        self._woken = asyncio.Event()
        self._pause_s = FIRST_PAUSE_S

    # --- from outside -------------------------------------------------------------------------------------------------

    @property
    def why(self) -> Why:
        """Why it dials, or does not, right now. Calls whose end cannot be written hold it as well."""
        return Why("store_down") if self._desk.stubborn.down else self._why

    def nudge(self) -> None:
        """Something has changed: look again now."""
        self._woken.set()

    def update(self, campaign: Campaign, *, filled: bool, balance: int | None) -> None:
        """The campaign's row as it is now. Goals and money spent are this dialler's own count."""
        self.campaign, self._filled, self._stopping = campaign, filled, False
        self.totals = Totals(self.totals.calls, self.totals.goals, self.totals.spent, balance)
        self._tight = False
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
                while not (self._stopping and not self.live):
                    self._woken.clear()
                    answer = await self._step(group)
                    if isinstance(answer, Finished | Blocked):
                        return answer
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
            totals=self.totals,
            tight=self._tight,
            down_until=self._desk.trunks.down_until,
            recogniser_full=self._recogniser_full(),
            filled=self._filled,
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
        handle = None
        if until is not None:
            delay_s = max(0.0, (until - self._desk.clock.now()).total_seconds())
            handle = asyncio.get_running_loop().call_later(delay_s, self._woken.set)
        self._deaf = code in SELF_TIMED
        try:
            await self._woken.wait()
        finally:
            self._deaf = False
            if handle is not None:
                handle.cancel()

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
            self._tight = not isinstance(option, Why)
            self._last_slot = now
            self._desk.trunks.leave(self._key)
            due_at = now if self._tight else now + HELD
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
        allowed_s = self._affordable_s(contact)
        if allowed_s < min(LEAST_TALK_S, campaign.max_call_s):
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

    def _affordable_s(self, contact: Contact) -> float:
        """How long a talk may last, its greatest cost reserved: with a limit, live calls can never pass it together."""
        most_s = self.campaign.max_call_s
        left = [] if not self.campaign.max_spend else [self.campaign.max_spend - self.totals.spent]
        if self.totals.balance is not None:
            left.append(self.totals.balance)
        if not left:
            return most_s
        tariff = self._desk.tariffs.of(contact.phone)
        money = min(left) - sum(self._reserved.values())
        allowed_s = tariff.affords_s(money, most_s + MARGIN_S)
        if allowed_s - MARGIN_S >= min(LEAST_TALK_S, most_s):
            self._reserved[contact.call_id] = tariff.cost(allowed_s)
        return allowed_s - MARGIN_S

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
            self._reserved.pop(contact.call_id, None)
            self._tight = False
            if not self._deaf:
                self._woken.set()

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
        self.totals = self.totals.plus(end)
        await self._desk.stubborn.until_done(
            "settle", lambda: self._contacts.settle(contact, end, next_at=follow.at, closed=follow.closed)
        )
