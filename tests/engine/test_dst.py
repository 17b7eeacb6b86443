"""Clocks are changed while a campaign runs: nobody is called outside of what their own wall clock allows, nobody is
lost, and calling begins at the hour on the wall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.rules.pacing import Pace
from engine.rules.window import Window, window
from tests.engine.rig import Rig, campaign
from tests.virtual_time import virtually

COUNT = 100


def called_at(start: datetime, zone: str, windows: tuple[Window, ...], every_s: float) -> list[datetime]:
    """When a campaign called that began then, on the wall clock of those who were called."""
    rig = Rig(start=start)
    rig.contacts(COUNT, timezone=zone)
    virtually(lambda: rig.dialer(campaign(windows=windows, pace=Pace(1 / every_s), max_concurrent=50)).run())
    assert len({order.phone for _, order in rig.voice.dialled}) == len(rig.voice.dialled) == COUNT
    return [(start + timedelta(seconds=at)).astimezone(ZoneInfo(zone)) for at in rig.starts()]


@pytest.mark.parametrize(
    ("zone", "eve"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC)),  # an hour is skipped
        ("Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC)),  # an hour comes twice
        ("America/New_York", datetime(2026, 3, 7, 12, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 0, tzinfo=UTC)),  # by half an hour
    ],
)
def test_ten_to_twenty_is_what_the_wall_says_before_and_after(zone: str, eve: datetime) -> None:
    walls = called_at(eve, zone, (window("10:00", "20:00"),), every_s=900)
    assert all(10 <= wall.hour < 20 for wall in walls), walls
    days = {wall.date(): wall for wall in reversed(walls)}
    offsets = {wall.utcoffset() for wall in walls}
    assert len(offsets) == 2, "the campaign went over the change"
    whole = [first for first in days.values() if first is not walls[0]]
    assert whole and all((first.hour, first.minute) == (10, 0) for first in whole), whole


def test_a_window_in_the_night_of_the_change_holds_too() -> None:
    """From one to four: three hours on other nights, two when 02:00 to 03:00 is skipped, four when it comes twice."""
    night = (window("01:00", "04:00"),)
    for eve, hours in ((datetime(2026, 3, 28, 22, tzinfo=UTC), 2), (datetime(2026, 10, 24, 21, tzinfo=UTC), 4)):
        walls = called_at(eve, "Europe/Berlin", night, every_s=300)
        assert all(1 <= wall.hour < 4 for wall in walls)
        first = [wall for wall in walls if wall.date() == walls[0].date()]
        assert len(first) == hours * 12, (len(first), first[0], first[-1])
