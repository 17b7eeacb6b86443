"""Inbound lines: a number called -> the line that answers. One number rings at one line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from engine import records
from engine.errors import Conflict, InputError, Problem
from engine.rules import window
from engine.store.access import RAW, change, create, mine, one, only
from engine.store.database import Database
from engine.store.numbers import usable
from engine.store.paging import Ask, Page, page
from engine.store.tables import Call, InboundLine, LineNumber, Number, Project, Scenario, Segment, SegmentContact

SETTINGS = (
    *("name", "numbers", "scenario_id", "after_hours_scenario_id", "schedule", "timezone"),
    *("segment_id", "blacklist_ids", "record"),
)


class Lines:
    """For the web, and `engine.records.LineStore`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(
        self, project_id: int, settings: Mapping[str, Any], *, now: datetime, user: int | None
    ) -> InboundLine:
        """A line that is off. `settings`: columns of SETTINGS; `schedule` is `{"windows": [...]}`, none: round the
        clock. Raises NotFound, and InputError naming what is not the project's."""
        async with self._db.write() as session:
            await one(session, Project, project_id, user)
            await _check(session, project_id, only(settings, *SETTINGS))
            return await create(session, InboundLine, project_id=project_id, created_at=now, **settings)

    async def get(self, line_id: int, *, user: int | None) -> InboundLine:
        """Raises NotFound."""
        async with self._db.read() as session:
            return await one(session, InboundLine, line_id, user)

    async def page(
        self, ask: Ask, *, user: int | None, project_id: int | None = None, state: str = ""
    ) -> Page[InboundLine]:
        """Archived ones only where asked for by `state`. Raises NotFound for a project of somebody else."""
        async with self._db.read() as session:
            statement = select(InboundLine).where(mine(InboundLine.project_id, user))
            if project_id is not None:
                await one(session, Project, project_id, user)
                statement = statement.where(InboundLine.project_id == project_id)
            statement = statement.where(InboundLine.state == state if state else InboundLine.state != "archived")
            sorts = {"created_at": InboundLine.created_at, "name": InboundLine.name}
            return await page(session, statement, ask, sorts, InboundLine.id)

    async def change(self, line_id: int, changes: Mapping[str, Any], *, user: int | None) -> InboundLine:
        """`changes`: columns of SETTINGS; they hold from the next call on. Raises NotFound, InputError, and Conflict if
        the line is active and another active one has one of the numbers."""
        async with self._db.write() as session:
            row = await one(session, InboundLine, line_id, user)
            await _check(session, row.project_id, only(changes, *SETTINGS))
            if row.state == "active" and "numbers" in changes:
                await _ring_at(session, line_id, changes["numbers"])
            return await change(session, InboundLine, line_id, changes)

    async def activate(self, line_id: int, *, user: int | None) -> InboundLine:
        """Raises NotFound, and Conflict if it has no number, or another active line has one of them."""
        async with self._db.write() as session:
            row = await one(session, InboundLine, line_id, user)
            if not row.numbers:
                raise Conflict("this line has no number: give it one first")
            if row.state == "archived":
                raise Conflict("this line is archived: copy it to use it again")
            await _check(session, row.project_id, {"numbers": row.numbers})
            await _ring_at(session, line_id, row.numbers)
            return await change(session, InboundLine, line_id, {"state": "active"})

    async def deactivate(self, line_id: int, *, user: int | None, archive: bool = False) -> InboundLine:
        """Its numbers are free for another line. Raises NotFound, and Conflict for an archived one."""
        async with self._db.write() as session:
            row = await one(session, InboundLine, line_id, user)
            if row.state == "archived" and not archive:
                raise Conflict("this line is archived")
            await _ring_at(session, line_id, [])
            return await change(session, InboundLine, line_id, {"state": "archived" if archive else "off"})

    async def copy(self, line_id: int, *, name: str, now: datetime, user: int | None) -> InboundLine:
        """A line that is off, with the same settings. Raises NotFound."""
        async with self._db.write() as session:
            row = await one(session, InboundLine, line_id, user)
            settings = {column: getattr(row, column) for column in SETTINGS} | {"name": name}
            return await create(session, InboundLine, project_id=row.project_id, created_at=now, **settings)

    # --- engine.records.LineStore

    async def line(self, number: str) -> records.InboundLine | None:
        return await self._db.glance(_line_of, number)

    async def barred_on(self, line: int, phone: str) -> bool:
        return await self._db.glance(_barred_on, line, phone)

    async def open_incoming(
        self, line: records.InboundLine, *, uid: str, phone: str, number: str, scenario_id: int, at: datetime
    ) -> records.InboundCall:
        put = self._db.insert(Call).values(
            uid=uid,
            kind="inbound",
            direction="inbound",
            project_id=line.project_id,
            line_id=line.id,
            phone=phone,
            number=number,
            scenario_id=scenario_id,
            status="ringing",
            created_at=at,
            ringing_at=at,
        )
        # Done again after a lost answer, it is the same row.
        call_id, fields = await self._db.transact(
            _open_incoming, put.on_conflict_do_nothing(index_elements=["uid"]), uid, line.id, phone
        )
        return records.InboundCall(line, call_id, fields)


