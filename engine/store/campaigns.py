"""Campaigns: what people do with them, and what the engine must know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from engine.errors import Conflict, InputError, Problem
from engine.rules import lifecycle
from engine.store.access import RAW, change, create, mine, one, only
from engine.store.database import Database
from engine.store.numbers import usable
from engine.store.outcomes import outcome_is
from engine.store.paging import Ask, Page, page
from engine.store.tables import (
    Call,
    Campaign,
    CampaignContact,
    CampaignTotals,
    CampaignZone,
    Material,
    Number,
    Project,
    Scenario,
    Segment,
)

SETTINGS = (
    *("name", "scenario_id", "segment_ids", "blacklist_ids", "numbers", "max_goals", "max_spend"),
    *("answer_timeout_s", "action_timeout_s", "retry", "carousel", "speed_per_hour", "max_concurrent"),
    *("operators", "schedule", "variants", "record", "amd", "start_at"),
)

SAYABLE = ("tts", "audio")  # kinds of material


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign has come, in contacts."""

    total: int = 0
    done: int = 0
    in_flight: int = 0

    @property
    def waiting(self) -> int:
        return max(0, self.total - self.done - self.in_flight)

    @property
    def share(self) -> float:
        return self.done / self.total if self.total else 0.0


class Campaigns:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, project_id: int, settings: Mapping[str, Any], *, now: datetime, user: int | None) -> Campaign:
        """A draft. `settings`: columns of SETTINGS. Raises NotFound, and InputError naming each scenario, segment,
        blacklist or number that is not the project's."""
        async with self._db.write() as session:
            await one(session, Project, project_id, user)
            await _check(session, project_id, only(settings, *SETTINGS))
            row = await create(session, Campaign, project_id=project_id, created_at=now, **settings)
            await create(session, CampaignTotals, campaign_id=row.id)
            return row

    async def get(self, campaign_id: int, *, user: int | None) -> Campaign:
        """Raises NotFound."""
        async with self._db.read() as session:
            return await one(session, Campaign, campaign_id, user)

    async def page(
        self,
        ask: Ask,
        *,
        user: int | None,
        project_id: int | None = None,
        states: Sequence[str] = (),
        archived: bool | None = False,
    ) -> Page[Campaign]:
        """Of one project, or of all that are the user's. Raises NotFound for a project of somebody else."""
        async with self._db.read() as session:
            statement = select(Campaign)
            if project_id is not None:
                await one(session, Project, project_id, user)
                statement = statement.where(Campaign.project_id == project_id)
            else:
                statement = statement.where(mine(Campaign.project_id, user))
            if states:
                statement = statement.where(Campaign.state.in_(list(states)))
            if archived is not None:
                statement = statement.where(Campaign.archived == archived)
            sorts = {"created_at": Campaign.created_at, "name": Campaign.name}
            return await page(session, statement, ask, sorts, Campaign.id)

    async def change(self, campaign_id: int, changes: Mapping[str, Any], *, user: int | None) -> Campaign:
        """`changes`: columns of SETTINGS. New segments are taken in at the next start. Raises NotFound, InputError, and
        Conflict while the campaign runs."""
        async with self._db.write() as session:
            row = await _locked(session, campaign_id, user)
            if not lifecycle.changeable(row.state):
                raise Conflict("a running campaign cannot be changed: pause it first")
            await _check(session, row.project_id, only(changes, *SETTINGS))
            values = {**changes, "revision": row.revision + 1}
            if "segment_ids" in changes:
                values["filled_at"] = None
            await _reset_zones(session, campaign_id)
            return await change(session, Campaign, campaign_id, values)

    async def act(self, campaign_id: int, action: str, *, now: datetime, user: int | None) -> Campaign:
        """start | pause | resume | stop | restart, as `rules.lifecycle` allows. The engine fills the queue and dials:
        nudge it. Raises NotFound, Conflict."""
        async with self._db.write() as session:
            row = await _locked(session, campaign_id, user)
            later = row.start_at is not None and row.start_at > now and action != "restart"
            state = lifecycle.after(action, row.state, later=later)
            if state is None:
                raise Conflict(f"this campaign is {row.state}: it cannot {action}")
            if row.archived:
                raise Conflict("this campaign is archived: restore or copy it first")
            values: dict[str, Any] = {"state": state, "pause_reason": "user" if state == "paused" else ""}
            if state == "running":
                values["started_at"] = row.started_at or now
                values["finished_at"] = None
            if state == "stopped":
                values["finished_at"] = now
            if action == "restart":
                values |= {"filled_at": None, "reopens": True, "revision": row.revision + 1}
            await _reset_zones(session, campaign_id)
            return await change(session, Campaign, campaign_id, values)

    async def copy(self, campaign_id: int, *, name: str, now: datetime, user: int | None) -> Campaign:
        """A draft with the same settings. A start that has passed is left out. Raises NotFound."""
        async with self._db.write() as session:
            row = await one(session, Campaign, campaign_id, user)
            settings = {column: getattr(row, column) for column in SETTINGS} | {"name": name}
            if row.start_at is not None and row.start_at <= now:
                settings["start_at"] = None
                settings["schedule"] = {**row.schedule, "start_at": None}
            new = await create(session, Campaign, project_id=row.project_id, created_at=now, **settings)
            await create(session, CampaignTotals, campaign_id=new.id)
            return new

    async def archive(self, campaign_id: int, archived: bool, *, user: int | None) -> Campaign:
        """Raises NotFound, and Conflict while it is running, scheduled or paused."""
        async with self._db.write() as session:
            row = await _locked(session, campaign_id, user)
            if archived and row.state in ("running", "scheduled", "paused"):
                raise Conflict(f"this campaign is {row.state}: stop it first")
            return await change(session, Campaign, campaign_id, {"archived": archived})

    # --- how far, and what came of it

    async def totals(self, campaign_ids: Sequence[int]) -> dict[int, CampaignTotals]:
        """Counts of ended calls; those of campaigns that the caller has already got."""
        async with self._db.read() as session:
            rows = await session.scalars(
                select(CampaignTotals).where(CampaignTotals.campaign_id.in_(list(campaign_ids)))
            )
            return {row.campaign_id: row for row in rows}

    async def progress(self, campaign_ids: Sequence[int]) -> dict[int, Progress]:
        """As above."""
        totals = await self.totals(campaign_ids)
        async with self._db.read() as session:
            rows = await session.execute(
                select(Call.campaign_id, func.count())
                .where(Call.campaign_id.in_(list(campaign_ids)), Call.ended_at.is_(None))
                .group_by(Call.campaign_id)
            )
            live = dict(rows.tuples().all())
        return {ident: Progress(row.contacts, row.closed, live.get(ident, 0)) for ident, row in totals.items()}

    async def contacts(
        self, campaign_id: int, ask: Ask, *, user: int | None, outcome: str = "all", phone: str = ""
    ) -> Page[CampaignContact]:
        """By telephone number (`sort`: phone), with what came of each (see `outcomes`). Raises NotFound, InputError."""
        async with self._db.read() as session:
            await one(session, Campaign, campaign_id, user)
            row = CampaignContact
            statement = select(row).where(row.campaign_id == campaign_id, outcome_is(outcome))
            if phone:
                statement = statement.where(row.phone.startswith(phone, autoescape=True))
            return await page(session, statement, ask, {"phone": row.phone}, row.phone, default="phone")


