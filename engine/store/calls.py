"""Calls: the engine's rows (`engine.records.CallStore`), and the lists that people look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, literal, or_, select, union_all, update

from engine.errors import InputError, Problem
from engine.model import CallEnd, Contact, Status
from engine.records import OpenCall, SingleCall
from engine.rules.campaign import Caller
from engine.rules.phone import normalise
from engine.store import statements
from engine.store.access import LARGEST, RAW, absent, create, one
from engine.store.database import Database
from engine.store.numbering import Numbering
from engine.store.numbers import usable
from engine.store.paging import Ask, Page, cut, page
from engine.store.passwords import Passwords
from engine.store.queue import new_uid
from engine.store.settling import detail, end_call
from engine.store.tables import Call, CallDetail, CampaignContact, Member, Number, Project, Scenario
from engine.store.types import EPOCH

SORTS = {"created_at": Call.created_at}
FEW_PROJECTS = 40


@dataclass(frozen=True, slots=True)
class CallFilter:
    """What is empty does not restrict. `phone`: a whole number, or any part of one. `since` is within, `until` not."""

    project_id: int | None = None
    campaign_id: int | None = None
    line_id: int | None = None
    contact_id: int | None = None
    direction: str = ""
    kind: str = ""
    status: str = ""
    result: str = ""
    phone: str = ""
    since: datetime | None = None
    until: datetime | None = None
    live: bool = False


class Calls:
    def __init__(self, db: Database, numbering: Numbering) -> None:
        self._db = db
        self._numbering = numbering
        passwords = Passwords(db)
        self.password = passwords.password
        self.password_rang = passwords.password_rang

    # --- what people look at

    async def page(self, ask: Ask, where: CallFilter, *, user: int | None) -> Page[Call]:
        """The newest first (`sort`: created_at). Raises InputError."""
        conditions = _conditions(where)
        async with self._db.read() as session:
            if user is None:
                return await page(session, select(Call).where(*conditions), ask, SORTS, Call.id)
            mine = select(Member.project_id).where(Member.user_id == user)
            if where.project_id is not None:
                mine = mine.where(Member.project_id == where.project_id)
            projects = (await session.scalars(mine.limit(FEW_PROJECTS + 1))).all()
            own = and_(Call.project_id.is_(None), Call.user_id == user)
            at = cut(ask, SORTS, Call.id, "-created_at")
            conditions += [at.after] if at.after is not None else []
            if len(projects) > FEW_PROJECTS:
                # Nobody looks at so many at once but an administrator, whose share of all calls is large.
                whole = select(Call).where(or_(Call.project_id.in_(mine), own), *conditions)
                rows = await session.scalars(whole.order_by(*at.order).limit(at.limit + 1))
                return at.page(rows.all())
            # The newest of each project by its index, then the newest of these: however many calls others have.
            parts: list[Select[Any]] = [
                select(Call.id).where(scope, *conditions).order_by(*at.order).limit(at.limit + 1)
                for scope in [*(Call.project_id == ident for ident in projects), own]
            ]
            ids = union_all(*(select(part.subquery()) for part in parts)).subquery()
            found = select(Call).where(Call.id.in_(select(ids.c.id))).order_by(*at.order).limit(at.limit + 1)
            return at.page((await session.scalars(found)).all())

    async def get(self, call_id: int, *, user: int | None) -> Call:
        """Raises NotFound."""
        async with self._db.read() as session:
            if not 0 < call_id <= LARGEST:
                raise absent(Call)
            row = await session.scalar(select(Call).where(Call.id == call_id, _seen_by(user)))
            if row is None:
                raise absent(Call)
            return row

    async def detail(self, call_id: int, *, user: int | None) -> tuple[Call, CallDetail]:
        """With steps and transcript, which are empty while it lives. Raises NotFound."""
        row = await self.get(call_id, user=user)
        async with self._db.read() as session:
            return row, await detail(session, call_id)

    async def add_single(
        self,
        project_id: int,
        *,
        phone: str,
        scenario_id: int,
        now: datetime,
        user: int | None,
        by: int | None = None,
        fields: Mapping[str, Any] | None = None,
        number: str = "",
        not_after: datetime | None = None,
    ) -> Call:
        """A call to be placed now, `queued`; `phone` is E.164, `by` who asked for it (the `user` unless given). Raises
        NotFound, and InputError for a scenario or number that is not the project's."""
        async with self._db.write() as session:
            await one(session, Project, project_id, user)
            problems = []
            scenario = select(Scenario.id).where(Scenario.id == scenario_id, Scenario.project_id == project_id)
            if await session.scalar(scenario) is None:
                problems.append(Problem("/scenario_id", "not_found", "there is no such scenario in this project"))
            ours = select(Number.number).where(Number.number == number, usable(project_id))
            if number and await session.scalar(ours) is None:
                problems.append(Problem("/number", "not_found", "this project does not rent this number"))
            if problems:
                raise InputError("the call names what is not there", problems)
            return await create(
                session,
                Call,
                uid=new_uid(),
                kind="single",
                direction="outbound",
                user_id=by if by is not None else user,
                project_id=project_id,
                phone=phone,
                number=number,
                scenario_id=scenario_id,
                status="queued",
                fields=dict(fields or {}),
                not_after=not_after,
                created_at=now,
            )

    # --- engine.records.CallStore

    async def progressed(self, call_id: int, status: Status, at: datetime, *, number: str = "") -> None:
        await self._db.transact(_progressed, call_id, status, at, number)

    async def open_calls(self) -> Sequence[OpenCall]:
        row = CampaignContact
        async with self._db.read() as session:
            found = await session.execute(
                select(Call, row)
                .outerjoin(row, and_(row.id == Call.contact_id, Call.kind == "campaign"))
                .where(Call.ended_at.is_(None), Call.status != "queued")
                .order_by(Call.id)
            )
            return [_open_call(call, contact) for call, contact in found.tuples()]

    async def end(self, call_id: int, end: CallEnd) -> bool:
        return await self._db.transact(end_call, call_id, end, self._numbering.operator)

    async def recorded(self, uid: str, path: str) -> bool:
        """Its recording was found after its end. False: there is no such call, or it has one."""
        async with self._db.write() as session:
            found = await session.execute(
                update(Call)
                .where(Call.uid == uid, Call.ended_at.is_not(None), Call.recording == "")
                .values(recording=path)
                .returning(Call.id),
                execution_options=RAW,
            )
            return found.first() is not None

    async def queued(self) -> Sequence[int]:
        async with self._db.read() as session:
            rows = await session.scalars(
                select(Call.id)
                .where(Call.ended_at.is_(None), Call.status == "queued", Call.kind == "single")
                .order_by(Call.id)
            )
            return rows.all()

    async def take(self, call_id: int) -> SingleCall | None:
        async with self._db.write() as session:
            row = await session.scalar(
                update(Call)
                .where(Call.id == call_id, Call.status == "queued", Call.kind == "single", Call.ended_at.is_(None))
                .values(status="dialing")
                .returning(Call),
                execution_options=RAW,
            )
            if row is None or row.project_id is None:
                return None
            ours = select(Number).where(usable(row.project_id)).order_by(Number.number)
            if row.number:
                ours = ours.where(Number.number == row.number)
            numbers = (await session.scalars(ours)).all()
            return SingleCall(
                call_id=row.id,
                uid=row.uid,
                project_id=row.project_id,
                phone=row.phone,
                callers=tuple(Caller(n.number, n.trunk, n.max_concurrent) for n in numbers),
                scenario_id=row.scenario_id or 0,
                created_at=row.created_at,
                not_after=row.not_after,
                fields=row.fields,
            )

    async def requeue(self, call_id: int) -> None:
        async with self._db.write() as session:
            await session.execute(
                update(Call)
                .where(Call.id == call_id, Call.status == "dialing", Call.ended_at.is_(None))
                .values(status="queued"),
                execution_options=RAW,
            )


