"""The queue of every campaign: `engine.ports.Contacts` in a database.

    segments ─fill─▶ campaign_contacts ─lease─▶ attempt (calls) ─settle─▶ due again | closed
                       campaign_zones.opens_at: a whole time zone put off in one row

A contact is due at the later of its own `due_at` and its zone's `opens_at`. So a night costs one row for each zone, not
one for each contact, and the earliest of a million is found by a dozen index seeks.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, CursorResult, and_, case, delete, func, insert, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from engine.model import CallEnd, Contact, Due
from engine.rules.window import known
from engine.store.access import RAW
from engine.store.database import Database
from engine.store.numbering import Numbering
from engine.store.settling import end_call
from engine.store.tables import Call, Campaign, CampaignContact, CampaignTotals, CampaignZone
from engine.store.types import moment

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

    async def next_due(self, campaign: int) -> Due | None:
        """The earliest open contact; of zones equally due the easternmost, whose evening comes first."""
        earliest = (
            select(func.min(Row.due_at))
            .where(
                Row.campaign_id == CampaignZone.campaign_id,
                Row.timezone == CampaignZone.timezone,
                Row.due_at.is_not(None),
            )
            .scalar_subquery()
        )
        async with self._db.read() as session:
            rows = await session.execute(
                select(CampaignZone.timezone, CampaignZone.opens_at, earliest).where(
                    CampaignZone.campaign_id == campaign
                )
            )
        dues = [
            Due(at if opens_at is None else max(at, opens_at), timezone)
            for timezone, opens_at, at in rows.tuples()
            if at is not None
        ]
        return min(dues, key=lambda due: (due.at, -_offset(due)), default=None)

    async def lease(self, campaign: int, timezone: str, *, now: datetime, until: datetime) -> Contact | None:
        """As the port says. A contact whose attempt was answered before a crash is closed here instead of leased."""
        candidate = (
            select(Row.id)
            .where(Row.campaign_id == campaign, Row.timezone == timezone, Row.due_at <= now, self._open(now))
            .order_by(Row.due_at)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        take = (
            update(Row)
            .where(Row.id == candidate)
            .values(
                due_at=case((Row.answered, None), else_=moment(until)),
                leased_until=case((Row.answered, None), else_=moment(until)),
                closed=case((Row.answered, "answered"), else_=""),
                closed_at=case((Row.answered, moment(now)), else_=None),
                attempts=Row.attempts + case((Row.answered, 0), else_=1),
            )
            .returning(Row.id, Row.phone, Row.attempts, Row.first_number, Row.fields, Row.answered)
        )
        async with self._db.write() as session:
            for _ in range(ANSWERED_BEFORE):
                taken = (await session.execute(take, execution_options=RAW)).first()
                if taken is None:
                    return None
                ident, phone, attempt, first_number, fields, answered = taken
                if answered:
                    await _closed(session, campaign, 1)
                    continue
                uid = new_uid()
                project = select(Campaign.project_id).where(Campaign.id == campaign).scalar_subquery()
                call_id = await session.scalar(
                    insert(Call)
                    .values(
                        uid=uid,
                        kind="campaign",
                        direction="outbound",
                        project_id=project,
                        campaign_id=campaign,
                        contact_id=ident,
                        attempt=attempt,
                        phone=phone,
                        status="dialing",
                        fields=fields,
                        leased_until=until,
                        created_at=now,
                    )
                    .returning(Call.id)
                )
                assert call_id is not None
                return Contact(ident, campaign, phone, timezone, call_id, uid, attempt, until, first_number, fields)
            return None

    async def postpone(self, campaign: int, timezone: str, *, now: datetime, until: datetime | None) -> int:
        """As the port says; those of the zone who become due before `until` wait for it too."""
        due = and_(Row.campaign_id == campaign, Row.timezone == timezone, Row.due_at <= now)
        if until is None:
            async with self._db.write() as session:
                shut = (
                    update(Row)
                    .where(due, self._open(now))
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
            count_of = await session.scalar(select(func.count()).select_from(Row).where(due, self._open(now)))
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
        async with self._db.write() as session:
            await end_call(self._db, session, contact.call_id, end, self._numbering.operator)
            result = end.talk.result.value if end.talk is not None and end.talk.result is not None else ""
            held = await session.scalar(
                update(Row)
                .where(Row.id == contact.id, Row.leased_until == contact.leased_until)
                .values(
                    due_at=next_at,
                    leased_until=None,
                    answered=False,
                    status=end.status.value,
                    result=result,
                    first_number=case((Row.first_number == "", end.number), else_=Row.first_number),
                    closed="" if next_at is not None else closed or "done",
                    closed_at=None if next_at is not None else end.ended_at,
                )
                .returning(Row.id),
                execution_options=RAW,
            )
            if held is not None and next_at is None:
                await _closed(session, contact.campaign_id, 1)
            return held is not None

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

    @staticmethod
    def _open(now: datetime) -> ColumnElement[bool]:
        return not_(
            select(CampaignZone.campaign_id)
            .where(
                CampaignZone.campaign_id == Row.campaign_id,
                CampaignZone.timezone == Row.timezone,
                CampaignZone.opens_at > now,
            )
            .exists()
        )


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
