"""May one more call start, and when? Starts lie on an even grid: no drift when a start is a little late, and no burst
after a pause."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

LATE_S = 0.05  # a start this late still belongs to its place on the grid


@dataclass(frozen=True, slots=True)
class Pace:
    """Calls started in a second, evenly spread; 0: as fast as they come."""

    per_second: float

    @property
    def gap_s(self) -> float:
        return 1 / self.per_second if self.per_second > 0 else 0.0

    def next_slot(self, last: datetime | None, now: datetime) -> datetime:
        """The slot of the next start when the last one had the slot `last`. It may lie up to `LATE_S` in the past: that
        start is due at once. Later than that the grid begins anew from `now`, so that nothing is made up for."""
        if last is None or self.per_second <= 0:
            return now
        slot = last + timedelta(seconds=self.gap_s)
        return now if (now - slot).total_seconds() > min(LATE_S, self.gap_s / 2) else slot

    def kept(self, slot: datetime, started: datetime) -> datetime:
        """Where the grid stands after a start that was meant for `slot` and happened at `started`."""
        return started if (started - slot).total_seconds() > min(LATE_S, self.gap_s / 2) else slot


def per_hour(calls: int) -> Pace:
    """A campaign's `speed_per_hour`; 0: no limit of its own."""
    return Pace(calls / 3600)
