"""When the event loop is late: one stall is forgiven, a steady lag is not."""

from __future__ import annotations

from collections import Counter

from engine.lag import EVERY_S, Pulse


def test_one_stall_is_forgiven_and_a_steady_lag_is_not() -> None:
    pulse = Pulse(Counter())
    pulse.woke(1.0)
    assert not pulse.overloaded()
    for _ in range(round(2 / EVERY_S)):
        pulse.woke(0.2)
    assert pulse.overloaded()
    for _ in range(round(1 / EVERY_S)):
        pulse.woke(0.001)
    assert not pulse.overloaded()


def test_every_moment_is_counted_by_its_length() -> None:
    counters: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
    pulse = Pulse(counters)
    for late_s in (0.0005, 0.05, 30.0):
        pulse.woke(late_s)
    assert counters["loop_lag_seconds_sum_ms", ()] == 30050
    assert {labels[0][1]: n for (name, labels), n in counters.items() if labels} == {"0.001": 1, "0.06": 1, "+Inf": 1}
