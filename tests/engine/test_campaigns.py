from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.attempt import Job
from engine.campaigns import Campaigns
from engine.dialer import Dialer
from engine.model import Result, Status, TalkLog
from engine.ports import Line
from engine.rules.pacing import Pace
from engine.rules.retry import Retry
from tests.engine.rig import MONDAY, Rig, campaign, running, said, until
from tests.fakes import FakeVoiceChannel, Fate
from tests.virtual_time import virtually


def state(rig: Rig, id: int = 1) -> tuple[str, str]:
    row = rig.store.campaigns[id]
    return row.active.state, row.reason


def test_campaigns_run_beside_each_other_and_finish() -> None:
    rig = Rig()
    for id in (1, 2):
        rig.store.add_campaign(campaign(id))
        rig.contacts(10, campaign=id)

    async def main(campaigns: Campaigns) -> None:
        await until(lambda: state(rig, 1)[0] == state(rig, 2)[0] == "finished")
        assert campaigns.why(1) is None

    running(rig, main)
    assert len(rig.voice.dialled) == 20 and rig.voice.peak > 4


def test_a_scheduled_campaign_starts_at_its_time() -> None:
    rig = Rig()
    start = MONDAY + timedelta(seconds=1234.5)
    rig.store.add_campaign(campaign(start_at=start), "scheduled")
    rig.contacts(1)

    async def main(campaigns: Campaigns) -> None:
        await asyncio.sleep(1)
        why = campaigns.why(1)
        assert why is not None and why.code == "not_started_yet" and why.until == start
        await until(lambda: state(rig)[0] == "finished")

    running(rig, main)
    assert 1234.5 <= rig.starts()[0] <= 1235


def test_pause_and_resume() -> None:
    rig = Rig()
    rig.store.add_campaign(campaign())
    rig.contacts(30)

    async def main(campaigns: Campaigns) -> None:
        await until(lambda: len(rig.voice.dialled) == 6)
        await rig.store.change_state(1, was="running", becomes="paused", reason="", at=rig.clock.now())
        campaigns.nudge(1)
        await asyncio.sleep(120)
        assert len(rig.voice.dialled) <= 7 and not rig.voice.living, "live calls go on to their end, no new ones"
        assert campaigns.why(1) is None
        await rig.store.change_state(1, was="paused", becomes="running", reason="", at=rig.clock.now())
        campaigns.nudge(1)
        await until(lambda: state(rig)[0] == "finished")

    running(rig, main)
    assert {end.status for end in rig.store.ends()} == {Status.ANSWERED} and len(rig.store.ends()) == 30


def test_resumed_while_its_last_calls_still_live() -> None:
    rig = Rig()
    rig.store.add_campaign(campaign())
    rig.contacts(10)

    async def main(campaigns: Campaigns) -> None:
        await until(lambda: len(rig.voice.dialled) == 3)
        for was, becomes in (("running", "paused"), ("paused", "running")):
            await rig.store.change_state(1, was=was, becomes=becomes, reason="", at=rig.clock.now())
            campaigns.nudge(1)
            await asyncio.sleep(1)
        await until(lambda: state(rig)[0] == "finished")

    running(rig, main)
    assert rig.voice.peak <= 4 and len(rig.voice.dialled) == 10


def test_a_reached_limit_pauses_with_its_reason() -> None:
    async def goal(line: Line, job: Job) -> TalkLog:
        return said(Result.GOAL)

    rig = Rig(talk=goal)
    rig.store.add_campaign(campaign(max_goals=2))
    rig.contacts(50)
    running(rig, lambda _: until(lambda: state(rig) == ("paused", "goal_limit")))
    assert len(rig.voice.dialled) < 10


def test_a_queue_that_is_still_filled_is_not_finished() -> None:
    rig = Rig()
    rig.store.add_campaign(campaign())
    row = rig.store.campaigns[1]
    row.active = replace(row.active, filled=False)

    async def main(campaigns: Campaigns) -> None:
        await asyncio.sleep(60)
        why = campaigns.why(1)
        assert state(rig)[0] == "running" and why is not None and why.code == "filling"
        rig.contacts(2)
        row.active = replace(row.active, filled=True)
        campaigns.nudge()
        await until(lambda: state(rig)[0] == "finished")

    running(rig, main)
    assert len(rig.voice.dialled) == 2


def test_a_store_that_is_away_at_the_start_is_waited_for() -> None:
    rig = Rig()
    rig.store.add_campaign(campaign())
    rig.contacts(2)
    rig.store.failure = OSError("no route to the database")

    async def main(campaigns: Campaigns) -> None:
        await asyncio.sleep(60)
        assert not campaigns.recovered
        rig.store.failure = None
        await until(lambda: state(rig)[0] == "finished", 60)

    running(rig, main)


# --- a crash ----------------------------------------------------------------------------------------------------------


def crash(rig: Rig, after_s: float) -> None:
    """The engine is killed: nothing that it would still have written is."""

    class Killed(Exception):
        pass

    async def main() -> None:
        desk = rig.desk()
        row = rig.store.campaigns[1].active
        task = asyncio.ensure_future(Dialer(row.campaign, row.totals, desk, rig.store, rig.store).run())
        await asyncio.sleep(after_s)
        rig.store.failure = Killed("dead engines do not write")
        desk.stubborn.give_up()
        task.cancel()
        await asyncio.wait([task])
        rig.store.failure = None

    virtually(main)
    rig.clock._start += timedelta(seconds=after_s)
    rig.voice.living = {order.id for _, order in rig.voice.dialled[-2:]}


