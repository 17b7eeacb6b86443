"""The media port for AudioSocket, for Asterisk 18 to 22.7: plain TCP, one connection for each call.

    type (1 byte), length (2 bytes, big-endian), payload:  00 hang-up  01 UUID  03 key  10 slin  ff error

Nothing paces what we send and nothing takes it back: a frame for every 20 ms from the first moment, silence when there
is nothing to say, 40 to 60 ms ahead, by the one `Ticker` of all calls.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import cast

from channels.voice.media import Stream
from engine.model import FRAME_BYTES, SILENCE

log = logging.getLogger(__name__)

LEAD_S = 0.04
HELLO_S = 5.0
MAX_WAITING = 256  # connections that have not yet said whose they are
KEPT = 65536  # unsent bytes of a connection whose other end does not read
HANGUP, UUID, KEY, SLIN, ERROR = 0x00, 0x01, 0x03, 0x10, 0xFF
HEAD = b"\x10" + FRAME_BYTES.to_bytes(2, "big")
SILENT = HEAD + SILENCE

Find = Callable[[str], Stream | None]


class AudioSocketLink(asyncio.Protocol):
    window_s = LEAD_S
    chunk = FRAME_BYTES
    steady = True

    def __init__(self, find: Find, waiting: set[AudioSocketLink]) -> None:
        self.ready = True
        self._find = find
        self._waiting = waiting
        self._stream: Stream | None = None
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._buffer = b""
        self._rest = b""

    # called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self._waiting) >= MAX_WAITING:
            self._refuse("too many media connections wait")
            return
        self._waiting.add(self)
        self._deadline = asyncio.get_running_loop().call_later(HELLO_S, self._refuse, "media connection said nothing")

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        at, end = 0, len(data)
        while end - at >= 3 and self._transport is not None:
            size = data[at + 1] << 8 | data[at + 2]
            if self._stream is None and (data[at] != UUID or size != 16):
                self._refuse("media connection spoke nonsense")
                return
            if end - at < 3 + size:
                break
            self._take(data[at], data[at + 3 : at + 3 + size])
            at += 3 + size
        self._buffer = data[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._waiting and self._transport is not None:
            log.warning("media connection closed before it said whose it is")
        self._transport = None
        self._greeted()
        if self._stream is not None:
            self._stream.detach(self)

    # called by the stream

    def send(self, pcm: bytes | memoryview) -> None:
        transport = self._transport
        if transport is not None and transport.get_write_buffer_size() < KEPT:
            transport.write(SILENT if pcm is SILENCE else HEAD + pcm)

    def mark(self, name: str) -> None:
        raise AssertionError("this link has no marks")

    def flush(self) -> None:
        """What is on its way cannot be called back: it is 60 ms at most."""

    def close(self) -> None:
        transport, self._transport = self._transport, None
        self._greeted()
        if transport is not None:
            transport.write(b"\x00\x00\x00")
            transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # inside

    def _take(self, kind: int, payload: bytes) -> None:
        stream = self._stream
        if stream is None:
            self._greet(payload)
        elif kind == SLIN:
            if len(payload) == FRAME_BYTES and not self._rest:
                stream.feed(payload)
            else:
                self._cut(stream, payload)
        elif kind == KEY:
            stream.press(payload[:1].decode("latin-1"))
        elif kind in (HANGUP, ERROR):
            self.close()
            stream.detach(self)

    def _cut(self, stream: Stream, pcm: bytes) -> None:
        self._rest += pcm
        whole = len(self._rest) - len(self._rest) % FRAME_BYTES
        for at in range(0, whole, FRAME_BYTES):
            stream.feed(self._rest[at : at + FRAME_BYTES])
        self._rest = self._rest[whole:]

    def _greet(self, uuid: bytes) -> None:
        stream = self._find(uuid.hex())
        if stream is None or not stream.expecting:
            self._refuse("media connection refused")
            return
        self._greeted()
        self._stream = stream
        stream.attach(self)

    def _greeted(self) -> None:
        self._waiting.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, why: str) -> None:
        log.warning(why)
        self._greeted()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()


@asynccontextmanager
async def listen(host: str, port: int, find: Find) -> AsyncGenerator[int]:
    """Take media connections while the block runs; gives the port. `find` knows streams by UUID in plain hex."""
    waiting: set[AudioSocketLink] = set()
    server = await asyncio.get_running_loop().create_server(lambda: AudioSocketLink(find, waiting), host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for link in tuple(waiting):
            link.close()
        await asyncio.sleep(0)
