"""The guarantees of `Contacts`, held by the store on both databases and by the fake that the dialler is tested with.

To add an implementation: a function from people to a `Bench`, and its name in `BENCHES`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from engine.model import Status
from engine.ports import Contacts
from engine.records import CallStore
from engine.store import migrate, open_store
from tests.contracts.world import HOUR, LEASE, MINUTE, MOSCOW, NOW, NUMBERS, OMSK, answered, made, unreached
from tests.memory_store import MemoryStore

People = Sequence[tuple[str, str, datetime]]  # phone, zone, due


@dataclass
class Bench:
    """What a test works with: the port, the calls it writes, and a way to make a campaign with its queue."""

    contacts: Contacts
    calls: CallStore
    campaign: Callable[[People], Awaitable[int]]

    async def earliest(self, campaign: int) -> tuple[datetime, str] | None:
        due = await self.contacts.next_due(campaign)
        return None if due is None else (due.at, due.timezone)


@asynccontextmanager
async def memory(_: pytest.FixtureRequest) -> AsyncGenerator[Bench]:
    store, campaigns = MemoryStore(), iter(range(1, 1000))

    async def campaign(people: People) -> int:
        ident = next(campaigns)
        for phone, timezone, due in people:
            store.add_contact(len(store.contacts) + 1, ident, phone, timezone, due, {"of": phone})
        return ident

    yield Bench(store, store, campaign)


def database(kind: str) -> Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Bench]]:
    @asynccontextmanager
    async def bench(request: pytest.FixtureRequest) -> AsyncGenerator[Bench]:
        if kind == "sqlite":
            folder: Path = request.getfixturevalue("tmp_path")
            url = f"sqlite+aiosqlite:///{folder}/store.db"
        else:
            url = request.getfixturevalue("postgres").url()
        await migrate(url)
        async with open_store(url) as store:
            world = await made(store)
            yield Bench(store.queue, store.calls, world.queue)

    return bench


BENCHES: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Bench]]] = {
    "memory": memory,
    "sqlite": database("sqlite"),
    "postgresql": database("postgresql"),
}


@pytest.fixture(params=BENCHES)
async def bench(request: pytest.FixtureRequest) -> AsyncGenerator[Bench]:
    async with BENCHES[request.param](request) as made_bench:
        yield made_bench


async def test_an_empty_queue_has_nobody_due(bench: Bench) -> None:
    campaign = await bench.campaign([])
    assert await bench.contacts.next_due(campaign) is None
    assert await bench.contacts.lease(campaign, MOSCOW, now=NOW, until=NOW + LEASE) is None
    assert await bench.contacts.postpone(campaign, MOSCOW, now=NOW, until=NOW + HOUR) == 0


async def test_the_earliest_of_all_zones_is_told_and_of_no_other_campaign(bench: Bench) -> None:
    campaign = await bench.campaign([("+79000000001", MOSCOW, NOW), ("+79000000002", OMSK, NOW - MINUTE)])
    other = await bench.campaign([("+79000000001", MOSCOW, NOW - HOUR)])
    assert await bench.earliest(campaign) == (NOW - MINUTE, OMSK)
    assert await bench.earliest(other) == (NOW - HOUR, MOSCOW)


async def test_a_lease_takes_the_earliest_of_its_zone_and_moves_it_ahead(bench: Bench) -> None:
    campaign = await bench.campaign(
        [("+79000000001", MOSCOW, NOW), ("+79000000002", MOSCOW, NOW - MINUTE), ("+79000000003", OMSK, NOW - HOUR)]
    )
    contact = await bench.contacts.lease(campaign, MOSCOW, now=NOW, until=NOW + LEASE)
    assert contact is not None
    assert (contact.phone, contact.timezone, contact.campaign_id) == ("+79000000002", MOSCOW, campaign)
    assert (contact.attempt, contact.leased_until, contact.first_number) == (1, NOW + LEASE, "")
    assert contact.fields == {"of": "+79000000002"}
    second = await bench.contacts.lease(campaign, MOSCOW, now=NOW, until=NOW + LEASE)
    assert second is not None and second.phone == "+79000000001"
    assert await bench.contacts.lease(campaign, MOSCOW, now=NOW, until=NOW + LEASE) is None
    third = await bench.contacts.lease(campaign, OMSK, now=NOW, until=NOW + LEASE)
    assert third is not None
    assert await bench.earliest(campaign) in ((NOW + LEASE, MOSCOW), (NOW + LEASE, OMSK))


async def test_nobody_is_leased_before_their_time(bench: Bench) -> None:
    campaign = await bench.campaign([("+79000000001", MOSCOW, NOW + MINUTE)])
    assert await bench.contacts.lease(campaign, MOSCOW, now=NOW, until=NOW + LEASE) is None
    assert await bench.contacts.lease(campaign, MOSCOW, now=NOW + MINUTE, until=NOW + LEASE) is not None


async def test_the_attempt_is_written_with_the_lease(bench: Bench) -> None:
    campaign = await bench.campaign([("+79000000001", MOSCOW, NOW)])
    contact = await bench.contacts.lease(campaign, MOSCOW, now=NOW, until=NOW + LEASE)
    assert contact is not None
    (call,) = await bench.calls.open_calls()
    assert (call.call_id, call.uid, call.status) == (contact.call_id, contact.uid, Status.DIALING)
    assert call.contact == contact
    assert re.fullmatch("dz-[0-9a-f]{32}", contact.uid)


async def test_leases_at_once_never_give_one_contact_twice(bench: Bench) -> None:
    campaign = await bench.campaign([(f"+7900000{n:04d}", MOSCOW, NOW) for n in range(12)])
    leases = [bench.contacts.lease(campaign, MOSCOW, now=NOW, until=NOW + LEASE) for _ in range(20)]
    taken = [contact for contact in await asyncio.gather(*leases) if contact is not None]
    assert len({contact.id for contact in taken}) == len(taken) == 12
    assert len({contact.uid for contact in taken}) == len({contact.call_id for contact in taken}) == 12


async def test_settled_with_a_time_it_is_due_then(bench: Bench) -> None:
    campaign = await bench.campaign([("+79000000001", MOSCOW, NOW)])
    contact = await bench.contacts.lease(campaign, MOSCOW, now=NOW, until=NOW + LEASE)
    assert contact is not None
    assert await bench.contacts.settle(contact, unreached(), next_at=NOW + HOUR, closed="")
    assert await bench.earliest(campaign) == (NOW + HOUR, MOSCOW)
    assert await bench.calls.open_calls() == []
    assert await bench.contacts.lease(campaign, MOSCOW, now=NOW + LEASE, until=NOW + HOUR) is None
    again = await bench.contacts.lease(campaign, MOSCOW, now=NOW + HOUR, until=NOW + 2 * HOUR)
    assert again is not None
    assert (again.id, again.attempt, again.first_number) == (contact.id, 2, NUMBERS[0])
    assert again.uid != contact.uid and again.call_id != contact.call_id


async def test_settled_without_a_time_it_is_closed(bench: Bench) -> None:
    campaign = await bench.campaign([("+79000000001", MOSCOW, NOW)])
    contact = await bench.contacts.lease(campaign, MOSCOW, now=NOW, until=NOW + LEASE)
    assert contact is not None
    assert await bench.contacts.settle(contact, answered(), next_at=None, closed="goal")
    assert await bench.contacts.next_due(campaign) is None
    assert await bench.contacts.lease(campaign, MOSCOW, now=NOW + 9 * HOUR, until=NOW + 10 * HOUR) is None


async def test_the_first_number_is_that_of_the_first_attempt(bench: Bench) -> None:
    campaign = await bench.campaign([("+79000000001", MOSCOW, NOW)])
    now = NOW
    for number in (NUMBERS[1], NUMBERS[2]):
        contact = await bench.contacts.lease(campaign, MOSCOW, now=now, until=now + LEASE)
        assert contact is not None
        now += HOUR
        await bench.contacts.settle(contact, unreached(number=number), next_at=now, closed="")
    contact = await bench.contacts.lease(campaign, MOSCOW, now=now, until=now + LEASE)
    assert contact is not None and contact.first_number == NUMBERS[1]


async def test_settling_twice_changes_nothing(bench: Bench) -> None:
    campaign = await bench.campaign([("+79000000001", MOSCOW, NOW)])
    contact = await bench.contacts.lease(campaign, MOSCOW, now=NOW, until=NOW + LEASE)
    assert contact is not None
    assert await bench.contacts.settle(contact, unreached(), next_at=NOW + HOUR, closed="")
    assert not await bench.contacts.settle(contact, answered(), next_at=None, closed="goal")
    assert await bench.earliest(campaign) == (NOW + HOUR, MOSCOW)


async def test_a_lease_that_ran_out_comes_back_and_its_old_holder_cannot_settle(bench: Bench) -> None:
    campaign = await bench.campaign([("+79000000001", MOSCOW, NOW)])
    lost = await bench.contacts.lease(campaign, MOSCOW, now=NOW, until=NOW + LEASE)
    assert lost is not None
    assert await bench.contacts.lease(campaign, MOSCOW, now=NOW + LEASE - MINUTE, until=NOW + HOUR) is None
    new = await bench.contacts.lease(campaign, MOSCOW, now=NOW + LEASE, until=NOW + HOUR)
    assert new is not None and (new.id, new.attempt) == (lost.id, 2)
    assert not await bench.contacts.settle(lost, unreached(), next_at=None, closed="attempts")
    assert await bench.earliest(campaign) == (NOW + HOUR, MOSCOW)
    # Its attempt has been written all the same: what was dialled is never absent.
    assert [call.call_id for call in await bench.calls.open_calls()] == [new.call_id]
    assert await bench.contacts.settle(new, unreached(), next_at=None, closed="attempts")
    assert await bench.contacts.next_due(campaign) is None


async def test_released_it_was_never_tried(bench: Bench) -> None:
    campaign = await bench.campaign([("+79000000001", MOSCOW, NOW)])
    contact = await bench.contacts.lease(campaign, MOSCOW, now=NOW, until=NOW + LEASE)
    assert contact is not None
    await bench.contacts.release(contact, due_at=NOW + MINUTE)
    assert await bench.calls.open_calls() == []
    assert await bench.earliest(campaign) == (NOW + MINUTE, MOSCOW)
    await bench.contacts.release(contact, due_at=NOW + HOUR)  # done again after a lost answer: nothing more happens
    assert await bench.earliest(campaign) == (NOW + MINUTE, MOSCOW)
    again = await bench.contacts.lease(campaign, MOSCOW, now=NOW + MINUTE, until=NOW + HOUR)
    assert again is not None and again.attempt == 1
    assert again.call_id != contact.call_id  # an id is never given to another call


async def test_a_zone_is_postponed_and_no_other(bench: Bench) -> None:
    people = [(f"+7900000000{n}", MOSCOW, NOW - MINUTE * n) for n in range(3)]
    campaign = await bench.campaign([*people, ("+79000000009", OMSK, NOW)])
    assert await bench.contacts.postpone(campaign, MOSCOW, now=NOW, until=NOW + HOUR) == 3
    assert await bench.contacts.postpone(campaign, MOSCOW, now=NOW, until=NOW + HOUR) == 0
    assert await bench.earliest(campaign) == (NOW, OMSK)
    assert await bench.contacts.lease(campaign, MOSCOW, now=NOW + MINUTE, until=NOW + HOUR) is None
    assert await bench.contacts.lease(campaign, OMSK, now=NOW, until=NOW + 2 * HOUR) is not None
    assert await bench.earliest(campaign) == (NOW + HOUR, MOSCOW)
    for _ in people:
        assert await bench.contacts.lease(campaign, MOSCOW, now=NOW + HOUR, until=NOW + 2 * HOUR) is not None


async def test_those_on_the_line_are_not_postponed(bench: Bench) -> None:
    campaign = await bench.campaign([("+79000000001", MOSCOW, NOW), ("+79000000002", MOSCOW, NOW)])
    live = await bench.contacts.lease(campaign, MOSCOW, now=NOW, until=NOW + LEASE)
    assert live is not None
    assert await bench.contacts.postpone(campaign, MOSCOW, now=NOW, until=NOW + HOUR) == 1
    assert await bench.contacts.settle(live, unreached(), next_at=NOW + 2 * HOUR, closed="")
    assert await bench.earliest(campaign) == (NOW + HOUR, MOSCOW)


async def test_a_zone_without_any_moment_is_closed(bench: Bench) -> None:
    campaign = await bench.campaign(
        [("+79000000001", MOSCOW, NOW), ("+79000000002", MOSCOW, NOW), ("+79000000003", MOSCOW, NOW + HOUR)]
    )
    assert await bench.contacts.postpone(campaign, MOSCOW, now=NOW, until=None) == 2
    assert await bench.earliest(campaign) == (NOW + HOUR, MOSCOW)
    assert await bench.contacts.postpone(campaign, MOSCOW, now=NOW + HOUR, until=None) == 1
    assert await bench.contacts.next_due(campaign) is None
