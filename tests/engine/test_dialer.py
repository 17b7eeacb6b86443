from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from engine.attempt import Job
from engine.model import Result, Status, TalkLog
from engine.ports import Line
from engine.rules.billing import Tariff, Tariffs
from engine.rules.campaign import Caller
from engine.rules.outcome import Totals
from engine.rules.pacing import Pace
from engine.rules.plan import Blocked, Finished
from engine.rules.retry import Retry
from engine.rules.window import window
from engine.trunks import Limit, Trunks
from tests.engine.rig import FIRST, SECOND, Rig, campaign, said
from tests.fakes import FakeVoiceChannel, Fate
from tests.virtual_time import virtually

ZONES = ["Europe/Moscow", "Asia/Vladivostok", "Asia/Yekaterinburg"]
BUSY, NO_ANSWER = Fate(Status.BUSY, 17), Fate(Status.NO_ANSWER, 19)


def test_a_campaign_over_three_time_zones_and_days() -> None:
    start = datetime(2026, 3, 6, 13, 30, tzinfo=UTC)  # Friday, 16:30 in Moscow
    fates = {f"+7900{n:07d}": [BUSY, NO_ANSWER, Fate()] for n in range(0, 600, 10)}
    rig = Rig(start=start, voice=FakeVoiceChannel(fates=fates))
    for n in range(600):
        rig.store.add_contact(n, 1, f"+7900{n:07d}", ZONES[n % 3], start)
    what = campaign(
        windows=(window("09:00", "21:00", range(1, 6)),), pace=Pace(0.1), retry=Retry(attempts=3, interval_s=3600)
    )

    assert isinstance(virtually(lambda: rig.dialer(what).run()), Finished)

    assert rig.voice.peak <= 4
    assert min(b - a for a, b in pairwise(rig.starts())) >= 9.999
    for at, order in rig.voice.dialled:
        local = (start + timedelta(seconds=at)).astimezone(ZoneInfo(ZONES[int(order.phone[5:]) % 3]))
        assert 9 <= local.hour < 21 and local.isoweekday() <= 5, local
    tries = Counter(order.phone for _, order in rig.voice.dialled)
    assert tries == Counter({f"+7900{n:07d}": 3 if n % 10 == 0 else 1 for n in range(600)})
    assert {row.closed for row in rig.store.contacts.values()} == {"answered"}
    assert len(rig.store.calls) == len(rig.voice.dialled) == len(rig.store.ends())
    assert len({order.id for _, order in rig.voice.dialled}) == len(rig.voice.dialled)


def test_starts_stand_on_an_even_grid_while_the_store_is_slow() -> None:
    rig = Rig(trunks=Trunks({"main": Limit(1000, 10.0)}))
    rig.contacts(600)
    lease = rig.store.lease

    async def slow_lease(campaign: int, timezone: str, *, now: datetime, until: datetime) -> object:
        await asyncio.sleep(0.03 + 0.06 * (len(rig.store.calls) % 2))  # as uneven as a disk
        return await lease(campaign, timezone, now=now, until=until)

    rig.store.lease = slow_lease  # type: ignore[method-assign, assignment]
    virtually(lambda: rig.dialer(campaign(pace=Pace(0), max_concurrent=0, retry=Retry(0))).run())
    starts = rig.starts()
    late = sorted(abs(at - (starts[0] + n * 0.1)) for n, at in enumerate(starts))
    assert len(starts) == 600
    assert late[int(0.95 * 600)] <= 0.02


def test_no_burst_after_a_pause() -> None:
    rig = Rig(voice=FakeVoiceChannel(usual=Fate(answer_s=1)))
    rig.contacts(60)

    async def main() -> None:
        dialer = rig.dialer(campaign(pace=Pace(2), max_concurrent=0))
        task = asyncio.ensure_future(dialer.run())
        await asyncio.sleep(10)
        rig.voice.down = True
        await asyncio.sleep(300)
        assert dialer.why.code == "telephony_down"
        rig.voice.down = False
        await task

    virtually(main)
    assert min(b - a for a, b in pairwise(rig.starts())) >= 0.449
    assert len(rig.voice.dialled) == 60 == len(rig.store.ends())


