"""Calls outside of any campaign: one call now, and the ringing of a call password.

Both share the trunks with the campaigns and take their turn like anybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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
CANCELLED = "hung up before it was dialled"


class Turn:
    """A call's wait for its turn, which can be given up until it is over."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.given_up = False
        self.over = False

    def give_up(self) -> bool:
        """False: it was over already."""
        if not self.over:
            self.given_up = True
            self.woken.set()
        return self.given_up


async def place(
    desk: Desk, key: str, callers: tuple[Caller, ...], until: datetime, turn: Turn | None = None
) -> Option | None:
    """Wait for a free number, channel and start, and take them; None: `until` has passed, the engine stops, or the
    turn was given up."""
    trunks, clock = desk.trunks, desk.clock
    turn = turn or Turn()
    woken = turn.woken
    try:
        while not (desk.draining or turn.given_up):
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


def _until_when(call: SingleCall) -> datetime:
    return call.not_after or call.created_at + PATIENCE


class SingleCalls:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._under_way: dict[int, Turn] = {}

    async def place(self, call_id: int) -> None:
        """Take the queued call on and bring it to its end; nothing, if it is under way already. Once begun it is
        written whatever happens; until it has been dialled an engine that stops leaves it queued."""
        if call_id in self._under_way:
            return
        turn = self._under_way[call_id] = Turn()
        try:
            await self._place(call_id, turn)
        finally:
            del self._under_way[call_id]

    async def drop(self, call_id: int) -> bool:
        """A call that waits to be dialled is not: it ends as `blocked`. False if it does not wait (any more). Raises
        what the store raises."""
        turn = self._under_way.get(call_id)
        if turn is not None:
            return turn.give_up()
        turn = self._under_way[call_id] = Turn()
        turn.give_up()
        try:
            return await surely(self._end_unplaced(call_id, turn))
        finally:
            del self._under_way[call_id]

    async def _end_unplaced(self, call_id: int, turn: Turn) -> bool:
        call = await self._taken(call_id, lambda: self._desk.calls.take(call_id))
        if call is not None:
            await self._close(call, None, turn)
        return call is not None

    async def _place(self, call_id: int, turn: Turn) -> None:
        desk = self._desk
        call = await self._taken(call_id, lambda: desk.stubborn.until_done("take", lambda: desk.calls.take(call_id)))
        if call is None:
            return
        attempt = None
        try:
            while not desk.draining:
                option = await place(desk, f"call {call_id}", call.callers, _until_when(call), turn)
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
            await surely(self._close(call, attempt, turn))

    async def _taken(self, call_id: int, take: Callable[[], Awaitable[SingleCall | None]]) -> SingleCall | None:
        owned = self._desk.owned
        owned.add(call_id)  # before it is taken: an open row that nobody owns is swept up
        call = None
        try:
            call = await take()
            return call
        finally:
            if call is None:
                owned.discard(call_id)

    async def _close(self, call: SingleCall, attempt: Attempt | None, turn: Turn) -> None:
        desk = self._desk
        turn.over = True
        now = desk.clock.now()
        end = await attempt.finish() if attempt is not None else None
        late = now > _until_when(call)
        if end is None and (turn.given_up or late):
            reason = CANCELLED if turn.given_up else "not_after has passed"
            end = CallEnd(Status.BLOCKED, 0, now, scenario_id=call.scenario_id, reason=reason)
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
