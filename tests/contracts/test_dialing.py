"""The dialling on the real store, SQLite and PostgreSQL, on the real clock: both sides mean the same by
their words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from engine.attempt import Desk, Job
from engine.campaigns import Campaigns
from engine.clock import SystemClock
from engine.config import CallPassword
from engine.journal import LiveJournal
from engine.model import Result, Status, TalkLog
from engine.ports import Line
from engine.store import Ask, CallFilter, Person, Store
from engine.store.tables import Call
from engine.stubborn import Stubborn
from engine.trunks import Limit, Trunks
from tests.engine.rig import FakeScript, TalkFn, said
from tests.fakes import FakeVoiceChannel, Fate

NUMBERS = ["+74950000001", "+74950000002"]
CLOCK = SystemClock()
QUICK = Fate(ring_s=0.02, answer_s=0.03)


async def talk(line: Line, job: Job) -> TalkLog:
    await asyncio.sleep(0.05)
    return said(Result.GOAL, tags=("hot",))


@asynccontextmanager
async def engine(store: Store, voice: FakeVoiceChannel, fn: TalkFn = talk) -> AsyncGenerator[tuple[Campaigns, Desk]]:
    @asynccontextmanager
    async def prepare(job: Job) -> AsyncGenerator[FakeScript]:
        yield FakeScript(job, fn)

    trunks = Trunks({"main": Limit(50, 100.0)})
    desk = Desk(voice, prepare, store.calls, trunks, LiveJournal(), CLOCK, Stubborn())
    campaigns = Campaigns(desk, store.queue, store.running, store.passwords, ring_s=0.1)
    task = asyncio.ensure_future(campaigns.run())
    try:
        await wait_for(lambda: campaigns.recovered)
        yield campaigns, desk
        await campaigns.drain(5)
        await task
    finally:
        task.cancel()


async def wait_for(what: Callable[[], object | Awaitable[object]]) -> None:
    """Until it is so; an awaited one is asked again and again."""
    async with asyncio.timeout(30):
        while True:
            found = what()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.01)


async def prepared(store: Store, contacts: int, **settings: object) -> tuple[int, int, int]:
    """(user, project, campaign), started and filled."""
    now = CLOCK.now()
    user = (await store.users.add("a@example.org", "-", now=now)).id
    project = (await store.projects.add(user, "P", now=now)).id
    await store.numbers.sync([{"number": n, "trunk": "main"} for n in NUMBERS], now=now)
    await store.numbers.rent(NUMBERS, user=user, now=now)
    scenario = (await store.scenarios.add(project, name="S", graph={}, now=now, user=user)).id
    segment = (await store.segments.add(project, name="C", kind="contacts", now=now, user=user)).id
    people = [Person(f"+7900{n:07d}") for n in range(contacts)]
    await store.segments.add_contacts(segment, people, now=now, user=user)
    usual = {"name": "N", "scenario_id": scenario, "segment_ids": [segment], "numbers": NUMBERS}
    campaign = (await store.campaigns.add(project, usual | settings, now=now, user=user)).id
    await store.campaigns.act(campaign, "start", now=now, user=user)
    assert await store.filling.fill(campaign, now=now) == contacts
    return user, project, campaign


async def finished(store: Store, campaign: int) -> bool:
    return (await store.campaigns.get(campaign, user=None)).state == "finished"


async def calls(store: Store, campaign: int) -> list[Call]:
    return list((await store.calls.page(Ask(limit=500), CallFilter(campaign_id=campaign), user=None)).items)


async def test_a_campaign_from_start_to_finish(store: Store) -> None:
    user, _, campaign = await prepared(store, 20, max_concurrent=8)
    refuses = Fate(Status.REJECTED, 21, ring_s=0.02, answer_s=0.01)
    voice = FakeVoiceChannel(usual=QUICK, fates={"+79000000004": [refuses]})
    async with engine(store, voice) as (campaigns, _):
        await wait_for(lambda: len(voice.dialled) == 20)
        await wait_for(lambda: finished(store, campaign))
        assert campaigns.why(campaign) is None
    rows = await calls(store, campaign)
    assert len(rows) == 20 == len({row.uid for row in rows})
    assert {row.status for row in rows} == {"answered", "rejected"}
    assert {(row.result, tuple(row.tags)) for row in rows if row.status == "answered"} == {("goal", ("hot",))}
    assert {row.number for row in rows} == set(NUMBERS)
    progress = (await store.campaigns.progress([campaign]))[campaign]
    assert (progress.total, progress.done, progress.in_flight) == (20, 20, 0)
    assert (await store.campaigns.totals([campaign]))[campaign].goals == 19


async def test_after_a_crash_the_answered_are_closed_and_the_ringing_due_again(store: Store) -> None:
    """The first engine is abandoned in the middle of calls, as if killed; a second one finds its rows."""
    _, _, campaign = await prepared(store, 6, retry={"attempts": 1, "interval_s": 60, "on": []})
    now = CLOCK.now()
    due = await store.queue.next_due(campaign)
    assert due is not None
    later = now.replace(year=now.year + 1)
    leased = [await store.queue.lease(campaign, due.timezone, now=CLOCK.now(), until=later) for _ in range(4)]
    answered, ringing, dialing, unnoticed = [contact for contact in leased if contact is not None]
    await store.calls.progressed(answered.call_id, Status.ANSWERED, CLOCK.now(), number=NUMBERS[0])
    await store.calls.progressed(ringing.call_id, Status.RINGING, CLOCK.now())
    voice = FakeVoiceChannel(usual=QUICK)
    voice.living = {answered.uid, ringing.uid}
    voice.answered = {answered.uid, unnoticed.uid}  # the latter when the engine was dead already

    async with engine(store, voice):
        await wait_for(lambda: len(voice.dialled) == 2)
    rows = {row.id: row for row in await calls(store, campaign)}
    assert not voice.living
    assert (rows[answered.call_id].status, rows[ringing.call_id].status) == ("answered", "failed")
    assert rows[dialing.call_id].status == "failed" and rows[dialing.call_id].reason
    assert rows[unnoticed.call_id].status == "answered" and rows[unnoticed.call_id].answered_at is not None
    assert not {order.phone for _, order in voice.dialled} & {c.phone for c in (answered, ringing, dialing, unnoticed)}
    progress = (await store.campaigns.progress([campaign]))[campaign]
    assert (progress.total, progress.done, progress.in_flight) == (6, 4, 0), "two are due again in a minute"


async def test_one_call_and_a_call_password(store: Store) -> None:
    user, project, _ = await prepared(store, 0)
    now = CLOCK.now()
    scenario = (await store.scenarios.add(project, name="S2", graph={}, now=now, user=user)).id
    voice = FakeVoiceChannel(usual=QUICK)
    async with engine(store, voice) as (campaigns, _):
        call = await store.calls.add_single(
            project_id=project, phone="+79017654321", scenario_id=scenario, now=now, user=user
        )
        await campaigns.call_now(call.id)
        secret = await store.passwords.add(
            "+79017654322", user=user, token_id=None, limits=CallPassword(), now=CLOCK.now()
        )
        await campaigns.call_password(secret.id)

        async def over() -> bool:
            rung = (await store.passwords.get(secret.id, user=user, now=CLOCK.now())).state != "calling"
            return rung and (await store.calls.get(call.id, user=user)).ended_at is not None

        await wait_for(over)
    assert (await store.calls.get(call.id, user=user)).result == "goal"
    assert (await store.passwords.get(secret.id, user=user, now=CLOCK.now())).state == "delivered"
    assert [order.number[-4:] for _, order in voice.rung] == [secret.code]


async def test_a_number_on_a_stop_list_is_written_and_not_dialled(store: Store) -> None:
    user, project, campaign = await prepared(store, 2)
    now = CLOCK.now()
    black = (await store.segments.add(project, name="B", kind="blacklist", now=now, user=user)).id
    await store.segments.add_contacts(black, [Person("+79000000001")], now=now, user=user)
    await store.campaigns.act(campaign, "pause", now=now, user=user)
    await store.campaigns.change(campaign, {"blacklist_ids": [black]}, user=user)
    await store.campaigns.act(campaign, "resume", now=now, user=user)
    voice = FakeVoiceChannel(usual=QUICK)
    async with engine(store, voice):
        await wait_for(lambda: finished(store, campaign))
    assert [order.phone for _, order in voice.dialled] == ["+79000000000"]
    assert sorted(row.status for row in await calls(store, campaign)) == ["answered", "blocked"]
