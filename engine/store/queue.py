"""The queue of every campaign: `engine.ports.Contacts` in a database.

    segments ─fill─▶ campaign_contacts ─lease─▶ attempt (calls) ─settle─▶ due again | closed
                       campaign_zones.opens_at: a whole time zone put off in one row

A contact is due at the later of its own `due_at` and its zone's `opens_at`. So a night costs one row for each zone, not
one for each contact, and the earliest of a million is found by a dozen index seeks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, CursorResult, and_, case, delete, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from engine.model import CallEnd, Contact, Due
from engine.rules.window import known
from engine.store import statements
from engine.store.access import RAW
from engine.store.database import Database
from engine.store.numbering import Numbering
from engine.store.settling import settle
from engine.store.tables import Call, CampaignContact, CampaignTotals, CampaignZone

Row = CampaignContact
ANSWERED_BEFORE = 100  # how many contacts of a crash are closed in one lease, so that it stays short


def new_uid() -> str:
    """The id of a call towards Asterisk, unique for ever."""
    return f"dz-{uuid4().hex}"


class Queue:
    """`Contacts`. Safe for several engines at once."""

    def __init__(self, db: Database, numbering: Numbering) -> None:
        self._db = db
        self._numbering = numbering
        self._take = statements.take(db.kind)

    async def next_due(self, campaign: int) -> Due | None:
        """The earliest open contact; of zones equally due the easternmost, whose evening comes first."""
        rows = await self._db.glance(_zones, campaign)
        dues = [
            Due(at if opens_at is None else max(at, opens_at), timezone)
            for timezone, opens_at, at in rows
            if at is not None
        ]
        return min(dues, key=lambda due: (due.at, -_offset(due)), default=None)

    async def lease(self, campaign: int, timezone: str, *, now: datetime, until: datetime) -> Contact | None:
        """As the port says. A contact whose attempt was answered before a crash is closed here instead of leased."""
        return await self._db.transact(self._lease, campaign, timezone, now, until)

    def _lease(
        self, connection: Connection, campaign: int, timezone: str, now: datetime, until: datetime
    ) -> Contact | None:
        which = {"campaign": campaign, "timezone": timezone, "now": now, "until": until}
        for _ in range(ANSWERED_BEFORE):
            row = connection.execute(self._take, which).first()
            if row is None:
                return None
            if row.answered:
                closed = {**dict.fromkeys(statements.COUNTED, 0), "campaign": campaign, "closings": 1}
                connection.execute(statements.TOTALS, closed)
                continue
            uid = new_uid()
            attempt = {
                "uid": uid,
                "campaign": campaign,
                "contact": row.id,
                "attempt": row.attempts,
                "phone": row.phone,
                "fields": row.fields,
                "until": until,
                "now": now,
            }
            call_id = connection.execute(statements.ATTEMPT, attempt).scalar_one()
            return Contact(
                id=row.id,
                campaign_id=campaign,
                phone=row.phone,
                timezone=timezone,
                call_id=call_id,
                uid=uid,
                attempt=row.attempts,
                leased_until=until,
                first_number=row.first_number,
                fields=row.fields,
            )
        return None

    async def postpone(self, campaign: int, timezone: str, *, now: datetime, until: datetime | None) -> int:
        """As the port says; those of the zone who become due before `until` wait for it too."""
        due = and_(Row.campaign_id == campaign, Row.timezone == timezone, Row.due_at <= now)
        if until is None:
            async with self._db.write() as session:
                shut = (
                    update(Row)
                    .where(due, _open(campaign, timezone, now))
                    .values(
                        due_at=None,
                        leased_until=None,
                        closed=case((Row.answered, "answered"), else_="window"),
                        closed_at=now,
                    )
                )
                closed = cast("CursorResult[Any]", await session.execute(shut, execution_options=RAW)).rowcount
                await _closed(session, campaign, closed)
                return closed
        async with self._db.read() as session:
            count_of = await session.scalar(
                select(func.count()).select_from(Row).where(due, _open(campaign, timezone, now))
            )
        if count_of:
            async with self._db.write() as session:
                await session.execute(
                    update(CampaignZone)
                    .where(
                        CampaignZone.campaign_id == campaign,
                        CampaignZone.timezone == timezone,
                        or_(CampaignZone.opens_at.is_(None), CampaignZone.opens_at <= now),
                    )
                    .values(opens_at=until),
                    execution_options=RAW,
                )
        return count_of or 0

    async def settle(self, contact: Contact, end: CallEnd, *, next_at: datetime | None, closed: str) -> bool:
        """As the port says; the end is counted once, however often it is written."""
        return await self._db.transact(settle, contact, end, next_at, closed, self._numbering.operator)

    async def release(self, contact: Contact, *, due_at: datetime) -> None:
        """As the port says. A lease that was lost meanwhile is left alone; the attempt's row goes all the same."""
        async with self._db.write() as session:
            gone = await session.scalar(
                delete(Call).where(Call.id == contact.call_id, Call.ended_at.is_(None)).returning(Call.id),
                execution_options=RAW,
            )
            if gone is None:
                return
            await session.execute(
                update(Row)
                .where(Row.id == contact.id, Row.leased_until == contact.leased_until)
                .values(due_at=due_at, leased_until=None, attempts=Row.attempts - 1),
                execution_options=RAW,
            )


def _open(campaign: int, timezone: str, now: datetime) -> ColumnElement[bool]:
    return not_(
        select(CampaignZone.campaign_id)
        .where(CampaignZone.campaign_id == campaign, CampaignZone.timezone == timezone, CampaignZone.opens_at > now)
        .exists()
    )


def _zones(connection: Connection, campaign: int) -> Sequence[Any]:
    return connection.execute(statements.EARLIEST, {"campaign": campaign}).all()


async def _closed(session: AsyncSession, campaign: int, count: int) -> None:
    if count:
        await session.execute(
            update(CampaignTotals)
            .where(CampaignTotals.campaign_id == campaign)
            .values(closed=CampaignTotals.closed + count),
            execution_options=RAW,
        )


def _offset(due: Due) -> timedelta:
    if not known(due.timezone):
        return timedelta()
    return due.at.astimezone(ZoneInfo(due.timezone)).utcoffset() or timedelta()
