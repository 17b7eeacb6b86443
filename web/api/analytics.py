"""What came of calls, in sums."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.store.analytics import Analytics, Sums
from web.api.campaign_models import Totals
from web.api.types import Moment
from web.ask import Ask
from web.problems import wrong
from web.routes import Given, Routes, Told

routes = Routes("analytics")

Group = Literal["hour", "day", "campaign", "number", "operator"]


class Span(Given):
    """Both to the hour."""

    from_: Moment | None = Field(default=None, alias="from")
    to: Moment | None = Field(default=None, description="Before this moment")
    group_by: Group = "day"


class Grouped(Given):
    group_by: Group = "day"


class Stage(Told):
    stage: str
    calls: int


class Point(Told):
    key: str | int = Field(description="A local time, a date, a campaign's id, a number, or an operator's name")
    totals: Totals


class AnalyticsOut(Told):
    totals: Totals
    funnel: list[Stage] = Field(description="Each stage is a part of the one before")
    series: list[Point]
    currency: str


@routes.get("/projects/{project_id}/analytics", "A project's calls in sums")
async def of_project(ask: Ask, project_id: int, query: Span) -> AnalyticsOut:
    if query.from_ is not None and query.to is not None and query.to <= query.from_:
        raise wrong(ask.language, "/to", "order")
    return _out(
        ask,
        await ask.store.analytics.project(
            project_id, user=ask.user, since=query.from_, until=query.to, group_by=query.group_by
        ),
    )


@routes.get("/campaigns/{campaign_id}/analytics", "A campaign's calls in sums")
async def of_campaign(ask: Ask, campaign_id: int, query: Grouped) -> AnalyticsOut:
    return _out(ask, await ask.store.analytics.campaign(campaign_id, user=ask.user, group_by=query.group_by))


@routes.get("/lines/{line_id}/analytics", "A line's calls in sums")
async def of_line(ask: Ask, line_id: int, query: Grouped) -> AnalyticsOut:
    return _out(ask, await ask.store.analytics.line(line_id, user=ask.user, group_by=query.group_by))


def _out(ask: Ask, found: Analytics) -> AnalyticsOut:
    return AnalyticsOut(
        totals=_totals(found.totals),
        funnel=[Stage(stage=stage, calls=calls) for stage, calls in found.funnel],
        series=[Point(key=key, totals=_totals(sums)) for key, sums in found.series],
        currency=ask.settings.billing.currency,
    )


def _totals(sums: Sums) -> Totals:
    return Totals.model_validate(
        {**sums.counts, "asr": round(sums.asr, 4), "acd_s": round(sums.acd_s, 1), "cost_per_goal": sums.cost_per_goal}
    )
