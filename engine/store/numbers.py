"""The inventory of telephone numbers, and who rents which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update

from engine.errors import Conflict, NotFound
from engine.rules.campaign import Caller
from engine.store.access import RAW, absent, one
from engine.store.database import Database
from engine.store.paging import Ask, Page, page
from engine.store.tables import Member, Number, Project


def usable(project_id: int) -> ColumnElement[bool]:
    """May this project call from the number: rented by one of its members, for all their projects or for this one?"""
    members = select(Member.user_id).where(Member.project_id == project_id)
    return and_(Number.user_id.in_(members), or_(Number.project_id.is_(None), Number.project_id == project_id))


class Numbers:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def sync(self, numbers: Sequence[Mapping[str, Any]], *, now: datetime) -> int:
        """Add or refresh the inventory: rows of number, trunk, operator, region, kind, monthly_price. Who rents what is
        not touched, and nothing is removed. How many are new."""
        new = 0
        async with self._db.write() as session:
            have = set((await session.scalars(select(Number.number))).all())
            for row in numbers:
                put = self._db.insert(Number).values(**row, created_at=now)
                fresh = {name: put.excluded[name] for name in row if name != "number"}
                await session.execute(put.on_conflict_do_update(index_elements=["number"], set_=fresh))
                new += row["number"] not in have
        return new

    async def get(self, number: str, *, user: int | None) -> Number:
        """Raises NotFound if it is not there, or rented by somebody else."""
        async with self._db.read() as session:
            row = await session.get(Number, number)
            if row is None or (user is not None and row.user_id not in (None, user)):
                raise absent(Number)
            return row

    async def callers(self) -> list[Caller]:
        """The whole inventory, as the engine sees it."""
        async with self._db.read() as session:
            rows = await session.execute(select(Number.number, Number.trunk, Number.max_concurrent))
            return [Caller(*row) for row in rows.tuples()]

    async def page(
        self, ask: Ask, *, user: int | None, state: str = "", operator: str = "", region: str = ""
    ) -> Page[Number]:
        """Those that are free (`available`), and those that this user rents (`rented`)."""
        async with self._db.read() as session:
            rented = Number.user_id.is_not(None) if user is None else Number.user_id == user
            statement = select(Number).where(or_(Number.user_id.is_(None), rented))
            if state:
                statement = statement.where(rented if state == "rented" else Number.user_id.is_(None))
            if operator:
                statement = statement.where(Number.operator == operator)
            if region:
                statement = statement.where(Number.region == region)
            sorts = {
                "number": Number.number,
                "created_at": Number.created_at,
                "monthly_price": Number.monthly_price,
                "calls": Number.calls,
            }
            return await page(session, statement, ask, sorts, Number.number, default="number")

    async def rent(
        self,
        numbers: Sequence[str],
        *,
        user: int,
        now: datetime,
        project_id: int | None = None,
        until: datetime | None = None,
    ) -> list[Number]:
        """All of them or none: for all projects of the user, or for one. What they rent already stays theirs. Raises
        NotFound for a number or project that is not there, Conflict if somebody else has one of the numbers."""
        wanted = sorted(set(numbers))  # in one order, so that two who want the same do not wait crosswise
        async with self._db.write() as session:
            if project_id is not None:
                await one(session, Project, project_id, user)
            rows = (
                await session.scalars(
                    select(Number).where(Number.number.in_(wanted)).order_by(Number.number).with_for_update()
                )
            ).all()
            missing = set(wanted) - {row.number for row in rows}
            if missing:
                raise NotFound(f"there is no number {min(missing)}")
            taken = [row.number for row in rows if row.user_id not in (None, user)]
            if taken:
                raise Conflict(f"{taken[0]} is rented by somebody else")
            done = await session.scalars(
                update(Number)
                .where(Number.number.in_(wanted))
                .values(user_id=user, project_id=project_id, rented_at=now, rented_until=until)
                .returning(Number),
                execution_options=RAW,
            )
            return sorted(done.all(), key=lambda row: row.number)

    async def release(self, numbers: Sequence[str], *, user: int | None) -> list[Number]:
        """All of them or none. Raises NotFound for a number that the user does not rent."""
        wanted = sorted(set(numbers))
        async with self._db.write() as session:
            statement = select(Number.number).where(Number.number.in_(wanted), Number.user_id.is_not(None))
            if user is not None:
                statement = statement.where(Number.user_id == user)
            mine = set((await session.scalars(statement.order_by(Number.number).with_for_update())).all())
            if len(mine) < len(wanted):
                raise NotFound(f"{min(set(wanted) - mine)} is not rented by you")
            done = await session.scalars(
                update(Number)
                .where(Number.number.in_(wanted))
                .values(user_id=None, project_id=None, rented_at=None, rented_until=None)
                .returning(Number),
                execution_options=RAW,
            )
            return sorted(done.all(), key=lambda row: row.number)

    async def for_project(self, project_id: int) -> list[Number]:
        """The numbers that a project can call from."""
        async with self._db.read() as session:
            rows = await session.scalars(select(Number).where(usable(project_id)).order_by(Number.number))
            return list(rows.all())
