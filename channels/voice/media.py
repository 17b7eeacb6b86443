"""The two-way audio of one call, whatever carries it: one persistent stream over the links that come and go.

    link.feed ─▶ [deque, ≤ 10 s] ─▶ async for          write ─▶ [backlog] ─▶ link.send, at most `window_s` ahead
                     ▲ silence                                       ▲
                     └───────── Ticker, every 20 ms, all calls ──────┘

A `Link` is one connection of Asterisk: it comes when the dialplan dials it, goes for a transfer or when it breaks, and
comes again. What a broken link had not yet played is kept, and said over the next one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from engine.model import FRAME_BYTES, FRAME_MS, RATE, SILENCE, Digit

FRAME_S = FRAME_MS / 1000
BYTES_S = RATE * 2
_SILENCE = bytes(BYTES_S // 2)  # half a second
KEYS = {key: Digit(key) for key in "0123456789*#ABCD"}

QUEUED_FRAMES = 500  # 10 s that nobody has taken: then the oldest are lost
BACKLOG_BYTES = 10 * BYTES_S  # that `write` takes without waiting
BEHIND = 3  # frames that the sound may lag behind real time before silence stands in for them
AHEAD = 25  # frames that a burst may run ahead of real time; what is beyond is lost
MARK_LATE_S = 5.0  # a mark that has not come by then is not going to
FILL_S = 1.5  # of silence lie ready at a far end that makes none: without packets some networks end the call
FILL_AGAIN_S = 0.5


class Link(Protocol):
    """One connection that carries a stream for a while. None of it blocks or raises."""

    window_s: float  # how much sound may be on its way
    chunk: int  # bytes that one `send` may take
    marks: bool  # the far end says itself when a mark has been reached
    steady: bool  # wants a frame for every 20 ms, silence too
    ready: bool  # false while the far end asks us to wait

    def send(self, pcm: bytes | memoryview) -> None: ...

    def mark(self, name: str) -> None:
        """When everything before has been played, `Stream.marked(name)` is to be called."""
        ...

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None:
        """As if the network had broken it."""
        ...


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
        self, ticker: Ticker, on_link: Callable[[], None] | None = None, on_lost: Callable[[], None] | None = None
    ) -> None:
        self._on_link = on_link
        self._on_lost = on_lost
        self.expecting = True  # a link may come
        self.lost_frames = 0
        self._ticker = ticker
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._linked = asyncio.Event()
        self._ended = False
        # what the subscriber sends
        self._queue: deque[bytes | Digit] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._since = 0.0  # the link's first moment
        self._given = 0  # frames since then
        self._limit = 0  # frames that are believed by now
        # what is said to the subscriber
        self._backlog: deque[memoryview] = deque()
        self._backlog_bytes = 0
        self._sent: deque[tuple[float, bytes | memoryview]] = deque()  # moment of its end, sound: not yet played
        self._until = 0.0  # when all that was sent will have been played
        self._filled = 0.0  # when the silence behind it will have been played; 0: there is none
        self._generation = 0  # counts flushes: what belongs to an older one does not matter any more
        self._marks = 0
        self._mark = ""  # the one that is waited for
        self._late_at = 0.0
        self._wants_mark = False
        self._settled = True  # nothing written is still to be played
        self._change: asyncio.Future[None] | None = None

    # --- the port ---------------------------------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[bytes | Digit]:
        return self

    async def __anext__(self) -> bytes | Digit:
        while not self._queue:
            if self._ended:
                raise StopAsyncIteration
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._queue.popleft()

    async def write(self, pcm: bytes) -> None:
        if self._ended or not pcm:
            return
        if short := -len(pcm) % FRAME_BYTES:
            pcm += bytes(short)
        if self._filled:
            self._unfill()
        self._backlog.append(memoryview(pcm))
        self._backlog_bytes += len(pcm)
        self._settled = False
        self._wants_mark = False
        self._mark = ""
        self._pump(self._loop.time())
        generation = self._generation
        while self._backlog_bytes > BACKLOG_BYTES and generation == self._generation and not self._ended:
            await self._changed()

    async def drain(self) -> None:
        generation = self._generation
        while not self._settled and generation == self._generation and not self._ended:
            self._wants_mark = True
            self._pump(self._loop.time())
            await self._changed()

    def flush(self) -> None:
        self._generation += 1
        self._backlog.clear()
        self._backlog_bytes = 0
        self._mark = ""
        self._wants_mark = False
        if self._link is not None and not self._settled:
            self._link.flush()
            self._filled = 0.0
        if self._link is None or not self._link.steady:
            self._until = 0.0
        self._sent.clear()
        self._settled = True
        self._notify()

    # --- for the line -----------------------------------------------------------------------------------------------

    async def linked(self) -> None:
        """Wait until a link carries the stream, or the call is over."""
        await self._linked.wait()

    @property
    def carried(self) -> bool:
        return self._link is not None

    def break_link(self) -> None:
        if self._link is not None:
            self._link.abort()

    def pause(self) -> None:
        """Let the link go and take none until `expecting` is set again."""
        self.expecting = False
        self._release()

    def end(self) -> None:
        """The call is over."""
        if self._ended:
            return
        self._ended = True
        self.expecting = False
        self._release()
        self.flush()
        self._linked.set()
        self._wake()

    # --- for the link -----------------------------------------------------------------------------------------------

    def attach(self, link: Link) -> bool:
        """A link has come; a newer one takes the place of an older one. False: none is wanted."""
        if not self.expecting or self._ended:
            return False
        self._release()
        self._link = link
        self._since = self._until = self._loop.time()
        self._filled = 0.0
        self._given, self._limit = 0, AHEAD
        self._ticker.add(self)
        self._linked.set()
        self._pump(self._since)
        if self._on_link is not None:
            self._on_link()
        return True

    def detach(self, link: Link) -> None:
        """The link has broken."""
        if link is not self._link:
            return
        self._release()
        if self._on_lost is not None:
            self._on_lost()

    def feed(self, frame: bytes) -> None:
        """A frame has come. Called for each of them: this is the hot path."""
        if self._given >= self._limit:
            self.lost_frames += 1
            return
        self._given += 1
        queue = self._queue
        if len(queue) >= QUEUED_FRAMES:
            queue.popleft()
            self.lost_frames += 1
        queue.append(frame)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def press(self, key: str) -> None:
        digit = KEYS.get(key)
        if digit is not None and len(self._queue) < 2 * QUEUED_FRAMES:
            self._queue.append(digit)
            self._wake()

    def marked(self, name: str) -> None:
        if name and name == self._mark:
            self._settle()

    def ready(self) -> None:
        """The far end takes sound again."""
        self._pump(self._loop.time())

    def tick(self, now: float, punctual: bool) -> None:
        due = int((now - self._since) / FRAME_S)
        self._limit = due + AHEAD
        if self._given < due - BEHIND and punctual:
            for _ in range(min(due - BEHIND - self._given, QUEUED_FRAMES)):
                self.feed(SILENCE)
            self._given = max(self._given, due - BEHIND)
        link = self._link
        if link is not None and (link.steady or not self._settled or self._filled - now < FILL_AGAIN_S):
            self._pump(now)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _pump(self, now: float) -> None:
        """Send what may be on its way by now."""
        link = self._link
        if link is None:
            return
        sent = self._sent
        while sent and sent[0][0] <= now:
            sent.popleft()
        if self._until < now:
            self._until = now
        taken = False
        while self._backlog and link.ready and self._until - now < link.window_s:
            pcm = self._take(link.chunk)
            link.send(pcm)
            self._until += len(pcm) / BYTES_S
            sent.append((self._until, pcm))
            taken = True
        if taken:
            self._notify()
        if self._backlog:
            return
        if link.steady:
            while self._until - now < link.window_s:
                link.send(SILENCE)
                self._until += FRAME_S
            if not self._settled and not sent:
                self._settle()
        elif not self._settled:
            if self._mark and now > self._late_at:
                self._settle()
            elif self._wants_mark and not self._mark:
                self._marks += 1
                self._mark = f"m{self._generation}.{self._marks}"
                self._late_at = self._until + MARK_LATE_S
                link.mark(self._mark)
        if not link.steady and (self._settled or self._mark):
            self._fill(link, now)

    def _fill(self, link: Link, now: float) -> None:
        """Silence behind what was said, where the far end plays nothing by itself."""
        end = max(self._filled, self._until)
        if not link.ready or end - now >= FILL_AGAIN_S:
            return
        while end - now < FILL_S:
            link.send(_SILENCE[: link.chunk])
            end = max(end, now) + min(len(_SILENCE), link.chunk) / BYTES_S
        self._filled = end

    def _unfill(self) -> None:
        """What is to be said now must not wait behind silence."""
        self._filled = 0.0
        if self._link is not None:
            self._unplayed(self._loop.time())
            self._link.flush()
            self._until = 0.0

    def _take(self, size: int) -> memoryview:
        first = self._backlog[0]
        if len(first) <= size:
            self._backlog.popleft()
        else:
            self._backlog[0] = first[size:]
            first = first[:size]
        self._backlog_bytes -= len(first)
        return first

    def _settle(self) -> None:
        self._settled = True
        self._mark = ""
        self._wants_mark = False
        self._sent.clear()
        self._notify()

    def _release(self) -> None:
        link, self._link = self._link, None
        if link is None:
            return
        self._ticker.discard(self)
        self._linked.clear()
        self._mark = ""
        self._filled = 0.0
        self._unplayed(self._loop.time())
        link.close()

    def _unplayed(self, now: float) -> None:
        """What the far end has not played yet is to be sent once more."""
        while self._sent:
            until, pcm = self._sent.pop()
            unplayed = min(len(pcm), round((until - now) / FRAME_S) * FRAME_BYTES)
            if unplayed <= 0:
                break
            self._backlog.appendleft(memoryview(pcm)[len(pcm) - unplayed :])
            self._backlog_bytes += unplayed
        self._sent.clear()

    async def _changed(self) -> None:
        if self._change is None:
            self._change = self._loop.create_future()
        await asyncio.shield(self._change)

    def _notify(self) -> None:
        change, self._change = self._change, None
        if change is not None and not change.done():
            change.set_result(None)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
