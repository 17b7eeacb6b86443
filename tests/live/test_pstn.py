"""The telephone network that plays along: each subscriber does what the last two digits say, over real SIP and RTP."""

from __future__ import annotations

import array
import asyncio
import wave
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from channels import voice
from channels.voice.pstn import SUBSCRIBERS, Network, Pstn, render
from channels.voice.render import render as render_robot
from channels.voice.supervise import Supervised
from engine.config import Settings
from engine.errors import ConfigError
from engine.model import DialOrder
from tests.asterisk import installed, live_network, tone, tones, write_tone

pytestmark = pytest.mark.live

PROMPT_S = 2.0
# The robot's part: records what it hears, says its words, waits for what comes.
_DIALPLAN = """
[robot]
exten => s,1,MixMonitor({folder}/${{UNIQUEID}}-mix.wav,r({folder}/${{UNIQUEID}}.wav))
 same => n,Playback({folder}/prompt)
 same => n,Read(KEY,,1,,1,{patience_s})
 same => n,UserEvent(Heard,Call: ${{UNIQUEID}},Key: ${{KEY}})
 same => n,Hangup(16)
[from-trunk]
exten => _+X.,1,UserEvent(In,Number: ${{EXTEN}},From: ${{CALLERID(num)}})
 same => n,Goto(robot,s,1)
"""
_MANAGER = "\n[watcher]\nsecret = watcher\nread = call,user\nwrite = originate\n"


