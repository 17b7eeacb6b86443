"""The store: everything that must outlive the process, in SQLite or PostgreSQL.

    async with open_store(url) as store:
        store.projects.page(...), store.queue.lease(...), ...

The engine's ports are `queue` (Contacts), `running` (CampaignStore), `calls` (CallStore) and `lines` (LineStore).
Queries of the web name their `user`; what is not theirs is NotFound. A database that is away is StoreDown, and comes
back by itself. `migrate(url)` brings the tables to this version; `open_store` expects them to be.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from engine.store.analytics import Counting
from engine.store.audience import Person
from engine.store.calls import CallFilter, Calls
from engine.store.campaigns import Campaigns
from engine.store.content import Materials, Scenarios
from engine.store.database import Database
from engine.store.filling import Filling
from engine.store.lines import Lines
from engine.store.machinery import Idempotency, Jobs, KeptSettings
from engine.store.migrate import migrate
from engine.store.numbering import Numbering
from engine.store.numbers import Numbers
from engine.store.paging import Ask, Page
from engine.store.passwords import Passwords
from engine.store.projects import Projects
from engine.store.queue import Queue
from engine.store.running import Running
from engine.store.segments import Condition, Segments
from engine.store.users import Users

__all__ = ["Ask", "CallFilter", "Condition", "Page", "Person", "Store", "migrate", "open_store"]


@dataclass(frozen=True, slots=True)
class Store:
    """One file of queries for each noun."""

    db: Database
    users: Users
    projects: Projects
    segments: Segments
    materials: Materials
    scenarios: Scenarios
    numbers: Numbers
    campaigns: Campaigns
    filling: Filling
    running: Running
    queue: Queue
    calls: Calls
    lines: Lines
    passwords: Passwords
    analytics: Counting
    numbering: Numbering
    jobs: Jobs
    idempotency: Idempotency
    settings: KeptSettings

    async def ping(self) -> None:
        """Raises StoreDown."""
        await self.db.ping()


@asynccontextmanager
async def open_store(url: str, *, max_retries: int = 3, max_call_s: float = 600.0) -> AsyncGenerator[Store]:
    """The store at `url`. Nothing is asked of the database yet: one that is away now may come later. Then
    `store.numbering.load()` reads the numbering plan. Raises ConfigError for a wrong address.

    `max_retries` and `max_call_s` are the platform's limits for every campaign.
    """
    db = Database(url)
    numbering = Numbering(db)
    try:
        yield Store(
            db=db,
            users=Users(db),
            projects=Projects(db),
            segments=Segments(db, numbering),
            materials=Materials(db),
            scenarios=Scenarios(db),
            numbers=Numbers(db),
            campaigns=Campaigns(db),
            filling=Filling(db),
            running=Running(db, max_retries=max_retries, max_call_s=max_call_s),
            queue=Queue(db, numbering),
            calls=Calls(db, numbering),
            lines=Lines(db),
            passwords=Passwords(db),
            analytics=Counting(db),
            numbering=numbering,
            jobs=Jobs(db),
            idempotency=Idempotency(db),
            settings=KeptSettings(db),
        )
    finally:
        await db.close()
