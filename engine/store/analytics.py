"""Analytics: sums of the hourly rollups, never of calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, select

from engine.errors import InputError, Problem
from engine.store.access import one
from engine.store.database import Database
from engine.store.settling import COUNTED
from engine.store.tables import CallRollup, Campaign, InboundLine, Project

GROUPS = ("hour", "day", "campaign", "number", "operator")


@dataclass(frozen=True, slots=True)
class Sums:
    """`counts` has every name of COUNTED."""

    counts: Mapping[str, int]

    def __getitem__(self, name: str) -> int:
        return self.counts[name]

    @property
    def asr(self) -> float:
        """Answered of all that were dialled, 0 to 1."""
        return self["answered"] / self["calls"] if self["calls"] else 0.0

    @property
    def acd_s(self) -> float:
        """The mean length of an answered call."""
        return self["talk_ms"] / 1000 / self["answered"] if self["answered"] else 0.0

    @property
    def cost_per_goal(self) -> int | None:
        """Minor units, rounded; None without goals."""
        return round(self["spent"] / self["goals"]) if self["goals"] else None


@dataclass(frozen=True, slots=True)
class Analytics:
    """`series`: (key, sums); the key is a local time with offset for hour, a date for day, else a campaign's id, a
    number or the subscribers' operator. `funnel`: (stage, calls), each a part of the one before."""

    totals: Sums
    funnel: list[tuple[str, int]]
    series: list[tuple[str | int, Sums]] = field(default_factory=list[tuple[str | int, Sums]])


class Counting:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def project(
        self,
        project_id: int,
        *,
        user: int | None,
        since: datetime | None = None,
        until: datetime | None = None,
        group_by: str = "day",
    ) -> Analytics:
        """Of calls created from `since` on and before `until`, both to the hour. Raises NotFound, InputError."""
        async with self._db.read() as session:
            row = await one(session, Project, project_id, user)
        return await self._sums(CallRollup.project_id == project_id, row.timezone, since, until, group_by)

    async def campaign(self, campaign_id: int, *, user: int | None, group_by: str = "day") -> Analytics:
        """Raises NotFound, InputError."""
        async with self._db.read() as session:
            row = await one(session, Campaign, campaign_id, user)
            project = await one(session, Project, row.project_id, None)
        return await self._sums(CallRollup.campaign_id == campaign_id, project.timezone, None, None, group_by)

    async def line(self, line_id: int, *, user: int | None, group_by: str = "day") -> Analytics:
        """Raises NotFound, InputError."""
        async with self._db.read() as session:
            row = await one(session, InboundLine, line_id, user)
            project = await one(session, Project, row.project_id, None)
        return await self._sums(CallRollup.line_id == line_id, project.timezone, None, None, group_by)

    async def _sums(
        self,
        which: ColumnElement[bool],
        timezone: str,
        since: datetime | None,
        until: datetime | None,
        group_by: str,
    ) -> Analytics:
        if group_by not in GROUPS:
            message = f"group_by is one of {', '.join(GROUPS)}"
            raise InputError(message, [Problem("/group_by", "unknown", message)])
        column = {
            "campaign": CallRollup.campaign_id,
            "number": CallRollup.number,
            "operator": CallRollup.operator,
        }.get(group_by, CallRollup.hour)
        columns = CallRollup.__table__.c
        sums_of = (func.sum(columns[name]) for name in COUNTED)
        statement = select(column, *sums_of).where(which).group_by(column).order_by(column)
        if since is not None:
            statement = statement.where(CallRollup.hour >= _hour(since))
        if until is not None:
            statement = statement.where(CallRollup.hour < until)
        async with self._db.read() as session:
            rows = (await session.execute(statement)).all()
        zone = ZoneInfo(timezone)
        series: dict[str | int, dict[str, int]] = {}
        totals = dict.fromkeys(COUNTED, 0)
        for key, *numbers in rows:
            sums = series.setdefault(_key(key, group_by, zone), dict.fromkeys(COUNTED, 0))
            for name, number in zip(COUNTED, numbers, strict=True):
                sums[name] += int(number)
                totals[name] += int(number)
        all_of = Sums(totals)
        return Analytics(all_of, _funnel(all_of), [(key, Sums(sums)) for key, sums in series.items()])


def _funnel(sums: Sums) -> list[tuple[str, int]]:
    talked = max(0, sums["answered"] - sums["answering_machines"])
    return [
        ("calls", sums["calls"]),
        ("answered", sums["answered"]),
        ("talked", talked),
        ("target", max(0, talked - sums["non_target"] - sums["opt_outs"])),
        ("goals", sums["goals"]),
    ]


def _key(value: Any, group_by: str, zone: ZoneInfo) -> str | int:
    if not isinstance(value, datetime):
        return int(value) if isinstance(value, int) else str(value)
    local = value.astimezone(zone)
    return local.date().isoformat() if group_by == "day" else local.isoformat()


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
