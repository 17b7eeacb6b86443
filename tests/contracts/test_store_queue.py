"""Beyond the port: how queues are filled and reopened, what a crash leaves, what is counted, and that nothing scans."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select, text, update

from engine.model import Status
from engine.store import Ask
from engine.store.tables import Call, CallDetail, Campaign, CampaignContact, CampaignTotals, Number, OptOut
from tests.contracts.world import HOUR, LEASE, MINUTE, MOSCOW, NOW, NUMBERS, OMSK, World, answered, unreached


async def rows(world: World, campaign: int) -> dict[str, CampaignContact]:
    async with world.store.db.read() as session:
        found = await session.scalars(select(CampaignContact).where(CampaignContact.campaign_id == campaign))
        return {row.phone: row for row in found}


async def totals(world: World, campaign: int) -> CampaignTotals:
    return (await world.store.campaigns.totals([campaign]))[campaign]


# --- filling


async def test_a_queue_is_everybody_once_but_those_on_stop_lists(world: World) -> None:
    store = world.store
    first = await world.people("+79000000001", "+79000000002", "+79000000003", name="Anna")
    second = await world.people("+79000000003", "+79000000004", "+79000000005")
    stop = await world.people("+79000000002", kind="blacklist")
    async with store.db.write() as session:
        session.add(OptOut(project_id=world.project, phone="+79000000005", call_id=None, created_at=NOW))
        session.add(OptOut(project_id=world.foreign, phone="+79000000001", call_id=None, created_at=NOW))
    campaign = await world.campaign(segment_ids=[first, second], blacklist_ids=[stop])
    await store.campaigns.act(campaign.id, "start", now=NOW, user=world.anna)
    assert await store.filling.pending() == [campaign.id]
    assert [active.filled for active in await store.running.active()] == [False]
    assert await store.filling.fill(campaign.id, now=NOW) == 3
    assert await store.filling.pending() == []
    assert [active.filled for active in await store.running.active()] == [True]
    queue = await rows(world, campaign.id)
    assert set(queue) == {"+79000000001", "+79000000003", "+79000000004"}
    assert queue["+79000000003"].fields == {"name": "Anna"}  # the first segment's
    assert (await totals(world, campaign.id)).contacts == 3
    assert await store.filling.fill(campaign.id, now=NOW) == 0


async def test_each_contact_has_a_zone_and_how_it_is_known(world: World) -> None:
    own = await world.people("+79000000001", zone="Asia/Tokyo", timezone="Asia/Omsk")
    wrong = await world.people("+79000000002", zone="Asia/Chita", timezone="Mars/Base")
    landline = await world.people("+74951234567", zone="Asia/Chita")
    plain = await world.people("+79000000003")
    campaign = await world.started(segment_ids=[own, wrong, landline, plain])
    assert {phone: (row.timezone, row.zone_source) for phone, row in (await rows(world, campaign)).items()} == {
        "+79000000001": ("Asia/Omsk", "field"),
        "+79000000002": ("Asia/Chita", "segment"),
        "+74951234567": ("Europe/Moscow", "phone"),
        "+79000000003": ("Europe/Moscow", "project"),
    }
    zones = set()
    while (due := await world.store.queue.next_due(campaign)) is not None and due.at <= NOW:
        zones.add(due.timezone)
        await world.lease(campaign, due.timezone)
    assert zones == {"Asia/Omsk", "Asia/Chita", "Europe/Moscow"}


async def test_filling_goes_in_steps_and_goes_on_after_a_crash(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("filling", "audience"):
        monkeypatch.setattr(f"engine.store.{module}.STEP", 3)
    phones = [f"+7900000000{n}" for n in range(8)]
    campaign = await world.started(segment_ids=[await world.people(*phones)])
    assert set(await rows(world, campaign)) == set(phones)
    async with world.store.db.write() as session:  # as if it had been cut off: part of the queue, and no mark
        await session.execute(text("DELETE FROM campaign_contacts WHERE phone > '+79000000004'"))
        await session.execute(update(CampaignTotals).values(contacts=5))
        await session.execute(update(Campaign).values(filled_at=None))
    assert await world.store.filling.fill(campaign, now=NOW) == 3
    assert set(await rows(world, campaign)) == set(phones)
    assert (await totals(world, campaign)).contacts == 8


async def test_a_restart_opens_the_unreached_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.filling.STEP", 2)
    store, anna = world.store, world.anna
    phones = [f"+7900000000{n}" for n in range(6)]
    campaign = await world.started(segment_ids=[await world.people(*phones)])
    ends = {
        phones[0]: (answered(), "goal"),
        phones[1]: (unreached(), "attempts"),
        phones[2]: (unreached(Status.INVALID_NUMBER), "invalid_number"),
        phones[3]: (unreached(Status.NO_ANSWER), "attempts"),
        phones[4]: (answered(None), "answered"),
    }
    for _ in ends:
        contact = await world.lease(campaign)
        end, closed = ends[contact.phone]
        await store.queue.settle(contact, end, next_at=None, closed=closed)
    assert (await store.campaigns.progress([campaign]))[campaign].done == 5
    await store.campaigns.act(campaign, "stop", now=NOW, user=anna)
    row = await store.campaigns.act(campaign, "restart", now=NOW + HOUR, user=anna)
    assert (row.state, row.reopens, row.filled_at, row.finished_at) == ("running", True, None, None)
    assert await store.filling.fill(campaign, now=NOW + HOUR) == 2
    still = {phone for phone, row in (await rows(world, campaign)).items() if row.due_at is not None}
    assert still == {phones[1], phones[3], phones[5]}
    progress = (await store.campaigns.progress([campaign]))[campaign]
    assert (progress.total, progress.done, progress.in_flight, progress.waiting) == (6, 3, 0, 3)
    contact = await world.lease(campaign, now=NOW + HOUR)
    assert contact.attempt == 1


# --- crashes


async def test_an_answered_contact_is_never_dialled_again(world: World) -> None:
    """The engine dies in the middle of the talk and nobody tidies up: the lease runs out, the contact is closed."""
    store = world.store
    campaign = await world.queue([("+79000000001", MOSCOW, NOW), ("+79000000002", MOSCOW, NOW + MINUTE)])
    talking = await world.lease(campaign)
    await store.calls.progressed(talking.call_id, Status.RINGING, NOW)
    await store.calls.progressed(talking.call_id, Status.ANSWERED, NOW + MINUTE, number=NUMBERS[0])
    other = await world.lease(campaign, now=NOW + MINUTE)
    assert other.phone == "+79000000002"
    later = NOW + 2 * HOUR
    again = await store.queue.lease(campaign, MOSCOW, now=later, until=later + LEASE)
    assert again is not None and again.phone == "+79000000002"
    row = (await rows(world, campaign))["+79000000001"]
    assert (row.due_at, row.closed, row.closed_at) == (None, "answered", later)
    assert (await totals(world, campaign)).closed == 1
    # Recovery still finds the attempt, with the lease that it had, and writes its end: the list lacks nothing.
    lost = next(call for call in await store.calls.open_calls() if call.call_id == talking.call_id)
    assert (lost.status, lost.answered_at, lost.ringing_at) == (Status.ANSWERED, NOW + MINUTE, NOW)
    assert lost.number == NUMBERS[0] and lost.contact is not None
    assert lost.contact.leased_until == talking.leased_until
    assert not await store.queue.settle(lost.contact, answered(None), next_at=later, closed="")
    assert (await rows(world, campaign))["+79000000001"].due_at is None
    assert (await totals(world, campaign)).answered == 1


async def test_a_call_moves_forward_only(world: World) -> None:
    store = world.store
    contact = await world.lease(await world.queue([("+79000000001", MOSCOW, NOW)]))

    async def now_is() -> str:
        return (await store.calls.get(contact.call_id, user=None)).status

    assert await now_is() == "dialing"
    await store.calls.progressed(contact.call_id, Status.ANSWERED, NOW + MINUTE)
    await store.calls.progressed(contact.call_id, Status.RINGING, NOW + 2 * MINUTE)
    await store.calls.progressed(contact.call_id, Status.ANSWERED, NOW + 3 * MINUTE)
    call = await store.calls.get(contact.call_id, user=None)
    assert (call.status, call.answered_at, call.ringing_at) == ("answered", NOW + MINUTE, None)
    await store.queue.settle(contact, unreached(Status.FAILED), next_at=None, closed="attempts")
    await store.calls.progressed(contact.call_id, Status.RINGING, NOW + 4 * MINUTE)
    assert await now_is() == "failed"


async def test_a_lease_and_its_attempt_stand_or_fall_together(world: World) -> None:
    campaign = await world.queue([("+79000000001", MOSCOW, NOW)])

    def breaks(connection: Connection, clause: Any, *_: Any) -> None:
        if "INSERT INTO calls" in str(clause):
            raise RuntimeError("the engine died here")

    db = world.store.db
    engines = [db.engine.sync_engine, *([db._hand] if db.kind == "sqlite" else [])]
    for engine in engines:
        event.listen(engine, "before_execute", breaks)
    with pytest.raises(RuntimeError):
        await world.lease(campaign)
    for engine in engines:
        event.remove(engine, "before_execute", breaks)
    assert await world.store.calls.open_calls() == []
    contact = await world.lease(campaign)
    assert contact.attempt == 1


async def test_a_cancelled_lease_is_all_or_nothing(world: World) -> None:
    campaign = await world.queue([(f"+7900000000{n}", MOSCOW, NOW) for n in range(9)])
    for delay in range(6):
        task = asyncio.ensure_future(world.lease(campaign))
        for _ in range(delay):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    calls = {call.contact.id for call in await world.store.calls.open_calls() if call.contact is not None}
    leased = {row.id for row in (await rows(world, campaign)).values() if row.leased_until is not None}
    assert calls == leased
    assert (await world.lease(campaign)).id not in leased


# --- counting


async def test_everything_is_counted_once(world: World) -> None:
    store = world.store
    campaign = await world.queue([(f"+7900000000{n}", MOSCOW, NOW) for n in range(3)])
    first, second, third = [await world.lease(campaign) for _ in range(3)]
    for _ in range(2):
        await store.queue.settle(first, answered(cost=73), next_at=None, closed="goal")
        await store.queue.settle(second, answered(None, opted_out=True, tags=("rude",)), next_at=None, closed="opt_out")
        await store.queue.settle(third, unreached(), next_at=NOW + HOUR, closed="")
    counted = await totals(world, campaign)
    assert (counted.calls, counted.answered, counted.busy, counted.goals, counted.opt_outs) == (3, 2, 1, 1, 1)
    assert (counted.spent, counted.billed_s, counted.talk_ms, counted.closed) == (146, 36, 36_000, 2)
    analytics = await store.analytics.project(world.project, user=world.anna)
    assert {name: analytics.totals[name] for name in ("calls", "answered", "goals", "spent")} == {
        "calls": 3,
        "answered": 2,
        "goals": 1,
        "spent": 146,
    }
    assert await store.segments.barred(world.project, second.phone)
    assert not await store.segments.barred(world.project, first.phone)
    assert not await store.segments.barred(world.foreign, second.phone)
    assert await store.running.barred(second)
    assert (await store.segments.opt_outs(world.project, Ask(), user=world.anna)).items[0].phone == second.phone
    call = await store.calls.get(second.call_id, user=None)
    assert (call.tags, call.duration_ms, call.ended_by, call.currency) == (["rude"], 18_000, "robot", "RUB")
    async with store.db.read() as session:
        assert await session.scalar(select(func.count()).select_from(CallDetail)) == 2
        assert await session.scalar(select(Number.calls).where(Number.number == NUMBERS[0])) == 3


async def test_a_call_outside_of_campaigns_is_counted_too(world: World) -> None:
    store = world.store
    await store.numbers.rent([NUMBERS[0], NUMBERS[1]], user=world.anna, now=NOW)
    call = await store.calls.add_single(
        world.project, phone="+79000000001", scenario_id=world.scenario, fields={"a": 1}, now=NOW, user=world.anna
    )
    assert await store.calls.queued() == [call.id]
    assert await store.calls.open_calls() == []
    taken = await store.calls.take(call.id)
    assert taken is not None and await store.calls.take(call.id) is None
    assert [caller.number for caller in taken.callers] == [NUMBERS[0], NUMBERS[1]]
    assert (taken.uid, taken.phone, taken.fields) == (call.uid, "+79000000001", {"a": 1})
    await store.calls.requeue(call.id)
    assert await store.calls.queued() == [call.id]
    assert await store.calls.take(call.id) is not None
    assert [open_call.contact for open_call in await store.calls.open_calls()] == [None]
    assert await store.calls.end(call.id, answered())
    assert not await store.calls.end(call.id, unreached())
    await store.calls.requeue(call.id)
    assert await store.calls.queued() == []
    assert (await store.analytics.project(world.project, user=world.anna)).totals["goals"] == 1


# --- nothing scans


async def plan_of(world: World, statements: list[tuple[str, Any]]) -> str:
    explain = "EXPLAIN QUERY PLAN" if world.store.db.kind == "sqlite" else "EXPLAIN"
    told = []
    async with world.store.db.engine.begin() as connection:
        for statement, parameters in statements:
            found = await connection.exec_driver_sql(f"{explain} {statement}", parameters)
            told += [str(row) for row in found]
    return "\n".join(told)


async def test_leasing_and_looking_ahead_seek_by_the_index(world: World) -> None:
    """On a queue that is large enough for a planner to care."""
    store = world.store
    campaign = await world.queue([("+79000000001", MOSCOW, NOW), ("+79000000002", OMSK, NOW)])
    async with store.db.write() as session:
        numbers = "generate_series(1, 30000)" if store.db.kind == "postgresql" else "n"
        with_n = (
            ""
            if store.db.kind == "postgresql"
            else ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) ")
        )
        await session.execute(
            text(
                "INSERT INTO campaign_contacts (campaign_id, phone, timezone, zone_source, due_at, answered, attempts, "
                f"first_number, status, result, closed, fields) {with_n}"
                "SELECT campaign_id, phone || i, timezone, '', due_at, false, 0, '', '', '', '', fields "
                f"FROM campaign_contacts, {numbers}{' AS n(i)' if store.db.kind == 'postgresql' else ''}"
            )
        )
        if store.db.kind == "postgresql":
            await session.execute(text("ANALYZE campaign_contacts"))
    seen: list[tuple[str, Any]] = []

    def saw(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if "campaign_contacts" in statement:
            seen.append((statement, parameters))

    db = store.db
    engines = [db.engine.sync_engine, *([db._hand, db._eye] if db.kind == "sqlite" else [])]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", saw)
    assert await store.queue.next_due(campaign) is not None
    contact = await world.lease(campaign)
    await store.queue.settle(contact, unreached(), next_at=NOW + HOUR, closed="")
    for engine in engines:
        event.remove(engine, "before_cursor_execute", saw)
    assert len(seen) == 3
    plan = await plan_of(world, seen)
    assert "ix_campaign_contacts_due" in plan
    assert "Seq Scan on campaign_contacts" not in plan and "SCAN campaign_contacts" not in plan and "SCAN c" not in plan
    assert "Sort" not in plan and "TEMP B-TREE" not in plan


async def test_a_closed_zone_is_put_off_without_touching_its_contacts(world: World) -> None:
    campaign = await world.queue([(f"+7900000000{n}", MOSCOW, NOW) for n in range(5)])
    assert await world.store.queue.postpone(campaign, MOSCOW, now=NOW, until=NOW + HOUR) == 5
    assert {row.due_at for row in (await rows(world, campaign)).values()} == {NOW}
    due = await world.store.queue.next_due(campaign)
    assert due is not None and due.at == NOW + HOUR
    # A person changes the windows: the night is over at once.
    await world.store.campaigns.change(campaign, {"schedule": {"windows": []}}, user=world.anna)
    due = await world.store.queue.next_due(campaign)
    assert due is not None and due.at == NOW


async def test_of_zones_equally_due_the_easternmost_is_first(world: World) -> None:
    zones = ["Europe/Kaliningrad", "Asia/Kamchatka", MOSCOW, OMSK]
    campaign = await world.queue([(f"+7900000000{n}", zone, NOW) for n, zone in enumerate(zones)])
    order = []
    while (due := await world.store.queue.next_due(campaign)) is not None and due.at <= NOW:
        order.append(due.timezone)
        await world.lease(campaign, due.timezone)
    assert order == ["Asia/Kamchatka", OMSK, MOSCOW, "Europe/Kaliningrad"]


async def test_ids_of_calls_are_never_given_again(world: World) -> None:
    campaign = await world.queue([("+79000000001", MOSCOW, NOW)])
    seen = set()
    for _ in range(3):
        contact = await world.lease(campaign)
        seen.add(contact.call_id)
        await world.store.queue.release(contact, due_at=NOW)
    assert len(seen) == 3
    async with world.store.db.read() as session:
        assert await session.scalar(select(func.count()).select_from(Call)) == 0
