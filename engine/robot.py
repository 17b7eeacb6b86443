"""The running engine as the web layer sees it: `engine.ports.Robot`, and the health of its parts."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from engine.campaigns import Campaigns
from engine.chores import Chores
from engine.journal import LiveCall, LiveJournal
from engine.model import CallEvent
from engine.rules.why import Why

log = logging.getLogger(__name__)

LOOK_S = 5.0
LEAST_FREE = 200 * 1024 * 1024  # bytes on the data folder's disk


class Health:
    """Part -> does it work, and in words. Parts that tell of themselves do; the others are looked at."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[bool, str]] = {}
        self._closing = False

    def tell(self, part: str, works: bool, words: str = "") -> None:
        before = self._parts.get(part)
        self._parts[part] = (works, words)
        if before is None or before[0] != works:
            log.log(
                logging.INFO if works or self._closing else logging.ERROR,
                "part changed",
                extra={"part": part, "works": works},
            )

    def works(self, part: str) -> bool:
        return self._parts.get(part, (False, ""))[0]

    def close(self) -> None:
        """From now on parts end because they are told to."""
        self._closing = True

    def parts(self) -> Mapping[str, tuple[bool, str]]:
        return dict(self._parts)


class Watch:
    """Looks at the parts that do not tell of themselves, every few seconds."""

    def __init__(
        self,
        health: Health,
        folder: Path,
        ping: Callable[[], Awaitable[None]],
        looks: Mapping[str, Callable[[], tuple[bool, str]]],
    ) -> None:
        self._health = health
        self._folder = folder
        self._ping = ping
        self._looks = looks

    async def run(self) -> None:
        while True:
            await self._database()
            self._disk()
            for part, look in self._looks.items():
                self._health.tell(part, *look())
            await asyncio.sleep(LOOK_S)

    async def _database(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await self._ping()
        except Exception as error:  # noqa: BLE001 - whatever the driver raises, it is a state, not a fault of ours
            self._health.tell("database", False, f"no answer ({type(error).__name__}): calls wait until it is back")
        else:
            self._health.tell("database", True)

    def _disk(self) -> None:
        free = shutil.disk_usage(self._folder).free
        words = f"{free // 2**20} MB free in the data folder: recordings will be lost when it is full"
        self._health.tell("disk", free >= LEAST_FREE, "" if free >= LEAST_FREE else words)


class RunningRobot:
    def __init__(self, campaigns: Campaigns, chores: Chores, journal: LiveJournal, health: Health) -> None:
        self._campaigns = campaigns
        self._chores = chores
        self._journal = journal
        self._health = health

    def nudge(self, campaign: int | None = None) -> None:
        self._campaigns.nudge(campaign)
        self._chores.nudge()

    def why(self, campaign: int) -> Why | None:
        return self._campaigns.why(campaign)

    async def call_now(self, call_id: int) -> None:
        await self._campaigns.call_now(call_id)

    async def call_password(self, password_id: int) -> None:
        await self._campaigns.call_password(password_id)

    async def hang_up(self, call_id: int) -> bool:
        return await self._campaigns.hang_up(call_id)

    def events(self) -> AbstractAsyncContextManager[AsyncIterator[CallEvent]]:
        return self._journal.events()

    def live(self) -> list[LiveCall]:
        return self._journal.live()

    def health(self) -> Mapping[str, tuple[bool, str]]:
        return self._health.parts()
