"""How many calls can be talked at once: subscribers who speak 30 % of the time, each utterance detected and recognised.

SIPp, 6 groups with speech of their own ─RTP─▶ Asterisk ─▶ VAD, silero where it hears something ─▶ recogniser processes
measuring telephones ×8 ─▶ gaps           /proc ─▶ CPU of engine, workers, Asterisk        /metrics ─▶ overloads, lag
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import calls, sipp
from bench.calls import PHONES, SETTLE_S, lag, used
from bench.figures import Figure, of_buckets, percentile
from bench.hearing.texts import FOREIGN, PAUSED
from bench.rig import NUMBER, Robot, rss_mb
from bench.sipp import Outcome, packets, udp_port
from engine import audio
from engine.model import RATE
from tts import espeak

GROUPS = 6
PER_S = 1.0  # calls that begin in a second, of each group: no two of them say the same at once
HOLD_S = 40.0
SHARE = 0.3  # of the time somebody speaks
LOOP_S = 37  # of a subscriber's sound
COUNTS = (60, 90, 120)
ASKED = 60
MOST_GAP_MS, MOST_BUSY = 60.0, 0.95
VOICES = ("f1", "m1", "f2", "m3", "f5", "m2")


@dataclass(frozen=True, slots=True)
class Talking:
    """CPU in cores, per second, while all calls stood."""

    calls: int
    main: float
    workers: float
    asterisk: float
    strangers: float
    busy: float
    lag_p99_ms: float
    gaps_ms: Sequence[float]
    lost: int
    overloaded: int
    utterances: int
    restarts: int
    memory_mb: float
    workers_mb: float

    @property
    def borne(self) -> bool:
        """Nobody was refused a recogniser, lost, or kept waiting for sound."""
        return not (self.lost or self.overloaded) and percentile(self.gaps_ms, 0.999) <= MOST_GAP_MS

    @property
    def limit(self) -> str:
        """What gave way, or will first."""
        if self.overloaded:
            return "the recogniser's processes"
        if self.lost:
            return "calls were lost"
        if percentile(self.gaps_ms, 0.999) > MOST_GAP_MS:
            return "Asterisk's sending" if self.asterisk > self.main else "the engine's loop"
        return "nothing yet"


def speech(phrases: Sequence[bytes], seed: int) -> bytes:
    """LOOP_S of A-law: phrases with silence between them, SHARE of it spoken, comfort noise under all of it."""
    chance = random.Random(seed)
    parts: list[bytes] = []
    spoken = total = 0
    while total < LOOP_S * RATE * 2:
        phrase = chance.choice(phrases)
        pause = round(len(phrase) / 2 * (1 - SHARE) / SHARE * chance.uniform(0.7, 1.3)) * 2
        parts += [bytes(pause), phrase]
        spoken, total = spoken + len(phrase), total + pause + len(phrase)
    wave = audio.samples(b"".join(parts)[: LOOP_S * RATE * 2])
    noise = np.random.default_rng(seed).standard_normal(wave.size).astype(np.float32) * 10 ** (sipp.NOISE_DBFS / 20)
    return audio.encode(audio.to_pcm(wave + noise), "alaw")


async def subscribers(folder: Path) -> list[bytes]:
    """What each group says: the phrases of people, none of them an answer that would end the listening early."""
    texts = [*FOREIGN["ru"], *(pair.replace("|", " ") for pair in PAUSED["ru"])]
    made = []
    async with espeak.open(espeak.Settings(), data_dir=folder) as voice:
        for seed, variant in enumerate(VOICES):
            chosen = random.Random(seed).sample(texts, 12)
            phrases = [(await voice.render(text, voice=f"ru+{variant}")).pcm for text in chosen]
            made.append(speech(phrases, seed))
    return made


@dataclass
class Standing:
    outcomes: list[Outcome]


@asynccontextmanager
async def standing(
    robot: Robot, folder: Path, count: int, said: Sequence[bytes], *, hold_s: float
) -> AsyncGenerator[Standing]:
    """`count` calls in GROUPS groups, all of them standing for `hold_s` from the beginning of the block."""
    each = [count // GROUPS + (n < count % GROUPS) for n in range(GROUPS)]
    rising_s = max(each) / PER_S + SETTLE_S
    async with AsyncExitStack() as stack:
        groups = [
            await stack.enter_async_context(
                sipp.callers(
                    folder / f"group-{n}",
                    size,
                    robot=robot.ports.sip,
                    number=NUMBER,
                    port=robot.ports.trunk if n == 0 else udp_port(),
                    per_s=PER_S,
                    hold_s=rising_s + hold_s + SETTLE_S,
                    sound=said[n],
                )
            )
            for n, size in enumerate(each)
            if size
        ]
        await asyncio.sleep(rising_s)
        state = Standing([])
        yield state
        state.outcomes = [await group.ended() for group in groups]
    await robot.quiet()


async def measure(robot: Robot, folder: Path, count: int, said: Sequence[bytes], *, hold_s: float = HOLD_S) -> Talking:
    """`count` calls, PHONES of them measuring, all of whom talk."""
    async with (
        standing(robot, folder, count - PHONES, said, hold_s=hold_s + SETTLE_S) as load,
        AsyncExitStack() as stack,
    ):
        talks = []
        for n in range(PHONES):
            phone = robot.phone(f"+7901000{n:04d}")
            turned = said[n % len(said)]
            at = len(turned) * n // PHONES // 160 * 160
            phone.sound.noise = packets(turned[at:] + turned[:at])
            talks.append(await stack.enter_async_context(phone.call()))
        await asyncio.sleep(SETTLE_S)
        before, lag_before, told_before = used(robot), await lag(robot), await recogniser(robot)
        first = [len(talk.sound.packets) for talk in talks]
        await asyncio.sleep(hold_s)
        after, lag_after, told = used(robot), await lag(robot), await recogniser(robot)
        last = [len(talk.sound.packets) for talk in talks]
        memory_mb = rss_mb(robot.process.pid)
        dropped = sum(talk.ended.is_set() for talk in talks)
    gaps = [gap for talk, a, b in zip(talks, first, last, strict=True) for gap in talk.gaps_ms()[a:b]]
    seconds = after.at - before.at
    return Talking(
        calls=count,
        main=(after.main - before.main) / seconds,
        workers=(after.workers - before.workers) / seconds,
        asterisk=(after.asterisk - before.asterisk) / seconds,
        strangers=max(0.0, calls.others(after) - calls.others(before)) / seconds,
        busy=(after.machine - before.machine) / seconds,
        lag_p99_ms=1000 * of_buckets({b: n - lag_before.get(b, 0.0) for b, n in lag_after.items()}, 0.99),
        gaps_ms=gaps,
        lost=sum(outcome.lost for outcome in load.outcomes) + dropped,
        overloaded=round(told["overloaded"] - told_before["overloaded"]),
        utterances=round(told["live"]),
        restarts=round(told["restarts"] - told_before["restarts"]),
        memory_mb=memory_mb,
        workers_mb=told["memory_bytes"] / 2**20,
    )


async def recogniser(robot: Robot) -> dict[str, float]:
    """The recognisers' gauges, those of all of them added up."""
    found: dict[str, float] = dict.fromkeys(("overloaded", "live", "restarts", "memory_bytes", "capacity"), 0.0)
    for name, value in re.findall(r"^dozvon_recogniser_(\w+)\{[^}]*\} (\S+)$", await robot.text("/metrics"), re.M):
        found[name] = found.get(name, 0.0) + float(value)
    return found


