"""N calls at once through a scenario that plays, listens and records: what they cost, and what a subscriber hears.

SIPp ×N ─RTP, comfort noise─▶ Asterisk ─▶ engine: VAD on every frame, prompts      /proc ─▶ CPU      /metrics ─▶ lag
measuring telephones ×8 ─────▶ (calls like the others, every packet stamped by the kernel) ─▶ gaps
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import sipp
from bench.figures import Figure, of_buckets, percentile
from bench.rig import NUMBER, TICKS, Robot, children, cpu_s, rss_mb
from bench.telephone import Phone

PHONES = 8
PER_S = 10.0  # calls that begin in a second: 36,000 an hour
HOLD_S = 40.0  # measured while all of them stand
SETTLE_S = 3.0  # from the last call's beginning to the measuring
COUNTS = (100, 200, 300, 400)
RATIO_OF = 300  # calls, for which the targets are
TALK: Mapping[str, Any] = {
    "dozvon": 1,
    "name": "load",
    "language": "ru",
    "start": "say",
    "nodes": {  # about seven seconds of prompt, four of listening, and again
        "say": {
            "kind": "play",
            "say": "Здравствуйте! Это проверка связи. Скажите да или нет, или нажмите один. Мы подождём вашего ответа.",
            "max_visits": 100,
            "next": "ask",
            "exhausted": "end",
        },
        "ask": {
            "kind": "recognize",
            "timeout_s": 4,
            "filters": [
                {"voice": ["да"], "port": "yes", "goto": "say"},
                {"voice": ["нет"], "port": "no", "goto": "say"},
                {"dtmf": "1", "goto": "say"},
                {"silence": True, "goto": "say"},
                {"other": True, "goto": "say"},
            ],
        },
        "end": {"kind": "hangup"},
    },
}


@dataclass(frozen=True, slots=True)
class Used:
    """CPU seconds so far."""

    at: float
    main: float
    workers: float
    asterisk: float
    bench: float  # SIPp and the telephones
    machine: float  # everything on this machine


@dataclass(frozen=True, slots=True)
class Load:
    """What stood while the calls were held: CPU in cores, per second."""

    calls: int
    main: float
    workers: float
    asterisk: float
    strangers: float  # whatever else ran on this machine: it makes all other figures worse
    busy: float  # the whole machine
    lag_p99_ms: float
    gaps_ms: Sequence[float]
    lost: int
    memory_mb: float

    @property
    def engine(self) -> float:
        return self.main + self.workers

    @property
    def ratio(self) -> float:
        return self.engine / self.asterisk


async def measure(robot: Robot, folder: Path, count: int, *, hold_s: float = HOLD_S) -> Load:
    """`count` calls, PHONES of them measuring, held for `hold_s` after all have begun."""
    async with standing(robot, folder, count - PHONES, hold_s=hold_s) as load, AsyncExitStack() as stack:
        talks = [await stack.enter_async_context(_phone(robot, n).call()) for n in range(PHONES)]
        await asyncio.sleep(load.full_in())
        before, lag_before, first = used(robot), await lag(robot), [len(talk.sound.packets) for talk in talks]
        await asyncio.sleep(hold_s)
        after, lag_after, last = used(robot), await lag(robot), [len(talk.sound.packets) for talk in talks]
        memory_mb = rss_mb(robot.process.pid)
        dropped = sum(talk.ended.is_set() for talk in talks)
    gaps = [gap for talk, a, b in zip(talks, first, last, strict=True) for gap in talk.gaps_ms()[a:b]]
    seconds = after.at - before.at
    return Load(
        calls=count,
        main=(after.main - before.main) / seconds,
        workers=(after.workers - before.workers) / seconds,
        asterisk=(after.asterisk - before.asterisk) / seconds,
        strangers=max(0.0, others(after) - others(before)) / seconds,
        busy=(after.machine - before.machine) / seconds,
        lag_p99_ms=1000 * of_buckets({b: n - lag_before.get(b, 0.0) for b, n in lag_after.items()}, 0.99),
        gaps_ms=gaps,
        lost=load.outcome.lost + dropped if load.outcome else count,
        memory_mb=memory_mb,
    )


@dataclass
class Standing:
    """Calls that have begun or are about to."""

    full_at: float
    outcome: sipp.Outcome | None = None

    def full_in(self) -> float:
        return max(0.0, self.full_at - time.monotonic())


@asynccontextmanager
async def standing(robot: Robot, folder: Path, count: int, *, hold_s: float) -> AsyncGenerator[Standing]:
    """That many calls, all of them standing for `hold_s` from `full_in` on; left when they are over."""
    rising_s = count / PER_S + SETTLE_S
    begun = sipp.callers(
        folder / f"sipp-{time.monotonic_ns()}",
        count,
        robot=robot.ports.sip,
        number=NUMBER,
        port=robot.ports.trunk,
        per_s=PER_S,
        hold_s=rising_s + hold_s + SETTLE_S,
        sound=sipp.noise(),
    )
    async with begun as calls:
        load = Standing(time.monotonic() + rising_s)
        yield load
        load.outcome = await calls.ended()
    await robot.quiet()


def _phone(robot: Robot, n: int) -> Phone:
    phone = robot.phone(f"+7901000{n:04d}")
    phone.sound.noise = sipp.packets(sipp.noise(n))
    return phone


# --- what is used -----------------------------------------------------------------------------------------------------


def used(robot: Robot) -> Used:
    asterisk = robot.asterisk()
    below = set(children(asterisk)) | {asterisk}
    workers = [pid for pid in children(robot.process.pid) if pid not in below]
    return Used(
        time.monotonic(),
        cpu_s(robot.process.pid),
        sum(cpu_s(pid) for pid in workers),
        cpu_s(asterisk),
        cpu_s(os.getpid())
        + sum(cpu_s(pid) for pid in set(children(os.getpid())) - {robot.process.pid, *workers, *below}),
        _machine_s(),
    )


def others(used: Used) -> float:
    return used.machine - used.main - used.workers - used.asterisk - used.bench


def _machine_s() -> float:
    fields = [int(field) for field in Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


async def lag(robot: Robot) -> dict[float, float]:
    """The engine's histogram of how late its loop woke up: bound in seconds to how many so far."""
    text = await robot.text("/metrics")
    return {
        float(bound): float(count)
        for bound, count in re.findall(r'^dozvon_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)$', text, re.MULTILINE)
    }


