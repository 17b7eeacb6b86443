"""When may a person be called? Windows on a wall clock, exact over every change of the clock.

    windows ─▶ merged openings of one local week ─┐
    zone    ─▶ stretches of constant UTC offset  ─┴▶ is_open, next_open: two bisections, no zoneinfo in the inner loop

A moment is open when the clock on the wall, as it shows then, lies in a window: an hour that the clock skips is never
open, an hour that it shows twice is open both times.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

EVERY_DAY = frozenset(range(1, 8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY_S = 4 * 86_400  # 1970-01-05, the first Monday
_DAY_S = 86_400
_WEEK_S = 7 * _DAY_S
_HOUR_S = 3_600
_HORIZON_WEEKS = 4  # a weekly window can fall into a skipped hour or a skipped day; never four weeks running


@dataclass(frozen=True, slots=True)
class Window:
    """Open on `days` (ISO, Monday 1) from minute `opens` of the day up to but not including minute `closes`; one that
    closes not later than it opens goes on over midnight. Raises ValueError for a window that is none."""

    opens: int
    closes: int
    days: frozenset[int] = EVERY_DAY

    def __post_init__(self) -> None:
        if not 0 <= self.opens < 1440 or not 0 <= self.closes <= 1440:
            raise ValueError("a window opens from 00:00 to 23:59 and closes from 00:00 to 24:00")
        if self.opens == self.closes:
            raise ValueError("a window must not close at the minute it opens: for the whole day write 00:00 to 24:00")
        if not self.days or not self.days <= EVERY_DAY:
            raise ValueError("days are 1 (Monday) to 7 (Sunday), at least one of them")


def window(start: str, to: str, days: Iterable[int] = EVERY_DAY) -> Window:
    """`window("10:00", "20:00", [1, 2, 3])`; raises ValueError."""
    return Window(_minute(start), _minute(to), frozenset(days))


def read(raw: Mapping[str, object]) -> Window:
    """The API's `{"days": [1], "from": "10:00", "to": "24:00"}`; without `days` every day. Raises ValueError."""
    days = raw.get("days", sorted(EVERY_DAY))
    if not isinstance(days, list | tuple) or not all(isinstance(day, int) for day in days):
        raise ValueError("days must be a list of 1 (Monday) to 7 (Sunday)")
    return window(str(raw.get("from", "")), str(raw.get("to", "")), days)


def is_open(windows: Sequence[Window], now: datetime, timezone: str) -> bool:
    """No windows at all: always open. A zone that does not exist is never open."""
    return next_open(windows, now, timezone) == now


def next_open(windows: Sequence[Window], after: datetime, timezone: str) -> datetime | None:
    """The first moment not before `after` when calling is allowed, in UTC; None if there is none."""
    if not windows:
        return after if known(timezone) else None
    edges = _week(tuple(windows))
    since = after - _EPOCH
    asked = since.days * _DAY_S + since.seconds
    at = asked  # windows and clock changes begin at whole seconds: the part of a second decides nothing
    for week in range(asked // _WEEK_S, asked // _WEEK_S + _HORIZON_WEEKS):
        stretches = _stretches(timezone, week)
        if not stretches:
            return None
        for index, (start, offset) in enumerate(stretches):
            end = stretches[index + 1][0] if index + 1 < len(stretches) else (week + 1) * _WEEK_S
            if end <= at:
                continue
            at = max(at, start)
            opening = at + _until_open(edges, at + offset)
            if opening == asked:
                return after
            if opening < end:
                return _EPOCH + timedelta(seconds=opening)
    return None


@lru_cache(maxsize=4096)
def known(timezone: str) -> bool:
    """Is there such an IANA zone?"""
    try:
        ZoneInfo(timezone)
    except (ValueError, OSError, KeyError):
        return False
    return True


def _minute(text: str) -> int:
    hours, colon, minutes = text.partition(":")
    if not (colon and len(hours) == len(minutes) == 2 and (hours + minutes).isascii() and (hours + minutes).isdigit()):
        raise ValueError(f"{text[:20]!r} is no time of day: write HH:MM")
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or minute > 1440:
        raise ValueError(f"{text!r} is no time of day: write 00:00 to 24:00")
    return minute


@lru_cache(maxsize=1024)
def _week(windows: tuple[Window, ...]) -> tuple[int, ...]:
    """Seconds of the local week at which it opens, closes, opens, …; open at the end of Sunday: the last one is the
    week's own end."""
    pieces: list[tuple[int, int]] = []
    for w in windows:
        length = (w.closes - w.opens) % 1440 or 1440
        for day in w.days:
            start = ((day - 1) * 1440 + w.opens) * 60
            end = start + length * 60
            pieces.append((start, min(end, _WEEK_S)))
            if end > _WEEK_S:
                pieces.append((0, end - _WEEK_S))
    edges: list[int] = []
    for start, end in sorted(pieces):
        if edges and start <= edges[-1]:
            edges[-1] = max(edges[-1], end)
        else:
            edges += (start, end)
    return tuple(edges)


def _until_open(edges: tuple[int, ...], local: int) -> int:
    """Seconds from this local moment to the next open one; 0 if it is open. Wall clock only: no change in between."""
    second = (local - _MONDAY_S) % _WEEK_S
    index = bisect_right(edges, second)
    if index % 2:
        return 0
    return (edges[index] if index < len(edges) else edges[0] + _WEEK_S) - second


@lru_cache(maxsize=4096)
def _stretches(timezone: str, week: int) -> tuple[tuple[int, int], ...]:
    """(from, UTC offset) in seconds, for this week of Unix time; empty for an unknown zone."""
    if not known(timezone):
        return ()
    zone = ZoneInfo(timezone)

    def offset(at: int) -> int:
        shift = (_EPOCH + timedelta(seconds=at)).astimezone(zone).utcoffset()
        return 0 if shift is None else int(shift.total_seconds())

    begin = week * _WEEK_S
    found = [(begin, offset(begin))]
    for hour in range(begin + _HOUR_S, begin + _WEEK_S + 1, _HOUR_S):
        last = min(hour, begin + _WEEK_S - 1)
        if offset(last) != found[-1][1]:
            before, after = max(begin, hour - _HOUR_S), last
            while after - before > 1:
                middle = (before + after) // 2
                before, after = (middle, after) if offset(middle) == found[-1][1] else (before, middle)
            found.append((after, offset(after)))
    return tuple(found)
