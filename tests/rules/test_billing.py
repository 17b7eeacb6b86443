from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rules.billing import FREE, Tariff, Tariffs

tariffs = st.builds(
    Tariff, st.just("7"), st.integers(0, 10_000), first_s=st.integers(1, 120), step_s=st.integers(1, 120)
)


@pytest.mark.parametrize(
    ("seconds", "tariff", "billed", "cost"),
    [
        (18.24, Tariff("", 230), 19, 73),
        (0, Tariff("", 230), 0, 0),
        (0.01, Tariff("", 60), 1, 1),
        (10, Tariff("", 120, first_s=60, step_s=60), 60, 120),
        (60, Tariff("", 120, first_s=60, step_s=60), 60, 120),
        (60.01, Tariff("", 120, first_s=60, step_s=60), 120, 240),
        (31, Tariff("", 100, first_s=30, step_s=6), 36, 60),
        (15, Tariff("", 2), 15, 1),  # half a unit is rounded up
    ],
)
def test_what_a_talk_costs(seconds: float, tariff: Tariff, billed: int, cost: int) -> None:
    assert (tariff.billed_s(seconds), tariff.cost(seconds)) == (billed, cost)


@given(tariffs, st.floats(0, 7200), st.floats(0, 600))
def test_a_longer_talk_never_costs_less(tariff: Tariff, seconds: float, more: float) -> None:
    assert tariff.cost(seconds + more) >= tariff.cost(seconds)
    assert tariff.billed_s(seconds) >= seconds


@given(tariffs, st.integers(-10, 100_000), st.floats(1, 7200))
def test_what_is_affordable_is_the_most_that_the_money_pays_for(tariff: Tariff, money: int, most_s: float) -> None:
    seconds = tariff.affords_s(money, most_s)
    assert 0 <= seconds <= max(most_s, tariff.first_s)
    if seconds:
        assert tariff.cost(seconds) <= money
    if seconds < most_s:
        assert tariff.cost(seconds + tariff.step_s if seconds else tariff.first_s) > money


def test_the_longest_prefix_holds() -> None:
    prices = Tariffs([Tariff("+7", 100), Tariff("79", 200), Tariff("+7900", 300), Tariff("", 900)])
    assert [prices.of(p).per_minute for p in ("+79001112233", "+79101112233", "+74951112233", "+4930123")] == [
        300,
        200,
        100,
        900,
    ]
    assert Tariffs().of("+79001112233") is FREE
