"""The engine's dialling as a whole: a dialler for each running campaign, single calls, start times, recovery, shutdown.

rows ─▶ look (nudged, at a start time, every 15 s) ─┬▶ a Dialer for each that runs; stopped when it does not
                                                    └▶ scheduled ones started at their time
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any

from engine.ahead import Render
from engine.attempt import Desk
from engine.callpassword import CallPasswords
from engine.dialer import Dialer
from engine.errors import ChannelDown
from engine.ports import Contacts
from engine.records import ActiveCampaign, CampaignStore, PasswordStore
from engine.recovery import recover, sweep
from engine.rules.campaign import Campaign
from engine.rules.plan import Blocked, Finished
from engine.rules.why import Why
from engine.single import SingleCalls
from engine.stubborn import FIRST_PAUSE_S, LONGEST_PAUSE_S

log = logging.getLogger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]

LOOK_S = 15.0  # a nudge that was lost is made up for after so long
SWEEP_S = 60.0
GOODBYE_S = 6.0  # for the last words, once the grace is over
SETTLING_S = 10.0  # for the last writes
MOST_SINGLE = 1000  # single calls and call passwords at once


class Campaigns:
    """`run` until `drain` (orderly) or a cancellation (live calls are cut, and settled)."""

    def __init__(
        self,
        desk: Desk,
        contacts: Contacts,
        store: CampaignStore,
        passwords: PasswordStore,
        *,
        ring_s: float = 6.0,
        full: Callable[[], str] = str,
        render: Render | None = None,
    ) -> None:
        self._desk = desk
        self._contacts = contacts
        self._store = store
        desk.full, desk.render = full, render
        self._singles = SingleCalls(desk)
        self._passwords = CallPasswords(desk, passwords, ring_s)
        self._dialers: dict[int, Dialer] = {}
        self._scheduled: dict[int, datetime] = {}
        self._known: dict[int, Campaign] = {}
        self._group: asyncio.TaskGroup | None = None
        self._woken = asyncio.Event()
        self._swept: datetime | None = None
        self.recovered = False  # what an earlier run left open has been settled

    # --- what the panel asks ------------------------------------------------------------------------------------------

    def nudge(self, campaign: int | None = None) -> None:
        """A campaign's row (or any, if None) has changed: look again now."""
        self._woken.set()

    def why(self, campaign: int) -> Why | None:
        """The last answer of `plan`; None if this engine does not run the campaign."""
        dialer = self._dialers.get(campaign)
        if dialer is not None:
            return dialer.why
        start = self._scheduled.get(campaign)
        return Why("not_started_yet", until=start) if start is not None else None

    async def call_now(self, call_id: int) -> None:
        """Returns when it was taken on; before the engine is ready, or while it has too many, the row stays queued and
        is taken on later."""
        if self.recovered and not self._desk.draining and self._room():
            self._spawn(f"single {call_id}", lambda: self._singles.place(call_id))

    def _room(self) -> bool:
        return self._desk.busy.count < MOST_SINGLE + len(self._dialers)

    async def call_password(self, password_id: int) -> None:
        """Returns when it was taken on. Raises ChannelDown while the engine is not ready: a code is of no use later."""
        if not self.recovered or self._desk.draining or not self._room():
            raise ChannelDown("the robot cannot ring now: try again in a few seconds")
        self._spawn(f"password {password_id}", lambda: self._passwords.ring(password_id))

    async def hang_up(self, call_id: int) -> bool:
        """End a live call, or one that waits to be dialled; False if there is no such call here."""
        return await self._desk.hang_up(call_id) or await self._singles.drop(call_id)

    # --- the loop -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        desk = self._desk
        async with asyncio.TaskGroup() as group:
            self._group = group
            await self._insist("recovery", self._recover)
            while not desk.draining:
                self._woken.clear()
                await self._insist("campaigns", self._look)
                await self._rest()
        self._group = None

    async def _rest(self) -> None:
        now = self._desk.clock.now()
        start = min(self._scheduled.values(), default=None)
        until_s = LOOK_S if start is None else min(LOOK_S, max(0.0, (start - now).total_seconds()))
        try:
            async with asyncio.timeout(until_s):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _insist(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Until it succeeds, or the engine drains: the store or the telephony may be away."""
        pause_s = FIRST_PAUSE_S
        while not self._desk.draining:
            try:
                return await work()
            except Exception as error:  # noqa: BLE001 - a part that is away is a state, from which it comes back by itself
                log.warning("dialling waits", extra={"step": name, "error": type(error).__name__})
            try:
                async with asyncio.timeout(pause_s):
                    await self._woken.wait()
                self._woken.clear()
            except TimeoutError:
                pass
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _recover(self) -> None:
        self._known |= {row.campaign.id: row.campaign for row in await self._store.active()}
        await recover(self._desk, self._contacts, self._known)
        self.recovered = True

    async def _look(self) -> None:
        now = self._desk.clock.now()
        rows = {row.campaign.id: row for row in await self._store.active()}
        self._known = {id: row.campaign for id, row in rows.items()}
        self._scheduled = {}
        for id, row in rows.items():
            start = row.campaign.start_at
            if row.state == "scheduled" and start is not None and start > now:
                self._scheduled[id] = start
            elif row.state != "scheduled" or await self._start(id, now):
                self._run_campaign(row)
        for id, dialer in self._dialers.items():
            if id not in rows or id in self._scheduled:
                dialer.stop()
        for call_id in await self._desk.calls.queued():
            await self.call_now(call_id)
        if self._swept is None or (now - self._swept).total_seconds() >= SWEEP_S:
            self._swept = now
            await sweep(self._desk, self._contacts, self._known)

    async def _start(self, campaign: int, now: datetime) -> bool:
        return await self._store.change_state(campaign, was="scheduled", becomes="running", reason="", at=now)

    def _run_campaign(self, row: ActiveCampaign) -> None:
        dialer = self._dialers.get(row.campaign.id)
        if dialer is not None:
            dialer.update(row.campaign, filled=row.filled, balance=row.totals.balance)
            return
        dialer = Dialer(
            row.campaign,
            row.totals,
            self._desk,
            self._contacts,
            self._store,
            filled=row.filled,
        )
        self._dialers[row.campaign.id] = dialer
        self._spawn(f"campaign {row.campaign.id}", lambda: self._campaign(dialer))

    async def _campaign(self, dialer: Dialer) -> None:
        campaign = dialer.campaign.id
        try:
            match await dialer.run():
                case Finished():
                    await self._becomes(campaign, "finished", "")
                case Blocked(why):
                    await self._becomes(campaign, "paused", why.code)
        except Exception:
            await asyncio.sleep(LONGEST_PAUSE_S)  # a fault of ours: not again at once
            raise
        finally:
            self._dialers.pop(campaign, None)
            self._woken.set()  # it may have been resumed in the meantime, or may have broken

    async def _becomes(self, campaign: int, state: str, reason: str) -> None:
        now = self._desk.clock.now()
        log.info("campaign ended", extra={"campaign": campaign, "state": state, "reason": reason})
        await self._desk.stubborn.until_done(
            "state", lambda: self._store.change_state(campaign, was="running", becomes=state, reason=reason, at=now)
        )

    # --- tasks --------------------------------------------------------------------------------------------------------

    def _spawn(self, name: str, work: Work) -> None:
        if self._group is not None:
            self._group.create_task(self._guard(name, work), name=name)

    async def _guard(self, name: str, work: Work) -> None:
        with self._desk.busy:
            try:
                await work()
            except Exception:
                # around one call or one campaign: the others go on
                log.exception("dialling task failed", extra={"work": name})

    # --- the end ------------------------------------------------------------------------------------------------------

    async def drain(self, grace_s: float = 30.0) -> None:
        """No new calls; those that live, incoming ones too, may go on for `grace_s`, then they say goodbye, then they
        are cut. Returns when all is settled, or can be no more: at the latest some 25 s after the grace."""
        desk = self._desk
        desk.draining = True
        self._woken.set()
        for dialer in self._dialers.values():
            dialer.stop()
        if await desk.busy.quiet(grace_s):
            return
        for attempt in list(desk.live.values()):
            attempt.dismiss()
        if await desk.busy.quiet(GOODBYE_S):
            return
        for attempt in list(desk.live.values()):
            attempt.cancel()
        if not await desk.busy.quiet(SETTLING_S):
            desk.stubborn.give_up()
            await desk.busy.quiet(SETTLING_S)
