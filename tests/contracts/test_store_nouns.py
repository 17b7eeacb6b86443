"""What people do with segments, campaigns, numbers, lines and scenarios."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import Conflict, InputError, NotFound
from engine.rules.lifecycle import ACTIONS, STATES
from engine.rules.window import window
from engine.store import Ask, Condition, Person
from engine.store.segments import Segments
from tests.contracts.world import HOUR, MOSCOW, NOW, NUMBERS, World, answered, unreached


async def phones(segments: Segments, segment: int) -> list[str]:
    return [row.phone for batch in [b async for b in segments.export(segment, user=None)] for row in batch]


async def test_contacts_are_normal_unique_and_counted(world: World) -> None:
    segments = world.store.segments
    people = [
        Person("8 (900) 000-00-01", "a@example.com", {"name": "Анна", "age": 30}),
        Person("+79000000001"),
        Person("112"),
        Person("hello"),
        Person("+7 495 123-45-67"),
    ]
    added = await segments.add_contacts(world.segment, people, now=NOW, user=world.anna)
    assert (added.added, added.invalid, added.duplicates) == (2, 2, 1)
    assert [(problem.path, problem.code) for problem in added.problems] == [
        ("/contacts/2/phone", "emergency"),
        ("/contacts/3/phone", "not_a_number"),
    ]
    again = await segments.add_contacts(world.segment, people[:1], now=NOW, user=world.anna)
    assert (again.added, again.duplicates) == (0, 1)
    row = await segments.get(world.segment, user=world.anna)
    assert (row.size, row.invalid, row.duplicates, row.state) == (2, 2, 2, "ready")
    contacts = (await segments.contacts(world.segment, Ask(sort="created_at"), user=world.anna)).items
    assert [(c.phone, c.timezone, c.zone_source) for c in contacts] == [
        ("+79000000001", "", ""),
        ("+74951234567", "Europe/Moscow", "phone"),
    ]
    assert (contacts[0].email, contacts[0].fields) == ("a@example.com", {"name": "Анна", "age": 30})
    assert (await segments.contacts(world.segment, Ask(), user=world.anna, phone="+7495")).items[0].id == contacts[1].id
    assert (await segments.contacts(world.segment, Ask(), user=world.anna, phone="%")).items == []
    await segments.drop_contact(world.segment, contacts[0].id, user=world.anna)
    assert (await segments.get(world.segment, user=world.anna)).size == 1
    with pytest.raises(NotFound):
        await segments.drop_contact(world.segment, contacts[0].id, user=world.anna)


async def test_a_copy_has_the_same_contacts_in_the_same_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.audience.STEP", 2)
    monkeypatch.setattr("engine.store.segments.EXPORTED", 2)
    source = await world.people("+79000000003", "+79000000001", "+79000000002", "+79000000005", "+79000000004")
    copy = await world.store.segments.copy(source, name="copy", now=NOW, user=world.anna)
    assert (copy.name, copy.kind, copy.size, copy.state) == ("copy", "contacts", 5, "ready")
    assert await phones(world.store.segments, copy.id) == await phones(world.store.segments, source)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition("city", "eq", "Омск"), "1"),
        (Condition("city", "ne", "Омск"), "234"),
        (Condition("city", "contains", "ск"), "12"),
        (Condition("city", "contains", "%"), ""),
        (Condition("city", "set"), "12"),
        (Condition("city", "unset"), "34"),
        (Condition("age", "eq", 30), "12"),
        (Condition("age", "eq", "30"), "2"),
        (Condition("vip", "eq", True), "3"),
        (Condition("phone", "contains", "0004"), "4"),
        (Condition("email", "set"), "4"),
        (Condition("нет такого", "unset"), "1234"),
    ],
)
async def test_a_filter_is_a_new_segment(world: World, condition: Condition, expected: str) -> None:
    people = [
        Person("+79000000001", fields={"city": "Омск", "age": 30}),
        Person("+79000000002", fields={"city": "Томск", "age": "30"}),
        Person("+79000000003", fields={"vip": True}),
        Person("+79000000004", "a@example.com", {"city": ""}),
    ]
    segments = world.store.segments
    await segments.add_contacts(world.segment, people, now=NOW, user=world.anna)
    new = await segments.filter(world.segment, name="f", conditions=[condition], now=NOW, user=world.anna)
    assert "".join(phone[-1] for phone in await phones(segments, new.id)) == expected
    assert new.size == len(expected)


@pytest.mark.parametrize("field", ['a"b', "a\\b", "", "x" * 65])
async def test_a_field_that_cannot_be_is_refused(world: World, field: str) -> None:
    with pytest.raises(InputError):
        await world.store.segments.filter(
            world.segment, name="f", conditions=[Condition(field, "set")], now=NOW, user=world.anna
        )


async def test_a_segment_of_what_came_of_a_campaign(world: World) -> None:
    store = world.store
    campaign = await world.queue([(f"+7900000000{n}", MOSCOW, NOW) for n in range(3)])
    first, second, third = [await world.lease(campaign) for _ in range(3)]
    await store.queue.settle(first, answered(), next_at=None, closed="goal")
    await store.queue.settle(second, unreached(), next_at=None, closed="attempts")
    await store.queue.settle(third, unreached(), next_at=NOW + HOUR, closed="")
    for outcome, expected in {
        "all": {first.phone, second.phone, third.phone},
        "goal": {first.phone},
        "answered": {first.phone},
        "busy": {second.phone, third.phone},
        "unreached": {second.phone},
        "waiting": {third.phone},
        "done": {first.phone, second.phone},
    }.items():
        new = await store.segments.from_campaign(campaign, name="f", outcome=outcome, now=NOW, user=world.anna)
        assert set(await phones(store.segments, new.id)) == expected, outcome
        listed = await store.campaigns.contacts(campaign, Ask(), user=world.anna, outcome=outcome)
        assert {row.phone for row in listed.items} == expected, outcome
    with pytest.raises(InputError):
        await store.segments.from_campaign(campaign, name="f", outcome="nonsense", now=NOW, user=world.anna)


# --- campaigns


async def into(world: World, state: str) -> int:
    """A campaign in this state."""
    row = await world.campaign()
    ways: dict[str, list[str]] = {"draft": [], "running": ["start"], "paused": ["start", "pause"]}
    for action in ways.get(state, ["start"]):
        await world.store.campaigns.act(row.id, action, now=NOW, user=world.anna)
    if state in ("stopped", "finished", "scheduled"):
        changed = await world.store.running.change_state(row.id, was="running", becomes=state, reason="", at=NOW)
        assert changed
    return row.id


@pytest.mark.parametrize("state", STATES)
async def test_actions_lead_where_the_lifecycle_says_and_nowhere_else(world: World, state: str) -> None:
    campaigns = world.store.campaigns
    for action, ways in ACTIONS.items():
        campaign = await into(world, state)
        if state in ways:
            assert (await campaigns.act(campaign, action, now=NOW, user=world.anna)).state == ways[state]
        else:
            with pytest.raises(Conflict):
                await campaigns.act(campaign, action, now=NOW, user=world.anna)
            assert (await campaigns.get(campaign, user=world.anna)).state == state


async def test_two_who_start_at_once_start_it_once(world: World) -> None:
    campaign = (await world.campaign()).id
    done = await asyncio.gather(
        *(world.store.campaigns.act(campaign, "start", now=NOW, user=world.anna) for _ in range(4)),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in done) == ["Campaign", "Conflict", "Conflict", "Conflict"]


async def test_a_start_that_lies_ahead_is_scheduled(world: World) -> None:
    store = world.store
    row = await world.campaign(start_at=NOW + HOUR)
    assert (await store.campaigns.act(row.id, "start", now=NOW, user=world.anna)).state == "scheduled"
    (active,) = await store.running.active()
    assert (active.state, active.campaign.start_at) == ("scheduled", NOW + HOUR)
    assert await store.running.change_state(row.id, was="scheduled", becomes="running", reason="", at=NOW + HOUR)
    assert not await store.running.change_state(row.id, was="scheduled", becomes="running", reason="", at=NOW)
    row = await store.campaigns.get(row.id, user=world.anna)
    assert (row.state, row.started_at) == ("running", NOW + HOUR)
    assert await store.running.change_state(row.id, was="running", becomes="paused", reason="goal_limit", at=NOW)
    assert (await store.campaigns.get(row.id, user=world.anna)).pause_reason == "goal_limit"
    assert await store.running.active() == []


async def test_a_running_campaign_cannot_be_changed_nor_archived(world: World) -> None:
    campaigns = world.store.campaigns
    campaign = await into(world, "running")
    with pytest.raises(Conflict):
        await campaigns.change(campaign, {"name": "x"}, user=world.anna)
    with pytest.raises(Conflict):
        await campaigns.archive(campaign, True, user=world.anna)
    await campaigns.act(campaign, "pause", now=NOW, user=world.anna)
    assert (await campaigns.change(campaign, {"name": "x", "max_goals": 5}, user=world.anna)).max_goals == 5
    await campaigns.act(campaign, "stop", now=NOW, user=world.anna)
    assert (await campaigns.archive(campaign, True, user=world.anna)).archived
    assert (await campaigns.page(Ask(), user=world.anna)).items == []
    with pytest.raises(Conflict):
        await campaigns.act(campaign, "restart", now=NOW, user=world.anna)


async def test_segments_added_to_a_paused_campaign_are_taken_in(world: World) -> None:
    store = world.store
    campaign = await world.started(segment_ids=[await world.people("+79000000001")])
    await store.campaigns.act(campaign, "pause", now=NOW, user=world.anna)
    more = [await world.people("+79000000001"), await world.people("+79000000002")]
    await store.campaigns.change(campaign, {"segment_ids": more}, user=world.anna)
    await store.campaigns.act(campaign, "resume", now=NOW, user=world.anna)
    assert await store.filling.pending() == [campaign]
    assert await store.filling.fill(campaign, now=NOW) == 1


async def test_the_engine_sees_a_campaign_as_the_api_shows_it(world: World) -> None:
    store = world.store
    await store.numbers.rent(NUMBERS[:2], user=world.anna, now=NOW)
    campaign = await world.started(
        numbers=list(NUMBERS[:2]),
        retry={"attempts": 9, "interval_s": 600, "on": ["busy"]},
        speed_per_hour=3600,
        max_spend=100,
        schedule={"windows": [{"days": [1], "from": "10:00", "to": "20:00"}], "local_to": "project"},
        variants=[{"scenario_id": world.scenario, "share": 0.5}],
    )
    (active,) = await store.running.active()
    seen = active.campaign
    assert (seen.id, seen.project_id, seen.timezone, seen.subscriber_clock) == (
        campaign,
        world.project,
        MOSCOW,
        False,
    )
    assert (seen.retry.attempts, seen.retry.interval_s, seen.retry.on) == (3, 600.0, frozenset({"busy"}))
    assert seen.windows == (window("10:00", "20:00", [1]),)
    assert [(caller.number, caller.trunk) for caller in seen.callers] == [(n, "main") for n in NUMBERS[:2]]
    assert (seen.max_spend, seen.variants) == (100, ((world.scenario, 0.5),))
    await store.numbers.release([NUMBERS[0]], user=world.anna)
    (active,) = await store.running.active()
    assert [caller.number for caller in active.campaign.callers] == [NUMBERS[1]]


async def test_a_campaign_that_cannot_be_read_holds_up_no_other(world: World, caplog: pytest.LogCaptureFixture) -> None:
    bad = await world.started(schedule={"windows": [{"from": "99:00", "to": "nonsense"}]})
    good = await world.started()
    assert [active.campaign.id for active in await world.store.running.active()] == [good]
    assert [getattr(record, "campaign", None) for record in caplog.records] == [bad]


async def test_a_copy_is_a_draft_with_nothing_done(world: World) -> None:
    store = world.store
    row = await world.campaign(start_at=NOW - HOUR, max_goals=3)
    campaign = await store.campaigns.act(row.id, "start", now=NOW, user=world.anna)
    assert campaign.state == "running"
    copy = await store.campaigns.copy(campaign.id, name="again", now=NOW, user=world.anna)
    assert (copy.state, copy.name, copy.max_goals, copy.start_at, copy.started_at) == ("draft", "again", 3, None, None)
    assert (await store.campaigns.progress([copy.id]))[copy.id].share == 0.0


# --- numbers, lines, scenarios


async def test_two_who_want_a_number_do_not_both_get_it(world: World) -> None:
    numbers = world.store.numbers
    wants = [numbers.rent(NUMBERS[:2], user=u, now=NOW) for u in (world.anna, world.boris) * 3]
    done = await asyncio.gather(*wants, return_exceptions=True)
    winners = {row.user_id for each in done if isinstance(each, list) for row in each}
    assert len(winners) == 1
    assert sum(isinstance(each, Conflict) for each in done) == 3
    (winner,) = winners
    other = world.boris if winner == world.anna else world.anna
    with pytest.raises(Conflict):  # all or none
        await numbers.rent([NUMBERS[2], NUMBERS[0]], user=other, now=NOW)
    assert (await numbers.get(NUMBERS[2], user=other)).user_id is None
    with pytest.raises(NotFound):
        await numbers.rent(["+74959999999"], user=other, now=NOW)
    with pytest.raises(NotFound):
        await numbers.release([NUMBERS[2]], user=winner)
    await numbers.release(NUMBERS[:2], user=winner)
    assert [row.user_id for row in await numbers.rent(NUMBERS[:2], user=other, now=NOW)] == [other, other]


async def test_the_inventory_is_refreshed_and_rents_stay(world: World) -> None:
    numbers = world.store.numbers
    await numbers.rent([NUMBERS[0]], user=world.anna, now=NOW, project_id=world.project)
    new: list[dict[str, Any]] = [{"number": NUMBERS[0], "trunk": "other"}, {"number": "+74950000009", "trunk": "main"}]
    assert await numbers.sync(new, now=NOW) == 1
    row = await numbers.get(NUMBERS[0], user=world.anna)
    assert (row.trunk, row.operator, row.user_id) == ("other", "MTT", world.anna)
    assert [n.number for n in await numbers.for_project(world.project)] == [NUMBERS[0]]
    second = await world.store.projects.add(world.anna, "Second", now=NOW)
    assert await numbers.for_project(second.id) == []


async def test_a_version_of_a_scenario_never_changes(world: World) -> None:
    scenarios, anna = world.store.scenarios, world.anna
    await asyncio.gather(*(scenarios.put(world.scenario, {"n": n}, now=NOW, user=anna) for n in range(5)))
    row = await scenarios.put(world.scenario, {"z": 1, "a": 2}, now=NOW + timedelta(days=1), user=anna, name="New")
    assert (row.version, row.name) == (7, "New")
    assert (await scenarios.version(world.scenario, 1, user=anna)).graph == {"start": "a"}
    newest = await scenarios.version(world.scenario, user=anna)
    assert list(newest.graph) == ["z", "a"]  # in the order given
    versions = await scenarios.versions(world.scenario, Ask(limit=4), user=anna)
    assert [v.version for v in versions.items] == [7, 6, 5, 4] and versions.next is not None
    with pytest.raises(NotFound):
        await scenarios.version(world.scenario, 8, user=anna)
