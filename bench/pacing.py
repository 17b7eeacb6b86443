"""Ten calls a second for a minute: is each INVITE on the even grid that was asked for?

campaign ─36,000/h─▶ engine ─▶ Asterisk ─INVITE─▶ subscribers (one socket; the kernel stamps what comes in)
"""

from __future__ import annotations

import asyncio
import re
import socket
import statistics
import struct
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from bench.figures import Figure, percentile
from bench.rig import NUMBER, Robot
from bench.telephone import HOST, SO_TIMESTAMPNS

PER_S = 10
SECONDS = 60
PATIENCE_S = 60.0
ROOM = 200  # calls at once
TALK: Mapping[str, Any] = {
    "dozvon": 1,
    "name": "pacing",
    "language": "ru",
    "start": "say",
    "nodes": {"say": {"kind": "play", "say": "Проверка", "next": "end"}, "end": {"kind": "hangup"}},
}
SDP = "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\na=ptime:20\r\n"


class Subscribers:
    """Everybody behind the trunk: answers at once and listens until the robot hangs up."""

    def __init__(self, sip: socket.socket, rtp: socket.socket) -> None:
        self.started: dict[str, float] = {}  # call -> when its INVITE came, CLOCK_REALTIME of the kernel
        self._sip, self._rtp = sip, rtp

    def received(self) -> None:
        while True:
            try:
                data, control, _, where = self._sip.recvmsg(8192, 128)
            except BlockingIOError:
                return
            seconds, nanos = struct.unpack("qq", control[0][2][:16])
            self._answer(data.decode("utf-8", "replace"), seconds + nanos / 1e9, where)

    def _answer(self, request: str, at: float, where: tuple[str, int]) -> None:
        method, _, _ = request.partition(" ")
        call = re.search(r"^Call-ID:\s*(\S+)", request, re.MULTILINE | re.IGNORECASE)
        if call is None or method not in ("INVITE", "BYE", "CANCEL", "OPTIONS"):
            return
        if method == "INVITE":
            self.started.setdefault(call.group(1), at)
        kept = [line for line in request.split("\r\n") if line.split(":")[0] in ("Via", "From", "Call-ID", "CSeq")]
        to = next(line for line in request.split("\r\n") if line.startswith("To:"))
        body = SDP.format(host=HOST, port=self._rtp.getsockname()[1]) if method == "INVITE" else ""
        port = self._sip.getsockname()[1]
        lines = [
            "SIP/2.0 200 OK",
            *kept,
            to if "tag=" in to else f"{to};tag=t{len(self.started)}",
            f"Contact: <sip:{HOST}:{port}>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self._sip.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), where)


@contextmanager
def subscribers(port: int) -> Generator[Subscribers]:
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp,  # nobody reads it: the kernel drops what is too much
    ):
        sip.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sip.bind((HOST, port))
        rtp.bind((HOST, 0))
        sip.setblocking(False)
        everybody = Subscribers(sip, rtp)
        loop.add_reader(sip.fileno(), everybody.received)
        try:
            yield everybody
        finally:
            loop.remove_reader(sip.fileno())


async def measure(robot: Robot) -> list[float]:
    """When the calls of the campaign began, in order."""
    scenario = await robot.scenario(TALK)
    count = PER_S * SECONDS
    people = [{"phone": f"+7903{n:07d}"} for n in range(count)]
    project = f"/projects/{robot.project}"
    segment = await robot.api("POST", f"{project}/segments", {"name": "all", "kind": "contacts", "contacts": people})
    wanted = {
        "name": "pacing",
        "scenario_id": scenario,
        "segment_ids": [segment["id"]],
        "numbers": [NUMBER],
        "speed_per_hour": PER_S * 3600,
        "max_concurrent": ROOM,
    }
    campaign = (await robot.api("POST", f"{project}/campaigns", wanted))["id"]
    with subscribers(robot.ports.trunk) as everybody:
        await robot.api("POST", f"/campaigns/{campaign}/start")
        async with asyncio.timeout(SECONDS + PATIENCE_S):
            while (await robot.api("GET", f"/campaigns/{campaign}"))["state"] != "finished":  # noqa: ASYNC110 - another process
                await asyncio.sleep(1)
    return sorted(everybody.started.values())


def deviations(starts: Sequence[float], gap_s: float) -> list[float]:
    """Milliseconds between each start and its place on the even grid. The grid's phase is the one that fits best."""
    phase = statistics.median(start - n * gap_s for n, start in enumerate(starts))
    return [1000 * abs(start - phase - n * gap_s) for n, start in enumerate(starts)]


async def figures(robot: Robot) -> list[Figure]:
    starts = await measure(robot)
    late = deviations(starts, 1 / PER_S)
    took_s = starts[-1] - starts[0]
    return [
        Figure("calls begun", len(starts), f"of {PER_S * SECONDS}", at_least=PER_S * SECONDS, at_most=PER_S * SECONDS),
        Figure("calls begun in a second", round((len(starts) - 1) / took_s, 3)),
        Figure("off its time p50", round(percentile(late, 0.5), 2), "ms"),
        Figure("off its time p95", round(percentile(late, 0.95), 2), "ms", at_most=20),
        Figure("off its time, worst", round(max(late), 2), "ms"),
    ]
