"""How fast the robot reacts, on RTP: to a key, to being interrupted, to an answer. Alone, and beside 100 other calls.

key let go ─▶ first sound      first packet of "да" ─▶ the robot's last loud one      last packet of "да" ─▶ first sound
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import calls
from bench.figures import Figure, spread
from bench.rig import NUMBER, SECOND, Robot
from bench.telephone import LOUD, Talk, now
from engine import audio
from tts import espeak

PHONES = 5
ROUNDS = 13  # of each telephone: 65 samples
ROUND_S = 6.5  # that one takes, at most
BESIDE = 100  # calls that stand meanwhile, in the second measurement
VOICE = "ru+f2"
ANSWER = "да"
# Without commas: a pause in the prompt must not pass for its end.
LONG = "Раз два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать."
QUIET_S = 0.15  # longer than any pause inside of that
TALK: Mapping[str, Any] = {
    "dozvon": 1,
    "name": "reaction",
    "language": "ru",
    "start": "wait",
    "nodes": {
        "wait": {
            "kind": "recognize",
            "timeout_s": 60,
            "filters": [
                {"dtmf": "1", "goto": "well"},
                {"dtmf": "2", "goto": "long"},
                {"silence": True, "goto": "end"},
                {"other": True, "goto": "end"},
            ],
        },
        "well": {"kind": "play", "say": "Хорошо", "next": "wait"},
        "long": {
            "kind": "recognize",
            "say": LONG,
            "timeout_s": 10,
            "filters": [
                {"voice": [ANSWER], "port": "yes", "goto": "well"},
                {"silence": True, "goto": "end"},
                {"other": True, "goto": "end"},
            ],
        },
        "end": {"kind": "hangup"},
    },
}


@dataclass
class Reactions:
    """In milliseconds."""

    key: list[float] = field(default_factory=list)
    hushed: list[float] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)
    misheard: int = 0


async def spoken(folder: Path) -> bytes:
    """The answer as PCM, from its first loud sample to its last: what comes before and after is not speech."""
    async with espeak.open(espeak.Settings(rate_wpm=140), data_dir=folder) as voice:
        pcm = (await voice.render(ANSWER, voice=VOICE)).pcm
    loud = np.flatnonzero(np.abs(audio.samples(pcm)) * 32768 > LOUD)
    return pcm[2 * int(loud[0]) : 2 * int(loud[-1]) + 2]


async def measure(robot: Robot, folder: Path, rounds: int = ROUNDS) -> Reactions:
    found = Reactions()
    answer = await spoken(folder)
    async with asyncio.TaskGroup() as group:
        for n in range(PHONES):
            group.create_task(_converse(robot, n, rounds, answer, found))
    return found


async def _converse(robot: Robot, n: int, rounds: int, answer: bytes, found: Reactions) -> None:
    chance = random.Random(n)
    done = 0
    while done < rounds:  # a new call where the scenario gave up
        async with robot.phone(f"+7902000{n:04d}", SECOND).call() as talk:
            await asyncio.sleep(1 + n / PHONES)
            while done < rounds and not talk.ended.is_set():
                done += 1
                try:
                    await _key(talk, found)
                    await asyncio.sleep(chance.uniform(0.1, 0.4))
                    await _interrupt(talk, answer, chance.uniform(0.8, 1.6), found)
                except TimeoutError:
                    found.misheard += 1
                    break


async def _key(talk: Talk, found: Reactions) -> None:
    sound = talk.sound
    sound.pressed_at = 0.0
    sound.press("1")
    while not sound.pressed_at:  # noqa: ASYNC110 - it is let go by the clock
        await asyncio.sleep(0.005)
    found.key.append(1000 * (await talk.until_sound(sound.pressed_at, 3.0) - sound.pressed_at))
    await talk.until_quiet(0.3)


async def _interrupt(talk: Talk, answer: bytes, after_s: float, found: Reactions) -> None:
    sound = talk.sound
    pressed = now()
    sound.press("2")
    await talk.until_sound(pressed, 3.0)
    await asyncio.sleep(after_s)
    sound.spoken_from = 0.0
    sound.speak(answer)
    await asyncio.sleep(len(answer) / 16000 + 1.5)
    hushed = talk.last_sound(sound.spoken_from, QUIET_S)
    assert hushed is not None
    well = talk.first_sound(hushed + QUIET_S / 2)
    if well is None:
        raise TimeoutError("it was not understood")
    found.hushed.append(1000 * (hushed - sound.spoken_from))
    found.answer.append(1000 * (well - sound.spoken_until))
    await talk.until_quiet(0.3)


@asynccontextmanager
async def company(robot: Robot, folder: Path, count: int) -> AsyncGenerator[None]:
    """`count` other calls, standing."""
    async with calls.standing(robot, folder / "company", count, hold_s=ROUNDS * ROUND_S) as load:
        await asyncio.sleep(load.full_in())
        yield


async def figures(robot: Robot, folder: Path) -> list[Figure]:
    await robot.line(await robot.scenario(calls.TALK), NUMBER)
    await robot.line(await robot.scenario(TALK), SECOND)
    alone = await measure(robot, folder)
    async with company(robot, folder, BESIDE):
        beside = await measure(robot, folder)
    found: list[Figure] = []
    for name, reactions in (("alone", alone), (f"beside {BESIDE} calls", beside)):
        found += spread(f"{name}: key to first sound", reactions.key, "ms", p95_at_most=60)
        found += spread(f"{name}: onset of speech to silence", reactions.hushed, "ms", p95_at_most=200)
        found += spread(f"{name}: last word to first sound", reactions.answer, "ms")
        found.append(Figure(f"{name}: not understood", reactions.misheard, f"of {len(reactions.key)}"))
    return found
