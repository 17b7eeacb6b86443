"""May one more call start, and when? Starts lie on an even grid: no drift when a start is a little late, and no burst
after a pause."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

LATE_S = 0.05  # a start this late still belongs to its place on the grid


@dataclass(frozen=True, slots=True)
class Pace:
    """Calls started in a second, evenly spread; 0: as fast as they come."""

    per_second: float
    gap: timedelta = field(init=False, compare=False)
    _late: timedelta = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        gap_s = 1 / self.per_second if self.per_second > 0 else 0.0
        object.__setattr__(self, "gap", timedelta(seconds=gap_s))
        object.__setattr__(self, "_late", timedelta(seconds=min(LATE_S, gap_s / 2)))

    @property
    def gap_s(self) -> float:
        return self.gap.total_seconds()

    def next_slot(self, last: datetime | None, now: datetime) -> datetime:
        """The slot of the next start when the last one had the slot `last`. It may lie up to `LATE_S` in the past: that
        start is due at once. Later than that the grid begins anew from `now`, so that nothing is made up for."""
        if last is None or self.per_second <= 0:
            return now
        slot = last + self.gap
        return now if now - slot > self._late else slot

    def kept(self, slot: datetime, started: datetime) -> datetime:
        """Where the grid stands after a start that was meant for `slot` and happened at `started`."""
        return started if started - slot > self._late else slot

    def missed(self, slot: datetime, now: datetime) -> bool:
        """Is it too late for this place on the grid?"""
        return now - slot > self._late


def per_hour(calls: int) -> Pace:
    """A campaign's `speed_per_hour`; 0: no limit of its own."""
    return Pace(calls / 3600)
