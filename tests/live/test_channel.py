"""The telephone channel on a real Asterisk, over SIP and RTP; a second one plays the subscribers."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import struct
import uuid
import wave
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from channels.voice import TelephoneChannel
from channels.voice import open as open_channel
from channels.voice.supervise import Supervised
from engine.config import Settings
from engine.errors import ChannelDown, NotReached
from engine.model import FRAME_BYTES, DialOrder, Digit, Sound, Status
from engine.ports import Incoming, MediaStream, TransferOrder
from engine.recordings import parts, still_open
from tests.asterisk import free_ports, installed, live_asterisk
from tests.live.phones import call_in, outcome, phones

pytestmark = pytest.mark.live

BOTH = pytest.mark.parametrize("transport", ["websocket", "audiosocket"])
TONE = b"".join(struct.pack("<h", int(8000 * math.sin(2 * math.pi * 440 * n / 8000))) for n in range(4000))


@dataclass
class World:
    settings: Settings
    asterisk: Supervised
    phones: Supervised
    channel: TelephoneChannel
    states: list[bool] = field(default_factory=list)


@asynccontextmanager
async def sites(folder: Path, transport: str) -> AsyncGenerator[tuple[Settings, Supervised, Supervised]]:
    (sip,) = free_ports(1)
    trunk = {"main": {"host": "127.0.0.1", "port": sip}}
    async with live_asterisk(folder, trunks=trunk, asterisk={"media": {"transport": transport}}) as (
        settings,
        asterisk,
    ):
        there = phones(folder / "phones", installed(), sip=sip, theirs=settings.asterisk.sip.port)
        async with there as network:
            yield settings, asterisk, network


@asynccontextmanager
async def engine(settings: Settings) -> AsyncGenerator[TelephoneChannel]:
    up = asyncio.Event()
    async with open_channel(settings, lambda works, _why: up.set() if works else up.clear()) as channel:
        async with asyncio.timeout(10):
            await up.wait()
        yield channel


@asynccontextmanager
async def world(folder: Path, transport: str = "websocket") -> AsyncGenerator[World]:
    async with (
        sites(folder, transport) as (settings, asterisk, network),
        engine(settings) as channel,
        asyncio.timeout(60),
    ):
        yield World(settings, asterisk, network, channel)


def order(last: str, timeout_s: float = 10.0, record: bool = False) -> DialOrder:
    return DialOrder(f"dz-{uuid.uuid4().hex}", f"+790012345{last}", "+74950000001", "main", timeout_s, record)


def quiet(_: str) -> None: ...


def loud(item: bytes | Digit) -> bool:
    return isinstance(item, bytes) and max(struct.unpack("<160h", item)) > 2000


async def until_loud(items: AsyncIterator[bytes | Digit]) -> None:
    async with asyncio.timeout(5):
        while not loud(await anext(items)):
            pass


async def until_quiet(items: AsyncIterator[bytes | Digit]) -> None:
    quiet_frames = 0
    async with asyncio.timeout(5):
        while quiet_frames < 10:
            quiet_frames = 0 if loud(await anext(items)) else quiet_frames + 1


async def hears_itself(media: MediaStream) -> None:
    """The subscriber echoes: what we say comes back."""
    items = aiter(media)
    await until_quiet(items)
    await media.write(TONE)
    await until_loud(items)


@BOTH
async def test_sound_goes_both_ways_and_is_recorded(tmp_path: Path, transport: str) -> None:
    async with world(tmp_path, transport) as w:
        progress: list[str] = []
        async with w.channel.dial(order("01", record=True), progress.append) as line:
            items = aiter(line.media)
            await line.media.write(TONE)
            heard = [await anext(items) for _ in range(50)]
            assert all(isinstance(item, bytes) and len(item) == FRAME_BYTES for item in heard)
            assert 20 <= sum(map(loud, heard)) <= 27
            files = line.recording()
        assert line.cause == 16
        assert progress == ["answered"]
        assert files is not None
        for file in files:
            with wave.open(file) as recording:
                assert (recording.getnchannels(), recording.getframerate()) == (1, 8000)
                assert max(struct.unpack(f"<{recording.getnframes()}h", recording.readframes(-1))) > 2000


@BOTH
async def test_keys_and_the_subscribers_hang_up(tmp_path: Path, transport: str) -> None:
    async with world(tmp_path, transport) as w:
        async with w.channel.dial(order("04"), quiet) as line:
            keys = [item.key async for item in _keys(line.media, 3)]
            assert keys == ["5", "#", "1"]
        async with w.channel.dial(order("05"), quiet) as line:
            count = len([item async for item in line.media])
            assert 15 <= count <= 60
            assert line.cause == 16
            await line.media.write(TONE)
            await line.media.drain()


async def _keys(media: MediaStream, count: int) -> AsyncGenerator[Digit]:
    async for item in media:
        if isinstance(item, Digit):
            yield item
            count -= 1
            if not count:
                return


async def test_every_outcome_has_its_status_and_cause(tmp_path: Path) -> None:
    expected = {
        "02": (Status.BUSY, 17, []),
        "03": (Status.NO_ANSWER, 19, ["ringing"]),
        "06": (Status.INVALID_NUMBER, 1, []),
        "07": (Status.REJECTED, 21, []),
        "08": (Status.NO_ANSWER, 19, ["ringing"]),
    }
    async with world(tmp_path) as w:
        for last, (status, cause, told) in expected.items():
            progress: list[str] = []
            with pytest.raises(NotReached) as caught:
                async with w.channel.dial(order(last, timeout_s=1), progress.append):
                    pass
            assert (caught.value.status, caught.value.cause, progress) == (status, cause, told), last


async def test_a_call_cancelled_while_it_rings_is_hung_up(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        ringing = asyncio.Event()

        async def call() -> None:
            async with w.channel.dial(order("03", 30), lambda _: ringing.set()):
                pass

        for wait in (ringing.wait(), asyncio.sleep(0)):  # while it rings, and before Asterisk has even answered
            task = asyncio.create_task(call())
            await asyncio.sleep(0)
            await wait
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert "0 active calls" in await w.asterisk.cli("core show channels")
            assert await w.channel.drop_strangers(lambda _: True) == []


async def test_a_call_password_rings_and_is_dropped_unanswered(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        progress: list[str] = []
        began = asyncio.get_running_loop().time()
        await w.channel.ring(order("03"), progress.append, ring_s=0.5)
        assert progress == ["ringing"]
        assert 0.4 < asyncio.get_running_loop().time() - began < 2
        await w.channel.ring(order("09"), progress.append, ring_s=5)
        assert progress == ["ringing", "ringing", "answered"]
        assert asyncio.get_running_loop().time() - began < 4
        with pytest.raises(NotReached) as caught:
            await w.channel.ring(order("02"), progress.append, ring_s=0.5)
        assert caught.value.status is Status.BUSY
        assert "0 active calls" in await w.asterisk.cli("core show channels")


@BOTH
async def test_transfers_and_the_call_goes_on_with_the_robot(tmp_path: Path, transport: str) -> None:
    async with world(tmp_path, transport) as w, w.channel.dial(order("01"), quiet) as line:

        def to(address: str, ring_s: float = 5, whisper: Sound | None = None) -> TransferOrder:
            return TransferOrder(address, "main", ring_s, "+74950000002", whisper)

        async def transferred(order: TransferOrder) -> tuple[str, float]:
            end = await line.transfer(order)
            await hears_itself(line.media)
            return end.outcome, end.talked_s

        assert await transferred(to("+79001234502")) == ("busy", 0)
        assert await transferred(to("+79001234503", ring_s=1)) == ("no_answer", 0)
        assert await transferred(to("+79001234506")) == ("failed", 0)
        sip = w.settings.trunks["main"].port
        outcome, talked = await transferred(to(f"sip:05@127.0.0.1:{sip}", whisper=Sound(TONE[:1600])))
        assert outcome == "done"
        assert 0.2 < talked < 1.5
        outcome, _ = await transferred(to("+79001234505", whisper=Sound(TONE * 4)))  # leaves in the whisper
        assert outcome == "failed"
        for hostile in ("+7900,1,x", "sip:a@b&PJSIP/c", "sip:${SHELL(id)}@x", "Local/x", "+7900\r\nAction: x"):
            assert (await line.transfer(to(hostile))).outcome == "failed"


async def test_a_subscriber_who_leaves_the_operator_ends_the_call(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.channel.dial(order("10"), quiet) as line:
        end = await line.transfer(TransferOrder("+79001234501", "main", 5, ""))
        assert end.outcome == "done"
        assert 0.5 < end.talked_s < 2.5
        assert line.cause == 16
        assert [item async for item in line.media if isinstance(item, Digit)] == []


@BOTH
async def test_a_broken_media_link_comes_back(tmp_path: Path, transport: str) -> None:
    async with world(tmp_path, transport) as w, w.channel.dial(order("01"), quiet) as line:
        await hears_itself(line.media)
        for _ in range(2):
            w.channel.break_links()
            await hears_itself(line.media)


async def test_a_broken_manager_link_comes_back_and_what_ended_meanwhile_is_found(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with w.channel.dial(order("01"), quiet) as line:
            w.channel.ami.break_link()
            with pytest.raises(ChannelDown):
                async with w.channel.dial(order("01"), quiet):
                    pass
            await hears_itself(line.media)
        assert line.cause == 16  # hung up over the link that came back, or by the dialplan
        async with w.channel.dial(order("05"), quiet) as line:
            await until_lost(w)
            async for _ in line.media:
                pass
            assert line.cause
        assert "0 active calls" in await w.asterisk.cli("core show channels")


async def until_lost(w: World) -> None:
    w.channel.ami.break_link()
    await asyncio.sleep(0)


async def test_asterisk_killed_in_mid_call_ends_it_and_comes_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with w.channel.dial(order("01"), quiet) as line:
            os.kill(w.asterisk.pid, signal.SIGKILL)
            async for _ in line.media:
                pass
            assert line.cause
        async with w.channel.dial(order("01"), quiet) as line:
            await hears_itself(line.media)


async def test_an_incoming_call_is_answered_or_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        calls = w.channel.calls()
        coming = asyncio.ensure_future(anext(calls))
        await asyncio.sleep(0)
        await call_in(w.phones)
        call: Incoming = await coming
        assert (call.phone, call.number) == ("+79005550001", "+74950000001")
        async with call.accept(record=True) as line:
            await hears_itself(line.media)
            files = line.recording()
            assert files is not None
            end = await line.transfer(TransferOrder("+79001234505", "main", 5, ""))
            assert end.outcome == "done"
            await hears_itself(line.media)
        beside = [part for file in files for part in parts(Path(file))[1:]]
        assert len(beside) == 2, "what was said to the operator, both sides"
        for _ in range(100):
            if not still_open(*map(Path, files)):
                break
            await asyncio.sleep(0.05)
        for file, least in ((files[0], 8000), (files[1], 5000), *((file, 2000) for file in beside)):
            with wave.open(str(file)) as recording:
                assert recording.getnframes() > least, file
        assert await outcome(w.phones) == "ANSWER/16"
        coming = asyncio.ensure_future(anext(calls))
        await asyncio.sleep(0)
        await call_in(w.phones)
        await (await coming).reject(21)
        for _ in range(100):
            if await outcome(w.phones) != "ANSWER/16":
                break
            await asyncio.sleep(0.05)
        assert (await outcome(w.phones)).endswith("/21")


async def test_nobody_there_is_busy(tmp_path: Path) -> None:
    async with sites(tmp_path, "websocket") as (settings, _, network), asyncio.timeout(30):
        await call_in(network)
        assert await outcome(network) == "BUSY/17"
        async with engine(settings):
            network.folders.output.write_text("", "utf-8")
            await call_in(network)
            assert await outcome(network) == "BUSY/17"


async def test_a_recording_that_cannot_be_written_does_not_disturb(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        recordings = w.settings.data_dir / "asterisk" / "recordings"
        recordings.rmdir()
        recordings.write_text("no folder")
        async with w.channel.dial(order("01", record=True), quiet) as line:
            await hears_itself(line.media)
            files = line.recording()
        assert files is not None
        assert not any(map(os.path.exists, files))
