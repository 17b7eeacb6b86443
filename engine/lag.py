"""How late the event loop wakes up: what a frame, or anything else, waits for before the engine even looks at it.

every 20 ms, by a deadline: due ─▶ awake: the difference goes into the histogram `loop_lag_seconds` of the counters
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter

Labels = tuple[tuple[str, str], ...]

EVERY_S = 0.02
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


async def watch(counters: Counter[tuple[str, Labels]]) -> None:
    """Sample for ever. A stall that swallows several timers counts once, by its whole length."""
    loop = asyncio.get_running_loop()
    exact_ms = 0.0
    while True:
        awake: asyncio.Future[None] = loop.create_future()
        due = loop.time() + EVERY_S
        timer = loop.call_at(due, _wake, awake)
        try:
            await awake
        finally:
            timer.cancel()
        late_s = max(0.0, loop.time() - due)
        counters["loop_lag_seconds", _BUCKETS[bisect_left(BOUNDS, late_s)]] += 1
        exact_ms += 1000 * late_s
        counters[_SUM_MS] = round(exact_ms)


def _wake(awake: asyncio.Future[None]) -> None:
    if not awake.done():  # cancelled in the very turn of the loop in which the timer goes off
        awake.set_result(None)
