"""A small world in a store: Anna, who has a project with all that a campaign needs, and Boris, who has another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from engine.model import CallEnd, Contact, Result, Status, StepLog, TalkLog
from engine.store import Person, Store
from engine.store.tables import Campaign, CampaignContact, CampaignZone

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LEASE = 30 * MINUTE
MOSCOW, OMSK = "Europe/Moscow", "Asia/Omsk"
NUMBERS = ("+74950000001", "+74950000002", "+74950000003")


@dataclass
class World:
    store: Store
    anna: int
    boris: int
    project: int
    foreign: int  # Boris's project
    scenario: int
    segment: int

    async def campaign(self, **settings: Any) -> Campaign:
        """A draft of Anna's."""
        wanted = {"name": "Spring", "scenario_id": self.scenario, "segment_ids": [self.segment]} | settings
        return await self.store.campaigns.add(self.project, wanted, now=NOW, user=self.anna)

    async def started(self, **settings: Any) -> int:
        """One that runs, its queue filled."""
        row = await self.campaign(**settings)
        await self.store.campaigns.act(row.id, "start", now=NOW, user=self.anna)
        await self.store.filling.fill(row.id, now=NOW)
        return row.id

    async def people(self, *phones: str, kind: str = "contacts", zone: str = "", **fields: Any) -> int:
        """A segment of these numbers."""
        row = await self.store.segments.add(
            self.project, name="people", kind=kind, timezone=zone, now=NOW, user=self.anna
        )
        await self.store.segments.add_contacts(
            row.id, [Person(phone, fields=fields) for phone in phones], now=NOW, user=self.anna
        )
        return row.id

    async def queue(self, people: Sequence[tuple[str, str, datetime]]) -> int:
        """A campaign whose queue holds exactly these: phone, zone, due."""
        row = await self.campaign()
        async with self.store.db.write() as session:
            for phone, timezone, due in people:
                contact = {"campaign_id": row.id, "phone": phone, "timezone": timezone, "due_at": due}
                await session.execute(insert(CampaignContact).values(**contact, fields={"of": phone}))
            for zone in {timezone for _, timezone, _ in people}:
                await session.execute(insert(CampaignZone).values(campaign_id=row.id, timezone=zone))
        return row.id

    async def lease(self, campaign: int, timezone: str = MOSCOW, now: datetime = NOW) -> Contact:
        contact = await self.store.queue.lease(campaign, timezone, now=now, until=now + LEASE)
        assert contact is not None
        return contact


async def made(store: Store) -> World:
    anna = await store.users.add("anna@example.com", "hash", now=NOW)
    boris = await store.users.add("boris@example.com", "hash", now=NOW)
    project = await store.projects.add(anna.id, "Clinic", now=NOW)
    foreign = await store.projects.add(boris.id, "Bank", now=NOW)
    scenario = await store.scenarios.add(project.id, name="Hello", graph={"start": "a"}, now=NOW, user=anna.id)
    segment = await store.segments.add(project.id, name="Patients", kind="contacts", now=NOW, user=anna.id)
    await store.numbers.sync([{"number": number, "trunk": "main", "operator": "MTT"} for number in NUMBERS], now=NOW)
    return World(store, anna.id, boris.id, project.id, foreign.id, scenario.id, segment.id)


def unreached(status: Status = Status.BUSY, at: datetime = NOW, number: str = NUMBERS[0]) -> CallEnd:
    return CallEnd(status, 17, at, dialed_at=at, number=number)


def answered(
    result: Result | None = Result.GOAL, at: datetime = NOW, *, cost: int = 73, seconds: int = 18, **talk: Any
) -> CallEnd:
    """One that was answered `at`."""
    steps = (StepLog(0, "hello", "play", 2100, "next"), StepLog(2100, "ask", "recognize", 1300, "yes", heard="да"))
    return CallEnd(
        Status.ANSWERED,
        16,
        at + timedelta(seconds=seconds),
        dialed_at=at,
        ringing_at=at,
        answered_at=at,
        talk=TalkLog("hangup", "robot", result, steps=steps, **talk),
        number=NUMBERS[0],
        scenario_version=1,
        cost=cost,
        billed_s=seconds,
    )
