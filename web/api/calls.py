"""Calls: those that were, those that are, and one now."""

from __future__ import annotations

import asyncio
from typing import Annotated

from aiohttp import web
from pydantic import Field

from engine.errors import NotFound
from engine.rules.phone import Refused, normalise
from engine.store.calls import CallFilter as Where
from web import live, media
from web.api import story
from web.api.call_models import (
    CallFilter,
    CallFull,
    CallOut,
    EventFilter,
    HungUp,
    LiveOut,
    NewCall,
    RecordingQuery,
    call_full,
    call_out,
    live_out,
)
from web.ask import Ask
from web.paging import ListQuery, PageOf, told
from web.problems import wrong
from web.routes import Given, Routes, Told

routes = Routes("calls")


class LiveFilter(ListQuery):
    project_id: int | None = None
    campaign_id: int | None = None


class WaveformQuery(Given):
    buckets: Annotated[int, Field(ge=10, le=2000)] = 400


class Waveform(Told):
    """The loudest moment of each stretch, 0 to 100."""

    duration_ms: int
    subscriber: list[int]
    robot: list[int]


@routes.post("/projects/{project_id}/calls", "One call now", status=202, idempotent=True)
async def create(ask: Ask, project_id: int, body: NewCall) -> CallOut:
    """The call waits for the telephony and a free channel: until `not_after`, or for ten minutes."""
    await ask.may(project_id, "operator")
    phone = e164(ask, body.phone)
    if body.not_after is not None and body.not_after <= ask.now():
        raise wrong(ask.language, "/not_after", "past")
    if await ask.store.segments.barred(project_id, phone):
        raise wrong(ask.language, "/phone", "stop_list")
    row = await ask.store.calls.add_single(
        project_id,
        phone=phone,
        scenario_id=body.scenario_id,
        now=ask.now(),
        user=ask.user,
        fields=body.fields,
        number=body.number or "",
        not_after=body.not_after,
    )
    await ask.robot.call_now(row.id)
    return call_out(row)


@routes.get("/calls", "Calls, the newest first")
async def listing(ask: Ask, query: CallFilter) -> PageOf[CallOut]:
    where = Where(
        project_id=query.project_id,
        campaign_id=query.campaign_id,
        line_id=query.line_id,
        contact_id=query.contact_id,
        direction=query.direction or "",
        status=query.status or "",
        result=query.result or "",
        phone=query.phone,
        since=query.from_,
        until=query.to,
    )
    return told(await ask.store.calls.page(query.slice, where, user=ask.user), call_out)


@routes.get("/calls/live", "Calls that are not over yet")
async def living(ask: Ask, query: LiveFilter) -> PageOf[LiveOut]:
    """With what has been said so far, where the call lives in this engine."""
    where = Where(project_id=query.project_id, campaign_id=query.campaign_id, live=True)
    rows = await ask.store.calls.page(query.slice, where, user=ask.user)
    views = {view.call_id: view for view in ask.robot.live()}
    return told(rows, lambda row: live_out(row, views.get(row.id)))


@routes.get("/calls/events", "What happens in calls, as it happens", produces=("text/event-stream",))
async def events(ask: Ask, query: EventFilter) -> web.StreamResponse:
    """Server-sent events, each a JSON object with `call_id`, `kind`, `at` and what belongs to the kind; a comment every
    15 s when nothing happens. Who reads too slowly loses the oldest ones."""
    wanted = live.Wanted(ask, project_id=query.project_id, campaign_id=query.campaign_id, call_id=query.call_id)
    return await live.stream(ask, wanted)


@routes.get("/calls/{call_id}", "One call with its steps and what was said")
async def get(ask: Ask, call_id: int) -> CallFull:
    row, detail = await ask.store.calls.detail(call_id, user=ask.user)
    return call_full(row, detail, await story.scenario_of(ask, row))


@routes.get(
    "/calls/{call_id}/recording", "Hear it: stereo, the subscriber left", produces=media.KINDS, errors=(416, 422)
)
async def recording(ask: Ask, call_id: int, query: RecordingQuery) -> web.StreamResponse:
    row = await ask.store.calls.get(call_id, user=ask.user)
    if not row.recording:
        raise NotFound(ask.say("no_recording"))
    return await media.send(ask, row.recording, media.wanted(ask, query.format))


@routes.get("/calls/{call_id}/waveform", "How loud both sides were")
async def waveform(ask: Ask, call_id: int, query: WaveformQuery) -> Waveform:
    row = await ask.store.calls.get(call_id, user=ask.user)
    if not row.recording:
        raise NotFound(ask.say("no_recording"))
    file = media.found(ask, row.recording)
    duration_ms, sides = await asyncio.to_thread(media.loudness, file, query.buckets)
    return Waveform(duration_ms=duration_ms, subscriber=sides[0], robot=sides[-1])


@routes.get(
    "/calls/{call_id}/messages/{number}", "A message that the subscriber left", produces=media.KINDS, errors=(416,)
)
async def message(ask: Ask, call_id: int, number: int) -> web.StreamResponse:
    _, detail = await ask.store.calls.detail(call_id, user=ask.user)
    if number > len(detail.recorded):
        raise NotFound(ask.say("no_recording"))
    return await media.send(ask, detail.recorded[number - 1], "audio/wav")


@routes.post("/calls/{call_id}/hangup", "End a call, or cancel one that is queued")
async def hangup(ask: Ask, call_id: int) -> HungUp:
    """One that has not been dialled yet ends as `blocked`, and never is."""
    row = await ask.store.calls.get(call_id, user=ask.user)
    if row.project_id is not None:
        await ask.may(row.project_id, "operator")
    return HungUp(hung_up=row.ended_at is None and await ask.robot.hang_up(call_id))


def e164(ask: Ask, phone: str, path: str = "/phone") -> str:
    """Raises InputError for what is no number, or none that is ever called."""
    found = normalise(phone)
    if isinstance(found, Refused):
        raise wrong(ask.language, path, found.code)
    return found
