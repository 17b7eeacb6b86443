"""Parts of the robot killed in the middle of a campaign of real calls: nobody is lost, nobody is asked twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import Postgres, server
from tests.robot import KEYS, Robot, live_robot

pytestmark = pytest.mark.live

BACK_S = 30.0  # so soon after a part's return the robot works as before
MIXED = ("key", "no_answer", "silent", "busy", "key", "hangs_up")
WORDS: Mapping[str, Any] = {
    **KEYS,
    "name": "Words",
    "nodes": {
        **KEYS["nodes"],
        "ask": {
            "kind": "recognize",
            "timeout_s": 4,
            "filters": [
                {"voice": ["да"], "port": "yes", "goto": "good"},
                {"silence": True, "port": "silence", "goto": "bye"},
                {"other": True, "port": "other", "goto": "bye"},
            ],
        },
    },
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with server() as running:
        yield running


async def begun(robot: Robot, phones: Sequence[str], **settings: Any) -> int:
    """A campaign that has reached its first goals; others ring and talk."""
    campaign = await robot.campaign(await robot.scenario(KEYS), phones, **settings)
    await robot.until(f"/campaigns/{campaign}", lambda told: told["totals"]["goals"] >= 2)
    return campaign


async def finished(robot: Robot, campaign: int, phones: Sequence[str], ringing: Collection[str] = ()) -> None:
    """To the end, and then: what the network saw and what the robot tells agree, and nobody who answered was called
    again. `ringing`: who may have picked up when nobody was there to be told of it."""
    told = await robot.over(campaign)
    assert told["progress"]["done"] == told["progress"]["total"] == len(phones)
    seen, rows = robot.network.seen(), await robot.calls(f"&campaign_id={campaign}")
    for phone in phones:
        dialled = [row for row in rows.get(phone, []) if row["dialed_at"] is not None]
        here = seen.get(phone)
        assert here is not None, f"{phone} was never called: {rows.get(phone)}"
        assert here.calls <= len(dialled), f"{phone} was called {here.calls} times: {dialled}"
        if phone not in ringing:
            assert here.answered in ([], [here.calls]), f"{phone} answered and was called again: {here} {dialled}"
        if here.answered:
            assert dialled[-1]["status"] == "answered", dialled
    assert set(seen) == set(phones)
    assert all(row["ended_at"] for listed in rows.values() for row in listed)
    assert (await robot.health())["ready"] is True


def recovered(before: Mapping[str, Any]) -> Any:
    """More goals than before."""
    return lambda told: told["totals"]["goals"] > before["totals"]["goals"]


async def test_the_engine_is_killed(tmp_path: Path) -> None:
    async with live_robot(tmp_path) as robot:
        phones = robot.phones(MIXED * 4)
        campaign = await begun(robot, phones)
        before, helpers = await robot.get(f"/campaigns/{campaign}"), robot.helpers()
        assert len(helpers) >= 2
        await robot.kill()
        await robot.start()
        assert not helpers & robot.helpers(everybodys=True), "the dead engine's processes live on"
        await robot.until(f"/campaigns/{campaign}", recovered(before), within_s=BACK_S)
        # What was recorded of calls that the engine left behind is theirs.
        rows = [row for listed in (await robot.calls(f"&campaign_id={campaign}")).values() for row in listed]
        cut = [row for row in rows if row["reason"].startswith("the engine stopped") and row["status"] == "answered"]
        assert cut
        assert all(row["recording"] for row in cut if row["duration_ms"])
        assert any(row["recording"] for row in cut)
        await robot.hasten(campaign)
        await finished(robot, campaign, phones)
        assert list((robot.settings.data_dir / "asterisk" / "recordings").glob("*.wav")) == []


async def test_the_asterisk_is_killed(tmp_path: Path) -> None:
    async with live_robot(tmp_path) as robot:
        phones = robot.phones(MIXED * 4)
        campaign = await begun(robot, phones)
        before, killed = await robot.get(f"/campaigns/{campaign}"), robot.asterisk()
        ringing = {phone for phone, seen in robot.network.seen().items() if seen.calls > len(seen.answered)}
        await asyncio.sleep(0.05)  # an answer that is on its way now has come
        os.kill(killed, signal.SIGKILL)
        await robot.part("telephony", works=False)
        await robot.part("telephony", works=True, within_s=BACK_S)
        assert robot.asterisk() not in (0, killed)
        await robot.until(f"/campaigns/{campaign}", recovered(before), within_s=BACK_S)
        await robot.hasten(campaign)
        await finished(robot, campaign, phones, ringing)


async def test_every_recogniser_is_killed(tmp_path: Path) -> None:
    async with live_robot(tmp_path, speaking=True) as robot:
        phones = robot.phones(["yes"] * 10)
        campaign = await robot.campaign(await robot.scenario(WORDS), phones, speed_per_hour=2 * 3600)
        before = await robot.until(f"/campaigns/{campaign}", lambda told: told["totals"]["goals"] >= 1)
        killed = robot.helpers("asr._worker")
        assert killed
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        await robot.until(f"/campaigns/{campaign}", recovered(before), within_s=BACK_S)
        await finished(robot, campaign, phones)
        assert robot.helpers("asr._worker") and not robot.helpers("asr._worker") & killed
        assert (await robot.get(f"/campaigns/{campaign}"))["totals"]["goals"] >= 6


async def test_postgresql_is_killed(tmp_path: Path, postgres: Postgres) -> None:
    async with live_robot(tmp_path, database=postgres.url()) as robot:
        phones = robot.phones(MIXED * 4)
        campaign = await begun(robot, phones)
        before = await robot.get(f"/campaigns/{campaign}")
        await asyncio.to_thread(postgres.kill)
        await robot.part("database", works=False)
        await asyncio.to_thread(postgres.start)
        await robot.part("database", works=True, within_s=BACK_S)
        await robot.until(f"/campaigns/{campaign}", recovered(before), within_s=BACK_S)
        await robot.hasten(campaign)
        await finished(robot, campaign, phones)


async def test_told_to_stop_it_lets_calls_end_and_dials_the_rest_after_the_next_start(tmp_path: Path) -> None:
    async with live_robot(tmp_path) as robot:
        phones = robot.phones(["key"] * 12)
        campaign = await begun(robot, phones, speed_per_hour=2 * 3600)
        live = {row["phone"] for row in (await robot.get("/calls/live"))["items"]}
        assert live
        robot.terminate()
        assert await robot.ended(within_s=BACK_S) == 0
        dialled = set(robot.network.seen())
        assert live <= dialled < set(phones)
        await robot.start()
        rows = await robot.calls(f"&campaign_id={campaign}")
        assert {phone: rows[phone][0]["result"] for phone in live} == dict.fromkeys(live, "goal")
        await finished(robot, campaign, phones)
        assert {seen.calls for seen in robot.network.seen().values()} == {1}