@pytest.mark.parametrize("after_s", [0.4, 1.2, 3.0, 5.3, 8.0, 17.3, 26.2, 40.0, 95.7])
def test_a_crash_loses_nobody_and_dials_no_answered_one_again(after_s: float) -> None:
    rig = Rig(voice=FakeVoiceChannel(fates={"+79000000003": [Fate(Status.BUSY, 17), Fate()]}))
    rig.store.add_campaign(campaign(retry=Retry(attempts=2, interval_s=60)))
    rig.contacts(12)
    crash(rig, after_s)
    answered_before = {
        row.contact.id for row in rig.store.calls.values() if row.contact is not None and row.answered_at is not None
    } | {row.contact.id for row in rig.store.calls.values() if row.contact and row.end and row.end.answered_at}
    dialled_before = len(rig.voice.dialled)

    running(rig, lambda _: until(lambda: state(rig)[0] == "finished"))

    assert not rig.voice.living, "what the dead engine left in Asterisk is dropped"
    again = {order.phone for _, order in rig.voice.dialled[dialled_before:]}
    assert not again & {f"+7900{id:07d}" for id in answered_before}
    for id in answered_before:
        assert rig.store.ends(id)[-1].status is Status.ANSWERED
    assert {row.closed for row in rig.store.contacts.values()} == {"answered"}
    assert all(row.end is not None for row in rig.store.calls.values())
    uids = [order.id for _, order in rig.voice.dialled]
    assert len(uids) == len(set(uids)), "nobody is dialled twice for one attempt"
    assert set(uids) <= {row.uid for row in rig.store.calls.values()}, "nothing dialled is missing from the list"


def test_a_lease_whose_answer_was_lost_is_swept_up() -> None:
    rig = Rig()
    rig.store.add_campaign(campaign())
    rig.contacts(1)
    lease = rig.store.lease
    lost: list[object] = []

    async def unsure(*what: object, **when: object) -> object:
        contact = await lease(*what, **when)  # type: ignore[arg-type]
        if not lost:
            lost.append(contact)
            raise OSError("the connection broke after the commit")
        return contact

    rig.store.lease = unsure  # type: ignore[method-assign, assignment]
    running(rig, lambda _: until(lambda: state(rig)[0] == "finished", 3600))
    assert [end.status for end in rig.store.ends(0)] == [Status.FAILED, Status.ANSWERED]


# --- the end ----------------------------------------------------------------------------------------------------------


def test_drain_lets_calls_finish_and_starts_none() -> None:
    rig = Rig()
    rig.store.add_campaign(campaign())
    rig.contacts(20)

    async def main() -> None:
        campaigns = rig.campaigns()
        task = asyncio.ensure_future(campaigns.run())
        await asyncio.sleep(4.2)
        began = asyncio.get_running_loop().time()
        await campaigns.drain()
        await task
        assert asyncio.get_running_loop().time() - began <= 30

    virtually(main)
    assert len(rig.voice.dialled) == 4 == len(rig.store.ends())
    assert {end.status for end in rig.store.ends()} == {Status.ANSWERED}
    assert state(rig)[0] == "running", "the rest is dialled after the next start"


def test_drain_says_goodbye_then_cuts_and_settles_all() -> None:
    rig = Rig()
    rig.store.add_campaign(campaign(pace=Pace(0), answer_timeout_s=200))
    rig.contacts(3)
    rig.voice.fates = {"+79000000002": [Fate(Status.NO_ANSWER, 19)]}

    async def talk(line: Line, job: Job) -> TalkLog:
        script = next(s for s in rig.scripts if s.job is job)
        if job.contact_id == 0:
            await script.dismissed.wait()
            return said(reason="dismissed")
        await asyncio.sleep(9999)
        return said()

    rig.talk = talk

    async def main() -> None:
        campaigns = rig.campaigns()
        task = asyncio.ensure_future(campaigns.run())
        await asyncio.sleep(20)
        began = asyncio.get_running_loop().time()
        await campaigns.drain(grace_s=30)
        await task
        assert 30 <= asyncio.get_running_loop().time() - began <= 40

    virtually(main)
    polite, cut, ringing = (rig.store.ends(n)[0] for n in range(3))
    assert polite.reason == "dismissed" and polite.status is Status.ANSWERED
    assert cut.status is Status.ANSWERED and cut.reason == "shutdown"
    assert ringing.status is Status.FAILED and rig.store.contacts[2].due is not None
    assert not rig.voice.living


def test_drain_ends_though_the_store_is_away() -> None:
    rig = Rig()
    rig.store.add_campaign(campaign())
    rig.contacts(5)

    async def main() -> None:
        campaigns = rig.campaigns()
        task = asyncio.ensure_future(campaigns.run())
        await asyncio.sleep(6)
        rig.store.failure = OSError("the disk is gone")
        await campaigns.drain(grace_s=30)
        await task
        assert asyncio.get_running_loop().time() <= 6 + 60

    virtually(main)
