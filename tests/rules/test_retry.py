from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import CallEnd, Result, Status, TalkLog
from engine.rules import outcome
from engine.rules.retry import FURTHEST_S, Next, Retry, after
from engine.rules.window import Window, is_open, window

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday
OPEN = (Window(0, 1440),)
USUAL = Retry(attempts=2, interval_s=600)


def ended(status: Status, talk: TalkLog | None = None, *, answered: bool | None = None) -> CallEnd:
    met = status is Status.ANSWERED if answered is None else answered
    return CallEnd(status, 0, NOW, dialed_at=NOW, answered_at=NOW if met else None, talk=talk)


def talk(result: Result | None = None, **more: object) -> CallEnd:
    return ended(Status.ANSWERED, TalkLog("hangup", "robot", result, **more))  # type: ignore[arg-type]


def follow(end: CallEnd, attempt: int = 1, rules: Retry = USUAL, numbers: int = 1) -> Next:
    return after(rules, end, attempt, numbers=numbers, windows=OPEN, timezone="UTC")


@pytest.mark.parametrize("status", [Status.NO_ANSWER, Status.BUSY, Status.UNREACHABLE])
def test_the_unreached_are_called_again_so_often_and_no_more(status: Status) -> None:
    again = Next(NOW + timedelta(seconds=600))
    assert [follow(ended(status), n) for n in (1, 2, 3)] == [again, again, Next(None, "attempts")]


@pytest.mark.parametrize(
    ("end", "closed"),
    [
        (talk(Result.GOAL), "goal"),
        (talk(), "answered"),
        (talk(Result.NON_TARGET), "answered"),
        (talk(Result.TRANSFERRED), "answered"),
        (talk(opted_out=True), "opt_out"),
        (talk(Result.OPT_OUT), "opt_out"),
        (talk(opted_out=True, retry_after_s=60.0), "opt_out"),
        (talk(Result.ANSWERING_MACHINE), "answering_machine"),
        (ended(Status.INVALID_NUMBER), "invalid_number"),
        (ended(Status.BLOCKED), "blocked"),
        (ended(Status.REJECTED), "rejected"),
        (ended(Status.FAILED, answered=True), "answered"),
    ],
)
def test_what_closes_a_contact_at_once(end: CallEnd, closed: str) -> None:
    assert follow(end) == Next(None, closed)


def test_what_the_campaign_lists_is_called_again() -> None:
    rules = Retry(on=frozenset({"answering_machine", "rejected"}), intervals_s={"rejected": 7200})
    assert follow(talk(Result.ANSWERING_MACHINE), rules=rules).at == NOW + timedelta(seconds=60)
    assert follow(ended(Status.REJECTED), rules=rules).at == NOW + timedelta(seconds=7200)
    assert follow(ended(Status.NO_ANSWER), rules=rules) == Next(None, "no_answer")


@pytest.mark.parametrize("status", [Status.FAILED, Status.CONGESTION])
def test_our_own_failure_does_not_cost_the_contact(status: Status) -> None:
    never = Retry(attempts=0, on=frozenset())
    assert follow(ended(status), 1, never).at is not None
    assert follow(ended(status), 2, never) == Next(None, "attempts")


def test_the_carousel_gives_one_more_if_there_is_another_number() -> None:
    rules = Retry(attempts=1, carousel=True)
    assert follow(ended(Status.BUSY), 2, rules, numbers=2).at is not None
    assert follow(ended(Status.BUSY), 3, rules, numbers=2) == Next(None, "attempts")
    assert follow(ended(Status.BUSY), 2, rules, numbers=1) == Next(None, "attempts")
    assert [rules.extra(n) for n in (1, 2, 3, 4)] == [False, False, True, False]


def test_the_scenarios_wish_comes_before_the_matrix() -> None:
    assert follow(talk(retry_after_s=3600.0), 3).at == NOW + timedelta(hours=1)
    assert follow(talk(retry_at=NOW + timedelta(days=3))).at == NOW + timedelta(days=3)


@pytest.mark.parametrize("asked", [1e300, float("inf"), float("nan"), -5.0, 0.0])
def test_an_absurd_wish_is_held_within_bounds(asked: float) -> None:
    at = follow(talk(retry_after_s=asked)).at
    assert at is not None and timedelta(seconds=60) <= at - NOW <= timedelta(seconds=FURTHEST_S)


@pytest.mark.parametrize(
    "asked",
    [
        datetime(1999, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
        datetime(2026, 3, 3),  # noqa: DTZ001 - somebody forgot the zone
    ],
)
def test_an_absurd_moment_too(asked: datetime) -> None:
    at = follow(talk(retry_at=asked)).at
    assert at is not None and timedelta(seconds=60) <= at - NOW <= timedelta(seconds=FURTHEST_S)


def test_a_scenario_cannot_call_for_ever() -> None:
    assert follow(talk(retry_after_s=60.0), USUAL.most) == Next(None, "answered")


@given(
    st.sampled_from([s for s in Status if s not in outcome.LIVE]),
    st.sampled_from([None, *Result]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 20),
    st.builds(
        Retry,
        attempts=st.integers(0, 5),
        interval_s=st.floats(0, 12_000),
        on=st.frozensets(st.sampled_from([*map(str, Status), *map(str, Result)])),
        carousel=st.booleans(),
    ),
    st.none() | st.floats(allow_nan=True, allow_infinity=True),
)
def test_every_end_has_one_consequence(
    status: Status, result: Result | None, answered: bool, opted: bool, attempt: int, rules: Retry, wish: float | None
) -> None:
    log = TalkLog("hangup", "robot", result, opted_out=opted, retry_after_s=wish) if answered else None
    end = ended(status, log, answered=answered)
    windows = (window("10:00", "20:00", [1, 2, 3, 4, 5]),)
    found = after(rules, end, attempt, numbers=3, windows=windows, timezone="Asia/Kamchatka")
    assert (found.at is None) == bool(found.closed)
    if found.at is not None:
        assert found.at >= NOW + timedelta(seconds=60) and attempt < rules.most
        assert is_open(windows, found.at, "Asia/Kamchatka")
        assert not (opted and answered)
        assert wish is not None or not answered or result is Result.ANSWERING_MACHINE


def test_totals_grow_by_what_the_call_came_to() -> None:
    end = CallEnd(Status.ANSWERED, 16, NOW, answered_at=NOW, talk=talk(Result.GOAL).talk, cost=73, billed_s=19)
    added = outcome.deltas(end)
    assert added["calls"] == added["answered"] == added["goals"] == 1
    assert (added["spent"], added["billed_s"]) == (73, 19)
    assert outcome.Totals(balance=100).plus(end) == outcome.Totals(1, 1, 73, 27)
    assert outcome.deltas(ended(Status.BLOCKED))["calls"] == 0
