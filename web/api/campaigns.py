"""Campaigns: what they are, what they do, and why they do not."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from engine.errors import Conflict, InputError, Problem
from engine.rules import lifecycle
from engine.store.tables import Campaign
from web.api import campaign_views as views
from web.api.campaign_models import (
    CampaignContactOut,
    CampaignFields,
    CampaignOut,
    CampaignPatch,
    NewCampaign,
    State,
)
from web.api.refs import Refs
from web.api.types import Name, Result, Status
from web.ask import Ask
from web.paging import ListQuery, PageOf, told
from web.routes import Given, Routes

routes = Routes("campaigns")


class CampaignQuery(ListQuery):
    state: State | None = None
    archived: bool = False


class ContactFilter(ListQuery):
    status: Status | None = None
    result: Result | None = None
    open: bool | None = Field(default=None, description="Still to be called, or closed")
    phone: Annotated[str, Field(max_length=64)] = ""


class CopyCampaign(Given):
    name: Name | None = None


class Nothing(Given):
    pass


@routes.post("/projects/{project_id}/campaigns", "Make a campaign; it does nothing until it is started", status=201)
async def create(ask: Ask, project_id: int, body: NewCampaign) -> CampaignOut:
    await ask.may(project_id, "manager")
    await _check(ask, project_id, body)
    row = await ask.store.campaigns.add(project_id, views.values(body), now=ask.now(), user=ask.user)
    return await views.one(ask, row)


@routes.get("/projects/{project_id}/campaigns", "A project's campaigns")
async def listing(ask: Ask, project_id: int, query: CampaignQuery) -> PageOf[CampaignOut]:
    rows = await ask.store.campaigns.page(
        query.slice, user=ask.user, project_id=project_id, state=query.state, archived=query.archived
    )
    return PageOf(items=await views.many(ask, rows.items), next=rows.next)


@routes.get("/campaigns/{campaign_id}", "One campaign")
async def get(ask: Ask, campaign_id: int) -> CampaignOut:
    return await views.one(ask, await ask.store.campaigns.get(campaign_id, user=ask.user))


@routes.patch("/campaigns/{campaign_id}", "Change a campaign that is not running", errors=(409,))
async def patch(ask: Ask, campaign_id: int, body: CampaignPatch) -> CampaignOut:
    row = await _mine(ask, campaign_id)
    if not lifecycle.changeable(row.state):
        raise Conflict(ask.say("state", state=row.state))
    changes = views.values(body)
    await _check(ask, row.project_id, body)
    changed = await ask.store.campaigns.change(campaign_id, changes, user=ask.user)
    ask.robot.nudge(campaign_id)
    return await views.one(ask, changed)


@routes.post(
    "/campaigns/{campaign_id}/start", "Start it, or wait for its `start_at`", errors=(409, 422), idempotent=True
)
async def start(ask: Ask, campaign_id: int) -> CampaignOut:
    row = await _mine(ask, campaign_id)
    await _complete(ask, row)
    return await _act(ask, row, "start")


@routes.post("/campaigns/{campaign_id}/pause", "Start no more calls; those that live go on", errors=(409,))
async def pause(ask: Ask, campaign_id: int) -> CampaignOut:
    return await _act(ask, await _mine(ask, campaign_id, "operator"), "pause")


@routes.post("/campaigns/{campaign_id}/resume", "Go on after a pause", errors=(409,))
async def resume(ask: Ask, campaign_id: int) -> CampaignOut:
    return await _act(ask, await _mine(ask, campaign_id, "operator"), "resume")


@routes.post("/campaigns/{campaign_id}/stop", "End it; those that live go on", errors=(409,))
async def stop(ask: Ask, campaign_id: int) -> CampaignOut:
    return await _act(ask, await _mine(ask, campaign_id), "stop")


@routes.post(
    "/campaigns/{campaign_id}/restart", "Call once more those who were not reached", errors=(409, 422), idempotent=True
)
async def restart(ask: Ask, campaign_id: int) -> CampaignOut:
    row = await _mine(ask, campaign_id)
    await _complete(ask, row)
    return await _act(ask, row, "restart")
