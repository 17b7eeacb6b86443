"""Runs the plan on each recogniser, counts what it used, and gives rows of plain numbers.

Plan × recognisers ─▶ Exchange ─▶ score ─▶ Result: rows, what a worker used ─▶ figures | JSON | page
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asr import vad
from bench.figures import Figure, percentile
from bench.hearing import score
from bench.hearing.calls import Exchange, Ready
from bench.hearing.channel import CLEAN
from bench.hearing.plan import ECHO, PINK, Plan, Row
from bench.rig import children, cpu_s
from engine.config import Speech
from engine.ears import Ears, open_ears
from engine.errors import ConfigError
from engine.model import FRAME_BYTES, FRAME_MS
from engine.turns import turns
from scenarios.digits import digits

MOST_LINES = 20
IN_TIME_MS = 250
Told = Callable[[str, int, int], None]  # (row, calls done, calls in all)


@dataclass
class Result:
    """Of one recogniser. `rows`: plain values, for JSON and for the page."""

    recognizer: str
    why: str
    demonstration: bool
    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    partial_ms: list[float] = field(default_factory=list[float])
    final_ms: list[float] = field(default_factory=list[float])
    used: dict[str, Any] = field(default_factory=dict[str, Any])

    def row(self, kind: str, condition: str, language: str = "ru") -> dict[str, Any] | None:
        return next(
            (r for r in self.rows if (r["kind"], r["condition"], r["language"]) == (kind, condition, language)), None
        )


async def measure(speech: Speech, data_dir: Path, name: str, plan: Plan, told: Told = lambda *_: None) -> Result:
    """The plan's calls through one recogniser; an empty `name` is the one that the settings choose."""
    if name:
        speech = speech.model_copy(update={"recognizer": name})
    async with AsyncExitStack() as stack:
        others = frozenset(children(os.getpid()))
        ears = await stack.enter_async_context(open_ears(speech, data_dir))
        voiced = await stack.enter_async_context(vad.open(_vad(speech), data_dir=data_dir))
        load = ears.default.load()
        exchange = Exchange(Ready(voiced, ears.of, plan.sounds, turns(speech)), max(2, min(MOST_LINES, load.capacity)))
        result = Result(name or ears.choice.name, ears.choice.why, ears.choice.demonstration)
        stage = Stage(exchange, ears, others, result, told)
        for batch in plan.batches():
            await stage.play(batch)
        _used(result, ears)
        return result


def _vad(speech: Speech) -> vad.Settings:
    try:
        return vad.Settings(**speech.vad)
    except ValueError as error:
        raise ConfigError(f"speech.vad: {' '.join(str(error).split())}") from None


class Stage:
    """Plays batches of rows: what a batch cost is told of each of its rows, and so is only exact of a batch of one."""

    def __init__(self, exchange: Exchange, ears: Ears, others: frozenset[int], result: Result, told: Told) -> None:
        self._exchange = exchange
        self._ears = ears
        self._others = others  # processes that are no recogniser's
        self._result = result
        self._told = told

    async def play(self, rows: Sequence[Row]) -> None:
        trials = [await asyncio.to_thread(row.trials) for row in rows]
        orders = [trial.order for part in trials for trial in part]
        self._exchange.late_ms.clear()
        ours, theirs, refused = time.process_time(), self._workers_s(), self._ears.default.load().overloaded
        came = await self._exchange.make(orders, self._counter(rows, len(orders)))
        cost = {
            "recogniser_s": sum(now - theirs.get(pid, 0.0) for pid, now in self._workers_s().items()),
            "engine_s": time.process_time() - ours,
            "overloaded": self._ears.default.load().overloaded - refused,
            "calls_s": sum(len(order.pcm) for order in orders) / FRAME_BYTES * FRAME_MS / 1000,
            "speech_s": sum(trial.span.seconds for part in trials for trial in part if trial.span),
        }
        for row, part in zip(rows, trials, strict=True):
            own, came = came[: len(part)], came[len(part) :]
            tried = [score.Tried(trial.wanted, trial.span, one) for trial, one in zip(part, own, strict=True)]
            self._keep(row, tried, cost)

    def _workers_s(self) -> dict[int, float]:
        """CPU seconds of each recogniser process that lives; what one that has died had used is not known any more."""
        return {pid: cpu_s(pid) for pid in children(os.getpid()) if pid not in self._others}

    def _counter(self, rows: Sequence[Row], of: int) -> Callable[[], None]:
        name = rows[0].name if len(rows) == 1 else ""
        done = 0
        self._told(name, done, of)

        def made() -> None:
            nonlocal done
            done += 1
            self._told(name, done, of)

        return made

    def _keep(self, row: Row, tried: Sequence[score.Tried], cost: dict[str, float]) -> None:
        found: dict[str, Any] = {
            "kind": row.kind, "language": row.language, "condition": row.condition, "full": row.full,
            **scored(row.kind, tried),
            "speech_s": round(sum(one.span.seconds for one in tried if one.span), 1),
            "recogniser_cpu_per_speech_s": _per(cost["recogniser_s"], cost["speech_s"]),
            "engine_cpu_per_call_s": _per(cost["engine_s"], cost["calls_s"]),
            "overloaded": round(cost["overloaded"]),
            "clock_late_p99_ms": round(percentile(self._exchange.late_ms or [0.0], 0.99), 1),
            "troubles": sum(bool(one.came.trouble) for one in tried),
        }  # fmt: skip
        if row.kind == "commands":
            partial, final = score.delays_ms(tried)
            found |= {**score.quantiles("partial", partial), **score.quantiles("final", final)}
            found["decided_by_partial"] = score.share(len(partial), len(partial) + len(final))
            if row.condition == CLEAN.name:
                self._result.partial_ms += partial
                self._result.final_ms += final
        self._result.rows.append(found)


