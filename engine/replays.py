"""Replays of kept calls: who asks for which, done one after another beside the live calls.

    jobs of the kind `replay` ─▶ the call, its recording, both versions ─▶ engine.replay ─▶ the job's result

A recogniser that has no room left keeps a replay waiting: live calls come first.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from engine.errors import DozvonError, InputError, NotFound
from engine.model import StepLog
from engine.ports import Clock, Recognizer
from engine.replay import Hearers, Recorded, Replay, replay, two_sides
from engine.store import Store
from engine.store.tables import CallDetail, Job
from scenarios.document import Scenario, parse
from scenarios.problems import ScenarioError

log = logging.getLogger(__name__)

KIND = "replay"
LOOK_S = 30.0  # a nudge that was lost is made up for after so long
LEASE = timedelta(minutes=2)
RENEW_S = 30.0
ROOM_S = 1.0
STEP_FIELDS = frozenset(StepLog.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Wish:
    """Which call, and what is to be different. Empty: as it was."""

    call_id: int
    recognizer: str = ""
    scenario_id: int | None = None
    version: int | None = None  # the newest of `scenario_id` unless given; of the call's own scenario without that

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Wish:
        return cls(**{name: params.get(name) or getattr(cls(0), name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is needed to hear a call again."""

    call: Recorded
    was: Scenario
    now: Scenario
    now_id: int
    now_version: int


async def kept(store: Store, data_dir: Path, wish: Wish, *, user: int | None) -> Kept:
    """Raises NotFound, or InputError that says why this call cannot be heard again."""
    row, detail = await store.calls.detail(wish.call_id, user=user)
    if not row.recording:
        raise InputError("this call was not recorded, or its recording was lost")
    if not row.scenario_id or not row.scenario_version:
        raise InputError("this call had no scenario")
    asked = wish.scenario_id or row.scenario_id
    version = wish.version
    if version is None and wish.scenario_id is None:
        version = row.scenario_version
    was = await store.scenarios.version(row.scenario_id, row.scenario_version, user=user)
    now = await store.scenarios.version(asked, version, user=user)
    sides = await asyncio.to_thread(two_sides, data_dir / row.recording)
    call = Recorded(steps(detail), *sides, vars=detail.vars)
    old = await asyncio.to_thread(parsed, was.graph)
    new = old if (asked, now.version) == (row.scenario_id, row.scenario_version) else parsed(now.graph)
    return Kept(call, old, new, asked, now.version)


def steps(detail: CallDetail) -> tuple[StepLog, ...]:
    """As they were; fields that this version does not know are passed over."""
    return tuple(StepLog(**{k: v for k, v in each.items() if k in STEP_FIELDS}) for each in detail.steps)


def parsed(graph: Mapping[str, Any] | bytes) -> Scenario:
    """Raises InputError."""
    try:
        return parse(graph)
    except ScenarioError as error:
        raise InputError(f"this version of the scenario cannot be run: {error}") from None


@dataclass(frozen=True, slots=True)
class Listeners:
    """The recognisers of this installation. `default` is one of `names`."""

    default: str
    names: tuple[str, ...]
    of: Callable[[str], Recognizer]
    full: Callable[[], bool] = lambda: False


class Replays:
    """See `web.ask.Replays`."""

    def __init__(
        self, store: Store, data_dir: Path, hearers: Hearers, listeners: Listeners, clock: Clock, language: str
    ) -> None:
        self._store = store
        self._data_dir = data_dir
        self._hearers = hearers
        self._listeners = listeners
        self._clock = clock
        self._language = language
        self._worker = secrets.token_hex(8)
        self._woken = asyncio.Event()

    @property
    def recognizers(self) -> tuple[str, ...]:
        """By name; the one in use comes first."""
        rest = sorted(set(self._listeners.names) - {self._listeners.default})
        return (self._listeners.default, *rest)

    def nudge(self) -> None:
        """There is a new job."""
        self._woken.set()

    async def run(self) -> None:
        """For ever; a failure (the database is away) ends it, and it is started again."""
        while True:
            self._woken.clear()
            now = self._clock.now()
            job = await self._store.jobs.claim(self._worker, now=now, until=now + LEASE, kinds=(KIND,))
            if job is not None:
                await self._do(job)
                continue
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _do(self, job: Job) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew(job.id), name="replay lease")
                result = await self._heard(Wish.of(job.params), job.user_id)
                renewing.cancel()
        except* DozvonError as errors:
            await self._finish(job, errors=[{"message": str(each)} for each in errors.exceptions], failed=True)
        except* Exception as errors:  # noqa: BLE001 - around one job: whatever broke it, the others go on
            log.exception("a replay failed", extra={"job": job.id}, exc_info=errors)
            await self._finish(job, errors=[{"message": type(errors.exceptions[0]).__name__}], failed=True)
        else:
            await self._finish(job, result=result, done=1)

    async def _heard(self, wish: Wish, user: int | None) -> dict[str, Any]:
        if wish.recognizer and wish.recognizer not in self._listeners.names:
            raise NotFound(f"there is no recogniser {wish.recognizer}")
        found = await kept(self._store, self._data_dir, wish, user=user)
        while self._listeners.full():  # noqa: ASYNC110 - live calls free it, which nobody tells of
            await asyncio.sleep(ROOM_S)
        hearers = self._hearers
        if wish.recognizer:
            hearers = replace(hearers, recognizer=lambda _: self._listeners.of(wish.recognizer))
        made: Replay = await replay(found.call, found.was, found.now, hearers, language=self._language)
        return {
            **made.plain(),
            "call_id": wish.call_id,
            "recognizer": wish.recognizer or self._listeners.default,
            "scenario_id": found.now_id,
            "version": found.now_version,
        }

    async def _renew(self, job: int) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            until = self._clock.now() + LEASE
            await self._store.jobs.progress(job, self._worker, done=0, total=1, until=until)

    async def _finish(self, job: Job, **how: Any) -> None:
        await self._store.jobs.finish(job.id, self._worker, now=self._clock.now(), **how)
