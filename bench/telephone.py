"""A telephone that measures: one SIP call over UDP on loopback, every RTP packet with the moment the kernel took it in.

call(number) ─INVITE─▶ 200 ─ACK─▶ speak / press ─▶ packets: (when, sequence, how loud) ─▶ gaps, first sound, silence
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
import time
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

import numpy as np

from engine import audio

HOST = "127.0.0.1"
PACKET_S = 0.02
SAMPLES = 160
LOUD = 500  # of 32767: above this a packet is sound
TELEPHONE_EVENT = 101
KEYS = "0123456789*#"
SILENCE = audio.encode(bytes(2 * SAMPLES), "alaw")
HELD_S = 0.1  # a key: shorter ones Asterisk makes longer
SO_TIMESTAMPNS = 35
ANSWER_S = 15.0


@dataclass(frozen=True, slots=True)
class Packet:
    at: float  # CLOCK_REALTIME, seconds, of the kernel
    sequence: int
    peak: int


@dataclass
class Key:
    """A key that is being held."""

    name: str
    stamp: int
    packets: int = 0


class Sound:
    """The call's RTP: A-law in real time, silence unless something is said; packets that come, with their moments."""

    def __init__(self) -> None:
        self.more = asyncio.Event()
        self.packets: list[Packet] = []
        self.remote: tuple[str, int] | None = None
        self.noise: list[bytes] = []  # looped instead of silence, if any
        self.spoken_until = 0.0  # CLOCK_REALTIME: when the last packet of what was spoken went out
        self.spoken_from = 0.0
        self.pressed_at = 0.0  # when the last key was let go
        self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtp.bind((HOST, 0))
        self._rtp.setblocking(False)
        self._rtp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._voice: list[bytes] = []
        self._keys: list[str] = []
        self._key: Key | None = None

    @property
    def port(self) -> int:
        return int(self._rtp.getsockname()[1])

    def speak(self, pcm: bytes) -> None:
        """Say this, from the next packet on."""
        pcm = audio.padded(pcm)
        self._voice += [audio.encode(pcm[i : i + 2 * SAMPLES], "alaw") for i in range(0, len(pcm), 2 * SAMPLES)]

    def press(self, key: str) -> None:
        self._keys.append(key)

    @asynccontextmanager
    async def flowing(self) -> AsyncGenerator[None]:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._rtp.fileno(), self._received)
        sending = asyncio.create_task(self._sending(), name="rtp")
        try:
            yield
        finally:
            sending.cancel()
            loop.remove_reader(self._rtp.fileno())

    def wake(self) -> None:
        """Whoever waits for packets looks again."""
        self.more.set()
        self.more = asyncio.Event()

    def close(self) -> None:
        self._rtp.close()

    def _received(self) -> None:
        while True:
            try:
                data, control, _, _ = self._rtp.recvmsg(2048, 128)
            except BlockingIOError:
                break
            if len(data) < 12 + SAMPLES or data[1] & 0x7F != 8:
                continue
            seconds, nanos = struct.unpack("qq", control[0][2][:16])
            peak = int(np.abs(audio.samples(audio.decode(data[12:], "alaw"))).max() * 32768)
            self.packets.append(Packet(seconds + nanos / 1e9, struct.unpack_from("!H", data, 2)[0], peak))
        self.wake()

    async def _sending(self) -> None:
        loop = asyncio.get_running_loop()
        sequence, stamp, source = random.getrandbits(15), random.getrandbits(31), random.getrandbits(32)
        due, n = loop.time(), 0
        while True:
            if self._key is None and self._keys:
                self._key = Key(self._keys.pop(0), stamp)
            if self._key is not None:
                sequence = self._press(self._key, sequence, source)
            else:
                self._out(8, sequence, stamp, source, self._next(n))
            sequence, stamp, n = (sequence + 1) & 0xFFFF, (stamp + SAMPLES) & 0xFFFFFFFF, n + 1
            due += PACKET_S
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _next(self, n: int) -> bytes:
        if self._voice:
            if not self.spoken_from:
                self.spoken_from = now()
            payload = self._voice.pop(0)
            self.spoken_until = now()
            return payload
        return self.noise[n % len(self.noise)] if self.noise else SILENCE

    def _press(self, key: Key, sequence: int, source: int) -> int:
        """RFC 4733: a packet each 20 ms while the key is held, its end three times."""
        key.packets += 1
        end = key.packets * PACKET_S >= HELD_S
        for _ in range(3 if end else 1):
            event = struct.pack("!BBH", KEYS.index(key.name), (end << 7) | 10, key.packets * SAMPLES)
            self._out(TELEPHONE_EVENT, sequence, key.stamp, source, event)
            sequence = (sequence + 1) & 0xFFFF
        if end:
            self.pressed_at, self._key = now(), None
        return sequence

    def _out(self, kind: int, sequence: int, stamp: int, source: int, payload: bytes) -> None:
        if self.remote is not None:
            self._rtp.sendto(struct.pack("!BBHII", 0x80, kind, sequence, stamp, source) + payload, self.remote)