def figures(loads: Sequence[Talking], cores: int) -> list[Figure]:
    found: list[Figure] = []
    for load in loads:
        n, judged = load.calls, load.calls == ASKED
        found += [
            Figure(f"{n} calls: engine CPU", round(100 * load.main, 1), "% of a core"),
            Figure(f"{n} calls: recogniser CPU", round(100 * load.workers, 1), "% of a core"),
            Figure(f"{n} calls: Asterisk CPU", round(100 * load.asterisk, 1), "% of a core"),
            Figure(f"{n} calls: whole machine busy", round(100 * load.busy / cores, 1), "%"),
            Figure(f"{n} calls: strangers on the machine", round(100 * load.strangers), "% of a core"),
            Figure(f"{n} calls: event-loop lag p99", round(load.lag_p99_ms, 1), "ms"),
            Figure(
                f"{n} calls: gap between packets p99.9", round(percentile(load.gaps_ms, 0.999), 1), "ms",
                at_most=MOST_GAP_MS if judged else None,
            ),
            Figure(f"{n} calls: utterances without a recogniser", load.overloaded, at_most=0 if judged else None),
            Figure(f"{n} calls: utterances at once, at the end", load.utterances),
            Figure(f"{n} calls: lost", load.lost, at_most=0 if judged else None),
            Figure(f"{n} calls: engine memory", round(load.memory_mb), "MB"),
            Figure(f"{n} calls: recogniser memory", round(load.workers_mb), "MB"),
        ]  # fmt: skip
    borne = max((load.calls for load in loads if load.borne), default=0)
    first = next((load for load in loads if not load.borne), None)
    why = f" (then: {first.limit})" if first else " (more were not tried)"
    return [*found, Figure(f"talking calls at once{why}", borne, at_least=ASKED)]


async def all_figures(robot: Robot, folder: Path) -> list[Figure]:
    """From few calls to many; it ends where the machine does."""
    await robot.line(await robot.scenario(calls.TALK))
    said = await subscribers(folder)
    cores = len(os.sched_getaffinity(0))
    loads: list[Talking] = []
    for count in COUNTS:
        loads.append(await measure(robot, folder / str(count), count, said))
        if not loads[-1].borne or loads[-1].busy > MOST_BUSY * cores:
            break
    return figures(loads, cores)
