"""A broken database is a state: it is told as StoreDown, and the store comes back by itself with the database."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from engine.errors import ConfigError, InputError, StoreDown
from engine.store import Ask, CallFilter, Person, Store, migrate, open_store
from engine.store.database import Database
from tests.contracts.world import MOSCOW, NOW, World, answered, made
from tests.postgres import Postgres, server

TRIES = 20  # of a query after the database has come back; the first one should do


@pytest.fixture
async def own(tmp_path: Path) -> AsyncGenerator[tuple[Postgres, World]]:
    """A server of this test's own, to be killed."""
    with server() as postgres:
        url = postgres.url()
        await migrate(url)
        async with open_store(url) as store:
            yield postgres, await made(store)


async def test_postgresql_killed_and_back_in_the_middle_of_a_campaign(own: tuple[Postgres, World]) -> None:
    postgres, world = own
    store = world.store
    campaign = await world.queue([(f"+7900000000{n}", MOSCOW, NOW) for n in range(9)])
    live = [await world.lease(campaign) for _ in range(3)]
    await asyncio.gather(*(store.ping() for _ in range(8)))  # many connections in the pool, all to be broken
    postgres.kill()
    for work in (
        store.ping(),
        store.queue.next_due(campaign),
        store.queue.lease(campaign, MOSCOW, now=NOW, until=NOW),
        store.queue.settle(live[0], answered(), next_at=None, closed="goal"),
        store.calls.page(Ask(), CallFilter(), user=world.anna),
        store.campaigns.act(campaign, "start", now=NOW, user=world.anna),
    ):
        with pytest.raises(StoreDown):
            await work
    postgres.start()
    assert await store.queue.settle(live[0], answered(), next_at=None, closed="goal")
    await asyncio.gather(*(store.ping() for _ in range(8)))
    # Nothing that was leased is lost, and none of it is leased again.
    assert {call.call_id for call in await store.calls.open_calls()} == {contact.call_id for contact in live[1:]}
    assert (await world.lease(campaign)).id not in {contact.id for contact in live}


async def test_postgresql_killed_within_a_transaction(own: tuple[Postgres, World]) -> None:
    postgres, world = own
    with pytest.raises(StoreDown):
        async with world.store.db.write() as session:
            await session.execute(text("UPDATE projects SET name = 'half'"))
            postgres.kill()
            await session.execute(text("UPDATE projects SET description = 'half'"))
    postgres.start()
    assert (await world.store.projects.get(world.project, user=world.anna)).name == "Clinic"


async def test_postgresql_that_ends_its_connections_is_come_back_to(own: tuple[Postgres, World]) -> None:
    """An administrator's restart: every connection in the pool is dead, and no query sees it."""
    postgres, world = own
    await asyncio.gather(*(world.store.ping() for _ in range(5)))
    postgres.stop()
    postgres.start()
    await asyncio.gather(*(world.store.ping() for _ in range(5)))


async def test_nobody_there_at_all() -> None:
    async with open_store("postgresql+asyncpg://dozvon@127.0.0.1:1/none") as store:
        with pytest.raises(StoreDown):
            await store.ping()
    with pytest.raises(StoreDown):
        await migrate("postgresql+asyncpg://dozvon@127.0.0.1:1/none")


@pytest.mark.parametrize("url", ["sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:", "mysql+aiomysql://x/y"])
def test_an_address_that_cannot_work_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        Database(url)


@pytest.fixture
async def file(tmp_path: Path) -> AsyncGenerator[tuple[Path, Store]]:
    path = tmp_path / "store.db"
    await migrate(f"sqlite+aiosqlite:///{path}")
    async with open_store(f"sqlite+aiosqlite:///{path}") as store:
        yield path, store


async def test_sqlite_written_by_another_process_is_waited_for(file: tuple[Path, Store]) -> None:
    path, store = file
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = [
        asyncio.ensure_future(store.users.add("anna@example.com", "hash", now=NOW)),
        asyncio.ensure_future(store.calls.end(1, answered())),
    ]
    await store.ping()  # readers are not held up
    assert not any(task.done() for task in waiting)
    other.execute("COMMIT")
    other.close()
    await asyncio.gather(*waiting)


