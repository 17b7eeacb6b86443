"""How late the event loop wakes up: what a frame, or anything else, waits for before the engine even looks at it.

every 20 ms, by a deadline: due ─▶ awake ─┬▶ the difference goes into the histogram `loop_lag_seconds` of the counters
                                          └▶ late for a second or so: the machine is overloaded, no more calls
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter

Labels = tuple[tuple[str, str], ...]

EVERY_S = 0.02
OVERLOADED_S = 0.15  # late on the average: what a subscriber would notice
FORGOTTEN = 0.03  # of what was, by one sample: half of it in half a second
BOUNDS = (
    0.001,
    0.002,
    0.003,
    0.004,
    0.006,
    0.008,
    0.01,
    0.015,
    0.02,
    0.03,
    0.04,
    0.06,
    0.08,
    0.1,
    0.15,
    0.2,
    0.5,
    1.0,
    5.0,
)
_BUCKETS: tuple[Labels, ...] = (*((("le", f"{bound:g}"),) for bound in BOUNDS), (("le", "+Inf"),))
_SUM_MS = "loop_lag_seconds_sum_ms", ()


class Pulse:
    def __init__(self, counters: Counter[tuple[str, Labels]]) -> None:
        self.late_s = 0.0  # of late
        self._counters = counters
        self._exact_ms = 0.0

    def overloaded(self) -> bool:
        return self.late_s > OVERLOADED_S

    async def watch(self) -> None:
        """Sample for ever. A stall that swallows several timers counts once, by its whole length."""
        loop = asyncio.get_running_loop()
        while True:
            awake: asyncio.Future[None] = loop.create_future()
            due = loop.time() + EVERY_S
            timer = loop.call_at(due, _wake, awake)
            try:
                await awake
            finally:
                timer.cancel()
            self.woke(max(0.0, loop.time() - due))

    def woke(self, late_s: float) -> None:
        self.late_s += (late_s - self.late_s) * FORGOTTEN
        self._counters["loop_lag_seconds", _BUCKETS[bisect_left(BOUNDS, late_s)]] += 1
        self._exact_ms += 1000 * late_s
        self._counters[_SUM_MS] = round(self._exact_ms)


def _wake(awake: asyncio.Future[None]) -> None:
    if not awake.done():  # cancelled in the very turn of the loop in which the timer goes off
        awake.set_result(None)