def _progressed(connection: Connection, call_id: int, status: Status, at: datetime, number: str) -> None:
    told = {
        "call": call_id,
        "status": status.value,
        "number": number,
        "ringing_at": at if status is Status.RINGING else None,
        "answered_at": at if status is Status.ANSWERED else None,
    }
    row = connection.execute(statements.PROGRESSED, told).first()
    if row is not None and row.contact_id is not None and status is Status.ANSWERED:
        connection.execute(statements.ANSWERED, {"contact": row.contact_id, "leased_until": row.leased_until})


def _seen_by(user: int | None) -> ColumnElement[bool]:
    if user is None:
        return literal(value=True)
    return or_(
        Call.project_id.in_(select(Member.project_id).where(Member.user_id == user)),
        and_(Call.project_id.is_(None), Call.user_id == user),
    )


def _conditions(where: CallFilter) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    for name in ("project_id", "campaign_id", "line_id", "contact_id"):
        value = getattr(where, name)
        if value is not None:
            wanted.append(Call.__table__.c[name] == value)
    for name in ("direction", "kind", "status", "result"):
        value = getattr(where, name)
        if value:
            wanted.append(Call.__table__.c[name] == value)
    if where.phone:
        whole = normalise(where.phone)
        part = "".join(c for c in where.phone if c.isdecimal()) or where.phone
        wanted.append(Call.phone == whole if isinstance(whole, str) else Call.phone.contains(part, autoescape=True))
    if where.since is not None:
        wanted.append(Call.created_at >= where.since)
    if where.until is not None:
        wanted.append(Call.created_at < where.until)
    if where.live:
        wanted.append(Call.ended_at.is_(None))
    return wanted


def _open_call(call: Call, row: CampaignContact | None) -> OpenCall:
    contact = None
    if row is not None:
        contact = Contact(
            id=row.id,
            campaign_id=row.campaign_id,
            phone=call.phone,
            timezone=row.timezone,
            call_id=call.id,
            uid=call.uid,
            attempt=call.attempt,
            leased_until=call.leased_until or EPOCH,
            first_number=row.first_number,
            fields=call.fields,
        )
    return OpenCall(
        call_id=call.id,
        uid=call.uid,
        status=Status(call.status),
        created_at=call.created_at,
        dialed_at=call.dialed_at,
        ringing_at=call.ringing_at,
        answered_at=call.answered_at,
        contact=contact,
        number=call.number,
    )
