"""A dialler with everything around it, in memory and on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from engine.attempt import Desk, Job, Script
from engine.campaigns import Campaigns
from engine.dialer import Dialer
from engine.journal import LiveJournal
from engine.model import Result, TalkLog
from engine.ports import Line
from engine.rules.billing import Tariffs
from engine.rules.campaign import Caller, Campaign
from engine.rules.outcome import Totals
from engine.rules.pacing import Pace
from engine.rules.retry import Retry
from engine.rules.window import Window
from engine.stubborn import Stubborn
from engine.trunks import Limit, Trunks
from tests.fakes import FakeVoiceChannel
from tests.memory_store import MemoryStore
from tests.virtual_time import LoopClock, virtually

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # noon in Moscow
FIRST, SECOND = Caller("+74950000001", "main"), Caller("+74950000002", "main")
TalkFn = Callable[[Line, Job], Awaitable[TalkLog]]


def said(result: Result | None = None, ending: str = "hangup", **more: object) -> TalkLog:
    return TalkLog(ending, "robot", result, **more)  # type: ignore[arg-type]


async def until(what: Callable[[], object], most_s: float = 36_000) -> None:
    """Virtual time passes until it is so."""
    async with asyncio.timeout(most_s):
        while not what():  # noqa: ASYNC110 - on virtual time this waits for whatever happens next
            await asyncio.sleep(0.5)


async def short_talk(line: Line, job: Job) -> TalkLog:
    await asyncio.sleep(20)
    return said()


@dataclass
class FakeScript:
    job: Job
    fn: TalkFn
    version: int = 3
    dismissed: asyncio.Event = field(default_factory=asyncio.Event)

    async def talk(self, line: Line) -> TalkLog:
        return await self.fn(line, self.job)

    def dismiss(self) -> None:
        self.dismissed.set()

    def log(self) -> TalkLog | None:
        return TalkLog("failed", "system", None, "cut")


def campaign(id: int = 1, **changes: object) -> Campaign:
    usual: dict[str, object] = {
        "project_id": 1,
        "scenario_id": 7,
        "callers": (FIRST,),
        "windows": (Window(0, 1440),),
        "retry": Retry(attempts=2, interval_s=600),
        "pace": Pace(1.0),
        "max_concurrent": 4,
    }
    return Campaign(id=id, **(usual | changes))  # type: ignore[arg-type]


@dataclass
class Rig:
    """Made outside of the loop; `dialer` and `campaigns` inside it."""

    store: MemoryStore = field(default_factory=MemoryStore)
    voice: FakeVoiceChannel = field(default_factory=FakeVoiceChannel)
    start: datetime = MONDAY
    trunks: Trunks = field(default_factory=lambda: Trunks({"main": Limit(100, 10.0)}))
    tariffs: Tariffs = Tariffs()
    talk: TalkFn = short_talk
    scripts: list[FakeScript] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    refusal: Exception | None = None
    full: str = ""

    def __post_init__(self) -> None:
        self.clock = LoopClock(self.start)
        self.journal = LiveJournal()

    def prepare(self, job: Job) -> AbstractAsyncContextManager[Script]:
        return self._prepare(job)

    @asynccontextmanager
    async def _prepare(self, job: Job) -> AsyncIterator[Script]:
        if self.refusal is not None:
            raise self.refusal
        script = FakeScript(job, self.talk)
        self.jobs.append(job)
        self.scripts.append(script)
        yield script

    def desk(self) -> Desk:
        return Desk(
            self.voice,
            self.prepare,
            self.store,
            self.trunks,
            self.journal,
            self.clock,
            Stubborn(),
            self.tariffs,
            full=lambda: self.full,
        )

    def dialer(self, what: Campaign, desk: Desk | None = None, totals: Totals | None = None) -> Dialer:
        return Dialer(what, totals or Totals(), desk or self.desk(), self.store, self.store)

    def campaigns(self, desk: Desk | None = None) -> Campaigns:
        return Campaigns(desk or self.desk(), self.store, self.store, self.store)

    def contacts(self, count: int, campaign: int = 1, timezone: str = "Europe/Moscow") -> None:
        base = len(self.store.contacts)
        for n in range(base, base + count):
            self.store.add_contact(n, campaign, f"+7900{n:07d}", timezone, self.start)

    def starts(self) -> list[float]:
        return [at for at, _ in self.voice.dialled]


Main = Callable[[Campaigns], Awaitable[None]]


def running(rig: Rig, main: Main) -> None:
    """`main` beside the running engine, which drains afterwards."""

    async def both() -> None:
        campaigns = rig.campaigns()
        task = asyncio.ensure_future(campaigns.run())
        await main(campaigns)
        await campaigns.drain()
        await task

    virtually(both)
