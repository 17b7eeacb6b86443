"""Between the store's row of a campaign and the API's words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from engine.rules import why as reasons
from engine.store.campaigns import Progress as Counted
from engine.store.settling import COUNTED
from engine.store.tables import Campaign, CampaignTotals
from web.api.campaign_models import CampaignFields, CampaignOut, CampaignPatch, Totals, WhyOut
from web.ask import Ask
from web.problems import wrong

Columns = dict[str, Any]


def values(ask: Ask, body: CampaignFields | CampaignPatch, project_zone: str, row: Campaign | None = None) -> Columns:
    """What is given, as the store's columns; over `row`, if there is one. Raises InputError where the installation's
    settings allow less."""
    if body.retry is not None and body.retry.attempts > ask.settings.max_retries:
        raise wrong(ask.language, "/retry/attempts", "less_than_equal", "most", limit=ask.settings.max_retries)
    given = body.model_fields_set if row is not None else set(type(body).model_fields)
    plain: Columns = body.model_dump(include=given, exclude_none=True, by_alias=True)
    if row is not None:
        for name, before in (("limits", _limits(row)), ("retry", row.retry), ("schedule", row.schedule)):
            part: BaseModel | None = getattr(body, name)
            if part is not None:  # a patch may give some of the fields only
                after = part.model_dump(by_alias=True)
                plain[name] = dict(before) | {key: after[key] for key in part.model_fields_set}
    if "limits" in plain:
        plain |= plain.pop("limits")
    if "schedule" in plain:
        plain["schedule"], plain["start_at"] = _schedule(plain["schedule"], project_zone)
    return plain


def _schedule(given: Columns, project_zone: str) -> tuple[Columns, datetime | None]:
    start_at = given.get("start_at")
    if isinstance(start_at, str):
        start_at = datetime.fromisoformat(start_at)
    schedule = {
        "start_at": start_at.isoformat() if start_at else None,
        "timezone": given.get("timezone") or project_zone,
        "local_to": given.get("local_to") or "subscriber",
        "windows": given.get("windows") or [],
    }
    return schedule, start_at


def _limits(row: Campaign) -> Columns:
    return {"max_goals": row.max_goals, "max_spend": row.max_spend}


async def one(ask: Ask, row: Campaign) -> CampaignOut:
    return (await many(ask, [row]))[0]


async def many(ask: Ask, rows: Sequence[Campaign]) -> list[CampaignOut]:
    ids = [row.id for row in rows]
    totals = await ask.store.campaigns.totals(ids) if ids else {}
    progress = await ask.store.campaigns.progress(ids) if ids else {}
    return [_out(ask, row, totals.get(row.id), progress.get(row.id, Counted())) for row in rows]


def totals_out(counts: object | None) -> Totals:
    """Of anything that has the counts as attributes; None: nothing was called."""
    if counts is None:
        return Totals()
    plain: dict[str, int] = {name: getattr(counts, name) for name in COUNTED}
    return Totals.model_validate({**plain, **ratios(plain)})


def ratios(counts: dict[str, int]) -> dict[str, float | int | None]:
    calls, answered, goals = counts["calls"], counts["answered"], counts["goals"]
    return {
        "cost_per_goal": round(counts["spent"] / goals) if goals else None,
        "asr": round(answered / calls, 4) if calls else 0.0,
        "acd_s": round(counts["talk_ms"] / answered / 1000, 1) if answered else 0.0,
    }


def why_out(ask: Ask, row: Campaign) -> WhyOut | None:
    found = ask.robot.why(row.id) if row.state == "running" else None
    if found is None:
        return None
    why = reasons.Why(found.code, found.params, found.until)
    text = reasons.text(why, ask.language, row.schedule.get("timezone") or "UTC")
    return WhyOut(code=found.code, text=text, params=dict(found.params), until=found.until)


def _out(ask: Ask, row: Campaign, totals: CampaignTotals | None, progress: Counted) -> CampaignOut:
    schedule = row.schedule
    return CampaignOut.model_validate(
        {
            **{column.key: getattr(row, column.key) for column in row.__table__.columns},
            "pause_reason": row.pause_reason or None,
            "limits": _limits(row),
            "schedule": {
                "start_at": row.start_at,
                "timezone": schedule.get("timezone") or ask.settings.timezone,
                "local_to": schedule.get("local_to") or "subscriber",
                "windows": schedule.get("windows") or [],
            },
            "why": why_out(ask, row),
            "progress": {
                "total": progress.total,
                "done": progress.done,
                "in_flight": progress.in_flight,
                "waiting": progress.waiting,
                "share": round(progress.share, 4),
            },
            "totals": totals_out(totals),
            "currency": ask.settings.billing.currency,
        }
    )
