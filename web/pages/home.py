"""The first page: what is going on in a project today, and whether everything works."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from aiohttp import web

from web.api import analytics, calls, campaigns, scenarios, segments, system
from web.api import numbers as inventory
from web.api.analytics import AnalyticsOut, Span
from web.api.calls import LiveFilter
from web.api.campaigns import CampaignQuery
from web.api.numbers import NumberQuery
from web.api.scenarios import ScenarioQuery
from web.api.segments import SegmentQuery
from web.api.system import HealthOut
from web.pages.shell import Page, Pages

pages = Pages()

MOST_LIVE = 500
DAYS = 14


@pages.get("/")
async def first(page: Page) -> web.StreamResponse:
    return page.go(f"/projects/{page.project.id}" if page.project else "/projects")


@pages.get("/projects/{project_id}")
async def show(page: Page, project_id: int) -> web.StreamResponse:
    await page.enter(project_id)
    running = await campaigns.listing(page.ask, project_id, CampaignQuery(state="running", limit=50))
    live = await calls.living(page.ask, LiveFilter(project_id=project_id, limit=MOST_LIVE))
    health = await health_of(page)
    here = page.ask.now().astimezone(ZoneInfo(page.zone))
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
    today = await analytics.of_project(page.ask, project_id, _span(midnight))
    lately = await analytics.of_project(page.ask, project_id, _span(midnight - timedelta(days=DAYS - 1)))
    return await page.show(
        "home.html",
        running=running.items,
        live=len(live.items),
        health=health,
        today=today,
        days=_days(lately, [(midnight - timedelta(days=n)).date().isoformat() for n in range(DAYS - 1, -1, -1)]),
        steps=await _first_steps(page, project_id) if not lately.totals.calls else [],
    )


def _span(since: object) -> Span:
    return Span.model_validate({"from": since})


def _days(found: AnalyticsOut, wanted: list[str]) -> list[dict[str, object]]:
    """(day, calls, answered) of each, those without calls too."""
    known = {str(point.key)[:10]: point.totals for point in found.series}
    return [
        {"key": day, "all": known[day].calls if day in known else 0, "part": known[day].answered if day in known else 0}
        for day in wanted
    ]


async def _first_steps(page: Page, project_id: int) -> list[tuple[str, bool]]:
    """What a new project still needs before it can call: (which, is it done)."""
    ask = page.ask
    have_numbers = (await inventory.listing(ask, NumberQuery(state="rented", limit=1))).items
    have_scenario = (await scenarios.listing(ask, project_id, ScenarioQuery(limit=1))).items
    have_people = (await segments.listing(ask, project_id, SegmentQuery(kind="contacts", limit=1))).items
    have_campaign = (await campaigns.listing(ask, project_id, CampaignQuery(limit=1))).items
    return [
        ("number", bool(have_numbers)),
        ("scenario", bool(have_scenario)),
        ("segment", bool(have_people)),
        ("campaign", bool(have_campaign)),
    ]


async def health_of(page: Page) -> HealthOut:
    answer = await system.health(page.ask)
    assert isinstance(answer.body, bytes)
    return HealthOut.model_validate_json(answer.body)
