"""What the subscriber sends, in order and in real time, whatever bursts and gaps it comes in.

feed, press ─▶ [≤ 10 s] ─▶ async for         tick ─▶ silence for frames that did not come
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from engine.model import FRAME_MS, SILENCE, Digit

FRAME_S = FRAME_MS / 1000
KEYS = {key: Digit(key) for key in "0123456789*#ABCD"}

QUEUED_FRAMES = 500  # 10 s that nobody has taken: then the oldest are lost
BEHIND = 3  # frames that the sound may lag behind real time before silence stands in for them
AHEAD = 25  # frames that a burst may run ahead of real time; what is beyond is lost


class Inflow:
    def __init__(self, heard: Callable[[bytes], None] | None = None) -> None:
        self.lost_frames = 0
        self._heard = heard  # is told every frame
        self._queue: deque[bytes | Digit] = deque()
        self._waiter: asyncio.Future[bytes | Digit] | None = None  # then the queue is empty
        self._ended = False
        self._since = 0.0  # the link's first moment
        self._given = 0  # frames since then
        self._limit = 0  # frames that are believed by now

    def begin(self, now: float) -> None:
        """A link has come: real time counts from now."""
        self._since = now
        self._given, self._limit = 0, AHEAD

    def feed(self, frame: bytes) -> None:
        """A frame has come. Called for each of them: this is the hot path."""
        if self._given >= self._limit:
            self.lost_frames += 1
            return
        self._given += 1
        if self._heard is not None:
            self._heard(frame)
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():  # or who waited was cancelled
                waiter.set_result(frame)
                return
        queue = self._queue
        if len(queue) >= QUEUED_FRAMES:
            queue.popleft()
            self.lost_frames += 1
        queue.append(frame)

    def press(self, key: str) -> None:
        digit = KEYS.get(key)
        if digit is None or len(self._queue) >= 2 * QUEUED_FRAMES:
            return
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(digit)
        else:
            self._queue.append(digit)

    def tick(self, now: float, punctual: bool) -> None:
        due = int((now - self._since) / FRAME_S)
        self._limit = due + AHEAD
        missing = due - BEHIND - self._given
        if missing > 0 and punctual:
            for _ in range(min(missing, QUEUED_FRAMES)):
                self.feed(SILENCE)
            self._given = max(self._given, due - BEHIND)

    def end(self) -> None:
        self._ended = True
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(StopAsyncIteration())

    def __aiter__(self) -> Inflow:
        return self

    def __anext__(self) -> asyncio.Future[bytes | Digit]:
        """No coroutine, and no queue where somebody waits: there are fifty of these a second for each call."""
        item: asyncio.Future[bytes | Digit] = asyncio.get_running_loop().create_future()
        if self._queue:
            item.set_result(self._queue.popleft())
        elif self._ended:
            item.set_exception(StopAsyncIteration())
        else:
            self._waiter = item
        return item
