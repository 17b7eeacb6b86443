"""The disk is full while calls are recorded: they go on, the loss is named, and it is over when there is room again.

`/dev/full` stands for the disk of one call's files: any user can use it, and writes fail in the same way.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.robot import KEYS, Robot, live_robot

pytestmark = pytest.mark.live


async def test_a_disk_that_fills_up_costs_the_recording_and_not_the_call(tmp_path: Path) -> None:
    async with live_robot(tmp_path) as robot, robot.events() as events:
        scenario = await robot.scenario(KEYS)
        whole = await one_call(robot, scenario)
        assert await length_ms(robot, whole) > whole["duration_ms"] - 500

        cut = await one_call(robot, scenario, disk_full)
        assert (cut["status"], cut["cause"], cut["ended_by"]) == ("answered", 16, "robot")
        assert [step["port"] for step in cut["steps"]] == [step["port"] for step in whole["steps"]]
        assert abs(cut["duration_ms"] - whole["duration_ms"]) < 1000
        lost = [event for event in drained(events) if event["kind"] == "recording_lost"]
        assert [event["call_id"] for event in lost] == [cut["id"]]
        assert "disk" in lost[0]["reason"]
        assert "disk" in await robot.part("recordings", works=False)
        assert robot.logged("a recording was lost")

        again = await one_call(robot, scenario)
        assert await length_ms(robot, again) > again["duration_ms"] - 500
        await robot.part("recordings", works=True)


def disk_full(robot: Robot, call: int) -> None:
    """There is no room for this call's recording, and for nothing else is there any lack."""
    data_dir = robot.settings.data_dir
    with closing(sqlite3.connect(data_dir / "dozvon.db")) as db:
        (uid,) = db.execute("SELECT uid FROM calls WHERE id = ?", (call,)).fetchone()
    for side in ("in", "out"):
        (data_dir / "asterisk" / "recordings" / f"{uid}-{side}.wav").symlink_to("/dev/full")


async def one_call(
    robot: Robot, scenario: int, meanwhile: Callable[[Robot, int], None] | None = None
) -> dict[str, Any]:
    """To somebody who says nothing for some seconds."""
    (phone,) = robot.phones(["silent"])
    made = await robot.post(f"/projects/{robot.project}/calls", {"phone": phone, "scenario_id": scenario})
    if meanwhile is not None:
        meanwhile(robot, made["id"])
    return dict(await robot.until(f"/calls/{made['id']}", lambda told: told["ended_at"] is not None))


async def length_ms(robot: Robot, call: dict[str, Any]) -> int:
    return int((await robot.get(f"/calls/{call['id']}/waveform"))["duration_ms"])


def drained(queue: asyncio.Queue[dict[str, Any]]) -> list[dict[str, Any]]:
    return [queue.get_nowait() for _ in range(queue.qsize())]