def test_repeats_come_from_the_first_number_and_the_carousel_from_another() -> None:
    rig = Rig(voice=FakeVoiceChannel(usual=NO_ANSWER))
    rig.contacts(6)
    what = campaign(callers=(FIRST, SECOND), retry=Retry(attempts=2, interval_s=600, carousel=True))
    virtually(lambda: rig.dialer(what).run())
    for n in range(6):
        first, *repeats, extra = [o.number for _, o in rig.voice.dialled if o.phone == f"+7900{n:07d}"]
        assert repeats == [first, first]
        assert extra != first
    assert {row.first_number for row in rig.store.contacts.values()} == {FIRST.number, SECOND.number}


def test_without_another_number_there_is_no_carousel() -> None:
    rig = Rig(voice=FakeVoiceChannel(usual=NO_ANSWER))
    rig.contacts(2)
    virtually(lambda: rig.dialer(campaign(retry=Retry(attempts=1, carousel=True))).run())
    assert len(rig.voice.dialled) == 4


def test_variants_are_shared_out_and_stay_with_their_contact() -> None:
    rig = Rig(voice=FakeVoiceChannel(usual=NO_ANSWER))
    rig.contacts(300)
    what = campaign(variants=((8, 0.3),), max_concurrent=0, pace=Pace(0), retry=Retry(attempts=1))
    virtually(lambda: rig.dialer(what).run())
    chosen: dict[int | None, set[int]] = {}
    for job in rig.jobs:
        chosen.setdefault(job.contact_id, set()).add(job.scenario_id)
        assert job.scenario_id == (8 if job.variant else 7)
    assert all(len(scenarios) == 1 for scenarios in chosen.values())
    assert 60 <= sum(scenarios == {8} for scenarios in chosen.values()) <= 120


def test_goal_limit_stops_the_campaign() -> None:
    rig = Rig(talk=lambda line, job: _goal())
    rig.contacts(50)
    answer = virtually(lambda: rig.dialer(campaign(max_goals=5, max_concurrent=3)).run())
    assert isinstance(answer, Blocked) and answer.why.code == "goal_limit"
    goals = sum(end.talk is not None and end.talk.result is Result.GOAL for end in rig.store.ends())
    assert 5 <= goals <= 5 + 2, "only those already on the line may come on top"


async def _goal() -> TalkLog:
    await asyncio.sleep(20)
    return said(Result.GOAL)


def test_spend_limit_is_never_passed() -> None:
    async def long_talk(line: Line, job: Job) -> TalkLog:
        await asyncio.sleep(job.max_call_s)  # everybody talks as long as they may
        return said()

    rig = Rig(tariffs=Tariffs([Tariff("7", 120)]), talk=long_talk)
    rig.contacts(200)
    answer = virtually(lambda: rig.dialer(campaign(max_spend=5000, max_concurrent=10)).run())
    assert isinstance(answer, Blocked) and answer.why.code == "spend_limit"
    spent = sum(end.cost for end in rig.store.ends())
    assert 4800 <= spent <= 5000
    assert all(end.billed_s * 2 == end.cost for end in rig.store.ends())


def test_a_talk_that_ignores_its_limit_is_cut() -> None:
    async def endless(line: Line, job: Job) -> TalkLog:
        async for _ in line.media:
            pass
        return said(ending="left")

    rig = Rig(talk=endless)
    rig.contacts(1)
    virtually(lambda: rig.dialer(campaign(max_call_s=100)).run())
    (end,) = rig.store.ends()
    assert end.answered_at is not None
    assert 100 <= (end.ended_at - end.answered_at).total_seconds() <= 103


@pytest.mark.parametrize(
    "log", [said(retry_after_s=7200.0), said(retry_at=datetime(2026, 3, 2, 11, 0, 25, tzinfo=UTC))]
)
def test_the_scenario_asks_to_be_called_later(log: TalkLog) -> None:
    async def talk(line: Line, job: Job) -> TalkLog:
        return log if job.attempt == 1 else said(Result.GOAL)

    rig = Rig(talk=talk)
    rig.contacts(1)
    virtually(lambda: rig.dialer(campaign()).run())
    first, second = rig.starts()
    assert 7199 <= second - first <= 7230
    assert rig.store.contacts[0].closed == "goal"


