"""Writes that must not be lost: done again, with growing pauses, until the store takes them.

What waits here is bounded by its callers: a call counts against its campaign's limit until its end is written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 4.0
LIMIT_S = 30.0  # of one try


class Abandoned(Exception):
    """The engine ends and the store is still away; the attempt's row stays open for the next start."""


class Stubborn:
    """One for the engine; `down` and `pending` are what `/health` and the panel tell."""

    def __init__(self) -> None:
        self.pending = 0  # writes that failed at least once and wait
        self._given_up = asyncio.Event()

    @property
    def down(self) -> bool:
        return self.pending > 0

    async def until_done(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`, however often it must be done; it must be safe to repeat. Raises Abandoned after
        `give_up`."""
        pause_s, failed = FIRST_PAUSE_S, False
        try:
            while True:
                try:
                    async with asyncio.timeout(LIMIT_S):
                        result = await work()
                except Exception as error:  # noqa: BLE001 - one write: whatever the database raised, what is to be written stays
                    if self._given_up.is_set():
                        log.error("write given up", extra={"write": name, "error": type(error).__name__})
                        raise Abandoned(name) from error
                    if not failed:
                        failed = True
                        log.warning("write failed, trying again", extra={"write": name, "error": type(error).__name__})
                        self.pending += 1
                    await self._pause(pause_s)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                else:
                    return result
        finally:
            self.pending -= failed

    def give_up(self) -> None:
        """From now on everything is tried once more, and no more."""
        self._given_up.set()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._given_up.wait()
        except TimeoutError:
            pass
