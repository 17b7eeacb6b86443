"""One call now, outside of any campaign."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from engine.attempt import Job
from engine.campaigns import Campaigns
from engine.model import Status, TalkLog
from engine.ports import Line
from engine.records import SingleCall
from engine.single import SingleCalls
from engine.trunks import Limit, Trunks
from tests.engine.rig import FIRST, MONDAY, Rig, running, said, until
from tests.fakes import FakeVoiceChannel
from tests.virtual_time import virtually


def single(id: int = 500, **changes: object) -> SingleCall:
    usual: dict[str, object] = {
        "uid": f"dz-{id:032x}",
        "project_id": 1,
        "phone": f"+7901{id:07d}",
        "callers": (FIRST,),
        "scenario_id": 9,
        "created_at": MONDAY,
        "fields": {"name": "Anna"},
    }
    return SingleCall(call_id=id, **(usual | changes))  # type: ignore[arg-type]


def test_one_call_now() -> None:
    rig = Rig()
    rig.store.add_single(single())

    async def main(campaigns: Campaigns) -> None:
        await asyncio.sleep(0.1)
        await campaigns.call_now(500)
        await until(lambda: rig.store.calls[500].end is not None)

    running(rig, main)
    (end,) = rig.store.ends()
    assert end.status is Status.ANSWERED and end.scenario_version == 3 and end.number == FIRST.number
    assert rig.jobs[0].fields == {"name": "Anna"} and len(rig.voice.dialled) == 1


def test_a_call_that_was_queued_before_the_start_is_placed_after_it() -> None:
    rig = Rig()
    rig.store.add_single(single())
    running(rig, lambda _: until(lambda: rig.store.calls[500].end is not None, 60))
    assert len(rig.voice.dialled) == 1


def test_a_call_is_not_dialled_after_its_time() -> None:
    rig = Rig(trunks=Trunks({"main": Limit(1, 10)}))
    rig.store.add_single(single(not_after=MONDAY + timedelta(seconds=30)))
    rig.trunks.occupy(FIRST)
    running(rig, lambda _: until(lambda: rig.store.calls[500].end is not None, 60))
    (end,) = rig.store.ends()
    assert end.status is Status.BLOCKED and "not_after" in end.reason and not rig.voice.dialled


def test_a_single_call_waits_for_a_channel_and_gets_it() -> None:
    rig = Rig(trunks=Trunks({"main": Limit(1, 10)}))
    rig.store.add_single(single())

    async def main(campaigns: Campaigns) -> None:
        rig.trunks.occupy(FIRST)
        await asyncio.sleep(60)
        assert not rig.voice.dialled
        rig.trunks.free(FIRST)
        await until(lambda: rig.store.calls[500].end is not None, 60)

    running(rig, main)
    assert not rig.trunks.live()["main"]


def test_the_telephony_is_away_for_a_while() -> None:
    rig = Rig(voice=FakeVoiceChannel(down=True))
    rig.store.add_single(single())

    async def main(campaigns: Campaigns) -> None:
        await asyncio.sleep(60)
        rig.voice.down = False
        await until(lambda: rig.store.calls[500].end is not None, 60)

    running(rig, main)
    assert len(rig.voice.dialled) == 1 == len(rig.store.ends())


def test_an_engine_that_stops_leaves_an_undialled_call_queued() -> None:
    rig = Rig(voice=FakeVoiceChannel(down=True))
    rig.store.add_single(single())
    running(rig, lambda _: asyncio.sleep(10))
    assert rig.store.calls[500].status is Status.QUEUED


def test_a_call_that_waits_for_a_channel_is_cancelled() -> None:
    rig = Rig(trunks=Trunks({"main": Limit(1, 10)}))
    rig.store.add_single(single())

    async def main(campaigns: Campaigns) -> None:
        rig.trunks.occupy(FIRST)
        await until(lambda: rig.store.calls[500].status is Status.DIALING, 60)
        assert await campaigns.hang_up(500)
        await until(lambda: rig.store.calls[500].end is not None, 60)
        assert not await campaigns.hang_up(500)
        rig.trunks.free(FIRST)
        await asyncio.sleep(60)

    running(rig, main)
    (end,) = rig.store.ends()
    assert (end.status, end.reason) == (Status.BLOCKED, "hung up before it was dialled") and not rig.voice.dialled
    assert not rig.trunks.live()["main"]


def test_a_call_that_waits_for_the_telephony_is_cancelled() -> None:
    rig = Rig(voice=FakeVoiceChannel(down=True))
    rig.store.add_single(single())

    async def main(campaigns: Campaigns) -> None:
        await asyncio.sleep(30)
        assert await campaigns.hang_up(500)
        rig.voice.down = False
        await asyncio.sleep(60)

    running(rig, main)
    assert [end.status for end in rig.store.ends()] == [Status.BLOCKED] and not rig.voice.dialled


def test_a_queued_call_that_nobody_has_taken_on_is_cancelled_and_another_is_not() -> None:
    rig = Rig()
    rig.store.add_single(single(500))
    rig.store.add_single(single(501))

    async def main() -> None:
        desk = rig.desk()
        campaigns = rig.campaigns(desk)  # they do not run: nothing is taken on
        assert await campaigns.hang_up(500)
        assert not await campaigns.hang_up(500)
        assert not await campaigns.hang_up(999)
        assert not desk.owned

    virtually(main)
    assert rig.store.calls[500].status is Status.BLOCKED and rig.store.calls[501].status is Status.QUEUED


def test_a_call_is_the_engines_before_its_row_says_so() -> None:
    """Else the sweep, which looks at rows alone, might settle it meanwhile."""
    rig = Rig()
    rig.store.add_single(single())
    desk, take = rig.desk(), rig.store.take
    owned: list[bool] = []

    async def slow(call_id: int) -> SingleCall | None:
        taken = await take(call_id)
        owned.append(call_id in desk.owned)
        return taken

    rig.store.take = slow  # type: ignore[method-assign]
    virtually(lambda: SingleCalls(desk).place(500))
    assert owned == [True] and not desk.owned


def test_a_call_is_hung_up_from_the_panel() -> None:
    rig = Rig()
    rig.store.add_single(single(500))
    rig.store.add_single(single(501))

    async def talk(line: Line, job: Job) -> TalkLog:
        async for _ in line.media:
            pass
        return said(ending="left")

    rig.talk = talk

    async def main(campaigns: Campaigns) -> None:
        await asyncio.sleep(3)
        assert await campaigns.hang_up(500), "it rings"
        await asyncio.sleep(10)
        assert await campaigns.hang_up(501), "it is answered"
        assert not await campaigns.hang_up(777)
        await until(lambda: rig.store.calls[501].end is not None, 60)
        assert not await campaigns.hang_up(501)

    running(rig, main)
    ringing, answered = rig.store.calls[500].end, rig.store.calls[501].end
    assert ringing is not None and (ringing.status, ringing.reason) == (Status.NO_ANSWER, "hung up")
    assert answered is not None and answered.status is Status.ANSWERED
