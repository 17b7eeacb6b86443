"""Whose rows: every query of the web names its `user`, and what is not theirs is absent.

`user=None` is the engine itself, or an administrator of the installation: everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from engine.errors import NotFound
from engine.store.tables import Member, Project
from engine.store.types import Table

E = TypeVar("E", bound=Table)
LARGEST = 2**63 - 1
# What a statement gives back is what the database holds, whatever this session has read before.
RAW = {"synchronize_session": False, "populate_existing": True}


def mine(project: InstrumentedAttribute[Any], user: int | None) -> ColumnElement[bool]:
    """Does the row belong to a project of this user?"""
    if user is None:
        return true()
    return project.in_(select(Member.project_id).where(Member.user_id == user))


async def one(session: AsyncSession, entity: type[E], ident: int, user: int | None) -> E:
    """The row with this id. Raises NotFound, also if it is another's."""
    if not 0 < ident <= LARGEST:
        raise absent(entity)
    columns = entity.__table__.c
    statement = select(entity).where(columns.id == ident)
    if user is not None:
        project = columns.id if entity is Project else columns.project_id
        statement = statement.where(project.in_(select(Member.project_id).where(Member.user_id == user)))
    row = await session.scalar(statement)
    if row is None:
        raise absent(entity)
    return row


async def create(session: AsyncSession, entity: type[E], **values: Any) -> E:
    """A new row, as it is in the database."""
    row = await session.scalar(insert(entity).values(**values).returning(entity))
    assert row is not None
    return row


async def change(session: AsyncSession, entity: type[E], ident: int, changes: Mapping[str, Any]) -> E:
    """The row after `changes`. Raises NotFound."""
    columns = entity.__table__.c
    if not changes:
        row = await session.scalar(select(entity).where(columns.id == ident))
    else:
        row = await session.scalar(
            update(entity).where(columns.id == ident).values(**changes).returning(entity), execution_options=RAW
        )
    if row is None:
        raise absent(entity)
    return row


def only(changes: Mapping[str, Any], *allowed: str) -> Mapping[str, Any]:
    """A column that may not be changed from outside is a programming error, never an attack that works."""
    strange = set(changes) - set(allowed)
    if strange:
        raise ValueError(f"these columns cannot be changed here: {', '.join(sorted(strange))}")
    return changes


def absent(entity: type[Table]) -> NotFound:
    return NotFound(f"there is no such {_WORDS.get(entity.__tablename__, 'thing')}")


_WORDS = {
    "users": "user",
    "projects": "project",
    "fields": "field",
    "tags": "tag",
    "segments": "segment",
    "segment_contacts": "contact",
    "materials": "material",
    "scenarios": "scenario",
    "scenario_versions": "version of the scenario",
    "numbers": "number",
    "campaigns": "campaign",
    "calls": "call",
    "lines": "line",
    "call_passwords": "call password",
    "jobs": "job",
    "tokens": "token",
    "integrations": "integration",
}