class Manager:
    """As much of an AMI client as these tests need."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, **headers: str) -> None:
        self._writer.write("".join(f"{key}: {value}\r\n" for key, value in headers.items()).encode() + b"\r\n")

    async def until(self, **wanted: str) -> Mapping[str, str]:
        """The next message that has these headers."""
        while True:
            block = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            message = dict(line.split(": ", 1) for line in block.split("\r\n") if ": " in line)
            if wanted.items() <= message.items():
                return message


@dataclass(frozen=True)
class World:
    settings: Settings
    asterisk: Supervised
    pstn: Pstn
    manager: Manager
    folder: Path

    def dial(self, ending: str, *, timeout_s: float = 20.0) -> str:
        call = uuid4().hex
        self.manager.send(
            Action="Originate",
            Channel=f"PJSIP/+790000000{ending}@main",
            ChannelId=call,
            CallerID="+74950000001",
            Context="robot",
            Exten="s",
            Priority="1",
            Timeout=str(int(timeout_s * 1000)),
            Async="true",
        )
        return call

    def heard(self, call: str) -> list[float]:
        """Loudness of every 20 ms that came from the subscriber."""
        with wave.open(str(self.folder / f"{call}.wav")) as sound:
            pcm = sound.readframes(sound.getnframes())
        return [_loudness(pcm[at : at + 320]) for at in range(0, len(pcm), 320)]


@asynccontextmanager
async def world(folder: Path, *, patience_s: float = 2.0) -> AsyncGenerator[World]:
    async with live_network(folder) as (settings, asterisk, pstn):
        write_tone(folder / "prompt.wav", hertz=300, seconds=PROMPT_S)
        conf = asterisk.folders.etc / "extensions.conf"
        conf.write_text(_DIALPLAN.format(folder=folder, patience_s=patience_s), "utf-8")
        await asterisk.cli("module load app_read.so")
        await asterisk.cli("dialplan reload")
        conf = asterisk.folders.etc / "manager.conf"
        conf.write_text(conf.read_text("utf-8") + _MANAGER, "utf-8")
        await asterisk.cli("manager reload")
        ami = settings.asterisk.ami
        reader, writer = await asyncio.open_connection(ami.host, ami.port)
        try:
            await reader.readline()
            manager = Manager(reader, writer)
            manager.send(Action="Login", Username="watcher", Secret="watcher")
            await manager.until(Response="Success")
            yield World(settings, asterisk, pstn, manager, folder)
        finally:
            writer.close()
            await writer.wait_closed()


def _loudness(frame: bytes) -> float:
    return max(map(abs, array.array("h", frame))) / 32768


def _spoken(loudness: list[float]) -> list[tuple[float, float]]:
    """When there was sound: beginnings and ends in seconds, pauses below 0.2 s bridged."""
    spans: list[tuple[float, float]] = []
    for index, level in enumerate(loudness):
        at = index * 0.02
        if level > 0.02:
            if spans and at - spans[-1][1] < 0.2:
                spans[-1] = (spans[-1][0], at)
            else:
                spans.append((at, at))
    return spans


@pytest.mark.parametrize(
    ("who", "cause"),
    [("busy", "17"), ("absent", "1"), ("congestion", "34"), ("rejects", "21")],
)
async def test_who_is_not_reached_ends_with_the_cause(tmp_path: Path, who: str, cause: str) -> None:
    async with world(tmp_path) as here:
        call = here.dial(SUBSCRIBERS[who])
        assert (await here.manager.until(Event="Hangup", Uniqueid=call))["Cause"] == cause


async def test_who_does_not_answer_rings_until_we_give_up(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        call = here.dial(SUBSCRIBERS["no_answer"], timeout_s=1.5)
        assert (await here.manager.until(Event="Newstate", Uniqueid=call))["ChannelStateDesc"] == "Ringing"
        assert (await here.manager.until(Event="Hangup", Uniqueid=call))["Cause"] == "19"


async def test_who_says_yes_waits_for_the_end_of_the_prompt(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        call = here.dial(SUBSCRIBERS["yes"])
        await here.manager.until(Event="Hangup", Uniqueid=call)
        ((begins, ends),) = _spoken(here.heard(call))
        assert PROMPT_S + 0.4 < begins < PROMPT_S + 1.2
        assert 0.5 < ends - begins < 0.7


@pytest.mark.parametrize("transport", ["websocket", "audiosocket"])
async def test_the_end_of_the_prompt_is_noticed_with_and_without_packets_of_silence(
    tmp_path: Path, transport: str
) -> None:
    async with live_network(tmp_path, asterisk={"media": {"transport": transport}}) as (settings, _, _pstn):
        up = asyncio.Event()
        async with voice.open(settings, lambda works, _: up.set() if works else None) as channel:
            await up.wait()
            order = DialOrder("dz-yes", f"+790000000{SUBSCRIBERS['yes']}", "+74950000001", "main", record=False)
            async with channel.dial(order, lambda _: None) as line:
                await line.media.write(tone(hertz=300, seconds=PROMPT_S))
                loudness = []
                async for frame in line.media:
                    loudness.append(_loudness(frame) if isinstance(frame, bytes) else 1.0)
                    if len(loudness) == 200:
                        break
    ((begins, _ends),) = _spoken(loudness)
    assert PROMPT_S + 0.4 < begins < PROMPT_S + 1.2


async def test_who_interrupts_speaks_during_the_prompt(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        call = here.dial(SUBSCRIBERS["interrupts"])
        await here.manager.until(Event="Hangup", Uniqueid=call)
        begins, ends = _spoken(here.heard(call))[0]
        assert 0.2 < begins < 1.0
        assert ends < PROMPT_S


async def test_who_presses_a_key(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        call = here.dial(SUBSCRIBERS["key"])
        assert (await here.manager.until(Event="UserEvent", Call=call))["Key"] == "1"


async def test_who_is_silent_sends_silence_all_the_time(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        call = here.dial(SUBSCRIBERS["silent"])
        await here.manager.until(Event="Hangup", Uniqueid=call)
        loudness = here.heard(call)
        assert _spoken(loudness) == []
        assert len(loudness) * 0.02 > PROMPT_S + 1.5


async def test_who_hangs_up_does_it_in_the_middle_of_the_prompt(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        call = here.dial(SUBSCRIBERS["hangs_up"])
        # A BYE with no Reason header, as many networks send it, has no cause.
        assert (await here.manager.until(Event="Hangup", Uniqueid=call))["Cause"] == "0"
        assert 0.5 < len(here.heard(call)) * 0.02 < PROMPT_S


async def test_the_operator_greets_and_goes(tmp_path: Path) -> None:
    async with world(tmp_path, patience_s=10) as here:
        call = here.dial(SUBSCRIBERS["operator"])
        await here.manager.until(Event="Hangup", Uniqueid=call)
        loudness = here.heard(call)
        assert _spoken(loudness)[0][0] < 0.3
        assert 3.0 < len(loudness) * 0.02 < 5.0


async def test_the_network_calls_in(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.pstn.call_in("+74950000001", "yes", phone="+79031234567")
        came = await here.manager.until(Event="UserEvent", UserEvent="In")
        assert (came["Number"], came["From"]) == ("+74950000001", "+79031234567")
        await here.manager.until(Event="UserEvent", UserEvent="Heard")
        await here.manager.until(Event="Hangup")
        assert len(_spoken(here.heard(came["Uniqueid"]))) == 1


async def test_many_calls_at_once_and_a_reload_in_the_middle_of_them(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        calls = [here.dial(SUBSCRIBERS["yes"]) for _ in range(30)]
        for _ in calls:
            await here.manager.until(Event="OriginateResponse", Response="Success")
        trunks = {**here.settings.model_dump(by_alias=True)["trunks"], "another": {"host": "127.0.0.7"}}
        changed = here.settings.model_validate({**here.settings.model_dump(by_alias=True), "trunks": trunks})
        rendered = render_robot(changed, here.asterisk.asterisk)
        assert rendered.changed >= {"pjsip.conf"}
        (rendered.folder / "extensions.conf").write_text(_DIALPLAN.format(folder=tmp_path, patience_s=2.0), "utf-8")
        assert await here.asterisk.reload(rendered)
        assert "another" in await here.asterisk.cli("pjsip show endpoints")
        for _ in calls:
            assert (await here.manager.until(Event="Hangup"))["Cause"] == "16"
        for call in calls:
            ((begins, _ends),) = _spoken(here.heard(call))
            assert PROMPT_S + 0.4 < begins < PROMPT_S + 1.5


async def test_a_stranger_gets_no_call_through(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        stranger = (
            "INVITE sip:+74950000001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.3:{port};branch=z9hG4bKx;rport\r\n"
            "From: <sip:bad@127.0.0.3>;tag=x\r\nTo: <sip:+74950000001@127.0.0.1>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"
            "Contact: <sip:bad@127.0.0.3:{port}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        answers = asyncio.Queue[bytes]()

        class Phone(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                answers.put_nowait(data)

        robot = (here.settings.asterisk.sip.host, here.settings.asterisk.sip.port)
        phone, _ = await asyncio.get_running_loop().create_datagram_endpoint(Phone, local_addr=("127.0.0.3", 0))
        phone.sendto(stranger.format(port=phone.get_extra_info("sockname")[1]).encode(), robot)
        try:
            assert (await answers.get()).split()[1] == b"401"
        finally:
            phone.close()
        assert "0 active channels" in await here.asterisk.cli("core show channels")


def test_a_missing_sound_is_named(tmp_path: Path) -> None:
    (tones(tmp_path / "tones") / "operator.wav").unlink()
    with pytest.raises(ConfigError, match=r"operator\.wav"):
        render(Network(5070, 5060, tmp_path / "tones"), installed(), root=tmp_path / "pstn")
