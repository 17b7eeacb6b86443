"""Work on the store that nobody waits for: queues of started campaigns are filled, what has expired is put away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from engine.ports import Clock
from engine.rules.campaign import Caller
from engine.store import Store

log = logging.getLogger(__name__)

LOOK_S = 15.0  # a nudge that was lost is made up for after so long
TIDY_S = 60.0


class Chores:
    """`filled` is told of each campaign whose queue has been completed."""

    def __init__(self, store: Store, clock: Clock, filled: Callable[[int], None]) -> None:
        self._store = store
        self._clock = clock
        self._filled = filled
        self._woken = asyncio.Event()
        self._callers: Mapping[str, Caller] = {}

    def caller(self, number: str) -> Caller | None:
        """The trunk that one of our numbers is on; one that has just been added may be unknown for some seconds."""
        return self._callers.get(number)

    def nudge(self) -> None:
        self._woken.set()

    async def fill(self) -> None:
        """For ever; a failure (the database is away) ends it, and it is started again."""
        while True:
            self._woken.clear()
            self._callers = {caller.number: caller for caller in await self._store.numbers.callers()}
            for campaign in await self._store.filling.pending():
                count = await self._store.filling.fill(campaign, now=self._clock.now())
                log.info("queue filled", extra={"campaign": campaign, "contacts": count})
                self._filled(campaign)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def tidy(self) -> None:
        """For ever, as `fill`."""
        while True:
            await self._store.passwords.sweep(self._clock.now())
            await asyncio.sleep(TIDY_S)
