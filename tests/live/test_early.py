"""What the network says before the answer, heard over real SIP; and that the call itself is not touched by it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from channels.voice import TelephoneChannel
from channels.voice import open as open_channel
from channels.voice.early import CAUSES
from channels.voice.pstn import SUBSCRIBERS, TONES, Pstn
from engine import audio
from engine.errors import NotReached
from engine.model import DialOrder, Sound, Status
from engine.ports import MediaStream
from engine.rules.amd import Amd, Kind
from tests.asterisk import live_network, tones
from tests.robot import KEYS, live_robot

pytestmark = pytest.mark.live

BOTH = pytest.mark.parametrize("transport", ["websocket", "audiosocket"])


@asynccontextmanager
async def world(folder: Path, transport: str) -> AsyncGenerator[tuple[TelephoneChannel, Pstn]]:
    sounds = tones(folder / "sounds")
    for name, bursts in TONES.items():
        pcm = b"".join(audio.tone(hz, seconds).pcm for hz, seconds in bursts)
        (sounds / f"{name}.wav").write_bytes(audio.to_wav(Sound(pcm)))
    media = {"media": {"transport": transport}}
    async with live_network(folder, sounds=sounds, asterisk=media) as (settings, _, pstn):
        up = asyncio.Event()
        async with open_channel(settings, lambda works, _: up.set() if works else None) as channel, asyncio.timeout(40):
            await up.wait()
            yield channel, pstn


def order(who: str) -> DialOrder:
    return DialOrder(f"dz-{uuid.uuid4().hex}", f"+790000000{SUBSCRIBERS[who]}", "+74950000001", "main", 15.0, False)


async def told(media: MediaStream) -> Status | None:
    """What special information tones mean, and nothing else."""
    amd = Amd()
    async for item in media:
        if isinstance(item, bytes):
            amd.push(item, False)
        if amd.verdict.kind is Kind.ANNOUNCEMENT:
            return Status(amd.verdict.means)
    return None


async def gone(channel: TelephoneChannel) -> None:
    """Until nothing of us lives in Asterisk."""
    async with asyncio.timeout(5):
        while [row for row in await rows(channel) if row.get("Channel")]:  # noqa: ASYNC110 - Asterisk does not tell
            await asyncio.sleep(0.05)


async def rows(channel: TelephoneChannel) -> list[dict[str, str]]:
    return [dict(row) for row in await channel.ami.ask("CoreShowChannels", whole="CoreShowChannelsComplete")]


@BOTH
@pytest.mark.parametrize(("who", "status"), [("announced", Status.UNREACHABLE), ("announced_busy", Status.BUSY)])
async def test_an_announcement_ends_the_attempt_with_its_status(
    tmp_path: Path, transport: str, who: str, status: Status
) -> None:
    async with world(tmp_path, transport) as (channel, _):
        progress: list[str] = []
        began = asyncio.get_running_loop().time()
        with pytest.raises(NotReached) as caught:
            async with channel.dial(order(who), progress.append, told):
                pass
        assert (caught.value.status, caught.value.cause) == (status, CAUSES[status])
        assert asyncio.get_running_loop().time() - began < 4.0  # the announcement itself lasts longer
        assert "answered" not in progress
        await gone(channel)


async def test_who_does_not_listen_learns_what_the_network_says_at_last(tmp_path: Path) -> None:
    async with world(tmp_path, "websocket") as (channel, _):
        with pytest.raises(NotReached) as caught:
            async with channel.dial(order("announced"), lambda _: None):
                pass
        assert caught.value.status is Status.NO_ANSWER


async def test_a_number_that_is_said_not_to_exist_is_not_called_again(tmp_path: Path) -> None:
    async with live_robot(tmp_path, speaking=True) as robot:
        (phone,) = robot.phones(["announced_absent"])  # the words alone tell it from one that is switched off
        again = {"attempts": 3, "interval_s": 60, "on": ["no_answer", "unreachable", "busy"]}
        scenario = await robot.scenario(KEYS)
        campaign = await robot.campaign(scenario, [phone], amd={"mode": "hangup"}, answer_timeout_s=20, retry=again)
        await robot.over(campaign)
        (call,) = (await robot.calls(f"&campaign_id={campaign}"))[phone]
        assert (call["status"], call["cause"]) == ("invalid_number", CAUSES[Status.INVALID_NUMBER])
        assert (call["answered_at"], call["billed_s"], call["cost"], call["recording"]) == (None, 0, 0, False)
        seen = robot.network.seen()[phone]
        assert (seen.calls, seen.answered) == (1, [])


@BOTH
async def test_who_answers_is_talked_to_and_the_ear_is_gone(tmp_path: Path, transport: str) -> None:
    async with world(tmp_path, transport) as (channel, _):
        heard: list[str] = []

        async def listening(media: MediaStream) -> Status | None:
            heard.append("began")
            return await told(media)

        async with channel.dial(order("silent"), lambda _: None, listening) as line:
            items = aiter(line.media)
            for _ in range(25):
                await anext(items)
            assert not [row for row in await rows(channel) if row.get("Application") == "ChanSpy"]
        assert heard == []  # a plain ringing has no sound
        await gone(channel)