def scored(kind: str, tried: Sequence[score.Tried]) -> dict[str, Any]:
    if kind == "commands":
        return {**score.commands(tried), **score.foreign(tried), "confusions": score.confusions(tried)}
    if kind == "digits":
        return score.numbers(tried, [digits(one.came.heard) for one in tried])
    if kind == "paused":
        return score.cut_offs(tried)
    if kind == "prompt":
        return score.false_interruptions(tried)
    return {**score.interruptions(tried, IN_TIME_MS), **score.commands(tried)}


def _per(cost_s: float, of_s: float) -> float | None:
    return round(cost_s / of_s, 4) if of_s > 0 else None


def _used(result: Result, ears: Ears) -> None:
    load = ears.default.load()
    speech_s = sum(row["speech_s"] for row in result.rows)
    cpu = sum((row["recogniser_cpu_per_speech_s"] or 0) * row["speech_s"] for row in result.rows)
    result.used = {
        "recogniser_cpu_per_speech_s": _per(cpu, speech_s),
        "workers": load.workers,
        "workers_memory_mb": round(load.memory_bytes / 2**20, 1),
        "restarts": load.restarts,
        "clock_late_p99_ms": max((row["clock_late_p99_ms"] for row in result.rows), default=0.0),
    }


# --- what is asked of it ----------------------------------------------------------------------------------------------


def figures(result: Result, prefix: str = "", *, judged: bool = True) -> list[Figure]:
    """The rows that something is asked of, and the others that were measured in full; `judged`: with targets."""

    def figure(name: str, value: float | None, unit: str, at_most: float | None = None, at_least: float | None = None):  # type: ignore[no-untyped-def]
        if value is not None:
            found.append(Figure(prefix + name, value, unit, at_most if judged else None, at_least if judged else None))

    def percent(row: dict[str, Any], key: str) -> float | None:
        return round(100 * row[key], 2) if key in row else None

    found: list[Figure] = []
    for row in result.rows:
        kind, condition, language = row["kind"], row["condition"], row["language"]
        named = f"{language}, {condition}"
        asked = language == "ru" and row["full"]
        if kind == "commands":
            bounds = {CLEAN.name: (95, 1, 2), PINK.name: (85, 3, 3)}.get(condition) if asked else None
            right, wrong, accepted = bounds or (None, None, None)
            figure(f"{named}: commands right", percent(row, "right"), "%", at_least=right)
            figure(f"{named}: taken for another command", percent(row, "wrong"), "%", wrong)
            if row["foreign"]:
                figure(f"{named}: foreign phrases accepted", percent(row, "accepted"), "%", accepted)
        elif kind == "digits":
            figure(f"{named}: numbers of four digits right", percent(row, "numbers_right"), "%")
        elif kind == "paused":
            figure("utterances with a pause cut off", percent(row, "cut_off"), "%", 1)
            figure("utterances with a pause not heard at all", percent(row, "unheard"), "%")
        elif kind == "prompt":
            most = {CLEAN.name: 0, "alaw, street 10 dB": 2, ECHO.name: 0}.get(condition)
            figure(f"{condition}: prompts interrupted by nobody", percent(row, "interrupted"), "%", most)
        else:
            clean = condition == CLEAN.name
            figure(f"{condition}: interruptions noticed", percent(row, "noticed"), "%")
            figure(
                f"{condition}: … within {IN_TIME_MS} ms of the onset",
                percent(row, "noticed_in_time"), "%", at_least=99 if clean else None,
            )  # fmt: skip
            figure(f"{condition}: noticed after p95", row.get("noticed_p95_ms"), "ms")
    for name, values, p50, p95 in (
        ("partial decides", result.partial_ms, 350, None),
        ("any decision", result.partial_ms + result.final_ms, None, 900),
    ):
        spread = score.quantiles("x", values)
        figure(f"last word → first sound of the answer, {name}, p50", spread.get("x_p50_ms"), "ms", p50)
        figure(f"last word → first sound of the answer, {name}, p95", spread.get("x_p95_ms"), "ms", p95)
    figure("recogniser CPU for a second of speech", result.used.get("recogniser_cpu_per_speech_s"), "s")
    figure("memory of the recogniser's workers", result.used.get("workers_memory_mb"), "MB")
    figure("measuring clock late, p99 of the worst row", result.used.get("clock_late_p99_ms"), "ms")
    return found
