"""Segments: whom to call, and whom never to call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, case, cast, delete, literal, select, true, update
from sqlalchemy.orm import InstrumentedAttribute

from engine.errors import InputError, Problem
from engine.store import statements
from engine.store.access import RAW, absent, change, create, one, only
from engine.store.audience import Added as Added
from engine.store.audience import Person as Person
from engine.store.audience import add_people, pour
from engine.store.database import Database
from engine.store.numbering import Numbering
from engine.store.outcomes import outcome_is
from engine.store.paging import Ask, Page, page
from engine.store.tables import Campaign, CampaignContact, OptOut, Project, Segment, SegmentContact
from engine.store.types import dump

EXPORTED = 1000  # contacts read at a time


@dataclass(frozen=True, slots=True)
class Condition:
    """On a field of a contact, or its `phone` or `email`. `op`: eq | ne | contains | set | unset."""

    field: str
    op: str = "eq"
    value: Any = None


class Segments:
    def __init__(self, db: Database, numbering: Numbering) -> None:
        self._db = db
        self._numbering = numbering

    async def add(
        self, project_id: int, *, name: str, kind: str, now: datetime, user: int | None, timezone: str = ""
    ) -> Segment:
        """An empty one. Raises NotFound."""
        async with self._db.write() as session:
            await one(session, Project, project_id, user)
            return await create(
                session, Segment, project_id=project_id, name=name, kind=kind, timezone=timezone, created_at=now
            )

    async def get(self, segment_id: int, *, user: int | None) -> Segment:
        """Raises NotFound."""
        async with self._db.read() as session:
            return await one(session, Segment, segment_id, user)

    async def page(
        self, project_id: int, ask: Ask, *, user: int | None, kind: str = "", archived: bool | None = False
    ) -> Page[Segment]:
        """Raises NotFound."""
        async with self._db.read() as session:
            await one(session, Project, project_id, user)
            statement = select(Segment).where(Segment.project_id == project_id)
            if kind:
                statement = statement.where(Segment.kind == kind)
            if archived is not None:
                statement = statement.where(Segment.archived == archived)
            sorts = {"created_at": Segment.created_at, "name": Segment.name, "size": Segment.size}
            return await page(session, statement, ask, sorts, Segment.id)

    async def change(self, segment_id: int, changes: Mapping[str, Any], *, user: int | None) -> Segment:
        """`changes` of name, timezone, archived, state. Raises NotFound."""
        async with self._db.write() as session:
            await one(session, Segment, segment_id, user)
            return await change(session, Segment, segment_id, only(changes, "name", "timezone", "archived", "state"))

    # --- contacts

    async def add_contacts(
        self, segment_id: int, people: Sequence[Person], *, now: datetime, user: int | None, region: str = "RU"
    ) -> Added:
        """Any number of them; refused and repeated ones are counted. Raises NotFound."""
        await self.get(segment_id, user=user)
        return await add_people(self._db, self._numbering, segment_id, people, now=now, region=region)

    async def contacts(self, segment_id: int, ask: Ask, *, user: int | None, phone: str = "") -> Page[SegmentContact]:
        """`phone`: how it begins. Raises NotFound."""
        async with self._db.read() as session:
            await one(session, Segment, segment_id, user)
            statement = select(SegmentContact).where(SegmentContact.segment_id == segment_id)
            if phone:
                statement = statement.where(SegmentContact.phone.startswith(phone, autoescape=True))
            # Contacts are numbered as they come, and (segment, id) is indexed.
            sorts = {"created_at": SegmentContact.id, "id": SegmentContact.id, "phone": SegmentContact.phone}
            return await page(session, statement, ask, sorts, SegmentContact.id)

    async def export(self, segment_id: int, *, user: int | None) -> AsyncIterator[list[SegmentContact]]:
        """All contacts in order, some at a time. Raises NotFound."""
        await self.get(segment_id, user=user)
        after = 0
        while True:
            async with self._db.read() as session:
                rows = await session.scalars(
                    select(SegmentContact)
                    .where(SegmentContact.segment_id == segment_id, SegmentContact.id > after)
                    .order_by(SegmentContact.id)
                    .limit(EXPORTED)
                )
                batch = list(rows.all())
            if batch:
                yield batch
            if len(batch) < EXPORTED:
                return
            after = batch[-1].id

    async def drop_contact(self, segment_id: int, contact_id: int, *, user: int | None) -> None:
        """Raises NotFound."""
        async with self._db.write() as session:
            await one(session, Segment, segment_id, user)
            gone = delete(SegmentContact).where(
                SegmentContact.id == contact_id, SegmentContact.segment_id == segment_id
            )
            if await session.scalar(gone.returning(SegmentContact.id), execution_options=RAW) is None:
                raise absent(SegmentContact)
            await session.execute(
                update(Segment).where(Segment.id == segment_id).values(size=Segment.size - 1), execution_options=RAW
            )

    # --- new segments from what is there

    async def copy(self, segment_id: int, *, name: str, now: datetime, user: int | None) -> Segment:
        """Raises NotFound."""
        return await self._from_segment(segment_id, name, true(), now, user)

    async def filter(
        self, segment_id: int, *, name: str, conditions: Sequence[Condition], now: datetime, user: int | None
    ) -> Segment:
        """A new segment of those for whom every condition holds. Raises NotFound, InputError."""
        where: ColumnElement[bool] = true()
        for index, condition in enumerate(conditions):
            where = where & self._holds(condition, index)
        return await self._from_segment(segment_id, name, where, now, user)

    async def from_campaign(
        self, campaign_id: int, *, name: str, outcome: str, now: datetime, user: int | None
    ) -> Segment:
        """A new segment of a campaign's contacts by what came of them (see `outcomes`). Raises NotFound, InputError."""
        where = outcome_is(outcome)
        async with self._db.write() as session:
            campaign = await one(session, Campaign, campaign_id, user)
            target = await create(
                session,
                Segment,
                project_id=campaign.project_id,
                name=name,
                kind="contacts",
                state="importing",
                created_at=now,
            )
        contact = CampaignContact
        known = contact.zone_source.in_(("field", "registry", "phone"))
        source = select(
            contact.phone,
            literal("", Text),
            contact.fields,
            case((known, contact.timezone), else_=""),
            case((known, contact.zone_source), else_=""),
        ).where(contact.campaign_id == campaign_id, where)
        return await self._pour(target, source, contact.phone, now)

    async def _from_segment(
        self, segment_id: int, name: str, where: ColumnElement[bool], now: datetime, user: int | None
    ) -> Segment:
        async with self._db.write() as session:
            segment = await one(session, Segment, segment_id, user)
            target = await create(
                session,
                Segment,
                project_id=segment.project_id,
                name=name,
                kind=segment.kind,
                timezone=segment.timezone,
                state="importing",
                created_at=now,
            )
        contact = SegmentContact
        source = select(contact.phone, contact.email, contact.fields, contact.timezone, contact.zone_source).where(
            contact.segment_id == segment_id, where
        )
        return await self._pour(target, source, contact.id, now)

    async def _pour(self, target: Segment, source: Any, key: InstrumentedAttribute[Any], now: datetime) -> Segment:
        state = "failed"
        try:
            await pour(self._db, target.id, source, key, now=now)
            state = "ready"
        finally:
            async with self._db.write() as session:
                done = await change(session, Segment, target.id, {"state": state})
        return done

    def _holds(self, condition: Condition, index: int) -> ColumnElement[bool]:
        path = f"/conditions/{index}"
        key = condition.field
        if key in ("phone", "email"):
            column = SegmentContact.phone if key == "phone" else SegmentContact.email
            raw: ColumnElement[str] = cast(column, Text)
            wanted = [str(condition.value)]
            empty = raw == ""
        else:
            if not key or any(c in key for c in '"\\\0') or len(key) > 64:
                raise InputError("no such field", [Problem(f"{path}/field", "field", "this cannot be a field's key")])
            # Both give the value as JSON text; so a word, a number and a truth are told apart.
            place = f'$."{key}"' if self._db.kind == "sqlite" else key
            raw = cast(SegmentContact.fields.op("->")(literal(place, Text)), Text)
            wanted = [dump(condition.value), dump(str(condition.value))]
            empty = raw.is_(None) | raw.in_(["null", '""'])
        match condition.op:
            case "eq":
                return raw.in_(wanted)
            case "ne":
                return raw.is_(None) | raw.not_in(wanted)
            case "contains":
                return raw.icontains(str(condition.value), autoescape=True)
            case "set":
                return ~empty
            case "unset":
                return empty
        raise InputError("no such condition", [Problem(f"{path}/op", "op", "op is eq, ne, contains, set or unset")])

    # --- stop lists

    async def barred(self, project_id: int | None, phone: str, blacklists: Sequence[int] = ()) -> bool:
        """Is the number on one of these segments, or did it opt out of the project's calls? Two index seeks."""
        return await self._db.glance(on_list, project_id, phone, blacklists)

    async def opt_outs(self, project_id: int, ask: Ask, *, user: int | None) -> Page[OptOut]:
        """Raises NotFound."""
        async with self._db.read() as session:
            await one(session, Project, project_id, user)
            statement = select(OptOut).where(OptOut.project_id == project_id)
            return await page(session, statement, ask, {"created_at": OptOut.created_at}, OptOut.phone)

    async def opt_in(self, project_id: int, phone: str, *, user: int | None) -> None:
        """Take a number off the project's own stop list. Raises NotFound."""
        async with self._db.write() as session:
            await one(session, Project, project_id, user)
            gone = delete(OptOut).where(OptOut.project_id == project_id, OptOut.phone == phone)
            if await session.scalar(gone.returning(OptOut.phone), execution_options=RAW) is None:
                raise absent(SegmentContact)

    async def check(self, project_id: int, ids: Sequence[int], *, kinds: Sequence[str], path: str) -> None:
        """Raises InputError naming each of `ids` that is no segment of these kinds in this project."""
        async with self._db.read() as session:
            found = await session.scalars(
                select(Segment.id).where(
                    Segment.id.in_(list(ids)), Segment.kind.in_(list(kinds)), Segment.project_id == project_id
                )
            )
            have = set(found.all())
        problems = [
            Problem(f"{path}/{index}", "not_found", "there is no such segment in this project")
            for index, ident in enumerate(ids)
            if ident not in have
        ]
        if problems:
            raise InputError("a segment is not there", problems)


def on_list(connection: Connection, project_id: int | None, phone: str, blacklists: Sequence[int]) -> bool:
    if blacklists:
        listed = {"lists": list(blacklists), "phone": phone}
        if connection.execute(statements.LISTED, listed).first() is not None:
            return True
    out = {"project": project_id, "phone": phone}
    return project_id is not None and connection.execute(statements.OPTED_OUT, out).first() is not None
