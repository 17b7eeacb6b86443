"""The media port for chan_websocket: Asterisk connects to us, one connection for each call.

    Dial(WebSocket/dozvon/c(slin)f(json)v(call=ID)) ── GET /media?call=ID, subprotocol `media` ──▶ Stream

Asterisk keeps the time of playing and queues up to 1000 frames, beyond which it drops sound without a word: at most
`WINDOW_S` is on its way at once, and XOFF/XON are obeyed besides. It drops marks when it flushes: `Stream` knows by
name which mark it still waits for.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from channels.voice.media import Stream
from engine.model import FRAME_BYTES

log = logging.getLogger(__name__)

WINDOW_S = 12.0  # 600 frames: well below XOFF at 900
CHUNK = 25 * FRAME_BYTES  # 8000 bytes; larger messages are read by Asterisk in one stall
HANDSHAKE_S = 5.0
MAX_MESSAGE = 65536
CHATTER = f"{__name__}.picows"
BIN, TEXT, CLOSE = WSMsgType.BINARY, WSMsgType.TEXT, WSMsgType.CLOSE
FLUSH = b'{"command":"FLUSH_MEDIA"}'

Find = Callable[[str], Stream | None]


class WebSocketLink(WSListener):
    window_s = WINDOW_S
    chunk = CHUNK
    steady = False

    def __init__(self, stream: Stream, known: Callable[[WSTransport], None]) -> None:
        self.ready = True
        self._stream = stream
        self._feed = stream.feed
        self._known = known
        self._transport: WSTransport | None = None
        self._rest = b""

    # called by picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._known(transport)
        if not self._stream.attach(self):
            self.close()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is BIN:
            if frame.payload_size == FRAME_BYTES and not self._rest:
                self._feed(frame.get_payload_as_bytes())
            else:
                self._cut(frame.get_payload_as_bytes())
        elif kind is TEXT:
            self._told(frame.get_payload_as_bytes())
        elif kind is CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None
        self._stream.detach(self)

    def pause_writing(self) -> None:
        self.ready = False

    def resume_writing(self) -> None:
        self._go_on()

    # called by the stream

    def send(self, pcm: bytes | memoryview) -> None:
        if self._transport is not None:
            self._transport.send(BIN, pcm)

    def mark(self, name: str) -> None:
        if self._transport is not None:
            self._transport.send(TEXT, b'{"command":"MARK_MEDIA","correlation_id":"%s"}' % name.encode())

    def flush(self) -> None:
        if self._transport is not None:
            self._transport.send(TEXT, FLUSH)

    def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.underlying_transport.abort()

    # inside

    def _go_on(self) -> None:
        self.ready = True
        self._stream.ready()

    def _cut(self, pcm: bytes) -> None:
        """Telephones with 30 ms packets make frames of 480 bytes: cut them to ours."""
        self._rest += pcm
        whole = len(self._rest) - len(self._rest) % FRAME_BYTES
        for at in range(0, whole, FRAME_BYTES):
            self._stream.feed(self._rest[at : at + FRAME_BYTES])
        self._rest = self._rest[whole:]

    def _told(self, payload: bytes) -> None:
        try:
            event = json.loads(payload)
            kind = event["event"]
        except (ValueError, KeyError, TypeError, RecursionError):
            log.warning("media link spoke nonsense, closing it", extra={"bytes": len(payload)})
            self.close()
            self._stream.detach(self)
            return
        if kind == "DTMF_END":
            self._stream.press(str(event.get("digit", "")))
        elif kind == "MEDIA_MARK_PROCESSED":
            self._stream.marked(str(event.get("correlation_id", "")))
        elif kind == "MEDIA_XOFF":
            self.ready = False
        elif kind == "MEDIA_XON":
            self._go_on()
        elif kind == "ERROR":
            log.warning("asterisk refused a media command", extra={"error": str(event.get("error_text", ""))[:200]})


class _Strangers(logging.Handler):
    """One line for each connection that never became a media link, made of picows' own many."""

    def __init__(self) -> None:
        super().__init__()
        self._why: dict[str, str] = {}  # connections without a handshake, by picows' name for them

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if said.startswith("New connection accepted"):
            self._why[record.name] = "no handshake"
        elif said.startswith("Disconnected"):
            if record.name in self._why:
                log.warning("media connection refused", extra={"why": self._why.pop(record.name)})
        elif record.name in self._why:
            self._why[record.name] = said[:200]
        elif record.levelno >= logging.WARNING:
            log.warning("media link broke its protocol", extra={"why": said[:200]})

    def known(self, transport: WSTransport) -> None:
        """It is a media link now."""
        fd = transport.underlying_transport.get_extra_info("socket").fileno()
        self._why.pop(f"{CHATTER}.{fd}", None)


def _route(request: WSUpgradeRequest, find: Find, strangers: _Strangers) -> WSUpgradeResponseWithListener | None:
    """The link for this connection; None (404) if no call waits for one."""
    where = urlsplit(request.path.decode("latin-1"))
    calls = parse_qs(where.query, max_num_fields=8).get("call", [])
    protocols = str(request.headers.get("Sec-WebSocket-Protocol", ""))
    stream = find(calls[0]) if where.path == "/media" and len(calls) == 1 else None
    if stream is None or not stream.expecting or "media" not in {p.strip() for p in protocols.split(",")}:
        return None
    response = WSUpgradeResponse.create_101_response({"Sec-WebSocket-Protocol": "media"})
    return WSUpgradeResponseWithListener(response, WebSocketLink(stream, strangers.known))


@asynccontextmanager
async def listen(host: str, port: int, find: Find) -> AsyncGenerator[int]:
    """Take media connections while the block runs; gives the port. `find` says which stream a call id belongs to."""

    strangers = _Strangers()
    chatter = logging.Logger(CHATTER, logging.INFO)
    chatter.addHandler(strangers)

    def factory(request: WSUpgradeRequest) -> WSUpgradeResponseWithListener | None:
        try:
            return _route(request, find, strangers)
        except ValueError:
            return None

    server = await ws_create_server(
        factory,
        host,
        port,
        websocket_handshake_timeout=HANDSHAKE_S,
        max_frame_size=MAX_MESSAGE,
        read_buffer_init_size=4096,
        logger_name=chatter,
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0)
