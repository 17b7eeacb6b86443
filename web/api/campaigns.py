"""Campaigns: what they are, what they do, and why they do not."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from engine.errors import Conflict
from engine.store.tables import Campaign, CampaignContact
from web.api import campaign_views as views
from web.api.campaign_models import CampaignContactOut, CampaignOut, CampaignPatch, NewCampaign, State
from web.api.segments import SegmentOut, segment_out
from web.api.types import Name
from web.ask import Ask, Role
from web.paging import ListQuery, PageOf, told
from web.routes import Given, Routes

routes = Routes("campaigns")

Outcome = Literal[
    "all", "waiting", "done", "unreached", "goal", "opt_out", "answering_machine", "non_target", "transferred",
    "answered", "no_answer", "busy", "rejected", "unreachable", "invalid_number", "congestion", "failed", "blocked",
]  # fmt: skip


class CampaignQuery(ListQuery):
    state: State | None = None
    archived: bool = False


class ContactFilter(ListQuery):
    outcome: Outcome = "all"
    phone: Annotated[str, Field(max_length=20, description="How it begins, in E.164")] = ""


class CopyCampaign(Given):
    name: Name | None = None


class SegmentOf(Given):
    name: Name
    outcome: Outcome


@routes.post("/projects/{project_id}/campaigns", "Make a campaign; it does nothing until it is started", status=201)
async def create(ask: Ask, project_id: int, body: NewCampaign) -> CampaignOut:
    await ask.may(project_id, "manager")
    project = await ask.store.projects.get(project_id, user=ask.user)
    settings = views.values(ask, body, project.timezone)
    row = await ask.store.campaigns.add(project_id, settings, now=ask.now(), user=ask.user)
    return await views.one(ask, row)


@routes.get("/projects/{project_id}/campaigns", "A project's campaigns")
async def listing(ask: Ask, project_id: int, query: CampaignQuery) -> PageOf[CampaignOut]:
    return await _listing(ask, project_id, query)


@routes.get("/campaigns", "The campaigns of all your projects")
async def everywhere(ask: Ask, query: CampaignQuery) -> PageOf[CampaignOut]:
    return await _listing(ask, None, query)


async def _listing(ask: Ask, project_id: int | None, query: CampaignQuery) -> PageOf[CampaignOut]:
    states = [query.state] if query.state else []
    rows = await ask.store.campaigns.page(
        query.slice, user=ask.user, project_id=project_id, states=states, archived=query.archived
    )
    return PageOf(items=await views.many(ask, rows.items), next=rows.next)


@routes.get("/campaigns/{campaign_id}", "One campaign, with why it dials or does not")
async def get(ask: Ask, campaign_id: int) -> CampaignOut:
    return await views.one(ask, await ask.store.campaigns.get(campaign_id, user=ask.user))


@routes.patch("/campaigns/{campaign_id}", "Change a campaign that is not running", errors=(409,))
async def patch(ask: Ask, campaign_id: int, body: CampaignPatch) -> CampaignOut:
    row = await _mine(ask, campaign_id, "manager")
    project = await ask.store.projects.get(row.project_id, user=ask.user)
    settings = views.values(ask, body, project.timezone, row)
    changed = await ask.store.campaigns.change(campaign_id, settings, user=ask.user)
    ask.robot.nudge(campaign_id)
    return await views.one(ask, changed)


@routes.post("/campaigns/{campaign_id}/start", "Start it, or wait for its `start_at`", errors=(409,), idempotent=True)
async def start(ask: Ask, campaign_id: int) -> CampaignOut:
    row = await _mine(ask, campaign_id, "manager")
    _complete(ask, row)
    return await _act(ask, campaign_id, "start")


@routes.post("/campaigns/{campaign_id}/pause", "Start no more calls; those that live go on", errors=(409,))
async def pause(ask: Ask, campaign_id: int) -> CampaignOut:
    await _mine(ask, campaign_id, "operator")
    return await _act(ask, campaign_id, "pause")


@routes.post("/campaigns/{campaign_id}/resume", "Go on after a pause", errors=(409,), idempotent=True)
async def resume(ask: Ask, campaign_id: int) -> CampaignOut:
    row = await _mine(ask, campaign_id, "operator")
    _complete(ask, row)
    return await _act(ask, campaign_id, "resume")


@routes.post("/campaigns/{campaign_id}/stop", "End it; calls that live go on to their end", errors=(409,))
async def stop(ask: Ask, campaign_id: int) -> CampaignOut:
    await _mine(ask, campaign_id, "manager")
    return await _act(ask, campaign_id, "stop")


@routes.post(
    "/campaigns/{campaign_id}/restart", "Call once more those who were not reached", errors=(409,), idempotent=True
)
async def restart(ask: Ask, campaign_id: int) -> CampaignOut:
    row = await _mine(ask, campaign_id, "manager")
    _complete(ask, row)
    return await _act(ask, campaign_id, "restart")


@routes.post("/campaigns/{campaign_id}/copy", "A new draft with the same settings", status=201)
async def copy(ask: Ask, campaign_id: int, body: CopyCampaign) -> CampaignOut:
    row = await _mine(ask, campaign_id, "manager")
    made = await ask.store.campaigns.copy(campaign_id, name=body.name or row.name, now=ask.now(), user=ask.user)
    return await views.one(ask, made)


@routes.post("/campaigns/{campaign_id}/archive", "Put a campaign away", errors=(409,))
async def archive(ask: Ask, campaign_id: int) -> CampaignOut:
    await _mine(ask, campaign_id, "manager")
    return await views.one(ask, await ask.store.campaigns.archive(campaign_id, True, user=ask.user))


@routes.post("/campaigns/{campaign_id}/restore", "Take a campaign back from the archive")
async def restore(ask: Ask, campaign_id: int) -> CampaignOut:
    await _mine(ask, campaign_id, "manager")
    return await views.one(ask, await ask.store.campaigns.archive(campaign_id, False, user=ask.user))


@routes.get("/campaigns/{campaign_id}/contacts", "Who is called, and what came of it")
async def contacts(ask: Ask, campaign_id: int, query: ContactFilter) -> PageOf[CampaignContactOut]:
    rows = await ask.store.campaigns.contacts(
        campaign_id, query.slice, user=ask.user, outcome=query.outcome, phone=query.phone
    )
    return told(rows, contact_out)


@routes.post("/campaigns/{campaign_id}/segment", "A new segment of contacts by what came of them", status=201)
async def segment(ask: Ask, campaign_id: int, body: SegmentOf) -> SegmentOut:
    await _mine(ask, campaign_id, "manager")
    return segment_out(
        await ask.store.segments.from_campaign(
            campaign_id, name=body.name, outcome=body.outcome, now=ask.now(), user=ask.user
        )
    )


def contact_out(row: CampaignContact) -> CampaignContactOut:
    plain: dict[str, Any] = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    return CampaignContactOut.model_validate(
        {**plain, "status": row.status or None, "result": row.result or None, "closed": row.closed or None}
    )


async def _mine(ask: Ask, campaign_id: int, role: Role) -> Campaign:
    row = await ask.store.campaigns.get(campaign_id, user=ask.user)
    await ask.may(row.project_id, role)
    return row


def _complete(ask: Ask, row: Campaign) -> None:
    """Raises Conflict for a campaign that could call nobody."""
    for what in ("numbers", "segment_ids"):
        if not getattr(row, what):
            raise Conflict(ask.say("incomplete", what=what))


async def _act(ask: Ask, campaign_id: int, action: str) -> CampaignOut:
    row = await ask.store.campaigns.act(campaign_id, action, now=ask.now(), user=ask.user)
    ask.robot.nudge(campaign_id)
    return await views.one(ask, row)
