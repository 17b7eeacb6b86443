"""What it takes to lease a contact and to settle it, out of a million, on SQLite and on PostgreSQL.

1,000,000 people in 11 zones ─▶ a segment ─fill─▶ the campaign's queue ─▶ (next_due, lease, settle) × SAMPLES
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, String, case, cast, insert, literal, select

from bench.dialler import ZONES
from bench.figures import Figure, spread
from engine.model import Status
from engine.store import Store, migrate, open_store
from engine.store.tables import SegmentContact
from tests import postgres
from tests.contracts.world import LEASE, NOW, answered, made, unreached

CONTACTS = 1_000_000
SAMPLES = 1000
WARM = 50  # before the measuring


@dataclass
class Times:
    """Milliseconds of each turn; `fill_s` for the whole queue."""

    fill_s: float = 0.0
    due: list[float] = field(default_factory=list)
    lease: list[float] = field(default_factory=list)
    settle: list[float] = field(default_factory=list)


async def measure(store: Store, contacts: int = CONTACTS, samples: int = SAMPLES) -> Times:
    times = Times()
    campaign = await _queue(store, contacts, times)
    now = NOW
    for n in range(WARM + samples):
        if n == WARM:
            times.due, times.lease, times.settle = [], [], []
        now += timedelta(seconds=0.1)
        a = time.perf_counter()
        due = await store.queue.next_due(campaign)
        assert due is not None
        b = time.perf_counter()
        contact = await store.queue.lease(campaign, due.timezone, now=now, until=now + LEASE)
        assert contact is not None
        c = time.perf_counter()
        # As in life: most are closed, some are to be called again.
        again = n % 3 == 0
        end = unreached(Status.BUSY, now) if again else answered(None, now)
        await store.queue.settle(contact, end, next_at=now + timedelta(hours=1) if again else None, closed="")
        d = time.perf_counter()
        times.due.append(1000 * (b - a))
        times.lease.append(1000 * (c - b))
        times.settle.append(1000 * (d - c))
    return times


async def _queue(store: Store, contacts: int, times: Times) -> int:
    """A running campaign whose queue is filled with so many."""
    world = await made(store)
    numbers = select(literal(0, BigInteger).label("n")).cte(recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < contacts - 1))
    n = numbers.c.n
    row: dict[str, ColumnElement[Any]] = {
        "segment_id": literal(world.segment),
        "phone": literal("+7") + cast(literal(9_000_000_000, BigInteger) + n, String),
        "timezone": case(*((n % len(ZONES) == i, literal(zone)) for i, zone in enumerate(ZONES[:-1])), else_=ZONES[-1]),
        "created_at": literal(NOW, SegmentContact.created_at.type),
        "email": literal(""),
        "zone_source": literal("field"),
        "fields": literal({}, SegmentContact.fields.type),
    }
    everybody = select(*(value.label(name) for name, value in row.items()))
    async with store.db.write() as session:
        await session.execute(insert(SegmentContact).from_select(list(row), everybody, include_defaults=False))
    draft = await world.campaign()
    await store.campaigns.act(draft.id, "start", now=NOW, user=world.anna)
    began = time.perf_counter()
    filled = await store.filling.fill(draft.id, now=NOW)
    times.fill_s = time.perf_counter() - began
    assert filled == contacts
    return draft.id


@asynccontextmanager
async def stores() -> AsyncGenerator[Iterable[tuple[str, str]]]:
    """(name, address) of an empty database of each kind; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dozvon-bench-") as folder, postgres.server() as server:
        yield (
            ("SQLite", f"sqlite+aiosqlite:///{Path(folder) / 'bench.db'}"),
            ("PostgreSQL", await asyncio.to_thread(server.url)),
        )


async def figures(contacts: int = CONTACTS) -> list[Figure]:
    found: list[Figure] = []
    async with stores() as databases:
        for name, url in databases:
            await migrate(url)
            async with open_store(url) as store:
                times = await measure(store, contacts)
            found.append(Figure(f"{name}: queue of {contacts:,} filled in", round(times.fill_s, 1), "s"))
            for what, values in (("next due", times.due), ("lease", times.lease), ("settle", times.settle)):
                found += spread(f"{name}: {what}", values, "ms")
    return found
