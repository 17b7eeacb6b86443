"""What is another's is absent: every query that names a user, asked by somebody who is no member."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.config import CallPassword as Limits
from engine.errors import Conflict, InputError, NotFound
from engine.store import Ask, CallFilter, Condition, Person
from tests.contracts.world import NOW, NUMBERS, World, answered

Query = Callable[[World, dict[str, int], int], Awaitable[Any]]

QUERIES: dict[str, Query] = {
    "project": lambda w, i, u: w.store.projects.get(w.project, user=u),
    "change project": lambda w, i, u: w.store.projects.change(w.project, {"name": "x"}, user=u),
    "members": lambda w, i, u: w.store.projects.members(w.project, user=u),
    "put member": lambda w, i, u: w.store.projects.put_member(w.project, "boris@example.com", "admin", user=u),
    "drop member": lambda w, i, u: w.store.projects.drop_member(w.project, w.boris, user=u),
    "role": lambda w, i, u: w.store.projects.role(w.project, user=u),
    "fields": lambda w, i, u: w.store.projects.fields(w.project, Ask(), user=u),
    "add tag": lambda w, i, u: w.store.projects.add_tag(w.project, name="x", color="", now=NOW, user=u),
    "integrations": lambda w, i, u: w.store.projects.integrations(w.project, user=u),
    "segment": lambda w, i, u: w.store.segments.get(w.segment, user=u),
    "segments": lambda w, i, u: w.store.segments.page(w.project, Ask(), user=u),
    "add segment": lambda w, i, u: w.store.segments.add(w.project, name="x", kind="contacts", now=NOW, user=u),
    "change segment": lambda w, i, u: w.store.segments.change(w.segment, {"name": "x"}, user=u),
    "contacts": lambda w, i, u: w.store.segments.contacts(w.segment, Ask(), user=u),
    "add contacts": lambda w, i, u: w.store.segments.add_contacts(w.segment, [Person("+7")], now=NOW, user=u),
    "drop contact": lambda w, i, u: w.store.segments.drop_contact(w.segment, 1, user=u),
    "copy segment": lambda w, i, u: w.store.segments.copy(w.segment, name="x", now=NOW, user=u),
    "filter": lambda w, i, u: w.store.segments.filter(
        w.segment, name="x", conditions=[Condition("phone", "set")], now=NOW, user=u
    ),
    "segment of campaign": lambda w, i, u: w.store.segments.from_campaign(
        i["campaign"], name="x", outcome="all", now=NOW, user=u
    ),
    "opt-outs": lambda w, i, u: w.store.segments.opt_outs(w.project, Ask(), user=u),
    "material": lambda w, i, u: w.store.materials.get(i["material"], user=u),
    "materials": lambda w, i, u: w.store.materials.page(w.project, Ask(), user=u),
    "scenario": lambda w, i, u: w.store.scenarios.get(w.scenario, user=u),
    "put scenario": lambda w, i, u: w.store.scenarios.put(w.scenario, {}, now=NOW, user=u),
    "version": lambda w, i, u: w.store.scenarios.version(w.scenario, 1, user=u),
    "versions": lambda w, i, u: w.store.scenarios.versions(w.scenario, Ask(), user=u),
    "campaign": lambda w, i, u: w.store.campaigns.get(i["campaign"], user=u),
    "campaigns": lambda w, i, u: w.store.campaigns.page(Ask(), project_id=w.project, user=u),
    "change campaign": lambda w, i, u: w.store.campaigns.change(i["campaign"], {"name": "x"}, user=u),
    "start campaign": lambda w, i, u: w.store.campaigns.act(i["campaign"], "start", now=NOW, user=u),
    "copy campaign": lambda w, i, u: w.store.campaigns.copy(i["campaign"], name="x", now=NOW, user=u),
    "archive campaign": lambda w, i, u: w.store.campaigns.archive(i["campaign"], True, user=u),
    "campaign contacts": lambda w, i, u: w.store.campaigns.contacts(i["campaign"], Ask(), user=u),
    "call": lambda w, i, u: w.store.calls.get(i["call"], user=u),
    "call detail": lambda w, i, u: w.store.calls.detail(i["call"], user=u),
    "password call": lambda w, i, u: w.store.calls.get(i["password_call"], user=u),
    "line": lambda w, i, u: w.store.lines.get(i["line"], user=u),
    "lines": lambda w, i, u: w.store.lines.page(Ask(), project_id=w.project, user=u),
    "activate line": lambda w, i, u: w.store.lines.activate(i["line"], user=u),
    "password": lambda w, i, u: w.store.passwords.get(i["password"], user=u, now=NOW),
    "verify": lambda w, i, u: w.store.passwords.verify(i["password"], "0000", user=u, now=NOW),
    "job": lambda w, i, u: w.store.jobs.get(i["job"], user=u),
    "rented number": lambda w, i, u: w.store.numbers.get(NUMBERS[0], user=u),
    "release number": lambda w, i, u: w.store.numbers.release([NUMBERS[0]], user=u),
    "analytics": lambda w, i, u: w.store.analytics.project(w.project, user=u),
    "campaign analytics": lambda w, i, u: w.store.analytics.campaign(i["campaign"], user=u),
    "token": lambda w, i, u: w.store.users.drop_token(i["token"], user=u),
}


async def things(world: World) -> dict[str, int]:
    """Ids of one of everything, Anna's."""
    store, anna = world.store, world.anna
    await store.numbers.rent([NUMBERS[0]], user=anna, now=NOW)
    campaign = await world.campaign()
    material = await store.materials.add(world.project, name="m", kind="tts", text="да", now=NOW, user=anna)
    line = await store.lines.add(
        world.project, {"name": "l", "scenario_id": world.scenario, "numbers": [NUMBERS[0]]}, now=NOW, user=anna
    )
    call = await store.calls.add_single(
        world.project, phone="+79000000001", scenario_id=world.scenario, now=NOW, user=anna
    )
    password = await store.passwords.add("+79000000001", user=anna, token_id=None, limits=Limits(), now=NOW)
    job = await store.jobs.add("import", {}, now=NOW, user=anna, project_id=world.project)
    token = await store.users.add_token(anna, "digest", scopes=["read"], now=NOW)
    return {
        "campaign": campaign.id,
        "material": material.id,
        "line": line.id,
        "call": call.id,
        "password": password.id,
        "password_call": password.call_id or 0,
        "job": job.id,
        "token": token.id,
    }


