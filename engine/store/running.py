"""Campaigns as the engine sees them: `engine.records.CampaignStore`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from engine.model import Contact
from engine.records import ActiveCampaign
from engine.rules import campaign as rules
from engine.rules.outcome import Totals
from engine.store import statements
from engine.store.access import RAW
from engine.store.database import Database
from engine.store.segments import on_list
from engine.store.tables import Campaign, CampaignTotals, Member, Number, Project
from engine.store.types import moment

log = logging.getLogger(__name__)


class Running:
    def __init__(self, db: Database, *, max_retries: int, max_call_s: float) -> None:
        self._db = db
        self._max_retries = max_retries
        self._max_call_s = max_call_s

    async def active(self) -> Sequence[ActiveCampaign]:
        async with self._db.read() as session:
            rows = (
                (
                    await session.execute(
                        select(Campaign, CampaignTotals, Project.timezone)
                        .join(CampaignTotals, CampaignTotals.campaign_id == Campaign.id)
                        .join(Project, Project.id == Campaign.project_id)
                        .where(Campaign.state.in_(("running", "scheduled")))
                        .order_by(Campaign.id)
                    )
                )
                .tuples()
                .all()
            )
            wanted = {number for row, _, _ in rows for number in row.numbers}
            numbers = {
                number.number: number
                for number in await session.scalars(select(Number).where(Number.number.in_(wanted)))
            }
            members = set(
                (
                    await session.execute(
                        select(Member.project_id, Member.user_id).where(
                            Member.project_id.in_({row.project_id for row, _, _ in rows})
                        )
                    )
                )
                .tuples()
                .all()
            )
        found = []
        for row, totals, timezone in rows:
            mine = [
                number
                for number in (numbers.get(each) for each in row.numbers)
                if number is not None
                and (row.project_id, number.user_id) in members
                and number.project_id in (None, row.project_id)
            ]
            try:
                campaign = rules.read(
                    as_api(row, timezone),
                    callers=[rules.Caller(n.number, n.trunk, n.max_concurrent) for n in mine],
                    max_retries=self._max_retries,
                    max_call_s=self._max_call_s,
                )
            except (ValueError, TypeError, KeyError):
                log.exception("campaign cannot be read, it is left out", extra={"campaign": row.id})
                continue
            counted = Totals(calls=totals.calls, goals=totals.goals, spent=totals.spent)
            found.append(ActiveCampaign(campaign, row.state, counted, filled=row.filled_at is not None))
        return found

    async def change_state(self, campaign: int, *, was: str, becomes: str, reason: str, at: datetime) -> bool:
        values: dict[str, Any] = {"state": becomes, "pause_reason": reason}
        if becomes == "running":
            values["started_at"] = func.coalesce(Campaign.started_at, moment(at))
        if becomes in ("finished", "stopped"):
            values["finished_at"] = at
        async with self._db.write() as session:
            changed = await session.scalar(
                update(Campaign)
                .where(Campaign.id == campaign, Campaign.state == was)
                .values(**values)
                .returning(Campaign.id),
                execution_options=RAW,
            )
            return changed is not None

    async def barred(self, contact: Contact) -> bool:
        return await self._db.glance(_barred, contact)


def _barred(connection: Connection, contact: Contact) -> bool:
    row = connection.execute(statements.LISTS, {"campaign": contact.campaign_id}).first()
    return row is not None and on_list(connection, row.project_id, contact.phone, row.blacklist_ids)


def as_api(row: Campaign, timezone: str) -> Mapping[str, Any]:
    """A campaign's settings in the API's own shape. `timezone` is the project's."""
    return {
        **{
            name: getattr(row, name)
            for name in (
                *("id", "project_id", "name", "scenario_id", "segment_ids", "blacklist_ids", "numbers"),
                *("answer_timeout_s", "action_timeout_s", "retry", "carousel", "speed_per_hour", "max_concurrent"),
                *("operators", "variants", "record", "amd"),
            )
        },
        "limits": {"max_goals": row.max_goals, "max_spend": row.max_spend},
        "schedule": {
            "local_to": "subscriber",
            "windows": [],
            **row.schedule,
            "start_at": row.start_at,
            "timezone": row.schedule.get("timezone") or timezone,
        },
    }
