"""Does the engine grow? Its memory over two thousand short calls, one group after the other.

SIPp, 10 calls a second of 2 s, 200 in a group ─▶ all over, the robot quiet ─▶ VmRSS ─▶ the next group
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from bench import calls, sipp
from bench.figures import Figure
from bench.rig import NUMBER, Robot, rss_mb

GROUP, GROUPS = 200, 10
PER_S, CALL_S = 10.0, 2.0
REST_S = 1.0
MOST_GROWTH = 5.0  # per cent, after the first group


async def measure(robot: Robot, folder: Path, groups: int = GROUPS, size: int = GROUP) -> tuple[list[float], int]:
    """Memory in MB after each group of calls; how many calls did not go as they should."""
    sizes: list[float] = []
    lost = 0
    for n in range(groups):
        begun = sipp.callers(
            folder / f"group-{n}", size, robot=robot.ports.sip, number=NUMBER, port=robot.ports.trunk,
            per_s=PER_S, hold_s=CALL_S, sound=sipp.noise(n),
        )  # fmt: skip
        async with begun as group:
            lost += (await group.ended()).lost
        await robot.quiet()
        await asyncio.sleep(REST_S)  # what an ended call leaves to be written is written
        sizes.append(rss_mb(robot.process.pid))
    return sizes, lost


def growth(sizes: Sequence[float]) -> float:
    """By how many per cent it has grown since the first group, at the most."""
    return round(100 * (max(sizes[1:], default=sizes[0]) / sizes[0] - 1), 2)


def figures(sizes: Sequence[float], lost: int, size: int = GROUP) -> list[Figure]:
    told = [Figure(f"memory after {size * (n + 1):,} calls", round(mb, 1), "MB") for n, mb in enumerate(sizes)]
    first = f"growth from {size} calls to {size * len(sizes):,}"
    return [*told, Figure(first, growth(sizes), "%", at_most=MOST_GROWTH), Figure("calls lost", lost, at_most=0)]


async def all_figures(robot: Robot, folder: Path) -> list[Figure]:
    await robot.line(await robot.scenario(calls.TALK))
    return figures(*await measure(robot, folder))
