"""A campaign's queue, filled from its segments: in steps, so that other campaigns go on dialling meanwhile.

    restarted? ─▶ open the unreached again ─▶ each segment, minus stop lists and numbers there already ─▶ filled_at

Every step is a transaction that may be done again: after a crash `fill` goes on, and nobody is in the queue twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Text, bindparam, case, false, literal, select, text, update

from engine.store.access import RAW
from engine.store.audience import STEP
from engine.store.database import Database
from engine.store.outcomes import unreached
from engine.store.tables import (
    Campaign,
    CampaignContact,
    CampaignTotals,
    CampaignZone,
    OptOut,
    Project,
    Segment,
    SegmentContact,
)
from engine.store.types import UtcTime

Row = CampaignContact
ANALYZED = 10_000  # from so many new rows on PostgreSQL is told: its planner would guess badly until it looks by itself


class Filling:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def pending(self) -> list[int]:
        """Running campaigns whose queue is not complete."""
        async with self._db.read() as session:
            rows = await session.scalars(
                select(Campaign.id).where(Campaign.state == "running", Campaign.filled_at.is_(None))
            )
            return list(rows.all())

    async def fill(self, campaign_id: int, *, now: datetime) -> int:
        """Complete the queue; how many contacts are new or open again. Nothing to do: 0."""
        async with self._db.read() as session:
            campaign = await session.get(Campaign, campaign_id)
            if campaign is None or campaign.filled_at is not None:
                return 0
            default = await session.scalar(select(Project.timezone).where(Project.id == campaign.project_id)) or "UTC"
            zones = dict(
                (
                    await session.execute(
                        select(Segment.id, Segment.timezone).where(
                            Segment.id.in_(campaign.segment_ids), Segment.project_id == campaign.project_id
                        )
                    )
                )
                .tuples()
                .all()
            )
        count = await self._reopen(campaign_id, now) if campaign.reopens else 0
        for segment_id in campaign.segment_ids:
            if segment_id in zones:
                zone = zones[segment_id]
                count += await self._take(campaign, segment_id, zone or default, "segment" if zone else "project", now)
        async with self._db.write() as session:
            # Only if the campaign was not changed meanwhile: then it is filled anew.
            await session.execute(
                update(Campaign)
                .where(Campaign.id == campaign_id, Campaign.filled_at.is_(None), Campaign.revision == campaign.revision)
                .values(filled_at=now, reopens=False),
                execution_options=RAW,
            )
            if count >= ANALYZED and self._db.kind == "postgresql":
                await session.execute(text("ANALYZE campaign_contacts"))
        return count

    async def _take(self, campaign: Campaign, segment_id: int, zone: str, source: str, now: datetime) -> int:
        new, after = 0, 0
        contact = SegmentContact
        has_zone = contact.timezone != ""
        timezone = case((has_zone, contact.timezone), else_=zone)
        while True:
            rest = select(contact).where(contact.segment_id == segment_id, contact.id > after)
            async with self._db.read() as session:
                last = await session.scalar(
                    rest.with_only_columns(contact.id).order_by(contact.id).limit(1).offset(STEP - 1)
                )
            step = rest if last is None else rest.where(contact.id <= last)
            allowed = step.where(
                ~select(OptOut.phone)
                .where(OptOut.project_id == campaign.project_id, OptOut.phone == contact.phone)
                .exists()
            )
            if campaign.blacklist_ids:
                barred = SegmentContact.__table__.alias("barred")
                allowed = allowed.where(
                    ~select(literal(1))
                    .select_from(barred)
                    .where(barred.c.segment_id.in_(campaign.blacklist_ids), barred.c.phone == contact.phone)
                    .exists()
                )
            values: dict[str, Any] = {
                "campaign_id": bindparam("campaign", campaign.id, Row.campaign_id.type),
                "phone": contact.phone,
                "timezone": timezone,
                "zone_source": case((has_zone, contact.zone_source), else_=source),
                "due_at": bindparam("due", now, UtcTime()),
                "fields": contact.fields,
                "attempts": literal(0, Row.attempts.type),
                "answered": false(),
            } | {name: literal("", Text) for name in ("first_number", "status", "result", "closed")}
            zones = step.with_only_columns(values["campaign_id"].label("campaign"), timezone.label("zone")).distinct()
            async with self._db.write() as session:
                done = await session.execute(
                    self._db.insert(Row)
                    .from_select(list(values), allowed.with_only_columns(*values.values()).order_by(contact.id))
                    .on_conflict_do_nothing(),
                    execution_options=RAW,
                )
                added = cast("CursorResult[Any]", done).rowcount
                await session.execute(
                    self._db.insert(CampaignZone)
                    .from_select(["campaign_id", "timezone"], zones)
                    .on_conflict_do_nothing(),
                    execution_options=RAW,
                )
                await session.execute(
                    update(CampaignTotals)
                    .where(CampaignTotals.campaign_id == campaign.id)
                    .values(contacts=CampaignTotals.contacts + added),
                    execution_options=RAW,
                )
            new += added
            if last is None:
                return new
            after = last

    async def _reopen(self, campaign_id: int, now: datetime) -> int:
        """Those who were not reached are due again, as if for the first time."""
        count, after = 0, ""
        while True:
            rest = select(Row.phone).where(Row.campaign_id == campaign_id, Row.phone > after)
            async with self._db.read() as session:
                last = await session.scalar(rest.order_by(Row.phone).limit(1).offset(STEP - 1))
            step = [Row.campaign_id == campaign_id, Row.phone > after, unreached()]
            if last is not None:
                step.append(Row.phone <= last)
            async with self._db.write() as session:
                done = await session.execute(
                    update(Row)
                    .where(*step)
                    .values(
                        due_at=now,
                        leased_until=None,
                        attempts=0,
                        first_number="",
                        closed="",
                        closed_at=None,
                        status="",
                        result="",
                    ),
                    execution_options=RAW,
                )
                opened = cast("CursorResult[Any]", done).rowcount
                await session.execute(
                    update(CampaignTotals)
                    .where(CampaignTotals.campaign_id == campaign_id)
                    .values(closed=CampaignTotals.closed - opened),
                    execution_options=RAW,
                )
            count += opened
            if last is None:
                return count
            after = last
