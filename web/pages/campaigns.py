"""Campaigns: the list, one of them as it goes on, its contacts, and what can be done with it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from engine.errors import NotFound
from engine.rules import lifecycle
from web.api import analytics, calls, campaigns, scenarios, segments
from web.api.analytics import Grouped
from web.api.call_models import CallFilter
from web.api.campaign_models import CampaignOut
from web.api.campaigns import CampaignQuery, ContactFilter, CopyCampaign, SegmentOf
from web.pages import forms
from web.pages.labels import N_
from web.pages.listing import listed
from web.pages.shell import Page, Pages

pages = Pages()

DONE = {
    "start": N_("The campaign is started."),
    "pause": N_("No new calls are started; those that live go on."),
    "resume": N_("The campaign goes on."),
    "stop": N_("The campaign is stopped."),
    "restart": N_("Those who were not reached are called once more."),
    "archive": N_("The campaign is in the archive."),
    "restore": N_("The campaign is back from the archive."),
}
OUTCOMES = (
    "all", "waiting", "done", "unreached", "goal", "opt_out", "answering_machine", "transferred", "answered",
    "no_answer", "busy", "rejected", "unreachable", "invalid_number", "failed", "blocked",
)  # fmt: skip


@pages.get("/projects/{project_id}/campaigns")
async def listing(page: Page, project_id: int) -> web.StreamResponse:
    await page.enter(project_id)
    query = listed(page, CampaignQuery, "state", "archived")
    found = await campaigns.listing(page.ask, project_id, query)
    return await page.show("campaigns.html", found=found, query=query)


@pages.get("/campaigns/{campaign_id}")
async def show(page: Page, campaign_id: int) -> web.StreamResponse:
    campaign = await campaigns.get(page.ask, campaign_id)
    await page.enter(campaign.project_id)
    hours = await analytics.of_campaign(page.ask, campaign_id, Grouped(group_by="hour"))
    recent = await calls.listing(page.ask, CallFilter(campaign_id=campaign_id, limit=15))
    return await page.show(
        "campaign.html",
        campaign=campaign,
        actions=_actions(campaign),
        recent=recent,
        scenario=await _scenario(page, campaign.scenario_id),
        variants=[(await _scenario(page, v.scenario_id), v.share) for v in campaign.variants],
        segments=await _segments(page, campaign.segment_ids),
        blacklists=await _segments(page, campaign.blacklist_ids),
        hours=[{"key": str(p.key), "all": p.totals.calls, "part": p.totals.answered} for p in hours.series][-48:],
    )


def _actions(campaign: CampaignOut) -> set[str]:
    """What this state allows."""
    if campaign.archived:
        return {"restore", "copy"}
    found = {name for name in lifecycle.ACTIONS if lifecycle.after(name, campaign.state) is not None}
    if lifecycle.changeable(campaign.state):
        found.add("edit")
    if campaign.state in ("draft", "stopped", "finished"):
        found.add("archive")
    return found | {"copy"}


async def _scenario(page: Page, scenario_id: int) -> Any:
    return scenarios.brief(await page.ask.store.scenarios.get(scenario_id, user=page.ask.user))


async def _segments(page: Page, ids: list[int]) -> list[Any]:
    return [await segments.get(page.ask, each) for each in ids]


@pages.get("/campaigns/{campaign_id}/contacts")
async def contacts(page: Page, campaign_id: int) -> web.StreamResponse:
    campaign = await campaigns.get(page.ask, campaign_id)
    await page.enter(campaign.project_id)
    query = listed(page, ContactFilter, "outcome", "phone")
    found = await campaigns.contacts(page.ask, campaign_id, query)
    return await page.show("campaign_contacts.html", campaign=campaign, found=found, query=query, outcomes=OUTCOMES)


@pages.post("/campaigns/{campaign_id}/segment")
async def to_segment(page: Page, campaign_id: int) -> web.StreamResponse:
    await campaigns.get(page.ask, campaign_id)
    body = forms.validated(SegmentOf, forms.nested(await page.typed()), page.language)
    made = await campaigns.segment(page.ask, campaign_id, body)
    return page.go(f"/segments/{made.id}", N_("The segment is made."))


@pages.post("/campaigns/{campaign_id}/copy")
async def copy(page: Page, campaign_id: int) -> web.StreamResponse:
    was = await campaigns.get(page.ask, campaign_id)
    name = page.say(N_("%(name)s (copy)"), name=was.name)[:200]
    made = await campaigns.copy(page.ask, campaign_id, CopyCampaign(name=name))
    return page.go(f"/campaigns/{made.id}/edit", N_("This is a copy: change what is to be different."))


@pages.post("/campaigns/{campaign_id}/{action}")
async def act(page: Page, campaign_id: int, action: str) -> web.StreamResponse:
    if action not in DONE:
        raise NotFound("there is no such page")
    await getattr(campaigns, action)(page.ask, campaign_id)
    return page.go(f"/campaigns/{campaign_id}", DONE[action])