async def test_sqlite_locked_for_too_long_is_a_state(file: tuple[Path, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    path, store = file
    async with store.db.write() as session:
        await session.execute(text("PRAGMA busy_timeout = 1"))
    await store.calls.end(1, answered())
    await store.db.transact(lambda connection: connection.execute(text("PRAGMA busy_timeout = 1")).close())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreDown):
        await store.users.add("anna@example.com", "hash", now=NOW)
    with pytest.raises(StoreDown):
        await store.calls.end(1, answered())
    other.execute("ROLLBACK")
    other.close()
    await store.users.add("anna@example.com", "hash", now=NOW)
    assert not await store.calls.end(1, answered())


async def test_a_full_disk_is_a_state(file: tuple[Path, Store]) -> None:
    _, store = file
    world = await made(store)
    async with store.db.write() as session:
        await session.execute(text("PRAGMA max_page_count = 1"))  # SQLite takes its present size: not a page more
    people = [Person(f"+7900{n:07d}", fields={"note": "x" * 500}) for n in range(2000)]
    with pytest.raises(StoreDown, match="full"):
        await store.segments.add_contacts(world.segment, people, now=NOW, user=world.anna)
    assert (await store.segments.get(world.segment, user=world.anna)).size == 0
    async with store.db.write() as session:
        await session.execute(text("PRAGMA max_page_count = 100000"))
    added = await store.segments.add_contacts(world.segment, people, now=NOW, user=world.anna)
    assert added.added == 2000


async def test_many_writers_at_once_wait_their_turn(world: World) -> None:
    """`database is locked` never shows, whichever door they take."""
    store = world.store
    campaign = await world.queue([(f"+7900{n:07d}", MOSCOW, NOW) for n in range(40)])

    async def call() -> None:
        contact = await world.lease(campaign)
        await store.projects.change(world.project, {"description": contact.uid}, user=world.anna)
        await store.queue.settle(contact, answered(), next_at=None, closed="goal")

    await asyncio.gather(*(call() for _ in range(40)))
    assert (await store.campaigns.totals([campaign]))[campaign].goals == 40


async def test_sqlite_writes_on_while_the_event_loop_is_held_up(file: tuple[Path, Store]) -> None:
    """A loop that hundreds of calls keep busy hears of a transaction late: the next ones do not wait for that."""
    _, store = file
    done: list[int] = []
    all_done = threading.Event()

    def note(connection: Connection, n: int) -> None:
        connection.execute(text("DELETE FROM users"))
        done.append(n)
        if n == 19:
            all_done.set()

    writing = [asyncio.ensure_future(store.db.transact(note, n)) for n in range(20)]
    await asyncio.sleep(0)
    assert all_done.wait(30)  # while the loop stands still
    assert done == list(range(20))
    await asyncio.gather(*writing)


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\x00"])
async def test_text_that_cannot_be_stored_is_the_callers_fault(world: World, text: str) -> None:
    store, anna = world.store, world.anna
    with pytest.raises(InputError):
        await store.projects.add(anna, text, now=NOW)
    with pytest.raises(InputError):
        await store.segments.contacts(world.segment, Ask(), user=anna, phone=text)
    with pytest.raises(InputError):
        await store.scenarios.put(world.scenario, {"say": text}, now=NOW, user=anna)
    with pytest.raises(InputError):
        await store.segments.add_contacts(
            world.segment, [Person("+79000000001", fields={"name": text})], now=NOW, user=anna
        )


async def test_numbers_that_cannot_be_stored_are_the_callers_fault(world: World) -> None:
    for fields in ({"x": float("inf")}, {"x": float("nan")}):
        with pytest.raises(InputError):
            await world.store.scenarios.put(world.scenario, fields, now=NOW, user=world.anna)
    with pytest.raises(InputError):
        await world.campaign(max_spend=2**63)


async def test_a_moment_without_a_zone_is_a_programming_error(world: World) -> None:
    with pytest.raises(Exception, match="without a time zone"):
        await world.store.projects.add(world.anna, "x", now=NOW.replace(tzinfo=None))
