"""A recogniser killed, hung or out of memory while a subscriber speaks: the call goes on by `other`, or with the one
that stands in; whoever looks is told, and the next call is understood."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.robot import KEYS, LOOK_S, Robot, live_robot

pytestmark = pytest.mark.live

# Nice by so much, so that its processes are told from the other's.
FIRST: Mapping[str, Any] = {"engine": "vosk", "workers": 1, "nice": 6}
ALONE: Mapping[str, Any] = {"recognizer": "first", "recognizers": {"first": FIRST}}
BOTH: Mapping[str, Any] = {
    "recognizer": "both",
    "recognizers": {
        "both": {"engine": "fallback", "recognizers": ["first", "vosk"]},
        "first": FIRST,
        "vosk": {"workers": 1},
    },
}
ONCE: Mapping[str, Any] = {
    **KEYS,
    "name": "Once",
    "nodes": {
        **KEYS["nodes"],
        "hello": {"kind": "play", "say": "Скажите да", "next": "ask"},
        "ask": {
            "kind": "recognize",
            "timeout_s": 6,
            "filters": [
                {"voice": ["да"], "port": "yes", "goto": "good"},
                {"silence": True, "port": "silence", "goto": "bye"},
                {"other": True, "port": "other", "goto": "bye"},
            ],
        },
    },
}


def kill(worker: int) -> None:
    os.kill(worker, signal.SIGKILL)


def hang(worker: int) -> None:
    """It is stopped already, and stays so."""


def starve(worker: int) -> None:
    """The system gives it no more memory."""
    limits = resource.prlimit(worker, resource.RLIMIT_AS)
    resource.prlimit(worker, resource.RLIMIT_AS, (1 << 20, limits[1]))
    os.kill(worker, signal.SIGCONT)


@pytest.mark.parametrize("speech", [ALONE, BOTH], ids=["alone", "with another"])
async def test_a_recogniser_is_harmed_in_the_middle_of_speech(tmp_path: Path, speech: Mapping[str, Any]) -> None:
    async with live_robot(tmp_path, speaking=True, speech=speech) as robot:
        scenario = await robot.scenario(ONCE)
        for times, harm in enumerate((kill, hang, starve), start=1):
            call, lost = await harmed(robot, scenario, harm)
            (ask,) = [step for step in call["steps"] if step["node"] == "ask"]
            assert (call["status"], call["ended_by"], call["reason"]) == ("answered", "robot", "")
            if speech is ALONE:
                assert (ask["by"], call["result"], lost) == ("other", None, ["recogniser"])
                assert ask["detail"].startswith("not recognised: ")
            else:
                assert (ask["heard"], call["result"], lost) == ("да", "goal", [])
                assert ask["detail"].startswith("vosk took over from first: ")
                assert await gauge(robot, "takeovers", "both") == times
            await until(robot, "restarts", lambda value, times=times: value == times)  # type: ignore[misc]
            await until(robot, "workers_ready", lambda value: value == 1)
            await robot.part("recogniser", works=True)
        (phone,) = robot.phones(["yes"])
        campaign = await robot.campaign(scenario, [phone])
        assert (await robot.over(campaign))["totals"]["goals"] == 1


async def test_a_campaign_calls_nobody_while_the_recogniser_has_no_room(tmp_path: Path) -> None:
    narrow = {"recognizer": "first", "recognizers": {"first": {**FIRST, "streams": 1}}}
    async with live_robot(tmp_path, speaking=True, speech=narrow) as robot:
        (worker,) = robot.helpers('"nice": 6')
        scenario = await robot.scenario(ONCE)
        first, second = robot.phones(["yes", "yes"])
        async with robot.events() as events:
            await robot.campaign(scenario, [first])
            async with asyncio.timeout(30):
                while (event := await events.get())["kind"] != "at" or event["node"] != "ask":
                    pass
            os.kill(worker, signal.SIGSTOP)  # so that its one utterance lasts
            try:
                await until(robot, "live", lambda value: value == 1)
                campaign = await robot.campaign(scenario, [second])
                path = f"/campaigns/{campaign}"
                await robot.until(path, lambda told: (told["why"] or {}).get("code") == "recogniser_full")
                assert second not in robot.network.seen()
            finally:
                with suppress(ProcessLookupError):  # its watchdog may have come first
                    os.kill(worker, signal.SIGKILL)
        assert (await robot.over(campaign))["totals"]["goals"] == 1


async def harmed(robot: Robot, scenario: int, harm: Callable[[int], None]) -> tuple[dict[str, Any], list[str]]:
    """A call whose recogniser meets this while it is told what the subscriber says; and what the listeners are told of
    as lost."""
    (worker,) = robot.helpers('"nice": 6')
    (phone,) = robot.phones(["yes"])
    async with robot.events() as events:
        campaign = await robot.campaign(scenario, [phone])
        lost: list[str] = []
        async with asyncio.timeout(30):
            while (event := await events.get())["kind"] != "at" or event["node"] != "ask":
                pass
            os.kill(worker, signal.SIGSTOP)  # so that it cannot understand before it is harmed
            try:
                await until(robot, "live", lambda value: value == 1)
            finally:
                harm(worker)
            while (event := await events.get())["kind"] != "ended":
                lost += [event["part"]] if event["kind"] == "lost" else []
    await robot.over(campaign)
    return await robot.get(f"/calls/{event['call_id']}"), lost


async def until(robot: Robot, name: str, right: Callable[[float], bool]) -> None:
    async with asyncio.timeout(30):
        while not right(await gauge(robot, name)):  # noqa: ASYNC110 - figures are asked for, not told
            await asyncio.sleep(LOOK_S)


async def gauge(robot: Robot, name: str, recogniser: str = "first") -> float:
    """The figure of the recogniser in /metrics."""
    _, text = await robot.bytes("/metrics")
    start = f'dozvon_recogniser_{name}{{recogniser="{recogniser}"}} '
    (line,) = [line for line in text.decode().splitlines() if line.startswith(start)]
    return float(line.removeprefix(start))
