"""The benchmark's campaign, small: a week over eleven zones, with nobody lost, twice, out of hours or over a limit."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bench.dialler import MONDAY, run


@pytest.mark.parametrize("start", [MONDAY, datetime(2026, 10, 24, 20, 0, tzinfo=UTC)])
def test_a_week_over_eleven_zones(start: datetime) -> None:
    report = run(2000, seed=7, start=start)
    assert report.sound, report
    assert report.calls > report.contacts == 2000
