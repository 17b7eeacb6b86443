"""The two-way audio of one call, whatever carries it: one persistent stream over the links that come and go.

    link ─feed, press─▶ Inflow ─▶ async for          write, drain, flush ─▶ Outflow ─▶ link
                           ▲                                                   ▲
                           └──────────── Ticker, every 20 ms, all calls ───────┘

A link is one connection of Asterisk: it comes when the dialplan dials it, goes for a transfer or when it breaks, and
comes again. What a broken link had not yet played is kept, and said over the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from channels.voice.inflow import FRAME_S, QUEUED_FRAMES, Inflow
from channels.voice.outflow import Link, Outflow
from channels.voice.recorder import Recorder
from engine.model import Digit

__all__ = ["FRAME_S", "QUEUED_FRAMES", "Link", "Stream", "Ticker"]


class Ticker:
    """One deadline clock for all calls: every stream is told the time each 20 ms, however late the last tick was."""

    def __init__(self) -> None:
        self._streams: set[Stream] = set()
        self._next = 0.0
        self._last = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def add(self, stream: Stream) -> None:
        self._streams.add(stream)
        if self._handle is None:
            loop = asyncio.get_running_loop()
            self._next = loop.time() + FRAME_S
            self._handle = loop.call_at(self._next, self._tick, loop)

    def discard(self, stream: Stream) -> None:
        self._streams.discard(stream)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        # After a stall of ours the sound waits in the sockets: read it before silence stands in for it.
        punctual = now - self._last < 2 * FRAME_S
        self._last = now
        for stream in tuple(self._streams):
            stream.tick(now, punctual)
        if not self._streams:
            self._handle = None
            return
        self._next += FRAME_S
        if self._next < now:
            self._next = now + FRAME_S - (now - self._next) % FRAME_S
        self._handle = loop.call_at(self._next, self._tick, loop)


class Stream:
    """A MediaStream. `on_link` is called when a link has come, `on_lost` when it breaks: it merely pauses then."""

    def __init__(
        self,
        ticker: Ticker,
        on_link: Callable[[], None] | None = None,
        on_lost: Callable[[], None] | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.expecting = True  # a link may come
        self._on_link = on_link
        self._on_lost = on_lost
        self._ticker = ticker
        self._linked = asyncio.Event()
        self._ended = False
        self._recorder = recorder
        self._in = Inflow(recorder.heard if recorder else None)
        self._out = Outflow(recorder.said if recorder else None)
        self.feed = self._in.feed  # for the link; without a step between, for it is called for every frame
        self.press = self._in.press
        self.marked = self._out.marked

    # --- the port ---------------------------------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[bytes | Digit]:
        return self._in

    async def write(self, pcm: bytes) -> None:
        if pcm and not self._ended:
            await self._out.write(pcm)

    async def drain(self) -> None:
        await self._out.drain()

    def flush(self) -> None:
        self._out.flush()

    # --- for the line -----------------------------------------------------------------------------------------------

    @property
    def carried(self) -> bool:
        return self._out.link is not None

    @property
    def lost_frames(self) -> int:
        return self._in.lost_frames

    async def linked(self) -> None:
        """Wait until a link carries the stream, or the call is over."""
        await self._linked.wait()

    def break_link(self) -> None:
        if self._out.link is not None:
            self._out.link.abort()

    def pause(self) -> None:
        """Let the link go and take none until `expecting` is set again."""
        self.expecting = False
        self._release()

    def end(self) -> None:
        """The call is over."""
        if self._ended:
            return
        self._ended = True
        self.pause()
        self._out.flush()
        self._linked.set()
        self._in.end()

    # --- for the link -----------------------------------------------------------------------------------------------

    def attach(self, link: Link) -> bool:
        """A link has come; a newer one takes the place of an older one. False: none is wanted."""
        if not self.expecting or self._ended:
            return False
        self._release()
        now = asyncio.get_running_loop().time()
        if self._recorder is not None:
            self._recorder.begin(now)
        self._in.begin(now)
        self._ticker.add(self)
        self._linked.set()
        self._out.begin(link, now)
        if self._on_link is not None:
            self._on_link()
        return True

    def detach(self, link: Link) -> None:
        """The link has broken."""
        if link is self._out.link:
            self._release()
            if self._on_lost is not None:
                self._on_lost()

    def ready(self) -> None:
        """The far end takes sound again."""
        self._out.pump(asyncio.get_running_loop().time())

    def tick(self, now: float, punctual: bool) -> None:
        self._in.tick(now, punctual)
        out = self._out
        if now >= out.due:
            out.pump(now)

    def _release(self) -> None:
        self._ticker.discard(self)
        self._linked.clear()
        self._out.release()
