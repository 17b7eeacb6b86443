"""Parts of the robot killed in the middle of a campaign of real calls: nobody is lost, nobody is asked twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.robot import KEYS, Robot, live_robot

pytestmark = pytest.mark.live

BACK_S = 30.0
MIXED = ["key", "no_answer", "silent", "busy", "key", "hangs_up"] * 4


async def fair(robot: Robot, campaign: int, phones: Sequence[str]) -> None:
    """What the network saw and what the robot tells agree, and nobody who answered was called again."""
    told = await robot.get(f"/campaigns/{campaign}")
    assert told["progress"]["done"] == told["progress"]["total"] == len(phones)
    seen, rows = robot.network.seen(), await robot.calls(f"&campaign_id={campaign}")
    for phone in phones:
        dialled = [row for row in rows.get(phone, []) if row["dialed_at"] is not None]
        here = seen.get(phone)
        assert here is not None, f"{phone} was never called: {rows.get(phone)}"
        assert here.calls <= len(dialled), f"{phone} was called {here.calls} times: {dialled}"
        assert here.answered in ([], [here.calls]), f"{phone} answered and was called again: {here} {dialled}"
        if here.answered:
            assert dialled[-1]["status"] == "answered", dialled
    assert set(seen) == set(phones)
    assert all(row["ended_at"] for listed in rows.values() for row in listed)


async def test_the_engine_is_killed(tmp_path: Path) -> None:
    async with live_robot(tmp_path) as robot:
        phones = robot.phones(MIXED)
        campaign = await robot.campaign(await robot.scenario(KEYS), phones)
        await robot.until(f"/campaigns/{campaign}", lambda told: told["totals"]["goals"] >= 2)
        await robot.kill()
        await robot.start()
        await robot.until(f"/campaigns/{campaign}", lambda told: told["totals"]["failed"] >= 1)
        await robot.hasten(campaign)
        await robot.over(campaign)
        await fair(robot, campaign, phones)