async def _locked(session: AsyncSession, campaign_id: int, user: int | None) -> Campaign:
    """Raises NotFound. Nobody else changes the row until the transaction ends."""
    await one(session, Campaign, campaign_id, user)
    row = await session.scalar(
        select(Campaign).where(Campaign.id == campaign_id).with_for_update(),
        execution_options={"populate_existing": True},
    )
    assert row is not None
    return row


async def _reset_zones(session: AsyncSession, campaign_id: int) -> None:
    """Windows may have changed: what was put off for the night is looked at again."""
    await session.execute(
        update(CampaignZone).where(CampaignZone.campaign_id == campaign_id).values(opens_at=None), execution_options=RAW
    )


async def _check(session: AsyncSession, project_id: int, settings: Mapping[str, Any]) -> None:
    """Everything that the settings name must be the project's."""
    problems: list[Problem] = []

    async def must(paths: Mapping[Any, str], known: Any, what: str) -> None:
        if paths:
            have = set((await session.scalars(known)).all())
            problems.extend(
                Problem(path, "not_found", f"there is no such {what} in this project")
                for ident, path in paths.items()
                if ident not in have
            )

    scenarios = {v["scenario_id"]: f"/variants/{n}/scenario_id" for n, v in enumerate(settings.get("variants", ()))}
    if "scenario_id" in settings:
        scenarios[settings["scenario_id"]] = "/scenario_id"
    mine_of = {"project_id": project_id}
    await must(scenarios, select(Scenario.id).filter_by(**mine_of).where(Scenario.id.in_(list(scenarios))), "scenario")
    for column, kinds, what in (
        ("segment_ids", ("contacts", "empty"), "segment of contacts"),
        ("blacklist_ids", ("blacklist",), "blacklist"),
    ):
        paths = {ident: f"/{column}/{n}" for n, ident in enumerate(settings.get(column, ()))}
        known = select(Segment.id).filter_by(**mine_of).where(Segment.id.in_(list(paths)), Segment.kind.in_(kinds))
        await must(paths, known, what)
    if left := (settings.get("amd") or {}).get("material_id"):
        sayable = select(Material.id).filter_by(**mine_of).where(Material.id == left, Material.kind.in_(SAYABLE))
        await must({left: "/amd/material_id"}, sayable, "material that can be said")
    numbers = {number: f"/numbers/{n}" for n, number in enumerate(settings.get("numbers", ()))}
    known_numbers = select(Number.number).where(Number.number.in_(list(numbers)), usable(project_id))
    await must(numbers, known_numbers, "rented number")
    if problems:
        raise InputError("the campaign names what is not there", problems)
