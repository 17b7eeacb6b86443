from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from engine.attempt import Job
from engine.errors import ConfigError
from engine.model import CallEnd, Result, Status, TalkLog
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


def test_a_fault_in_one_call_ends_that_call_only() -> None:
    rig = Rig()
    rig.contacts(3)

    async def talk(line: Line, job: Job) -> TalkLog:
        if job.contact_id == 1:
            raise ZeroDivisionError
        return said()

    rig.talk = talk
    virtually(lambda: rig.dialer(campaign()).run())
    statuses = {n: [end.status for end in rig.store.ends(n)] for n in range(3)}
    assert statuses == {0: [Status.ANSWERED], 1: [Status.FAILED], 2: [Status.ANSWERED]}
    assert rig.store.ends(1)[0].reason == "ZeroDivisionError"
    assert rig.store.contacts[1].closed == "answered", "answered, then failed by our fault: never dialled again"


def test_a_scenario_that_cannot_be_prepared_dials_nobody() -> None:
    rig = Rig(refusal=ConfigError("scenario 7 is gone: choose another one"))
    rig.contacts(1)
    virtually(lambda: rig.dialer(campaign(retry=Retry(0))).run())
    assert not rig.voice.dialled
    assert {end.status for end in rig.store.ends()} == {Status.FAILED}


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


def test_nothing_dialled_leaves_no_trace() -> None:
    rig = Rig()
    rig.contacts(3)
    rig.voice.down = True

    async def main() -> None:
        dialer = rig.dialer(campaign())
        task = asyncio.ensure_future(dialer.run())
        await asyncio.sleep(60)
        assert not rig.voice.dialled and dialer.why.code == "telephony_down"
        rig.voice.down = False
        back = asyncio.get_running_loop().time()
        await task
        assert rig.starts()[0] - back <= 5.1

    virtually(main)
    assert [row.attempts for row in rig.store.contacts.values()] == [1, 1, 1]
    assert len(rig.store.calls) == 3


def test_a_store_that_is_away_loses_no_result_and_holds_the_dialling() -> None:
    rig = Rig()
    rig.contacts(20)

    async def main() -> None:
        desk = rig.desk()
        dialer = rig.dialer(campaign(max_concurrent=5), desk)
        task = asyncio.ensure_future(dialer.run())
        await asyncio.sleep(10)
        rig.store.failure = OSError("the database is locked")
        await asyncio.sleep(120)
        dialled = len(rig.voice.dialled)
        assert dialer.why.code == "store_down" and desk.stubborn.down
        assert len(dialer.live) == 5, "what is not written counts as live, which bounds it"
        await asyncio.sleep(600)
        assert len(rig.voice.dialled) == dialled, "nobody is dialled who could not be written down"
        rig.store.failure = None
        await task
        assert not desk.stubborn.down

    virtually(main)
    assert Counter(order.phone for _, order in rig.voice.dialled) == Counter(
        {row.phone: 1 for row in rig.store.contacts.values()}
    )
    assert {row.closed for row in rig.store.contacts.values()} == {"answered"}


def test_a_result_written_twice_counts_once() -> None:
    rig = Rig(talk=lambda line, job: _goal())
    rig.contacts(1)
    rig.store.add_campaign(campaign())
    settle = rig.store.settle
    answers: list[bool] = []

    async def unsure(contact: object, end: CallEnd, **how: object) -> bool:
        answers.append(await settle(contact, end, **how))  # type: ignore[arg-type]
        if len(answers) == 1:
            raise OSError("the connection broke after the commit")
        return answers[-1]

    rig.store.settle = unsure  # type: ignore[method-assign]
    virtually(lambda: rig.dialer(campaign()).run())
    assert answers == [True, False]
    assert rig.store.campaigns[1].active.totals.goals == 1


def test_being_cancelled_still_settles() -> None:
    rig = Rig()
    rig.contacts(3)

    async def endless(line: Line, job: Job) -> TalkLog:
        await asyncio.sleep(3600)
        return said()

    rig.talk = endless

    async def main() -> None:
        task = asyncio.ensure_future(rig.dialer(campaign(max_concurrent=2, max_call_s=7200)).run())
        await asyncio.sleep(5.5)  # the first is answered, the second rings
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    virtually(main)
    first, second = rig.store.ends()
    assert first.status is Status.ANSWERED and first.talk is not None and first.talk.ended_by == "system"
    assert second.status is Status.FAILED and second.reason == "shutdown"
    assert rig.store.contacts[0].closed == "answered"
    assert rig.store.contacts[1].due is not None and rig.store.contacts[2].attempts == 0


def test_stop_lets_live_calls_end_and_dials_nobody_else() -> None:
    rig = Rig()
    rig.contacts(10)

    async def main() -> None:
        dialer = rig.dialer(campaign(max_concurrent=2))
        task = asyncio.ensure_future(dialer.run())
        await asyncio.sleep(3)
        dialer.stop()
        await asyncio.sleep(1)
        assert dialer.why.code == "draining"
        assert await task is None

    virtually(main)
    assert len(rig.voice.dialled) == 2
    assert [end.status for end in rig.store.ends()] == [Status.ANSWERED] * 2


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
