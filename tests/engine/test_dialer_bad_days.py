"""Bad days of a campaign: faults, a store or a telephone that is away, being stopped."""

from __future__ import annotations

import asyncio
from collections import Counter

from engine.attempt import Job
from engine.errors import ConfigError
from engine.model import CallEnd, Result, Status, TalkLog
from engine.ports import Line
from engine.rules.retry import Retry
from tests.engine.rig import Rig, campaign, said
from tests.fakes import FakeLine
from tests.virtual_time import virtually


async def _goal() -> TalkLog:
    await asyncio.sleep(20)
    return said(Result.GOAL)


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
    settle = rig.store.settle

    async def slow(*what: object, **how: object) -> bool:
        await asyncio.sleep(0.5)
        return await settle(*what, **how)  # type: ignore[arg-type]

    rig.store.settle = slow  # type: ignore[method-assign]

    async def main() -> None:
        task = asyncio.ensure_future(rig.dialer(campaign(max_concurrent=2, max_call_s=7200)).run())
        await asyncio.sleep(5.5)  # the first is answered, the second rings
        for _ in range(3):  # somebody is impatient
            task.cancel()
            await asyncio.sleep(0.1)
        await asyncio.wait([task])
        assert task.cancelled()

    virtually(main)
    first, second = rig.store.ends()
    assert first.status is Status.ANSWERED and first.talk is not None and first.talk.ended_by == "system"
    assert second.status is Status.FAILED and second.reason == "shutdown"
    assert rig.store.contacts[0].closed == "answered"
    assert rig.store.contacts[1].due is not None and rig.store.contacts[2].attempts == 0


def test_a_recording_that_is_lost_costs_the_call_nothing_and_is_told() -> None:
    rig = Rig()
    rig.contacts(1)

    async def talk(line: Line, job: Job) -> TalkLog:
        assert isinstance(line, FakeLine)
        line.files = ("in.wav", "out.wav")
        return said(Result.GOAL)

    async def lose(job: Job, files: tuple[str, str], seconds: float) -> str:
        raise OSError(28, "No space left on device")

    async def main() -> None:
        desk = rig.desk()
        desk.keep = lose
        await rig.dialer(campaign(), desk).run()

    rig.talk = talk
    virtually(main)
    (end,) = rig.store.ends()
    assert (end.status, end.recording) == (Status.ANSWERED, "") and rig.store.contacts[0].closed == "goal"
    assert rig.journal.counters["troubles_total", (("kind", "recording_lost"),)] == 1


def test_an_answer_is_written_while_they_talk() -> None:
    """A crash at any later moment finds it: who has answered is never dialled again."""
    rig = Rig()
    rig.contacts(1)
    seen: list[tuple[Status, bool]] = []

    async def talk(line: Line, job: Job) -> TalkLog:
        await asyncio.sleep(1)
        row = rig.store.calls[job.call_id]
        seen.append((row.status, row.answered_at is not None))
        return said()

    rig.talk = talk
    virtually(lambda: rig.dialer(campaign()).run())
    assert seen == [(Status.ANSWERED, True)]


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


def test_being_cancelled_while_a_result_is_written_loses_nothing() -> None:
    rig = Rig(talk=lambda line, job: _goal())
    rig.contacts(1)
    settle = rig.store.settle

    async def slow(*what: object, **how: object) -> bool:
        task.cancel()
        await asyncio.sleep(0.5)
        return await settle(*what, **how)  # type: ignore[arg-type]

    rig.store.settle = slow  # type: ignore[method-assign]
    task: asyncio.Future[object]

    async def main() -> None:
        nonlocal task
        task = asyncio.ensure_future(rig.dialer(campaign()).run())
        await asyncio.wait([task])

    virtually(main)
    assert rig.store.contacts[0].closed == "goal"


def test_a_talk_is_cut_at_its_limit_though_the_store_is_away() -> None:
    async def endless(line: Line, job: Job) -> TalkLog:
        rig.store.failure = OSError("away")
        async for _ in line.media:
            pass
        rig.store.failure = None
        return said(ending="left")

    rig = Rig(talk=endless)
    rig.contacts(1)
    virtually(lambda: rig.dialer(campaign(max_call_s=100)).run())
    (end,) = rig.store.ends()
    assert end.answered_at is not None and (end.ended_at - end.answered_at).total_seconds() <= 103