@dataclass
class Talk:
    """An answered call."""

    sound: Sound
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def gaps_ms(self) -> list[float]:
        """Between one packet and the next."""
        times = [packet.at for packet in self.sound.packets]
        return [(b - a) * 1000 for a, b in zip(times, times[1:], strict=False)]

    def first_sound(self, after: float) -> float | None:
        """When the first loud packet after that moment came."""
        return next((p.at for p in self._since(after) if p.peak > LOUD), None)

    def last_sound(self, after: float, quiet_s: float = 0.3) -> float | None:
        """When the sound that was going on at `after` stopped: the last loud packet before `quiet_s` without any."""
        last = after
        for packet in self._since(after):
            if packet.peak > LOUD:
                if packet.at - last > quiet_s:
                    break
                last = packet.at
        return last

    def _since(self, after: float) -> Iterator[Packet]:
        return islice(self.sound.packets, bisect_right(self.sound.packets, after, key=lambda packet: packet.at), None)

    async def until_sound(self, after: float, limit_s: float = 10.0) -> float:
        async with asyncio.timeout(limit_s):
            while True:
                found = self.first_sound(after)
                if found is not None:
                    return found
                await self.sound.more.wait()

    async def until_quiet(self, quiet_s: float, limit_s: float = 20.0) -> float:
        """Wait until nothing loud has come for so long; the moment of the last loud packet."""
        async with asyncio.timeout(limit_s):
            while True:
                loud = next((p.at for p in reversed(self.sound.packets) if p.peak > LOUD), None)
                if loud is not None and self.sound.packets[-1].at - loud >= quiet_s:
                    return loud
                await self.sound.more.wait()


class Phone(asyncio.DatagramProtocol):
    """One SIP user agent with one call."""

    def __init__(self, robot: tuple[str, int], number: str, caller: str) -> None:
        self.sound = Sound()
        self._robot = robot
        self._number, self._caller = number, caller
        self._id = f"{random.getrandbits(64):x}"
        self._tag = f"{random.getrandbits(32):x}"
        self._to = ""
        self._contact = ""
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._talk: Talk | None = None
        self._sip: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sip = cast(asyncio.DatagramTransport, transport)
        port = self.sound.port
        body = (
            f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n"
            "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
        )
        self._send("INVITE", 1, body)

    def _send(self, method: str, cseq: int, body: str = "") -> None:
        assert self._sip is not None
        port = self._sip.get_extra_info("sockname")[1]
        where = self._contact or f"sip:{self._number}@{self._robot[0]}:{self._robot[1]}"
        lines = [
            f"{method} {where} SIP/2.0",
            f"Via: SIP/2.0/UDP {HOST}:{port};branch=z9hG4bK{self._id}{method}{cseq};rport",
            "Max-Forwards: 70",
            f"From: <sip:{self._caller}@{HOST}:{port}>;tag={self._tag}",
            f"To: {self._to or f'<sip:{self._number}@{self._robot[0]}>'}",
            f"Call-ID: {self._id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:{self._caller}@{HOST}:{port}>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self._sip.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), self._robot)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        text = data.decode("utf-8", "replace")
        first, _, rest = text.partition("\r\n")
        if first.startswith("SIP/2.0"):
            self._response(int(first.split()[1]), rest)
        else:
            self._request(first.split()[0], text)

    def _response(self, status: int, text: str) -> None:
        if "CSeq: 1 INVITE" not in text or status < 200:
            return
        if status >= 300:
            if not self._answered.done():
                self._answered.set_exception(ConnectionError(f"the robot answered {status}"))
            return
        self._to = _header(text, "To")
        self._contact = _header(text, "Contact").strip("<>").split(">")[0]
        self._send("ACK", 1)
        if self._answered.done():
            return
        host, port = re.findall(r"c=IN IP4 (\S+)", text)[0], int(re.findall(r"m=audio (\d+)", text)[0])
        self.sound.remote = (host, port)
        self._answered.set_result(None)

    def _request(self, method: str, text: str) -> None:
        assert self._sip is not None
        copied = [line for line in text.split("\r\n") if line.split(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq")]
        self._sip.sendto(
            ("\r\n".join(["SIP/2.0 200 OK", *copied, "Content-Length: 0"]) + "\r\n\r\n").encode(), self._robot
        )
        if method == "BYE" and self._talk is not None:
            self._talk.ended.set()
            self.sound.wake()

    @asynccontextmanager
    async def call(self) -> AsyncGenerator[Talk]:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(HOST, 0))
        talk = self._talk = Talk(self.sound)
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._answered
            async with self.sound.flowing():
                yield talk
        finally:
            if not talk.ended.is_set() and self._to:
                self._send("BYE", 2)
            await asyncio.sleep(0.02)
            self.close()

    def close(self) -> None:
        if self._sip is not None:
            self._sip.close()
        self.sound.close()


def _header(text: str, name: str) -> str:
    found = re.search(rf"^{name}:\s*(.+?)\r?$", text, re.MULTILINE | re.IGNORECASE)
    return found.group(1) if found else ""


def now() -> float:
    """The clock that the kernel stamps packets with."""
    return time.clock_gettime(time.CLOCK_REALTIME)
