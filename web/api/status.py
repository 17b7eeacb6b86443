"""The state of the installation: parts, recognisers, voices, trunks, disk, and what to do about what is wrong.

Robot.health ─┐
/metrics' own ┼▶ StatusOut ─▶ problems, each with its mend
settings ─────┘
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from web.api.system import PartOut, parts_of
from web.ask import Ask
from web.metrics import METRICS, Labels, Metrics
from web.routes import Routes, Told
from web.words import MENDS, PROBLEMS

routes = Routes("system")

SLOW_LOOP_MS = 20  # a frame's length: later than that and sound comes in pieces
FEW_SAMPLES = 50  # of the loop's lag


class RecogniserState(Told):
    """`capacity`: utterances at once. Counts are since the start."""

    name: str
    workers: int
    ready: int
    capacity: int
    live: int
    queued: int
    restarts: int = Field(description="Processes that died and were started again")
    recycled: int = Field(description="Processes replaced because of size or age")
    overloaded: int = Field(description="Utterances that found no room")
    memory_bytes: int
    takeovers: int = Field(default=0, description="Utterances that another one took over")


class TrunkState(Told):
    name: str
    used: int
    channels: int
    registered: bool | None = Field(description="null: it needs no registration, or nothing is known of it")


class LagState(Told):
    """How late the event loop wakes up."""

    p50_ms: float
    p99_ms: float
    samples: int


class ProblemState(Told):
    part: str
    code: str
    text: str
    mend: str


class StatusOut(Told):
    ready: bool
    parts: dict[str, PartOut]
    recognisers: list[RecogniserState]
    voices: int
    trunks: list[TrunkState]
    live_calls: int
    calls_begun: int = Field(description="Dialled and taken since the start")
    troubles: dict[str, int] = Field(description="Since the start, by kind")
    lag: LagState | None
    database: Literal["sqlite", "postgresql"]
    disk_free_bytes: int
    disk_bytes: int
    problems: list[ProblemState]


@routes.get("/status", "The state of the installation, and what to do about what is wrong")
async def status(ask: Ask) -> StatusOut:
    assert ask.request is not None
    metrics = ask.request.app[METRICS]
    parts = await parts_of(ask)
    disk = await asyncio.to_thread(shutil.disk_usage, ask.settings.data_dir)
    gauges = by_name(metrics.gauges())
    recognisers = [_recogniser(name, figures) for name, figures in _by_label(gauges, "recogniser").items()]
    found = StatusOut(
        ready=all(part.ok for part in parts.values()),
        parts=parts,
        recognisers=recognisers,
        voices=len(ask.parts.voices.voices()) if ask.parts.voices is not None else 0,
        trunks=_trunks(ask, _by_label(gauges, "trunk")),
        live_calls=len(ask.robot.live()),
        calls_begun=sum(n for (name, _), n in metrics.counts().items() if name == "calls_started_total"),
        troubles=_troubles(metrics),
        lag=lag(metrics.counts()),
        database="postgresql" if ask.settings.database_url.startswith("postgresql") else "sqlite",
        disk_free_bytes=disk.free,
        disk_bytes=disk.total,
        problems=[],
    )
    return found.model_copy(update={"problems": list(problems(found, ask.language))})


def by_name(figures: Mapping[tuple[str, Labels], float]) -> dict[str, dict[Labels, float]]:
    found: dict[str, dict[Labels, float]] = {}
    for (name, labels), value in figures.items():
        found.setdefault(name, {})[labels] = value
    return found


def _by_label(gauges: Mapping[str, Mapping[Labels, float]], label: str) -> dict[str, dict[str, float]]:
    """Of each one that the label names: gauge -> value, the label's own prefix left out."""
    found: dict[str, dict[str, float]] = {}
    for name, values in gauges.items():
        if not name.startswith(f"{label}_"):
            continue
        for labels, value in values.items():
            if label in (given := dict(labels)):
                found.setdefault(given[label], {})[name.removeprefix(f"{label}_")] = value
    return dict(sorted(found.items()))


FIELDS = {"workers_ready": "ready"}


def _recogniser(name: str, figures: Mapping[str, float]) -> RecogniserState:
    given: dict[str, Any] = {FIELDS.get(key, key): int(value) for key, value in figures.items()}
    blank = {field: 0 for field in RecogniserState.model_fields if field != "name"}
    return RecogniserState.model_validate({**blank, **given, "name": name})


def _trunks(ask: Ask, figures: Mapping[str, Mapping[str, float]]) -> list[TrunkState]:
    return [
        TrunkState(
            name=name,
            used=int(figures.get(name, {}).get("channels_used", 0)),
            channels=trunk.channels,
            registered=bool(figures[name]["registered"]) if "registered" in figures.get(name, {}) else None,
        )
        for name, trunk in sorted(ask.settings.trunks.items())
    ]


def _troubles(metrics: Metrics) -> dict[str, int]:
    return {
        dict(labels).get("kind", ""): count
        for (name, labels), count in metrics.counts().items()
        if name == "troubles_total" and count
    }


def lag(counts: Mapping[tuple[str, Labels], int]) -> LagState | None:
    """From the histogram: the upper bound of the bucket where the share lies. None while there is too little."""
    buckets = sorted(
        (float(dict(labels)["le"]), count) for (name, labels), count in counts.items() if name == "loop_lag_seconds"
    )
    total = sum(count for _, count in buckets)
    if total < FEW_SAMPLES:
        return None

    def share(wanted: float) -> float:
        summed = 0
        for bound, count in buckets:
            summed += count
            if summed >= wanted * total:
                return min(bound, 10.0) * 1000
        return 0.0

    return LagState(p50_ms=share(0.5), p99_ms=share(0.99), samples=total)


# --- what is wrong ----------------------------------------------------------------------------------------------------


def problems(state: StatusOut, language: str) -> Iterator[ProblemState]:
    """The worst first: parts that do not work, then what is going to be one."""
    for name, part in state.parts.items():
        if not part.ok:
            code = name if name in MENDS else "part"
            yield _problem(name, code, language, told=part.detail)
    for one in state.recognisers:
        if one.ready < one.workers:
            yield _problem(one.name, "workers_missing", language, ready=one.ready, workers=one.workers)
        if one.restarts:
            yield _problem(one.name, "workers_died", language, count=one.restarts)
        if one.overloaded:
            yield _problem(one.name, "overloaded", language, count=one.overloaded)
        if one.takeovers:
            yield _problem(one.name, "takeovers", language, count=one.takeovers)
    if not state.voices:
        yield _problem("synthesizer", "no_voices", language)
    for trunk in state.trunks:
        if trunk.used >= trunk.channels:
            yield _problem(trunk.name, "trunk_full", language, channels=trunk.channels)
        if trunk.registered is False:
            yield _problem(trunk.name, "unregistered", language)
    if state.lag is not None and state.lag.p99_ms > SLOW_LOOP_MS:
        yield _problem("engine", "slow_loop", language, ms=round(state.lag.p99_ms))
    if lost := state.troubles.get("recording_lost", 0):
        yield _problem("recordings", "recordings_lost", language, count=lost)


def _problem(part: str, code: str, language: str, told: str = "", **params: object) -> ProblemState:
    text = told or PROBLEMS[code][language].format(**params)
    return ProblemState(part=part, code=code, text=text, mend=MENDS[code][language])
