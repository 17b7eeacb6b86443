from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from engine.campaigns import Campaigns
from engine.errors import ChannelDown
from engine.model import CallEnd, Status
from engine.records import PasswordCall
from engine.rules.billing import Tariff, Tariffs
from tests.engine.rig import FIRST, MONDAY, Rig, until
from tests.fakes import FakeVoiceChannel, Fate
from tests.virtual_time import virtually

PRICES = Tariffs([Tariff("", 600)])


def password(**changes: object) -> PasswordCall:
    usual: dict[str, object] = {
        "call_id": 900,
        "uid": "dz-900",
        "project_id": 0,
        "phone": "+79011111111",
        "caller": FIRST,
        "expires_at": MONDAY + timedelta(seconds=300),
    }
    return PasswordCall(id=5, **(usual | changes))  # type: ignore[arg-type]


def ring(rig: Rig, meanwhile: Callable[[], Awaitable[None]] | None = None) -> tuple[str, CallEnd]:
    async def main() -> None:
        campaigns = rig.campaigns()
        task = asyncio.ensure_future(campaigns.run())
        await asyncio.sleep(0.1)
        await campaigns.call_password(5)
        if meanwhile is not None:
            await meanwhile()
        await until(lambda: rig.store.password_states[5] != "calling")
        await campaigns.drain()
        await task

    virtually(main)
    (end,) = rig.store.ends()
    assert rig.trunks.live() == {"main": 0}
    return rig.store.password_states[5], end


def rig_with(fate: Fate = Fate(), **changes: object) -> Rig:  # noqa: B008 - a frozen value
    rig = Rig(voice=FakeVoiceChannel(usual=fate), tariffs=PRICES)
    rig.store.add_password(password(**changes))
    return rig


def test_it_rings_and_nobody_answers() -> None:
    rig = rig_with(Fate(answer_s=60))
    state, end = ring(rig)
    assert state == "delivered" and end.status is Status.NO_ANSWER and end.ringing_at is not None
    assert [(order.id, order.number, order.record) for _, order in rig.voice.rung] == [("dz-900", FIRST.number, False)]


def test_picked_up_it_is_still_free() -> None:
    state, end = ring(rig_with(Fate(answer_s=1)))
    assert state == "delivered" and end.answered_at is None and end.cost == 0 == end.billed_s


@pytest.mark.parametrize("status", [Status.BUSY, Status.UNREACHABLE, Status.INVALID_NUMBER])
def test_it_never_rang(status: Status) -> None:
    state, end = ring(rig_with(Fate(status, 17, rings=False)))
    assert state == "failed" and end.status is status and end.cause == 17


def test_the_telephony_comes_back_in_time() -> None:
    rig = rig_with()
    rig.voice.down = True

    async def meanwhile() -> None:
        await asyncio.sleep(30)
        rig.voice.down = False

    assert ring(rig, meanwhile)[0] == "delivered"
    assert len(rig.voice.rung) == 1


def test_it_expires_before_it_could_ring() -> None:
    rig = rig_with()
    rig.voice.down = True
    state, end = ring(rig)
    assert state == "failed" and end.status is Status.FAILED and end.dialed_at is None


def test_it_rings_once_however_often_it_is_asked() -> None:
    rig = rig_with()

    async def meanwhile() -> None:
        again = rig.campaigns()
        task = asyncio.ensure_future(again._passwords.ring(5))
        await task

    ring(rig, meanwhile)
    assert len(rig.voice.dialled) == 1


def test_before_the_engine_is_ready_it_is_refused() -> None:
    rig = rig_with()

    async def main() -> None:
        campaigns: Campaigns = rig.campaigns()
        with pytest.raises(ChannelDown, match="try again"):
            await campaigns.call_password(5)

    virtually(main)
