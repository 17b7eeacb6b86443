"""What `VoiceChannel` and `Line` promise, held over Asterisk (with real SIP to real subscribers) and over the fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import NotReached
from engine.model import Status
from engine.ports import TransferEnd, TransferOrder, VoiceChannel
from tests.fakes import FakeVoiceChannel, Fate, ScriptedMedia
from tests.live.test_channel import order, quiet, world

ENDS = {
    "+79001234502": TransferEnd("busy"),
    "+79001234503": TransferEnd("no_answer"),
    "+79001234505": TransferEnd("done", 0.5),
}


def fake() -> FakeVoiceChannel:
    """The subscribers of `tests.live.phones`, in so far as they are needed here."""
    rings = Fate(ring_s=0.01, answer_s=0.05, ends=ENDS)
    silent = replace(rings, rings=False)
    fates = {
        "01": silent,
        "02": replace(silent, status=Status.BUSY, cause=17),
        "03": replace(rings, status=Status.NO_ANSWER, cause=19),
        "05": replace(silent, media=lambda: ScriptedMedia(hangs_up_at=0.5)),
        "06": replace(silent, status=Status.INVALID_NUMBER, cause=1),
        "09": rings,
    }
    return FakeVoiceChannel({f"+790012345{last}": [fate] for last, fate in fates.items()})


@pytest.fixture(params=["fake", pytest.param("asterisk", marks=pytest.mark.live)])
async def channel(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[VoiceChannel]:
    if request.param == "fake":
        yield fake()
    else:
        async with world(tmp_path) as w:
            yield w.channel


@pytest.mark.parametrize(
    ("last", "status", "cause", "told"),
    [
        ("02", Status.BUSY, 17, []),
        ("03", Status.NO_ANSWER, 19, ["ringing"]),
        ("06", Status.INVALID_NUMBER, 1, []),
    ],
)
async def test_who_is_not_reached_is_told_with_the_reason(
    channel: VoiceChannel, last: str, status: Status, cause: int, told: list[str]
) -> None:
    progress: list[str] = []
    with pytest.raises(NotReached) as caught:
        async with channel.dial(order(last, timeout_s=1), progress.append):
            pass
    assert (caught.value.status, caught.value.cause, progress) == (status, cause, told)


async def test_leaving_the_block_hangs_up(channel: VoiceChannel) -> None:
    progress: list[str] = []
    placed = order("09")
    async with channel.dial(placed, progress.append) as line:
        assert (line.id, line.cause) == (placed.id, 0)
        assert progress == ["ringing", "answered"]
        assert await channel.drop_strangers(lambda id: id == placed.id) == [placed.id]
        await anext(aiter(line.media))
    assert line.cause == 16
    async with asyncio.timeout(2):
        async for _ in line.media:
            pass
    await line.hang_up()
    assert await channel.drop_strangers(lambda _: True) == []


async def test_a_subscriber_who_hangs_up_ends_the_sound(channel: VoiceChannel) -> None:
    async with channel.dial(order("05"), quiet) as line, asyncio.timeout(5):
        async for _ in line.media:
            pass
        assert line.cause == 16
        await line.media.write(bytes(3200))
        await line.media.drain()
        assert (await line.transfer(TransferOrder("+79001234501", "main", 1, ""))).outcome == "failed"


async def test_after_a_transfer_the_robot_goes_on(channel: VoiceChannel) -> None:
    async with channel.dial(order("01"), quiet) as line:
        for to, end in ENDS.items():
            got = await line.transfer(TransferOrder(to, "main", 1, "+74950000001"))
            assert got.outcome == end.outcome
            assert 0.2 < got.talked_s < 1.5 if end.talked_s else got.talked_s == 0
            await anext(aiter(line.media))
        assert line.cause == 0


async def test_ringing_without_an_answer(channel: VoiceChannel) -> None:
    progress: list[str] = []
    await channel.ring(order("03"), progress.append, ring_s=0.3)
    assert progress == ["ringing"]
    await channel.ring(order("09"), progress.append, ring_s=5)
    assert progress == ["ringing", "ringing", "answered"]
    with pytest.raises(NotReached) as caught:
        await channel.ring(order("02"), progress.append, ring_s=0.3)
    assert caught.value.status is Status.BUSY
    assert await channel.drop_strangers(lambda _: True) == []