def test_whoever_opted_out_is_never_called_again() -> None:
    async def talk(line: Line, job: Job) -> TalkLog:
        return said(Result.OPT_OUT, opted_out=True, retry_after_s=60.0)

    rig = Rig(talk=talk)
    rig.contacts(1)
    virtually(lambda: rig.dialer(campaign()).run())
    assert rig.store.contacts[0].closed == "opt_out" and len(rig.voice.dialled) == 1


def test_the_stop_list_is_looked_at_before_each_call() -> None:
    rig = Rig()
    rig.contacts(3)
    rig.store.stop_list.add("+79000000001")
    virtually(lambda: rig.dialer(campaign()).run())
    assert {order.phone for _, order in rig.voice.dialled} == {"+79000000000", "+79000000002"}
    (end,) = rig.store.ends(1)
    assert end.status is Status.BLOCKED and rig.store.contacts[1].closed == "blocked"


def test_a_contact_whose_own_number_is_busy_waits_for_it() -> None:
    trunks = Trunks({"main": Limit(100, 10), "other": Limit(1, 10)})
    other = Caller("+74950000009", "other")
    rig = Rig(trunks=trunks)
    rig.contacts(1)
    rig.store.contacts[0].first_number = other.number
    rig.store.contacts[0].attempts = 1

    async def main() -> None:
        trunks.occupy(other)
        task = asyncio.ensure_future(rig.dialer(campaign(callers=(FIRST, other))).run())
        await asyncio.sleep(60)
        assert not rig.voice.dialled
        trunks.free(other)
        await task

    virtually(main)
    assert [order.number for _, order in rig.voice.dialled] == [other.number]


@pytest.mark.parametrize(
    ("changes", "totals", "code"),
    [
        ({"callers": ()}, Totals(), "no_free_number"),
        ({"callers": (Caller("+74950000003", "nowhere"),)}, Totals(), "no_free_number"),
        ({"max_concurrent": 1}, Totals(), "concurrency"),
        ({"pace": Pace(1 / 60)}, Totals(), "pacing"),
        ({"windows": (window("03:00", "04:00"),)}, Totals(), "window"),
        ({"start_at": datetime(2026, 3, 3, tzinfo=UTC)}, Totals(), "not_started_yet"),
        ({"callers": (Caller("+74950000001", "main", channels=1),)}, Totals(), "number_limit"),
        ({}, Totals(balance=0), "balance"),
    ],
)
def test_why_it_does_not_dial(changes: dict[str, object], totals: Totals, code: str) -> None:
    rig = Rig()
    rig.contacts(5)

    async def main() -> None:
        dialer = rig.dialer(replace(campaign(), **changes), totals=totals)  # type: ignore[arg-type]
        task = asyncio.ensure_future(dialer.run())
        await asyncio.sleep(3)
        assert dialer.why.code == code
        task.cancel()
        await asyncio.wait([task])

    virtually(main)


def test_two_campaigns_share_a_trunk_evenly_and_within_its_limits() -> None:
    rig = Rig(trunks=Trunks({"main": Limit(6, 2.0)}), voice=FakeVoiceChannel(usual=Fate(answer_s=1)))
    rig.contacts(60, campaign=1)
    rig.contacts(60, campaign=2)

    async def main() -> None:
        desk = rig.desk()
        await asyncio.gather(*(rig.dialer(campaign(id, pace=Pace(0), max_concurrent=0), desk).run() for id in (1, 2)))

    virtually(main)
    assert rig.voice.peak <= 6
    assert min(b - a for a, b in pairwise(rig.starts())) >= 0.449
    first_half = Counter(int(order.phone[5:]) // 60 for _, order in rig.voice.dialled[:60])
    assert abs(first_half[0] - first_half[1]) <= 6
