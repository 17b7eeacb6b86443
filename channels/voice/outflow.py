"""What is said to the subscriber: sent ahead as far as the link allows, forgotten by a flush, kept when a link breaks.

    write ─▶ [backlog] ─pump─▶ link.send, at most `window_s` ahead ─▶ [sent, not yet played]
                 ▲                                                            │
                 └────────────────── the link broke ──────────────────────────┘

Where the far end plays nothing by itself, silence lies ready behind what was said.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Protocol

from channels.voice.inflow import FRAME_S
from engine.model import FRAME_BYTES, RATE, SILENCE

BYTES_S = RATE * 2
BACKLOG_BYTES = 10 * BYTES_S  # that `write` takes without waiting
NEVER = math.inf
MARK_LATE_S = 5.0  # a mark that has not come by then is not going to
FILL_S = (
    1.5  # of silence lie ready at a far end that makes none itself: a subscriber without packets is cut off by some
)
FILL_AGAIN_S = 0.5  # networks, and hears that the line is dead
_SILENCE = bytes(BYTES_S // 2)  # half a second
_MARKS = count(1)


class Link(Protocol):
    """One connection that carries a stream for a while. None of it blocks or raises."""

    window_s: float  # how much sound may be on its way
    chunk: int  # bytes that one `send` may take
    steady: bool  # paced by us: wants a frame for every 20 ms, silence too; it has no marks
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


class Outflow:
    """`said` is told what was played, and when it ended."""

    def __init__(self, said: Callable[[float, bytes | memoryview], None] | None = None) -> None:
        self._said = said or _untold
        self.link: Link | None = None
        self.due = NEVER  # from then on `pump` has something to do
        self._backlog: deque[memoryview] = deque()
        self._sent: deque[tuple[float, bytes | memoryview]] = deque()  # moment of its end, sound: not yet played
        self._until = 0.0  # when all that was sent will have been played
        self._filled = 0.0  # when the silence behind it will have been played; 0: there is none
        self._generation = 0  # counts flushes: who waits for what an older one held waits no more
        self._mark: tuple[str, float] | None = None  # the one that is waited for, and until when
        self._wants_mark = False
        self._settled = True  # nothing written is still to be played
        self._change: asyncio.Future[None] | None = None

    # --- saying -----------------------------------------------------------------------------------------------------

    async def write(self, pcm: bytes) -> None:
        if short := -len(pcm) % FRAME_BYTES:
            pcm += bytes(short)
        if self._filled:
            self._unfill()
        self._backlog.append(memoryview(pcm))
        self._unsettle()
        self.pump(_now())
        generation = self._generation
        while generation == self._generation and sum(map(len, self._backlog)) > BACKLOG_BYTES:
            await self._changed()

    async def drain(self) -> None:
        generation = self._generation
        while generation == self._generation and not self._settled:
            self._wants_mark = True
            self.pump(_now())
            await self._changed()

    def flush(self) -> None:
        self._generation += 1
        self._cut(_now())
        self._backlog.clear()
        if self.link is not None and not self._settled:
            self.link.flush()
            self._filled = 0.0
        if self.link is None or not self.link.steady:
            self._until = 0.0
        self._settle()

    def marked(self, name: str) -> None:
        if self._mark is not None and self._mark[0] == name:
            self._settle()

    # --- the link ---------------------------------------------------------------------------------------------------

    def begin(self, link: Link, now: float) -> None:
        self.link = link
        self._until = now
        self._filled = 0.0
        self.pump(now)

    def release(self) -> None:
        """The link goes; what it had not played is to be said over the next one."""
        link, self.link = self.link, None
        if link is not None:
            self._mark = None
            self._filled = 0.0
            self._call_back(_now())
            link.close()

    def pump(self, now: float) -> None:
        """Send what may be on its way by now."""
        link = self.link
        if link is None:
            self.due = NEVER
            return
        sent = self._sent
        while sent and sent[0][0] <= now:
            self._said(*sent.popleft())
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
            self.due = self._until - link.window_s if link.ready else NEVER
        elif link.steady:
            self.due = self._keep_steady(link, now)
        else:
            self.due = min(self._await_mark(link, now), self._fill(link, now))

    # --- inside -----------------------------------------------------------------------------------------------------

    # Each of these gives the moment from which it is to be called again.

    def _keep_steady(self, link: Link, now: float) -> float:
        while self._until - now < link.window_s:
            link.send(SILENCE)
            self._until += FRAME_S
        if not self._settled and not self._sent:
            self._settle()
        return now

    def _await_mark(self, link: Link, now: float) -> float:
        if self._settled:
            return NEVER
        if self._mark is None and self._wants_mark:
            self._mark = (f"m{next(_MARKS)}", self._until + MARK_LATE_S)
            link.mark(self._mark[0])
        if self._mark is None:
            return NEVER
        if now > self._mark[1]:
            self._settle()
            return NEVER
        return self._mark[1]

    def _fill(self, link: Link, now: float) -> float:
        if not link.ready or not (self._settled or self._mark):
            return NEVER
        end = max(self._filled, self._until)
        if end - now < FILL_AGAIN_S:
            while end - now < FILL_S:
                link.send(_SILENCE[: link.chunk])
                end = max(end, now) + min(len(_SILENCE), link.chunk) / BYTES_S
            self._filled = end
        return end - FILL_AGAIN_S

    def _unfill(self) -> None:
        """What is to be said now must not wait behind silence."""
        self._filled = 0.0
        if self.link is not None:
            self._call_back(_now())
            self.link.flush()
            self._until = 0.0

    def _take(self, size: int) -> memoryview:
        first = self._backlog[0]
        if len(first) <= size:
            return self._backlog.popleft()
        self._backlog[0] = first[size:]
        return first[:size]

    def _call_back(self, now: float) -> None:
        """What the far end has not played yet is to be sent once more."""
        self._backlog.extendleft(reversed(self._cut(now)))

    def _cut(self, now: float) -> list[memoryview]:
        """Nothing that was sent is played any more: gives what was not played."""
        left = []
        for until, pcm in self._sent:
            sound = memoryview(pcm)
            played = len(sound) - min(len(sound), max(0, round((until - now) / FRAME_S)) * FRAME_BYTES)
            if played:
                self._said(until - (len(sound) - played) / BYTES_S, sound[:played])
            if played < len(sound):
                left.append(sound[played:])
        self._sent.clear()
        return left

    def _unsettle(self) -> None:
        self._settled = False
        self._wants_mark = False
        self._mark = None

    def _settle(self) -> None:
        self._settled = True
        self.due = 0.0
        self._mark = None
        self._wants_mark = False
        while self._sent:
            self._said(*self._sent.popleft())
        self._notify()

    async def _changed(self) -> None:
        if self._change is None:
            self._change = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._change)

    def _notify(self) -> None:
        change, self._change = self._change, None
        if change is not None and not change.done():
            change.set_result(None)


def _untold(end: float, pcm: bytes | memoryview) -> None: ...


def _now() -> float:
    return asyncio.get_running_loop().time()
