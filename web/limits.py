"""How often somebody may do something: token buckets in memory, bounded in number, forgotten from the oldest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class _Bucket:
    left: float
    at: datetime


class Limiter:
    """At most `burst` at once, and `per_s` a second in the long run, for each key."""

    def __init__(self, *, burst: int, per_s: float, keys: int = 20_000) -> None:
        self._burst = burst
        self._per_s = per_s
        self._keys = keys
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def wait_s(self, key: Hashable, now: datetime) -> float:
        """0 if it may be done now, else how long to wait. Takes nothing."""
        left = self._left(key, now)
        return 0.0 if left >= 1 else (1 - left) / self._per_s

    def take(self, key: Hashable, now: datetime) -> None:
        """It was done."""
        self._buckets[key] = _Bucket(self._left(key, now) - 1, now)
        self._buckets.move_to_end(key)
        while len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)

    def forget(self, key: Hashable) -> None:
        self._buckets.pop(key, None)

    def _left(self, key: Hashable, now: datetime) -> float:
        bucket = self._buckets.get(key)
        if bucket is None:
            return float(self._burst)
        grown = max(0.0, (now - bucket.at).total_seconds()) * self._per_s
        return min(float(self._burst), bucket.left + grown)
