from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.rules.pacing import LATE_S, Pace, per_hour

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def starts(pace: Pace, delays: list[float]) -> tuple[list[datetime], list[datetime]]:
    """When calls start if each waits for its slot and is then late by so much: (starts, slots)."""
    now, last, made, slots = NOW, None, [], []
    for delay in delays:
        slot = pace.next_slot(last, now)
        now = max(slot, now) + timedelta(seconds=delay)
        last = pace.kept(slot, now)
        made.append(now)
        slots.append(slot)
    return made, slots


@given(st.lists(st.floats(0, 0.04), min_size=2, max_size=600))
def test_small_lateness_never_adds_up(delays: list[float]) -> None:
    made, _ = starts(Pace(10), delays)
    for n, at in enumerate(made):
        assert timedelta(0) <= at - (NOW + n * timedelta(seconds=0.1)) <= timedelta(seconds=0.041)


@given(
    st.floats(0.01, 50),
    st.lists(st.one_of(st.floats(0, 0.04), st.floats(0.04, 600)), min_size=2, max_size=100),
)
def test_no_burst_whatever_the_delays(per_second: float, delays: list[float]) -> None:
    pace = Pace(per_second)
    made, _ = starts(pace, delays)
    least = pace.gap_s - min(LATE_S, pace.gap_s / 2) - 1e-5
    assert all((b - a).total_seconds() >= least for a, b in pairwise(made))
    assert (made[-1] - made[0]).total_seconds() >= (len(made) - 1) * pace.gap_s - LATE_S - len(made) * 1e-6


def test_after_a_pause_the_grid_begins_anew() -> None:
    pace = Pace(1)
    assert pace.next_slot(NOW, NOW + timedelta(hours=1)) == NOW + timedelta(hours=1)
    assert pace.next_slot(NOW, NOW + timedelta(seconds=0.2)) == NOW + timedelta(seconds=1)
    assert pace.next_slot(None, NOW) == NOW


def test_no_limit_is_no_wait() -> None:
    assert Pace(0).next_slot(NOW, NOW) == NOW
    assert per_hour(3600).gap_s == 1 and per_hour(0).gap_s == 0
