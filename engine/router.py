"""Who answers an incoming call: number called, schedule, stop list -> scenario, or a refusal.

           ┌─────────── one trip to the store ───────────┐
Incoming ─▶ line of the number, stop lists ─▶ route (pure) ─┬ Reject(cause)
                                                            └ Accept(scenario), row written ─▶ answered ─▶ talk ─▶ end
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from engine.attempt import Attempt, Desk, Job
from engine.errors import StoreDown
from engine.model import CallEnd, Status
from engine.ports import Incoming
from engine.records import Accept, InboundCall, InboundLine, LineStore, Reject
from engine.rules.campaign import Caller
from engine.rules.window import is_open
from engine.stubborn import Abandoned
from engine.tasks import surely

log = logging.getLogger(__name__)

REJECTED = 21  # Q.850
BUSY = 17
CONGESTION = 42
DECIDING_S = 3.0  # then the caller hears busy, rather than nothing
MOST_CALLS = 2000  # at once


def route(line: InboundLine | None, *, barred: bool, now: datetime) -> Accept | Reject:
    """The decision. Outside of the line's windows its after-hours scenario answers; without one the caller hears
    busy."""
    if line is None:
        return Reject(BUSY, "no line")
    if barred:
        return Reject(REJECTED, "stop list")
    if is_open(line.windows, now, line.timezone):
        return Accept(line.scenario_id)
    if line.after_hours_scenario_id is not None:
        return Accept(line.after_hours_scenario_id, after_hours=True)
    return Reject(BUSY, "closed")


class Router:
    """`caller` tells the trunk that one of our numbers is on, so that its channels are counted."""

    def __init__(self, desk: Desk, lines: LineStore, caller: Callable[[str], Caller | None] = lambda _: None) -> None:
        self._desk = desk
        self._lines = lines
        self._caller = caller

    async def run(self) -> None:
        """Take incoming calls until cancelled or the channel's iteration ends; one call's fault is its own."""
        async with asyncio.TaskGroup() as group:
            async for incoming in self._desk.voice.calls():
                desk = self._desk
                if desk.draining or desk.busy.count >= MOST_CALLS or desk.full() == "overloaded":
                    group.create_task(self._refuse(incoming, CONGESTION), name="refusal")
                else:
                    group.create_task(self._take(incoming), name=f"incoming {incoming.id}")

    async def _refuse(self, incoming: Incoming, cause: int) -> None:
        try:
            await incoming.reject(cause)
        except Exception:
            # around one call: the caller may have gone, or the telephony
            log.exception("incoming call could not be rejected")

    async def _take(self, incoming: Incoming) -> None:
        with self._desk.busy:
            try:
                call = await self._decide(incoming)
                if call is not None:
                    await self._answer(incoming, call)
            except Exception:
                # around one call
                log.exception("incoming call failed")

    async def _decide(self, incoming: Incoming) -> InboundCall | None:
        """None: it was rejected. Nothing is answered before its row is written."""
        found: InboundCall | Reject
        now = self._desk.clock.now()
        late = Reject(CONGESTION, "no answer from the store")
        given_up = False

        def decide(line: InboundLine | None, barred: bool) -> Accept | Reject:
            # Behind a store that does not keep up, rows for callers who have been refused would only hold up others.
            return late if given_up else route(line, barred=barred, now=now)

        receiving = asyncio.ensure_future(
            self._lines.receive(incoming.number, uid=incoming.id, phone=incoming.phone, at=now, decide=decide)
        )
        try:
            async with asyncio.timeout(DECIDING_S):
                found = await asyncio.shield(receiving)
        except Exception as error:  # noqa: BLE001 - around one call: no database must not mean silence for the caller
            log.warning("incoming call cannot be routed", extra={"error": type(error).__name__})
            found, given_up = late, True
        if isinstance(found, InboundCall):
            return found
        log.info("incoming call rejected", extra={"reason": found.reason, "cause": found.cause})
        await self._refuse(incoming, found.cause)
        await self._withdraw(receiving, found.reason)
        return None

    async def _withdraw(self, receiving: asyncio.Future[InboundCall | Reject], reason: str) -> None:
        """A row that was being written while its caller was refused is not left open."""
        if receiving.done() and receiving.exception() is not None:
            return
        with suppress(StoreDown, Abandoned):  # then there is no row, or the next start settles it
            row = await receiving
            if isinstance(row, InboundCall):
                end = CallEnd(Status.FAILED, CONGESTION, self._desk.clock.now(), reason=reason)
                await self._desk.stubborn.until_done("end", lambda: self._desk.calls.end(row.call_id, end))

    async def _answer(self, incoming: Incoming, row: InboundCall) -> None:
        caller = self._caller(incoming.number) or Caller(incoming.number, "")
        job = Job(
            call_id=row.call_id,
            uid=incoming.id,
            project_id=row.line.project_id,
            phone=incoming.phone,
            caller=caller,
            scenario_id=row.scenario_id,
            scenario_version=row.scenario_version,
            direction="inbound",
            contact_id=row.contact_id,
            line_id=row.line.id,
            fields=row.fields,
            record=row.line.record,
        )
        attempt = Attempt(job, self._desk)
        self._desk.owned.add(row.call_id)
        self._desk.trunks.occupy(caller)
        try:
            await attempt.run(lambda _: incoming.accept(record=job.record))
            if not attempt.answered:
                await self._refuse(incoming, CONGESTION)  # a scenario that cannot start: busy, not silence
        finally:
            self._desk.trunks.free(caller)
            await surely(self._close(attempt))

    async def _close(self, attempt: Attempt) -> None:
        desk, call_id = self._desk, attempt.job.call_id
        end = await attempt.finish()
        if end is None:
            end = CallEnd(Status.FAILED, 0, desk.clock.now(), reason="the telephony went away")
        written = end
        try:
            with suppress(Abandoned):  # said in the log; the row stays open for the next start
                await desk.stubborn.until_done("end", lambda: desk.calls.end(call_id, written))
        finally:
            desk.owned.discard(call_id)
            attempt.forget()