# --- what is told -----------------------------------------------------------------------------------------------------


def figures(loads: Iterable[Load], cores: int) -> list[Figure]:
    found: list[Figure] = []
    for load in loads:
        n, judged = load.calls, load.calls == RATIO_OF
        found += [
            Figure(f"{n} calls: engine CPU", round(100 * load.engine, 1), "% of a core"),
            Figure(f"{n} calls: of it speech workers", round(100 * load.workers, 1), "% of a core"),
            Figure(f"{n} calls: Asterisk CPU", round(100 * load.asterisk, 1), "% of a core"),
            Figure(f"{n} calls: engine ÷ Asterisk", round(load.ratio, 3), at_most=0.35 if judged else None),
            Figure(f"{n} calls: engine CPU per call", round(100 * load.engine / n, 3), "% of a core"),
            Figure(f"{n} calls: Asterisk CPU per call", round(100 * load.asterisk / n, 3), "% of a core"),
            Figure(f"{n} calls: whole machine busy", round(100 * load.busy / cores, 1), "%"),
            Figure(f"{n} calls: strangers on the machine", round(100 * load.strangers), "% of a core"),
            Figure(f"{n} calls: event-loop lag p99", round(load.lag_p99_ms, 1), "ms"),
            Figure(
                f"{n} calls: gap between packets p99.9",
                round(percentile(load.gaps_ms, 0.999), 1),
                "ms",
                at_most=60 if judged else None,
            ),
            Figure(f"{n} calls: largest gap", round(max(load.gaps_ms), 1), "ms"),
            Figure(f"{n} calls: lost", load.lost, at_most=0 if judged else None),
            Figure(f"{n} calls: engine memory", round(load.memory_mb), "MB"),
        ]
    return found


async def all_figures(robot: Robot, folder: Path) -> list[Figure]:
    await robot.line(await robot.scenario(TALK))
    loads = [await measure(robot, folder / str(count), count) for count in COUNTS]
    return figures(loads, len(os.sched_getaffinity(0)))