# What runs for every incoming call, while the caller hears nothing yet: one trip to the database's thread each.


def _line_of(connection: Connection, number: str) -> records.InboundLine | None:
    wanted = (
        *(InboundLine.id, InboundLine.project_id, InboundLine.scenario_id, InboundLine.after_hours_scenario_id),
        *(InboundLine.schedule, InboundLine.timezone, Project.timezone.label("of_project"), InboundLine.record),
    )
    row = connection.execute(
        select(*wanted)
        .select_from(LineNumber)
        .join(InboundLine, LineNumber.line_id == InboundLine.id)
        .join(Project, Project.id == InboundLine.project_id)
        .where(LineNumber.number == number, InboundLine.state == "active")
    ).first()
    if row is None:
        return None
    return records.InboundLine(
        id=row.id,
        project_id=row.project_id,
        scenario_id=row.scenario_id,
        after_hours_scenario_id=row.after_hours_scenario_id,
        windows=tuple(window.read(w) for w in row.schedule.get("windows") or ()),
        timezone=row.timezone or row.of_project,
        record=row.record,
    )


def _barred_on(connection: Connection, line: int, phone: str) -> bool:
    lists = connection.scalar(select(InboundLine.blacklist_ids).where(InboundLine.id == line))
    if not lists:
        return False
    listed = select(SegmentContact.id).where(SegmentContact.segment_id.in_(lists), SegmentContact.phone == phone)
    return connection.scalar(listed.limit(1)) is not None


def _open_incoming(
    connection: Connection, put: postgresql.Insert, uid: str, line: int, phone: str
) -> tuple[int, dict[str, Any]]:
    """The call's row and what is known of the caller."""
    person = connection.execute(
        select(SegmentContact.fields)
        .join(InboundLine, InboundLine.segment_id == SegmentContact.segment_id)
        .where(InboundLine.id == line, SegmentContact.phone == phone)
    ).first()
    fields = person[0] if person is not None else {}
    connection.execute(put, {"fields": fields})
    return connection.execute(select(Call.id).where(Call.uid == uid)).scalar_one(), fields


async def _ring_at(session: AsyncSession, line_id: int, numbers: list[str]) -> None:
    """These numbers, and no others, ring at the line. Raises Conflict."""
    await session.execute(delete(LineNumber).where(LineNumber.line_id == line_id), execution_options=RAW)
    if not numbers:
        return
    taken = await session.scalar(select(LineNumber.number).where(LineNumber.number.in_(numbers)).limit(1))
    if taken is not None:
        raise Conflict(f"{taken} rings at another active line: deactivate that one first")
    await session.execute(insert(LineNumber), [{"number": number, "line_id": line_id} for number in set(numbers)])


async def _check(session: AsyncSession, project_id: int, settings: Mapping[str, Any]) -> None:
    problems: list[Problem] = []
    for column in ("scenario_id", "after_hours_scenario_id"):
        ident = settings.get(column)
        found = select(Scenario.id).where(Scenario.id == ident, Scenario.project_id == project_id)
        if ident is not None and await session.scalar(found) is None:
            problems.append(Problem(f"/{column}", "not_found", "there is no such scenario in this project"))
    wanted = {ident: f"/blacklist_ids/{n}" for n, ident in enumerate(settings.get("blacklist_ids") or ())}
    if settings.get("segment_id") is not None:
        wanted[settings["segment_id"]] = "/segment_id"
    if wanted:
        rows = await session.scalars(
            select(Segment.id).where(Segment.id.in_(list(wanted)), Segment.project_id == project_id)
        )
        have = set(rows.all())
        problems += [
            Problem(path, "not_found", "there is no such segment in this project")
            for ident, path in wanted.items()
            if ident not in have
        ]
    numbers = settings.get("numbers") or ()
    if numbers:
        mine_of = await session.scalars(select(Number.number).where(Number.number.in_(numbers), usable(project_id)))
        rented = set(mine_of.all())
        problems += [
            Problem(f"/numbers/{n}", "not_found", "this project does not rent this number")
            for n, number in enumerate(numbers)
            if number not in rented
        ]
    if problems:
        raise InputError("the line names what is not there", problems)
