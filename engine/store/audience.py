"""How contacts get into segments: many at a time, each with its zone, and never twice.

typed numbers ─▶ normalise, zone (in a thread) ─▶ one JSON value for each batch ─▶ INSERT … SELECT ON CONFLICT NOTHING
rows of a segment or a campaign ─pour─▶ another segment, in steps that leave the writer free in between
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Select, bindparam, text, update
from sqlalchemy.orm import InstrumentedAttribute

from engine.errors import Problem
from engine.rules.phone import Refused, normalise, zone_of
from engine.store.access import RAW
from engine.store.database import Database
from engine.store.numbering import Numbering
from engine.store.tables import Segment, SegmentContact
from engine.store.types import UtcTime, dump

BATCH = 2000
STEP = 20_000  # rows copied in one transaction: a tenth of a second on SQLite
ZONE_FIELD = "timezone"  # a contact's own field that names its IANA zone

_COLUMNS = "segment_id, phone, email, fields, timezone, zone_source, created_at"
_INSERT = {
    "sqlite": f"""INSERT INTO segment_contacts ({_COLUMNS})
        SELECT :segment, value ->> '$.p', value ->> '$.e', json(value -> '$.f'), value ->> '$.z', value ->> '$.s', :now
        FROM json_each(:batch) WHERE true ON CONFLICT (segment_id, phone) DO NOTHING""",
    "postgresql": f"""INSERT INTO segment_contacts ({_COLUMNS})
        SELECT :segment, value ->> 'p', value ->> 'e', value -> 'f', value ->> 'z', value ->> 's', :now
        FROM json_array_elements(CAST(:batch AS json)) ON CONFLICT (segment_id, phone) DO NOTHING""",
}


@dataclass(frozen=True, slots=True)
class Person:
    """A contact as somebody gives it; `phone` in any form."""

    phone: str
    email: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class Added:
    """What came of it. `problems`: of refused ones, `path` is `/contacts/{index}/phone`."""

    added: int = 0
    invalid: int = 0
    duplicates: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])


async def add_people(
    db: Database, numbering: Numbering, segment_id: int, people: Sequence[Person], *, now: datetime, region: str
) -> Added:
    """In batches, each a transaction with the segment's counts."""
    sums = Added()
    insert = text(_INSERT[db.kind]).bindparams(bindparam("now", type_=UtcTime()))
    for start in range(0, len(people), BATCH):
        batch = people[start : start + BATCH]
        rows, problems = await asyncio.to_thread(_rows, numbering, batch, start, region)
        async with db.write() as session:
            done = await session.execute(insert, {"segment": segment_id, "batch": dump(rows), "now": now})
            added = cast("CursorResult[Any]", done).rowcount
            await session.execute(
                update(Segment)
                .where(Segment.id == segment_id)
                .values(
                    size=Segment.size + added,
                    invalid=Segment.invalid + len(problems),
                    duplicates=Segment.duplicates + len(rows) - added,
                ),
                execution_options=RAW,
            )
        sums.added += added
        sums.invalid += len(problems)
        sums.duplicates += len(rows) - added
        sums.problems += problems
    return sums


def _rows(
    numbering: Numbering, people: Sequence[Person], first: int, region: str
) -> tuple[list[dict[str, Any]], list[Problem]]:
    rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for index, person in enumerate(people, first):
        phone = normalise(person.phone, region)
        if isinstance(phone, Refused):
            problems.append(Problem(f"/contacts/{index}/phone", phone.code, phone.message))
            continue
        wish = person.fields.get(ZONE_FIELD)
        found = numbering.lookup(phone)
        zone = zone_of(phone, field=wish if isinstance(wish, str) else None, registry=found.timezone if found else None)
        rows.append(
            {
                "p": phone,
                "e": person.email,
                "f": dict(person.fields),
                "z": zone.name if zone else "",
                "s": zone.source if zone else "",
            }
        )
    return rows, problems


async def pour(
    db: Database, target: int, source: Select[Any], key: InstrumentedAttribute[Any], *, now: datetime
) -> int:
    """Copy the rows of `source` (phone, email, fields, timezone, zone_source) into a segment, in the order of `key`,
    which must be unique within it. How many were new there."""
    new, after = 0, None
    columns = ["segment_id", "created_at", "phone", "email", "fields", "timezone", "zone_source"]
    while True:
        rest = source if after is None else source.where(key > after)
        async with db.read() as session:
            last = await session.scalar(rest.with_only_columns(key).order_by(key).limit(1).offset(STEP - 1))
        step = rest if last is None else rest.where(key <= last)
        values = step.with_only_columns(
            bindparam("target", target, SegmentContact.segment_id.type),
            bindparam("at", now, UtcTime()),
            *step.selected_columns,
        )
        async with db.write() as session:
            put = db.insert(SegmentContact).from_select(columns, values.order_by(key)).on_conflict_do_nothing()
            done = await session.execute(put, execution_options=RAW)
            added = cast("CursorResult[Any]", done).rowcount
            await session.execute(
                update(Segment).where(Segment.id == target).values(size=Segment.size + added), execution_options=RAW
            )
        new += added
        if last is None:
            return new
        after = last
