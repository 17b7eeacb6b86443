"""Somebody calls a number: its line, its stop lists and the row of the call, in one step."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.errors import Conflict, InputError
from engine.records import Accept, Decide, InboundCall, InboundLine, Reject
from engine.rules.window import window
from engine.store import Ask, CallFilter, Person
from engine.store.lines import Lines
from tests.contracts.world import MOSCOW, NOW, NUMBERS, World, answered

ANNA, STRANGER = "+79000000001", "+79000000002"
BARRED = Reject(21, "stop list")


def welcoming(line: InboundLine | None, barred: bool) -> Accept | Reject:
    if line is None:
        return Reject(17, "no line")
    return BARRED if barred else Accept(line.scenario_id)


async def receive(
    world: World, phone: str, number: str = NUMBERS[0], uid: str = "dz-1", decide: Decide = welcoming
) -> InboundCall | Reject:
    return await world.store.lines.receive(number, uid=uid, phone=phone, at=NOW, decide=decide)


async def accepted(world: World, phone: str, **more: Any) -> InboundCall:
    call = await receive(world, phone, **more)
    assert isinstance(call, InboundCall)
    return call


async def rings_at(lines: Lines, number: str) -> InboundLine | None:
    asked: list[InboundLine | None] = []

    def look(line: InboundLine | None, barred: bool) -> Accept | Reject:
        asked.append(line)
        return BARRED

    assert await lines.receive(number, uid="dz-0", phone="", at=NOW, decide=look) == BARRED
    (found,) = asked
    return found


async def reception(world: World, **settings: Any) -> int:
    """An active line at the first number."""
    await world.store.numbers.rent(NUMBERS, user=world.anna, now=NOW)
    wanted = {"name": "Reception", "scenario_id": world.scenario, "numbers": [NUMBERS[0]]} | settings
    row = await world.store.lines.add(world.project, wanted, now=NOW, user=world.anna)
    await world.store.lines.activate(row.id, user=world.anna)
    return row.id


async def rows(world: World) -> int:
    return len((await world.store.calls.page(Ask(), CallFilter(), user=None)).items)


async def test_a_number_rings_at_one_active_line(world: World) -> None:
    lines, anna = world.store.lines, world.anna
    await world.store.numbers.rent(NUMBERS, user=anna, now=NOW)
    settings: dict[str, Any] = {"name": "Reception", "scenario_id": world.scenario, "numbers": [NUMBERS[0]]}
    first = await lines.add(world.project, settings, now=NOW, user=anna)
    second = await lines.copy(first.id, name="Second", now=NOW, user=anna)
    assert await rings_at(lines, NUMBERS[0]) is None
    await lines.activate(first.id, user=anna)
    found = await rings_at(lines, NUMBERS[0])
    assert found is not None and (found.id, found.timezone, found.windows) == (first.id, MOSCOW, ())
    with pytest.raises(Conflict):
        await lines.activate(second.id, user=anna)
    await lines.change(second.id, {"numbers": [NUMBERS[1]]}, user=anna)
    await lines.activate(second.id, user=anna)
    with pytest.raises(Conflict):
        await lines.change(second.id, {"numbers": [NUMBERS[0], NUMBERS[1]]}, user=anna)
    await lines.deactivate(first.id, user=anna)
    await lines.change(second.id, {"numbers": [NUMBERS[0]]}, user=anna)
    assert (await rings_at(lines, NUMBERS[1])) is None
    moved = await rings_at(lines, NUMBERS[0])
    assert moved is not None and moved.id == second.id
    await lines.deactivate(second.id, user=anna, archive=True)
    with pytest.raises(Conflict):
        await lines.activate(second.id, user=anna)
    assert [row.id for row in (await lines.page(Ask(), user=anna)).items] == [first.id]


async def test_an_incoming_call_is_written_before_it_is_answered(world: World) -> None:
    store, anna = world.store, world.anna
    known = await world.people(ANNA, name="Анна")
    windows = [{"days": [1, 2], "from": "09:00", "to": "18:00"}]
    line = await reception(world, segment_id=known, schedule={"windows": windows}, record=False)
    call = await accepted(world, ANNA)
    assert call.line == InboundLine(
        line, world.project, world.scenario, None, (window("09:00", "18:00", [1, 2]),), MOSCOW, record=False
    )
    assert (call.scenario_id, call.scenario_version, call.fields) == (world.scenario, 1, {"name": "Анна"})
    (waiting,) = await store.calls.open_calls()
    assert (waiting.call_id, waiting.uid, waiting.status.value) == (call.call_id, "dz-1", "ringing")
    assert await store.calls.end(call.call_id, answered(cost=5))
    row = await store.lines.get(line, user=anna)
    assert (row.calls, row.goals, row.spent) == (1, 1, 5)
    shown = await store.calls.get(call.call_id, user=anna)
    assert (shown.direction, shown.kind, shown.line_id, shown.phone) == ("inbound", "inbound", line, ANNA)
    assert (shown.number, shown.created_at, shown.ringing_at, shown.fields) == (NUMBERS[0], NOW, NOW, {"name": "Анна"})
    assert (shown.attempt, shown.currency, shown.tags, shown.recording) == (1, "RUB", [], "")
    stranger = await accepted(world, STRANGER, uid="dz-2")
    assert stranger.fields == {} and stranger.call_id != call.call_id


async def test_the_same_incoming_call_is_the_same_row(world: World) -> None:
    await reception(world)
    calls = await asyncio.gather(*(accepted(world, ANNA) for _ in range(5)))
    assert len({call.call_id for call in calls}) == 1 and await rows(world) == 1
    many = await asyncio.gather(*(accepted(world, ANNA, uid=f"dz-{n}") for n in range(20)))
    assert len({call.call_id for call in many}) == 20 and await rows(world) == 20


async def test_who_is_on_a_stop_list_now_is_refused_and_leaves_no_row(world: World) -> None:
    store, anna = world.store, world.anna
    known = await world.people(ANNA, STRANGER, name="Анна")
    stops = [await world.people("+79990000000", kind="blacklist") for _ in range(2)]
    line = await reception(world, segment_id=known, blacklist_ids=stops)
    await accepted(world, STRANGER)
    await store.segments.add_contacts(stops[1], [Person(STRANGER)], now=NOW, user=anna)
    assert await receive(world, STRANGER, uid="dz-2") == BARRED
    assert (await accepted(world, ANNA, uid="dz-3")).fields == {"name": "Анна"}
    await store.lines.change(line, {"blacklist_ids": []}, user=anna)
    await accepted(world, STRANGER, uid="dz-4")
    await store.lines.change(line, {"blacklist_ids": stops[1:]}, user=anna)
    assert await receive(world, STRANGER, uid="dz-5") == BARRED
    assert isinstance(await receive(world, "", uid="dz-6"), InboundCall)  # withheld: on no list
    assert await rows(world) == 4


async def test_the_list_of_a_line_that_is_its_segment_too(world: World) -> None:
    people = await world.people(ANNA, name="Анна")
    await reception(world, segment_id=people, blacklist_ids=[people])
    assert await receive(world, ANNA) == BARRED
    assert (await accepted(world, STRANGER)).fields == {}


async def test_a_number_without_a_line_is_refused_and_leaves_no_row(world: World) -> None:
    line = await reception(world)
    assert await receive(world, ANNA, "+74959999999") == Reject(17, "no line")
    assert await receive(world, ANNA, "") == Reject(17, "no line")
    await world.store.lines.deactivate(line, user=world.anna)
    assert await receive(world, ANNA) == Reject(17, "no line")
    assert not await rows(world)


async def test_the_newest_version_of_the_scenario_that_answers(world: World) -> None:
    store, anna = world.store, world.anna
    night = await store.scenarios.add(world.project, name="Night", graph={"n": 0}, now=NOW, user=anna)
    await reception(world, after_hours_scenario_id=night.id)
    for n in range(3):
        await store.scenarios.put(night.id, {"n": n}, now=NOW, user=anna)
    await store.scenarios.put(world.scenario, {"n": 1}, now=NOW, user=anna)
    assert (await accepted(world, ANNA)).scenario_version == 2 == await store.scenarios.newest(world.scenario)
    late = await accepted(world, ANNA, uid="dz-2", decide=lambda line, barred: Accept(night.id, after_hours=True))
    assert (late.scenario_id, late.scenario_version) == (night.id, 4)
    shown = await store.calls.get(late.call_id, user=anna)
    assert shown.scenario_id == night.id


async def test_another_tenants_lists_and_people_are_not_looked_at(world: World) -> None:
    store, boris = world.store, world.boris
    for kind in ("blacklist", "contacts"):
        theirs = await store.segments.add(world.foreign, name=kind, kind=kind, now=NOW, user=boris)
        await store.segments.add_contacts(theirs.id, [Person(ANNA, fields={"name": "Bob"})], now=NOW, user=boris)
    await reception(world)
    call = await accepted(world, ANNA)
    assert call.line.project_id == world.project and call.fields == {}


async def test_a_decision_that_fails_leaves_no_row_and_a_store_that_works(world: World) -> None:
    await reception(world)

    def fails(line: InboundLine | None, barred: bool) -> Accept | Reject:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await receive(world, ANNA, decide=fails)
    with pytest.raises(InputError):
        await receive(world, "\0")
    assert not await rows(world)
    await accepted(world, ANNA)
