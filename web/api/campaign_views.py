"""Between the store's row of a campaign and the API's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.rules import why as reasons
from engine.store.campaigns import Progress as Counted
from engine.store.settling import COUNTED
from engine.store.tables import Campaign, CampaignTotals
from web.api.campaign_models import CampaignFields, CampaignOut, CampaignPatch, Totals, WhyOut
from web.ask import Ask
from web.problems import wrong


def values(ask: Ask, body: CampaignFields | CampaignPatch, project_zone: str) -> dict[str, Any]:
    """What is given, as the store's columns. Raises InputError where the platform's settings allow less."""
    plain = body.model_dump(exclude_none=True, exclude_unset=isinstance(body, CampaignPatch), by_alias=True)
    if body.retry is not None and body.retry.attempts > ask.settings.max_retries:
        raise wrong(ask.language, "/retry/attempts", "less_than_equal", "most", limit=ask.settings.max_retries)
    limits = plain.pop("limits", None)
    if limits is not None:
        plain["max_goals"], plain["max_spend"] = limits["max_goals"], limits["max_spend"]
    if body.schedule is not None and "schedule" in plain:
        schedule = body.schedule
        plain["start_at"] = schedule.start_at
        plain["schedule"] = {
            "start_at": schedule.start_at.isoformat() if schedule.start_at else None,
            "timezone": schedule.timezone or project_zone,
            "local_to": schedule.local_to,
            "windows": [window.model_dump(by_alias=True) for window in schedule.windows],
        }
    return plain


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
            "limits": {"max_goals": row.max_goals, "max_spend": row.max_spend},
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
