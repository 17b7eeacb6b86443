"""Asterisk's side of a media connection, as its sources have it: it plays what it was sent, in real time."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from channels.voice import audiosocket, websocket
from channels.voice.media import Stream, Ticker
from channels.voice.recorder import Recorder
from engine.model import FRAME_BYTES, SILENCE
from engine.ports import MediaStream
from tests.fakes import FRAME_S, ScriptedMedia

XOFF, XON, FULL = 900, 800, 1000


class Far(Protocol):
    @property
    def stream(self) -> MediaStream: ...

    def speak(self, frame: bytes) -> None: ...

    def press(self, key: str) -> None: ...

    def hang_up(self) -> None: ...

    def heard(self) -> bytes:
        """What the subscriber heard so far, silence left out."""
        ...


class FarWebSocket(WSListener):
    """chan_websocket: a queue of frames and marks, played by a 20 ms timer; XOFF at 900, XON at 800, 1000 at most."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.queue: deque[bytes | str] = deque()
        self.length = 0
        self.full = False
        self.dropped = 0
        self.largest = 0
        self.commands: list[str] = []
        self.gone = asyncio.Event()
        self.missed = 0  # moments at which there was nothing to play, so that no packet went to the subscriber
        self._heard = bytearray()
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None
        self.gone.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        if frame.msg_type is WSMsgType.TEXT:
            assert len(payload) <= 128
            self._command(json.loads(payload))
        elif frame.msg_type is WSMsgType.BINARY:
            self.largest = max(self.largest, len(payload))
            if self.length >= FULL:
                self.dropped += 1
                return
            assert len(payload) % FRAME_BYTES == 0
            for at in range(0, len(payload), FRAME_BYTES):
                self.queue.append(payload[at : at + FRAME_BYTES])
                self.length += 1
                if not self.full and self.length >= XOFF:
                    self.full = True
                    self.tell(event="MEDIA_XOFF")
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()

    def _command(self, command: dict[str, str]) -> None:
        self.commands.append(command["command"])
        if command["command"] == "MARK_MEDIA":
            self.queue.append(command["correlation_id"])
        elif command["command"] == "FLUSH_MEDIA":
            self.queue.clear()
            self.length = 0

    def tell(self, **event: str) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, json.dumps(event).encode())

    def send(self, kind: WSMsgType, payload: bytes) -> None:
        if self._transport is not None:
            self._transport.send(kind, payload)

    async def play(self) -> None:
        at = asyncio.get_running_loop().time()
        while True:
            at += FRAME_S
            await asyncio.sleep(at - asyncio.get_running_loop().time())
            if self.full and self.length < XON:
                self.full = False
                self.tell(event="MEDIA_XON")
            while self.queue:
                item = self.queue.popleft()
                if isinstance(item, bytes):
                    self.length -= 1
                    self._heard += item if item != SILENCE else b""
                    break
                self.tell(event="MEDIA_MARK_PROCESSED", correlation_id=item)
            else:
                self.missed += 1

    def speak(self, frame: bytes) -> None:
        self.send(WSMsgType.BINARY, frame)

    def press(self, key: str) -> None:
        self.tell(event="DTMF_END", digit=key, duration_ms="100")

    def hang_up(self) -> None:
        self.stream.end()  # as the line does when Asterisk tells of the hang-up

    def drop(self) -> None:
        """The link breaks without a word."""
        if self._transport is not None:
            self._transport.underlying_transport.abort()

    def heard(self) -> bytes:
        return bytes(self._heard)


class FarAudioSocket:
    """app_audiosocket: plays what comes, when it comes."""

    def __init__(self, stream: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.stream = stream
        self.frames: list[tuple[float, bytes]] = []
        self.hung_up = False
        self._reader = reader
        self._writer = writer

    async def play(self) -> None:
        while True:
            kind, *size = await self._reader.readexactly(3)
            payload = await self._reader.readexactly(int.from_bytes(size, "big"))
            if kind == 0:
                self.hung_up = True
            elif kind == 0x10:
                self.frames.append((asyncio.get_running_loop().time(), payload))

    def send(self, kind: int, payload: bytes) -> None:
        self._writer.write(bytes([kind]) + len(payload).to_bytes(2, "big") + payload)

    def speak(self, frame: bytes) -> None:
        self.send(0x10, frame)

    def press(self, key: str) -> None:
        self.send(0x03, key.encode())

    def hang_up(self) -> None:
        self.stream.end()

    def heard(self) -> bytes:
        return b"".join(frame for _, frame in self.frames if frame != SILENCE)


class FarFake:
    def __init__(self) -> None:
        self.stream = self._media = ScriptedMedia()

    def speak(self, frame: bytes) -> None:
        self._media.push(frame)

    def press(self, key: str) -> None:
        self._media.press(key)

    def hang_up(self) -> None:
        self._media.leave()

    def heard(self) -> bytes:
        now = asyncio.get_running_loop().time()
        return b"".join(u.pcm[: max(0, int((now - u.at) / FRAME_S)) * FRAME_BYTES] for u in self._media.heard)


@asynccontextmanager
async def beside(play: object) -> AsyncGenerator[None]:
    task = asyncio.ensure_future(play)  # type: ignore[call-overload]
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def dialled_websocket(port: int, stream: Stream, call: str = "dz-1") -> AsyncGenerator[FarWebSocket]:
    _, far = await ws_connect(
        lambda: FarWebSocket(stream),
        f"ws://127.0.0.1:{port}/media?call={call}",
        extra_headers={"Sec-WebSocket-Protocol": "media"},
    )
    assert isinstance(far, FarWebSocket)
    far.tell(event="MEDIA_START")
    async with beside(far.play()):
        try:
            yield far
        finally:
            far.drop()
            await far.gone.wait()


@asynccontextmanager
async def dialled_audiosocket(port: int, stream: Stream, call: uuid.UUID) -> AsyncGenerator[FarAudioSocket]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    far = FarAudioSocket(stream, reader, writer)
    far.send(0x01, call.bytes)
    async with beside(far.play()):
        try:
            await stream.linked()
            yield far
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@asynccontextmanager
async def far_websocket(recorder: Recorder | None = None) -> AsyncGenerator[Far]:
    stream = Stream(Ticker(), recorder=recorder)
    async with (
        websocket.listen("127.0.0.1", 0, {"dz-1": stream}.get) as port,
        dialled_websocket(port, stream) as far,
    ):
        yield far
        stream.end()


@asynccontextmanager
async def far_audiosocket(recorder: Recorder | None = None) -> AsyncGenerator[Far]:
    stream, call = Stream(Ticker(), recorder=recorder), uuid.uuid4()
    async with (
        audiosocket.listen("127.0.0.1", 0, {call.hex: stream}.get) as port,
        dialled_audiosocket(port, stream, call) as far,
    ):
        yield far
        stream.end()


@asynccontextmanager
async def far_fake() -> AsyncGenerator[Far]:
    yield FarFake()
