from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.rules.window import Window, is_open, known, next_open, read, window

# Zones with changes of an hour, of half an hour, at midnight (Beirut, Santiago), a skipped day (Apia, 2011), and none.
ZONES = [
    "Europe/Moscow",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "America/Santiago",
    "Pacific/Apia",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "Asia/Kamchatka",
]
CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # Berlin on
    datetime(2026, 10, 25, 1, tzinfo=UTC),  # Berlin back
    datetime(2026, 3, 8, 7, tzinfo=UTC),  # New York
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),  # Lord Howe, half an hour
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 3, 28, 22, tzinfo=UTC),  # Beirut, at midnight
    datetime(2026, 4, 5, 3, tzinfo=UTC),  # Santiago
    datetime(2026, 9, 6, 4, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),  # Apia loses a day
    datetime(2014, 10, 25, 22, tzinfo=UTC),  # Moscow, the last one
    datetime(2026, 2, 15, 2, tzinfo=UTC),  # Casablanca, Ramadan
]


def plainly_open(windows: list[Window], now: datetime, zone: str) -> bool:
    """The definition, slowly: does the clock on the wall show a time of a window?"""
    local = now.astimezone(ZoneInfo(zone))
    minute, day = local.hour * 60 + local.minute, local.isoweekday()
    before = (day - 2) % 7 + 1
    return not windows or any(
        (w.opens <= minute < w.closes and day in w.days)
        if w.closes > w.opens
        else ((minute >= w.opens and day in w.days) or (minute < w.closes and before in w.days))
        for w in windows
    )


days = st.frozensets(st.integers(1, 7), min_size=1)
quarter = st.integers(0, 95).map(lambda q: q * 15)
one_window = (
    st.tuples(quarter, st.integers(0, 96).map(lambda q: q * 15), days)
    .filter(lambda w: w[0] != w[1])
    .map(lambda w: Window(*w))
)
moments = st.tuples(st.sampled_from(CHANGES), st.integers(-3 * 86_400, 3 * 86_400), st.integers(0, 999_999)).map(
    lambda m: m[0] + timedelta(seconds=m[1], microseconds=m[2])
)


@settings(max_examples=400, deadline=None)
@given(st.lists(one_window, min_size=1, max_size=3), moments, st.sampled_from(ZONES))
@example([window("02:15", "02:45")], datetime(2026, 3, 28, 12, tzinfo=UTC), "Europe/Berlin")
@example([window("02:15", "02:45")], datetime(2026, 10, 25, 0, 50, tzinfo=UTC), "Europe/Berlin")
@example([window("10:00", "20:00", [5])], datetime(2011, 12, 29, 12, tzinfo=UTC), "Pacific/Apia")
def test_next_open_is_open_and_the_first_such_moment(windows: list[Window], after: datetime, zone: str) -> None:
    assert is_open(windows, after, zone) == plainly_open(windows, after, zone)
    opens = next_open(windows, after, zone)
    assert opens is not None and opens >= after
    assert plainly_open(windows, opens, zone)
    if opens == after:
        return
    assert not plainly_open(windows, opens - timedelta(microseconds=1), zone)
    step = timedelta(minutes=15)
    first_mark = after + (datetime.min.replace(tzinfo=UTC) - after) % step
    marks = int((opens - first_mark) / step)
    assert not any(plainly_open(windows, first_mark + n * step, zone) for n in range(min(marks, 700)))
    assert not plainly_open(windows, after, zone)


@settings(max_examples=200, deadline=None)
@given(st.lists(one_window, min_size=1, max_size=3), moments, st.integers(0, 2 * 86_400), st.sampled_from(ZONES))
def test_next_open_never_goes_back(windows: list[Window], after: datetime, later_s: int, zone: str) -> None:
    first = next_open(windows, after, zone)
    second = next_open(windows, after + timedelta(seconds=later_s), zone)
    assert first is not None and second is not None and first <= second


