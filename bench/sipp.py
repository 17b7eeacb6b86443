"""Calls by the hundred: SIPp as the subscribers, each with an RTP stream of its own.

callers(n) ─INVITE, ACK, A-law of a file for ever─▶ robot …  BYE after `hold_s`
"""

from __future__ import annotations

import asyncio
import csv
import os
import shutil
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.telephone import HOST, SAMPLES
from engine import audio
from engine.errors import InstallError
from engine.model import RATE

NOISE_DBFS = -58.0  # comfort noise: no frame is the one before, and none is a voice
NOISE_S = 20
RTP = (10000, 19998)  # not Asterisk's, not the ephemeral ones
PATIENCE_S = 30.0  # beyond the time that the calls should take

_CALLER = """<?xml version="1.0" encoding="ISO-8859-1"?>
<scenario name="caller">
<send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:+7900[call_number]@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:+7900[call_number]@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [rtpstream_audio_port] RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=ptime:20
]]></send>
<recv response="100" optional="true"></recv>
<recv response="180" optional="true"></recv>
<recv response="183" optional="true"></recv>
<recv response="200" rrs="true"></recv>
<send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
[last_From:]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<nop><action><exec rtp_stream="SOUND,-1,8"/></action></nop>
<pause milliseconds="HOLD"/>
<send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
[last_From:]
[last_To:]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"></recv>
</scenario>
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    made: int
    good: int  # went as they should, to their end

    @property
    def lost(self) -> int:
        return self.made - self.good


@dataclass
class Sipp:
    process: asyncio.subprocess.Process
    folder: Path

    async def ended(self) -> Outcome:
        """Wait until all its calls are over."""
        await self.process.wait()
        with (self.folder / "stat.csv").open(encoding="latin-1", newline="") as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        return Outcome(int(last["TotalCallCreated"]), int(last["SuccessfulCall(C)"]))


def noise(seed: int = 1, *, seconds: int = NOISE_S, dbfs: float = NOISE_DBFS) -> bytes:
    """Comfort noise as A-law."""
    pcm = np.random.default_rng(seed).normal(0, 32768 * 10 ** (dbfs / 20), seconds * RATE)
    return audio.encode(pcm.round().astype("<i2").tobytes(), "alaw")


def packets(alaw: bytes) -> list[bytes]:
    """As a measuring telephone wants it: in pieces of 20 ms."""
    return [alaw[at : at + SAMPLES] for at in range(0, len(alaw) - SAMPLES + 1, SAMPLES)]


@asynccontextmanager
async def callers(
    folder: Path, count: int, *, robot: int, number: str, port: int, per_s: float, hold_s: float, sound: bytes
) -> AsyncGenerator[Sipp]:
    """`count` calls to the robot's number, begun `per_s` a second from port `port`, ended after `hold_s` each. All that
    the subscribers say is `sound`, A-law, again and again."""
    scenario = _written(folder, _CALLER, round(hold_s * 1000), sound)
    arguments = (
        *("-sf", str(scenario), "-s", number, "-i", HOST, "-p", str(port), "-mi", HOST, "-r", str(per_s)),
        *("-m", str(count), "-l", str(count), f"{HOST}:{robot}"),
    )
    async with running(folder, *arguments, limit_s=count / per_s + hold_s + PATIENCE_S) as made:
        yield made


def _written(folder: Path, scenario: str, hold_ms: int, sound: bytes = b"") -> Path:
    """The scenario as a file in a new folder, with the sound beside it."""
    folder.mkdir(parents=True)
    (folder / "sound.alaw").write_bytes(sound)
    file = folder / "scenario.xml"
    file.write_text(scenario.replace("SOUND", str(folder / "sound.alaw")).replace("HOLD", str(hold_ms)), "ascii")
    return file


@asynccontextmanager
async def running(folder: Path, *arguments: str, limit_s: float) -> AsyncGenerator[Sipp]:
    """SIPp with these arguments; ended with the block, or by itself after `limit_s`. Raises InstallError."""
    program = shutil.which("sipp")
    if program is None:
        raise InstallError("there is no SIPp: install the package sip-tester, or measure by `make bench`")
    with (folder / "sipp.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, *arguments, "-nostdin", "-t", "u1", "-buff_size", "2000000",
            "-timeout", f"{round(limit_s)}s", "-trace_stat", "-stf", str(folder / "stat.csv"), "-fd", "1",
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env={**os.environ, "TERM": "dumb"},
        )  # fmt: skip
    try:
        yield Sipp(process, folder)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
