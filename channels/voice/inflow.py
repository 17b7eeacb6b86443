"""What the subscriber sends, in order and in real time, whatever bursts and gaps it comes in.

feed, press ─▶ [≤ 10 s] ─▶ next          tick ─▶ silence for frames that did not come
"""

from __future__ import annotations

import asyncio
from collections import deque

from engine.model import FRAME_MS, SILENCE, Digit

FRAME_S = FRAME_MS / 1000
KEYS = {key: Digit(key) for key in "0123456789*#ABCD"}

QUEUED_FRAMES = 500  # 10 s that nobody has taken: then the oldest are lost
BEHIND = 3  # frames that the sound may lag behind real time before silence stands in for them
AHEAD = 25  # frames that a burst may run ahead of real time; what is beyond is lost


class Inflow:
    def __init__(self) -> None:
        self.lost_frames = 0
        self._queue: deque[bytes | Digit] = deque()
        self._waiter: asyncio.Future[None] | None = None
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

    def tick(self, now: float, punctual: bool) -> None:
        due = int((now - self._since) / FRAME_S)
        self._limit = due + AHEAD
        if self._given < due - BEHIND and punctual:
            for _ in range(min(due - BEHIND - self._given, QUEUED_FRAMES)):
                self.feed(SILENCE)
            self._given = max(self._given, due - BEHIND)

    def end(self) -> None:
        self._ended = True
        self._wake()

    async def next(self) -> bytes | Digit:
        while not self._queue:
            if self._ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._queue.popleft()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