@pytest.mark.parametrize("zone", ["Europe/Moscow", "America/New_York", "Asia/Kamchatka", "Australia/Lord_Howe"])
def test_ten_to_eight_is_what_the_wall_says_all_year(zone: str) -> None:
    usual = [window("10:00", "20:00", range(1, 6))]
    day = date(2026, 1, 1)
    for n in range(365):
        midnight = datetime.combine(day + timedelta(days=n), time(0), ZoneInfo(zone)).astimezone(UTC)
        opens = next_open(usual, midnight, zone)
        assert opens is not None
        local = opens.astimezone(ZoneInfo(zone))
        assert (local.hour, local.minute) == (10, 0) and local.isoweekday() <= 5


def test_an_hour_that_the_clock_skips_never_opens() -> None:
    night = [window("02:15", "02:45")]
    opens = next_open(night, datetime(2026, 3, 28, 12, tzinfo=UTC), "Europe/Berlin")
    assert opens == datetime(2026, 3, 30, 0, 15, tzinfo=UTC), "on the 29th there is no quarter past two"


def test_an_hour_that_the_clock_shows_twice_opens_twice() -> None:
    night = [window("02:15", "02:45")]
    first, second = datetime(2026, 10, 25, 0, 15, tzinfo=UTC), datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    assert next_open(night, first - timedelta(hours=3), "Europe/Berlin") == first
    assert next_open(night, first + timedelta(minutes=30), "Europe/Berlin") == second


def test_a_window_over_midnight_belongs_to_the_day_it_opens_on() -> None:
    friday_night = [window("22:00", "02:00", [5])]
    saturday_one = datetime(2026, 3, 7, 1, 0, tzinfo=ZoneInfo("Europe/Moscow"))
    assert is_open(friday_night, saturday_one, "Europe/Moscow")
    assert not is_open(friday_night, saturday_one - timedelta(days=1), "Europe/Moscow")
    assert not is_open(friday_night, saturday_one + timedelta(hours=1), "Europe/Moscow")


def test_sunday_night_goes_on_into_monday() -> None:
    sunday_night = [window("22:00", "02:00", [7])]
    assert is_open(sunday_night, datetime(2026, 3, 9, 1, 59, tzinfo=UTC), "UTC")
    assert not is_open(sunday_night, datetime(2026, 3, 9, 2, 0, tzinfo=UTC), "UTC")


def test_till_24_is_till_the_end_of_the_day() -> None:
    whole = [window("00:00", "24:00", [1])]
    assert is_open(whole, datetime(2026, 3, 2, 23, 59, 59, 999_999, tzinfo=UTC), "UTC")
    assert not is_open(whole, datetime(2026, 3, 3, tzinfo=UTC), "UTC")
    assert next_open([window("00:00", "24:00")], MONDAY := datetime(2026, 3, 2, tzinfo=UTC), "UTC") == MONDAY


def test_no_windows_is_round_the_clock_and_no_zone_is_never() -> None:
    now = datetime(2026, 3, 2, 3, tzinfo=UTC)
    assert next_open([], now, "Europe/Moscow") == now
    for nowhere in ("", "Mars/Olympus", "../../etc/passwd", "Europe", "\0", "x" * 5000):
        assert not known(nowhere)
        assert next_open([], now, nowhere) is None
        assert next_open([window("00:00", "24:00")], now, nowhere) is None


@pytest.mark.parametrize(
    "raw",
    [
        {"from": "10:00", "to": "10:00"},
        {"from": "24:00", "to": "10:00"},
        {"from": "9:00", "to": "10:00"},
        {"from": "10:60", "to": "11:00"},
        {"from": "10:00", "to": "24:01"},
        {"from": "10:00", "to": "20:00", "days": []},
        {"from": "10:00", "to": "20:00", "days": [0]},
        {"from": "10:00", "to": "20:00", "days": ["1"]},
        {"from": "٠٩:٠٠", "to": "20:00"},
        {"to": "20:00"},
    ],
)
def test_what_is_no_window_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(raw)


def test_the_contracts_form_is_read() -> None:
    assert read({"days": [1, 5], "from": "22:30", "to": "24:00"}) == Window(1350, 1440, frozenset({1, 5}))
