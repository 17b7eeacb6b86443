from __future__ import annotations

from datetime import datetime, timedelta

from engine.rules.campaign import Caller
from engine.rules.plan import Option
from engine.trunks import LONGEST_PAUSE_S, Limit, Trunks
from tests.engine.rig import FIRST, MONDAY, SECOND


def trunks(channels: int = 3, per_second: float = 2.0) -> Trunks:
    return Trunks({"main": Limit(channels, per_second)})


def option(on: Trunks, who: str, now: datetime = MONDAY, caller: Caller = FIRST) -> Option:
    return on.options(who, [caller], now)[0]


def later(seconds: float) -> datetime:
    return MONDAY + timedelta(seconds=seconds)


def test_whoever_waits_for_a_start_has_a_place_that_nobody_takes() -> None:
    on = trunks()
    on.take("a", option(on, "a"), MONDAY)
    held = option(on, "b")
    assert held.slot == later(0.5)
    on.hold("b", held)
    assert option(on, "c").slot == later(1.0), "b's place is b's"
    assert option(on, "b").slot == later(0.5), "and stays it"
    on.take("b", option(on, "b", later(0.5)), later(0.5))
    assert option(on, "c", later(0.5)).slot == later(1.0)


def test_a_place_given_up_is_free_again_and_a_missed_one_is_lost() -> None:
    on = trunks()
    on.take("a", option(on, "a"), MONDAY)
    on.hold("b", option(on, "b"))
    on.leave("b")
    assert option(on, "c").slot == later(0.5)
    on.hold("c", option(on, "c"))
    assert option(on, "c", later(10)).slot == later(10), "no two starts for one second's rest"


def test_of_those_who_wait_for_a_channel_the_first_is_served_first() -> None:
    on, woken = trunks(channels=1), []
    on.occupy(FIRST)
    for who in "ab":
        assert option(on, who).free <= 0
        on.wait(who, "main", lambda who=who: woken.append(who))  # type: ignore[misc]
    on.free(FIRST)
    assert woken == ["a"]
    assert (option(on, "a").free, option(on, "b").free, option(on, "c").free) == (1, 0, -1)
    on.leave("a")
    assert woken == ["a", "b"] and option(on, "b").free == 1


def test_numbers_take_turns_and_keep_their_own_limits() -> None:
    on = trunks()
    one = Caller("+74950000003", "main", channels=1)
    callers = [FIRST, SECOND, one, Caller("+7", "unknown trunk")]
    order = []
    for _ in range(3):
        first = on.options("a", callers, MONDAY)[0]
        order.append(first.caller)
        on.take("a", first, MONDAY)
    assert order == [FIRST, SECOND, one]
    assert [o.number_free for o in on.options("a", callers, MONDAY)] == [True, True, False]
    on.free(one)
    assert all(o.number_free for o in on.options("a", callers, MONDAY))
    on.free(Caller("+7", "unknown trunk"))
    assert on.live() == {"main": 2}


def test_the_pause_grows_while_the_telephony_is_away() -> None:
    on, now, pauses = trunks(), MONDAY, []
    for _ in range(5):
        on.failed(now)
        on.failed(now)  # all calls in flight fail together: that is one failure
        assert on.down_until is not None
        pauses.append((on.down_until - now).total_seconds())
        now = on.down_until
    assert pauses == [1, 2, 4, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    on.worked()
    on.failed(now)
    assert on.down_until == now + timedelta(seconds=1)
