"""Lists that stay stable, calls by every filter, and analytics that agree with the calls themselves."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from engine.errors import InputError
from engine.model import Result, Status
from engine.store import Ask, CallFilter
from engine.store.paging import cut
from engine.store.tables import Call, Number, Project
from tests.contracts.world import HOUR, MINUTE, MOSCOW, NOW, NUMBERS, OMSK, World, answered, unreached


async def test_pages_are_stable_while_rows_are_added(world: World) -> None:
    projects, anna = world.store.projects, world.anna
    for n in range(6):
        await projects.add(anna, f"p{n}", now=NOW + MINUTE * (n // 3))  # several at the same moment
    seen: list[str] = []
    cursor = ""
    while True:
        page = await projects.page(Ask(limit=2, cursor=cursor), user=anna)
        seen += [row.name for row in page.items]
        await projects.add(anna, f"new{len(seen)}", now=NOW + HOUR)
        if page.next is None:
            break
        cursor = page.next
    assert seen == ["p5", "p4", "p3", "p2", "p1", "p0", "Clinic"]
    by_name = [row.name for row in (await projects.page(Ask(sort="name", limit=3), user=anna)).items]
    assert by_name == sorted(by_name)


@pytest.mark.parametrize(
    "ask", [Ask(limit=0), Ask(limit=501), Ask(limit=-1), Ask(sort="password_hash"), Ask(sort="--")]
)
async def test_a_list_that_cannot_be_is_refused(world: World, ask: Ask) -> None:
    with pytest.raises(InputError):
        await world.store.projects.page(ask, user=world.anna)


async def test_a_cursor_of_another_list_or_order_is_refused(world: World) -> None:
    await world.store.projects.add(world.anna, "x", now=NOW)
    page = await world.store.projects.page(Ask(limit=1), user=world.anna)
    assert page.next is not None
    with pytest.raises(InputError):
        await world.store.projects.page(Ask(cursor=page.next, sort="name"), user=world.anna)
    with pytest.raises(InputError):
        await world.store.numbers.page(Ask(cursor=page.next), user=world.anna)


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


SORTS = {"created_at": Project.created_at, "name": Project.name}


@given(st.text() | st.binary().map(lambda b: base64.urlsafe_b64encode(b).decode()))
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    if cursor:
        with pytest.raises(InputError):
            cut(Ask(cursor=cursor), SORTS, Project.id, "-created_at")


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), st.lists, max_leaves=4))
def test_a_cursor_of_other_types_is_refused(value: Any) -> None:
    for cursor in (encoded(["-created_at", value, 1]), encoded(["-created_at", 1, value]), encoded(value)):
        with pytest.raises(InputError):
            cut(Ask(cursor=cursor), SORTS, Project.id, "-created_at")
    with pytest.raises(InputError):
        cut(Ask(cursor=encoded(["number", 1])), {"number": Number.number}, Number.number, "number")


@pytest.mark.parametrize("value", [2**63, -(2**70), 10**30])
def test_a_cursor_beyond_all_numbers_is_refused(value: int) -> None:
    for values in ([value, 1], [1, value]):
        with pytest.raises(InputError):
            cut(Ask(cursor=encoded(["-created_at", *values])), SORTS, Project.id, "-created_at")


# --- calls


async def dialled(world: World, count: int) -> list[int]:
    """Calls of two campaigns, of all outcomes, over two days; the ids in the order of creation."""
    random, ids = Random(7), []
    campaigns = [
        await world.queue([(f"+7900{c}{n:06d}", random.choice([MOSCOW, OMSK]), NOW) for n in range(count)])
        for c in range(2)
    ]
    for n in range(count):
        now = NOW + n * 53 * MINUTE
        campaign = campaigns[n % 2]
        due = await world.store.queue.next_due(campaign)
        assert due is not None
        contact = await world.lease(campaign, due.timezone, now)
        ids.append(contact.call_id)
        end = random.choice(
            [
                answered(Result.GOAL, now, cost=random.randrange(100)),
                answered(None, now, seconds=random.randrange(90)),
                answered(Result.ANSWERING_MACHINE, now),
                unreached(Status.BUSY, now),
                unreached(Status.NO_ANSWER, now, NUMBERS[1]),
                unreached(Status.BLOCKED, now, ""),
            ]
        )
        await world.store.queue.settle(contact, end, next_at=None, closed="done")
    return ids


async def everything(world: World, where: CallFilter, *, user: int | None, limit: int = 3) -> list[Call]:
    found: list[Call] = []
    cursor = ""
    while True:
        page = await world.store.calls.page(Ask(limit=limit, cursor=cursor), where, user=user)
        found += page.items
        if page.next is None:
            return found
        cursor = page.next


async def test_calls_are_found_by_each_filter(world: World) -> None:
    ids = await dialled(world, 14)
    anna = world.anna
    calls = await everything(world, CallFilter(), user=anna)
    assert [call.id for call in calls] == ids[::-1]
    assert [call.id for call in await everything(world, CallFilter(), user=None, limit=500)] == ids[::-1]
    first = calls[-1]
    wanted: list[tuple[CallFilter, Any]] = [
        (CallFilter(project_id=world.project), lambda c: True),
        (CallFilter(campaign_id=first.campaign_id), lambda c: c.campaign_id == first.campaign_id),
        (CallFilter(contact_id=first.contact_id), lambda c: c.contact_id == first.contact_id),
        (CallFilter(status="busy"), lambda c: c.status == "busy"),
        (CallFilter(result="goal"), lambda c: c.result == "goal"),
        (CallFilter(direction="inbound"), lambda c: False),
        (CallFilter(kind="campaign"), lambda c: True),
        (CallFilter(phone=first.phone), lambda c: c.phone == first.phone),
        (CallFilter(phone="8" + first.phone[2:]), lambda c: c.phone == first.phone),
        (CallFilter(phone="00000"), lambda c: "00000" in c.phone),
        (CallFilter(since=NOW + 3 * HOUR), lambda c: c.created_at >= NOW + 3 * HOUR),
        (CallFilter(until=NOW + 3 * HOUR), lambda c: c.created_at < NOW + 3 * HOUR),
        (CallFilter(live=True), lambda c: False),
        (CallFilter(project_id=world.foreign), lambda c: False),
    ]
    for where, holds in wanted:
        expected = [call.id for call in calls if holds(call)]
        assert [call.id for call in await everything(world, where, user=anna)] == expected, where


async def test_a_list_over_many_projects_is_one_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    store, anna = world.store, world.anna
    expected = []
    for n in range(5):
        project = await store.projects.add(anna, f"p{n}", now=NOW)
        scenario = await store.scenarios.add(project.id, name="s", graph={}, now=NOW, user=anna)
        for m in range(3):
            call = await store.calls.add_single(
                project.id,
                phone="+79000000001",
                scenario_id=scenario.id,
                now=NOW + MINUTE * ((n * 7 + m * 5) % 11),
                user=anna,
            )
            expected.append((call.created_at, call.id))
    expected.sort(reverse=True)
    for few in (40, 2):  # by the union of the projects' own indexes, and by one statement over all
        monkeypatch.setattr("engine.store.calls.FEW_PROJECTS", few)
        calls = await everything(world, CallFilter(), user=anna, limit=4)
        assert [(call.created_at, call.id) for call in calls] == expected


# --- analytics


async def test_rollups_agree_with_the_calls(world: World) -> None:
    await dialled(world, 60)
    analytics, anna = world.store.analytics, world.anna
    async with world.store.db.read() as session:
        calls = list((await session.scalars(select(Call))).all())
    real = [call for call in calls if call.status != "blocked"]
    found = await analytics.project(world.project, user=anna, group_by="hour")
    sums = found.totals
    talked = [call for call in calls if call.answered_at is not None]
    assert sums["calls"] == len(real)
    assert sums["answered"] == len(talked)
    assert sums["goals"] == sum(call.result == "goal" for call in calls)
    assert sums["answering_machines"] == sum(call.result == "answering_machine" for call in calls)
    for status in ("busy", "no_answer", "blocked", "failed"):
        assert sums[status] == sum(call.status == status for call in calls)
    assert sums["spent"] == sum(call.cost for call in calls)
    assert sums["talk_ms"] == sum(call.duration_ms for call in calls)
    assert sums.asr == len(talked) / len(real)
    assert sums.acd_s == pytest.approx(sum(call.duration_ms for call in talked) / 1000 / len(talked))
    assert sums.cost_per_goal == round(sums["spent"] / sums["goals"])
    assert [stage for stage, _ in found.funnel] == ["calls", "answered", "talked", "target", "goals"]
    assert all(a >= b for (_, a), (_, b) in zip(found.funnel, found.funnel[1:], strict=False))
    keys: dict[str, Callable[[Call], Any]] = {
        "day": lambda c: (c.created_at + timedelta(hours=3)).date().isoformat(),  # Moscow
        "campaign": lambda c: c.campaign_id,
        "number": lambda c: c.number,
    }
    for group, key in keys.items():
        series = (await analytics.project(world.project, user=anna, group_by=group)).series
        expected: dict[Any, int] = {}
        for call in calls:
            expected[key(call)] = expected.get(key(call), 0) + (call.status != "blocked")
        assert {each: counted["calls"] for each, counted in series} == expected, group
    part = await analytics.project(world.project, user=anna, since=NOW + 2 * HOUR, until=NOW + 9 * HOUR)
    assert part.totals["calls"] == sum(NOW + 2 * HOUR <= call.created_at < NOW + 9 * HOUR for call in real)
    campaigns = {call.campaign_id for call in calls}
    each = [(await analytics.campaign(c, user=anna)).totals["calls"] for c in campaigns if c is not None]
    assert sum(each) == len(real)
    with pytest.raises(InputError):
        await analytics.project(world.project, user=anna, group_by="phone")
