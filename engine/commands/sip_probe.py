"""Is a SIP server there? One OPTIONS request over UDP, sent again as RFC 3261 says, any answer will do."""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass

FIRST_S = 0.5  # T1: sent again after this time, then after twice that, and so on
LONGEST = 8192


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status such as 200 or 403, or 0 and why there was none."""

    status: int
    detail: str


class _Once(asyncio.DatagramProtocol):
    def __init__(self, branch: str) -> None:
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._branch = branch

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        text = data[:LONGEST].decode("utf-8", "replace")
        match = re.match(r"SIP/2\.0 ([1-6]\d\d) ([^\r\n]{0,100})", text)
        if match and self._branch in text and int(match[1]) >= 200:
            self._settle(Answer(int(match[1]), match[2]))

    def error_received(self, exc: Exception) -> None:
        self._settle(Answer(0, getattr(exc, "strerror", None) or str(exc)))

    def _settle(self, answer: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


async def options(host: str, port: int, *, limit_s: float = 3.0) -> Answer:
    """Ask `host` for its OPTIONS. Never raises, takes `limit_s` at most."""
    branch = f"z9hG4bK{secrets.token_hex(8)}"
    try:
        async with asyncio.timeout(limit_s):
            transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Once(branch), remote_addr=(host.strip("[]"), port)
            )
            try:
                return await _ask(transport, protocol, _request(host, port, transport, branch))
            finally:
                transport.close()
    except TimeoutError:
        return Answer(0, f"no answer in {limit_s:g} s")
    except OSError as error:
        return Answer(0, error.strerror or str(error))


async def _ask(transport: asyncio.DatagramTransport, protocol: _Once, request: bytes) -> Answer:
    pause = FIRST_S
    while True:
        transport.sendto(request)
        done, _ = await asyncio.wait([protocol.answer], timeout=pause)
        if done:
            return protocol.answer.result()
        pause *= 2


def _request(host: str, port: int, transport: asyncio.DatagramTransport, branch: str) -> bytes:
    mine, my_port = transport.get_extra_info("sockname")[:2]
    me = f"[{mine}]" if ":" in mine else mine
    lines = [
        f"OPTIONS sip:{host}:{port} SIP/2.0",
        f"Via: SIP/2.0/UDP {me}:{my_port};branch={branch};rport",
        "Max-Forwards: 70",
        f"From: <sip:dozvon@{me}>;tag={secrets.token_hex(4)}",
        f"To: <sip:{host}:{port}>",
        f"Call-ID: {secrets.token_hex(8)}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:dozvon@{me}:{my_port}>",
        "Accept: application/sdp",
        "User-Agent: Dozvon",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()
