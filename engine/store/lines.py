"""Inbound lines: a number called -> the line that answers. One number rings at one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from engine import records
from engine.errors import Conflict, InputError, Problem
from engine.rules import window
from engine.store import statements
from engine.store.access import RAW, change, create, mine, one, only
from engine.store.database import Database
from engine.store.numbers import usable
from engine.store.paging import Ask, Page, page
from engine.store.tables import InboundLine, LineNumber, Number, Project, Scenario, Segment

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

    async def receive(
        self, number: str, *, uid: str, phone: str, at: datetime, decide: records.Decide
    ) -> records.InboundCall | records.Reject:
        return await self._db.transact(_receive, number, uid, phone, at, decide)


# What runs for every incoming call, while the caller hears nothing yet: one trip to the database's thread.


def _receive(
    connection: Connection, number: str, uid: str, phone: str, at: datetime, decide: records.Decide
) -> records.InboundCall | records.Reject:
    row = connection.execute(statements.LINE_CALLED, {"number": number}).first()
    if row is None:
        decision = decide(None, False)
        assert isinstance(decision, records.Reject), "nothing can answer a call that has no line"
        return decision
    line = _line(row)
    barred, fields = _caller(connection, row.blacklist_ids, row.segment_id, phone)
    decision = decide(line, barred)
    if isinstance(decision, records.Reject):
        return decision
    told = {
        **{"uid": uid, "phone": phone, "number": number, "at": at, "fields": fields},
        **{"project": line.project_id, "line": line.id, "scenario_id": decision.scenario_id},
    }
    version = row.after_hours_version if decision.after_hours else row.version
    call_id = connection.execute(statements.INCOMING, told).scalar_one()
    return records.InboundCall(line, call_id, decision.scenario_id, version, fields)


def _line(row: Row[Any]) -> records.InboundLine:
    return records.InboundLine(
        id=row.id,
        project_id=row.project_id,
        scenario_id=row.scenario_id,
        after_hours_scenario_id=row.after_hours_scenario_id,
        windows=tuple(window.read(w) for w in row.schedule.get("windows") or ()),
        timezone=row.timezone or row.of_project,
        record=row.record,
    )


def _caller(
    connection: Connection, barring: Sequence[int], segment: int | None, phone: str
) -> tuple[bool, dict[str, Any]]:
    """Are they on one of the stop lists; what the line's segment knows of them."""
    lists = {*barring, *(() if segment is None else (segment,))}
    if not phone or not lists:
        return False, {}
    found = connection.execute(statements.PERSON, {"lists": sorted(lists), "phone": phone}).all()
    known = {row.segment_id: row.fields for row in found}
    return not known.keys().isdisjoint(barring), known.get(segment, {})


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
