"""Lists by the key of the last row given, not by counting: stable while rows are added, quick at any depth.

    Ask(limit, cursor, sort) ─▶ page(...) ─▶ Page(items, next)

A cursor only says where in the order to go on: whose rows are seen is asked anew each time, so a forged one shows
nothing that is not its bearer's.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, literal, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from engine.errors import InputError, Problem
from engine.store.types import EPOCH, MICROSECOND

LIMIT = 50
MOST = 500
R = TypeVar("R")
Sorts = Mapping[str, InstrumentedAttribute[Any]]


@dataclass(frozen=True, slots=True)
class Ask:
    """How much of a list, from where, in which order: `sort` is a column's name, `-` before it for descending."""

    limit: int = LIMIT
    cursor: str = ""
    sort: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    items: list[R]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a page begins, and its order: for statements that must be put together from several."""

    sort: str
    columns: list[InstrumentedAttribute[Any]]
    after: ColumnElement[bool] | None
    order: list[ColumnElement[Any]]
    limit: int

    def page(self, rows: Sequence[R]) -> Page[R]:
        """Of `limit + 1` rows, in order."""
        items = list(rows[: self.limit])
        more = len(rows) > self.limit
        return Page(items, _encode(self.sort, [getattr(items[-1], c.key) for c in self.columns]) if more else None)


def cut(ask: Ask, sorts: Sorts, key: InstrumentedAttribute[Any], default: str) -> Cut:
    """Raises InputError for an unknown sort, a limit out of 1 to 500, a cursor that is none or of another order."""
    if not 1 <= ask.limit <= MOST:
        raise _wrong("limit", "range", f"limit must be from 1 to {MOST}")
    sort = ask.sort or default
    name = sort.removeprefix("-")
    if name not in sorts:
        raise _wrong("sort", "unknown", f"sort must be one of {', '.join(sorted(sorts))}, with - for descending")
    down = sort.startswith("-")
    column = sorts[name]
    columns = [column] if column is key else [column, key]
    after: ColumnElement[bool] | None = None
    if ask.cursor:
        values = _decode(ask.cursor, sort, columns)
        here = tuple_(*columns)
        there = tuple_(*(literal(v, c.type) for v, c in zip(values, columns, strict=True)))
        after = here < there if down else here > there
    return Cut(sort, columns, after, [c.desc() if down else c.asc() for c in columns], ask.limit)


async def page(
    session: AsyncSession,
    statement: Select[tuple[R]],
    ask: Ask,
    sorts: Sorts,
    key: InstrumentedAttribute[Any],
    *,
    default: str = "-created_at",
) -> Page[R]:
    """The rows of `statement` (one mapped class) after the cursor, in order. `key` is unique and breaks ties.

    Raises InputError as `cut` does.
    """
    where = cut(ask, sorts, key, default)
    if where.after is not None:
        statement = statement.where(where.after)
    rows = await session.scalars(statement.order_by(*where.order).limit(where.limit + 1))
    return where.page(rows.all())


def _encode(sort: str, values: list[Any]) -> str:
    plain = [(v - EPOCH) // MICROSECOND if isinstance(v, datetime) else v for v in values]
    text = json.dumps([sort, *plain], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str, sort: str, columns: list[InstrumentedAttribute[Any]]) -> list[Any]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        was, *values = json.loads(text)
        if was != sort or len(values) != len(columns):
            raise ValueError
        return [_typed(v, c.type.python_type) for v, c in zip(values, columns, strict=True)]
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError):
        raise _wrong("cursor", "cursor", "this cursor does not belong to this list in this order") from None


def _typed(value: Any, kind: type[Any]) -> Any:
    if kind is datetime and type(value) is int:
        return EPOCH + value * MICROSECOND
    if kind is int and type(value) is int and not -(2**63) <= value < 2**63:
        raise ValueError
    if type(value) is not kind:
        raise ValueError
    return value


def _wrong(path: str, code: str, message: str) -> InputError:
    return InputError(message, [Problem(f"/{path}", code, message)])