async def test_a_stranger_finds_nothing(world: World) -> None:
    ids = await things(world)
    for name, query in QUERIES.items():
        with pytest.raises(NotFound):
            await query(world, ids, world.boris)
            pytest.fail(f"{name} answered a stranger")


async def test_the_owner_finds_it(world: World) -> None:
    ids = await things(world)
    for name in ("project", "segment", "scenario", "campaign", "call", "password call", "line", "job", "rented number"):
        await QUERIES[name](world, ids, world.anna)


async def test_lists_of_everything_show_only_ones_own(world: World) -> None:
    store = world.store
    ids = await things(world)
    campaign = await store.campaigns.page(Ask(), user=world.boris)
    assert campaign.items == []
    assert [row.id for row in (await store.campaigns.page(Ask(), user=world.anna)).items] == [ids["campaign"]]
    mine = await store.calls.page(Ask(), CallFilter(), user=world.anna)
    assert {row.id for row in mine.items} == {ids["call"], ids["password_call"]}
    for where in (CallFilter(), CallFilter(project_id=world.project), CallFilter(campaign_id=ids["campaign"])):
        assert (await store.calls.page(Ask(), where, user=world.boris)).items == []
    assert len((await store.calls.page(Ask(), CallFilter(), user=None)).items) == 2
    free = await store.numbers.page(Ask(), user=world.boris)
    assert [row.number for row in free.items] == list(NUMBERS[1:])
    rented = await store.numbers.page(Ask(), user=world.anna, state="rented")
    assert [row.number for row in rented.items] == [NUMBERS[0]]


async def test_a_member_sees_the_project_and_leaves_it_again(world: World) -> None:
    projects = world.store.projects
    await projects.put_member(world.project, "Boris@Example.com", "analyst", user=world.anna)
    assert await projects.role(world.project, user=world.boris) == "analyst"
    await projects.put_member(world.project, "boris@example.com", "manager", user=world.anna)
    assert await projects.roles(user=world.boris) == {world.project: "manager", world.foreign: "owner"}
    assert (await projects.get(world.project, user=world.boris)).name == "Clinic"
    await projects.drop_member(world.project, world.boris, user=world.anna)
    with pytest.raises(NotFound):
        await projects.get(world.project, user=world.boris)
    with pytest.raises(Conflict):
        await projects.put_member(world.project, "anna@example.com", "analyst", user=world.anna)
    with pytest.raises(Conflict):
        await projects.drop_member(world.project, world.anna, user=world.anna)
    with pytest.raises(NotFound):
        await projects.put_member(world.project, "nobody@example.com", "analyst", user=world.anna)


async def test_what_is_anothers_cannot_be_named(world: World) -> None:
    """Everything that the settings of a campaign, a line or a call name must be the project's own."""
    store, boris = world.store, world.boris
    await store.numbers.rent([NUMBERS[2]], user=world.anna, now=NOW)
    settings: dict[str, Any] = {
        "name": "theft",
        "scenario_id": world.scenario,
        "segment_ids": [world.segment],
        "blacklist_ids": [world.segment],
        "numbers": [NUMBERS[2]],
        "variants": [{"scenario_id": world.scenario, "share": 0.5}],
    }
    with pytest.raises(InputError) as refused:
        await store.campaigns.add(world.foreign, settings, now=NOW, user=boris)
    assert {problem.path for problem in refused.value.problems} >= {
        "/segment_ids/0",
        "/blacklist_ids/0",
        "/numbers/0",
    }
    assert any("scenario_id" in problem.path for problem in refused.value.problems)
    line = {"name": "l", "scenario_id": world.scenario, "numbers": [NUMBERS[2]], "segment_id": world.segment}
    with pytest.raises(InputError) as refused:
        await store.lines.add(world.foreign, line, now=NOW, user=boris)
    assert {problem.path for problem in refused.value.problems} == {"/scenario_id", "/numbers/0", "/segment_id"}
    with pytest.raises(InputError):
        await store.calls.add_single(
            world.foreign, phone="+79000000001", scenario_id=world.scenario, now=NOW, user=boris
        )


async def test_strange_ids_are_absent_not_errors(world: World) -> None:
    for ident in (0, -1, 2**63 - 1, 2**63, 10**30):
        with pytest.raises(NotFound):
            await world.store.campaigns.get(ident, user=world.anna)
        with pytest.raises(NotFound):
            await world.store.calls.get(ident, user=None)


async def test_ended_calls_of_a_member_are_theirs_to_see(world: World) -> None:
    campaign = await world.queue([("+79000000001", "Europe/Moscow", NOW)])
    contact = await world.lease(campaign)
    await world.store.queue.settle(contact, answered(), next_at=None, closed="goal")
    with pytest.raises(NotFound):
        await world.store.calls.detail(contact.call_id, user=world.boris)
    call, detail = await world.store.calls.detail(contact.call_id, user=world.anna)
    assert (call.result, detail.steps[1]["heard"]) == ("goal", "да")
