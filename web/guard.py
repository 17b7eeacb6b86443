"""The door: connections that do not become requests in time are closed, and too many of them are not let in.

    connect ─▶ 5 s for a whole header ─▶ request ─▶ answer ─▶ idle (75 s) ─▶ first byte: 5 s again ─▶ …

aiohttp bounds the size of headers and bodies; how long a client may take it leaves to us.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import _ErrInfo

from web.metrics import METRICS

log = logging.getLogger(__name__)

HEADER_S = 4.5
HEAD = 16_384  # bytes by which it is seen that something is no request
IDLE_S = 75.0
STALLED_S = 30.0  # a client that does not read what it asked for
LINGER_S = 2.0
CONNECTIONS = 1000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class GuardedConnection(web.RequestHandler):
    """One connection of a client. `busy` is told by the middleware, since only it knows when a request is whole."""

    def __init__(self, server: web.Server, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=IDLE_S,
            lingering_time=LINGER_S,
            access_log=None,  # type: ignore[arg-type]  # None turns it off: our own middleware logs, without queries
            max_line_size=8190,
            max_field_size=8190,
            max_headers=100,
        )
        self._guard_loop = loop
        self._open: asyncio.Transport | None = None
        self._busy = False
        self._late: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._open = cast(asyncio.Transport, transport)
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._late is not None:
            log.info("connection dropped", extra={"reason": "closed before it sent a whole request"})
        self._open = None
        self._forget()
        self._flowing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._busy:
            super().data_received(data)
            return
        if self._late is None:
            self._expect()
        # What cannot be read is kept in the error that tells of it, and in the locals of this very frame, until the
        # garbage is collected, which is seldom: it must be little.
        head, rest = data[:HEAD], data[HEAD:]
        del data
        super().data_received(head)
        if self._unreadable():
            rest = b""
        if rest:
            super().data_received(rest)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Of what is no request one line is told when its connection ends, and nothing of what was sent."""
        if not isinstance(kw.get("exc_info"), HttpProcessingError):
            super().log_exception(*args, **kw)

    def _unreadable(self) -> bool:
        """What has come is no request; that is going to be answered, and nothing more is listened to."""
        return any(isinstance(message, _ErrInfo) for message, _ in self._messages)

    def begun(self) -> None:
        self._busy = True
        self._forget()

    def ended(self) -> None:
        self._busy = False

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self._guard_loop.call_later(STALLED_S, self._drop, "does not read its answer")

    def resume_writing(self) -> None:
        self._flowing()
        super().resume_writing()

    def _expect(self) -> None:
        self._late = self._guard_loop.call_later(HEADER_S, self._drop, "sent no whole request")

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _flowing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _drop(self, reason: str) -> None:
        if self._open is not None:
            log.info("connection dropped", extra={"reason": reason})
            self._forget()
            self._open.abort()


@web.middleware
async def watched(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One log line for each request, without its query; and the door knows that the request is whole."""
    door = request.protocol if isinstance(request.protocol, GuardedConnection) else None
    began = time.perf_counter()
    if door is not None:
        door.begun()
    try:
        answer = await handler(request)
    finally:
        if door is not None:
            door.ended()
    resource = request.match_info.route.resource
    route, took = resource.canonical if resource else "", time.perf_counter() - began
    log.debug(
        "request",
        extra={"method": request.method, "route": route, "status": answer.status, "ms": round(took * 1000, 1)},
    )
    if METRICS in request.app:
        request.app[METRICS].answered(request.method, route, answer.status, took)
    return answer


class _Refused(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


@asynccontextmanager
async def serve(app: web.Application, host: str, port: int) -> AsyncGenerator[int]:
    """Serve `app` while the block runs; gives the port (0: the system chooses). Raises OSError if it is taken.
    Leaving lets requests in flight finish for a few seconds."""
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=5.0)
    await runner.setup()
    server = runner.server
    assert server is not None
    loop = asyncio.get_running_loop()

    def connection() -> asyncio.Protocol:
        if len(server.connections) >= CONNECTIONS:
            log.warning("connection refused, too many are open", extra={"limit": CONNECTIONS})
            return _Refused()
        return GuardedConnection(server, loop=loop)

    try:
        listener = await loop.create_server(connection, host, port, backlog=256, reuse_address=True)
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
    finally:
        await runner.cleanup()
