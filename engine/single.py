"""Calls outside of any campaign: one call now, and the ringing of a call password.

Both share the trunks with the campaigns and take their turn like anybody else.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from engine.attempt import Attempt, Desk, Job
from engine.model import CallEnd, Status
from engine.records import SingleCall
from engine.rules.campaign import Caller
from engine.rules.plan import LOOK_AGAIN_S, Option, choose
from engine.rules.why import Why
from engine.stubborn import Abandoned
from engine.tasks import surely

PATIENCE = timedelta(minutes=10)  # of a call that names no `not_after`


async def place(desk: Desk, key: str, callers: tuple[Caller, ...], until: datetime) -> Option | None:
    """Wait for a free number, channel and start, and take them; None: `until` has passed, or the engine stops."""
    trunks, clock = desk.trunks, desk.clock
    woken = asyncio.Event()
    try:
        while not desk.draining:
            woken.clear()
            now = clock.now()
            if now > until:
                return None
            wake_at = now + timedelta(seconds=LOOK_AGAIN_S)
            option = choose(trunks.options(key, callers, now))
            if trunks.down_until is not None and trunks.down_until > now:
                wake_at = trunks.down_until
            elif isinstance(option, Option) and option.slot <= now:
                trunks.take(key, option, now)
                return option
            elif isinstance(option, Option):
                trunks.hold(key, option)
                wake_at = option.slot
            elif isinstance(option, Why) and option.code == "trunk_channels":
                trunks.wait(key, str(option.params["trunk"]), woken.set)
            await _until(clock.now(), min(wake_at, until + timedelta(milliseconds=1)), woken)
        return None
    finally:
        trunks.leave(key)


async def _until(now: datetime, at: datetime, woken: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(max(0.0, (at - now).total_seconds())):
            await woken.wait()
    except TimeoutError:
        pass


class SingleCalls:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._under_way: set[int] = set()

    async def place(self, call_id: int) -> None:
        """Take the queued call on and bring it to its end; nothing, if it is under way already. Once begun it is
        written whatever happens; until it has been dialled an engine that stops leaves it queued."""
        if call_id in self._under_way:
            return
        self._under_way.add(call_id)
        try:
            await self._place(call_id)
        finally:
            self._under_way.discard(call_id)

    async def _place(self, call_id: int) -> None:
        desk = self._desk
        call = await desk.stubborn.until_done("take", lambda: desk.calls.take(call_id))
        if call is None:
            return
        desk.owned.add(call_id)
        attempt = None
        until = call.not_after or call.created_at + PATIENCE
        try:
            while not desk.draining:
                option = await place(desk, f"call {call_id}", call.callers, until)
                if option is None:
                    break
                attempt = Attempt(self._job(call, option.caller), desk)
                try:
                    await attempt.run()
                finally:
                    desk.trunks.free(option.caller)
                if not attempt.undialled:
                    break
                desk.trunks.failed(desk.clock.now())
                attempt.forget()
                attempt = None
        finally:
            await surely(self._close(call, attempt, until))

    async def _close(self, call: SingleCall, attempt: Attempt | None, until: datetime) -> None:
        desk = self._desk
        now = desk.clock.now()
        end = await attempt.finish() if attempt is not None else None
        if end is None and now > until:
            end = CallEnd(Status.BLOCKED, 0, now, scenario_id=call.scenario_id, reason="not_after has passed")
        written = end
        try:
            if written is None:
                await desk.stubborn.until_done("requeue", lambda: desk.calls.requeue(call.call_id))
            else:
                await desk.stubborn.until_done("end", lambda: desk.calls.end(call.call_id, written))
        except Abandoned:
            pass  # said in the log; the row stays open for the next start
        finally:
            desk.owned.discard(call.call_id)
            if attempt is not None:
                attempt.forget()

    @staticmethod
    def _job(call: SingleCall, caller: Caller) -> Job:
        return Job(
            call_id=call.call_id,
            uid=call.uid,
            project_id=call.project_id,
            phone=call.phone,
            caller=caller,
            scenario_id=call.scenario_id,
            fields=call.fields,
        )
