"""Calls: the list, one call to read and to hear, and one call now."""

from __future__ import annotations

import asyncio
from typing import Any

import soundfile  # type: ignore[import-untyped]
from aiohttp import web

from engine.errors import InputError, NotFound
from scenarios.head import GIVEN
from web import media
from web.api import calls, scenarios
from web.api.call_models import CallFilter, CallFull, NewCall
from web.api.scenarios import ScenarioQuery
from web.pages import forms, replays
from web.pages.forms import Form
from web.pages.labels import LABELS, N_
from web.pages.listing import listed
from web.pages.shell import Page, Pages
from web.pages.strip import strip

pages = Pages()


@pages.get("/projects/{project_id}/calls")
async def listing(page: Page, project_id: int) -> web.StreamResponse:
    await page.enter(project_id)
    query = listed(
        page, CallFilter, "status", "result", "direction", "phone", "campaign_id", "line_id", "contact_id",
        project_id=project_id,
    )  # fmt: skip
    found = await calls.listing(page.ask, query)
    return await page.show("calls.html", found=found, query=query, words=LABELS)


@pages.get("/calls/{call_id}")
async def show(page: Page, call_id: int) -> web.StreamResponse:
    call = await calls.get(page.ask, call_id)
    if call.project_id is not None:
        await page.enter(call.project_id)
    return await page.show(
        "call.html",
        call=call,
        timeline=timeline(call),
        strip=strip(call, await _length_ms(page, call)),
        again=await replays.block(page, call),
        names=await _names(page, call),
        over=call.ended_at is not None,
        given=GIVEN,
    )


def timeline(call: CallFull) -> list[dict[str, Any]]:
    """What was said, which cards were passed and who was found to have answered, in the order of time; a card comes
    before what it says."""
    spoken = [{"what": "line", "at": each.at_ms, "it": each} for each in call.transcript]
    passed = [{"what": "step", "at": each.at_ms, "it": each} for each in call.steps if each.kind != "amd"]
    known = [{"what": "answered", "at": each.at_ms, "it": each} for each in call.answered_by]
    return sorted([*passed, *known, *spoken], key=lambda each: (each["at"], each["what"] == "line"))


async def _length_ms(page: Page, call: CallFull) -> int:
    """Of the recording, else of the call."""
    if call.recording:
        row = await page.ask.store.calls.get(call.id, user=page.ask.user)
        try:
            info = await asyncio.to_thread(soundfile.info, media.found(page.ask, row.recording))
        except (NotFound, soundfile.LibsndfileError):
            return call.duration_ms
        return int(info.duration * 1000)
    return call.duration_ms


async def _names(page: Page, call: CallFull) -> dict[str, str]:
    """What the call belongs to, by name; empty for what it has not, or is gone."""
    store, user = page.ask.store, page.ask.user
    found = {"campaign": "", "line": "", "scenario": ""}
    for noun, ident, get in (
        ("campaign", call.campaign_id, store.campaigns.get),
        ("line", call.line_id, store.lines.get),
        ("scenario", call.scenario_id, store.scenarios.get),
    ):
        if ident is not None:
            try:
                found[noun] = (await get(ident, user=user)).name
            except NotFound:
                continue
    return found


@pages.post("/calls/{call_id}/hangup")
async def hang_up(page: Page, call_id: int) -> web.StreamResponse:
    done = await calls.hangup(page.ask, call_id)
    call = await calls.get(page.ask, call_id)
    to = f"/projects/{call.project_id}/live" if call.project_id else f"/calls/{call_id}"
    return page.go(to, N_("The call is being ended.") if done.hung_up else N_("This call was over already."))


@pages.get("/projects/{project_id}/calls/new")
async def blank(page: Page, project_id: int) -> web.StreamResponse:
    return await _form(page, project_id, Form({"scenario_id": page.request.query.get("scenario_id")}))


async def _form(page: Page, project_id: int, form: Form, status: int = 200) -> web.Response:
    await page.enter(project_id)
    await page.ask.may(project_id, "operator")
    known = await scenarios.listing(page.ask, project_id, ScenarioQuery(limit=500, sort="name"))
    return await page.show("call_form.html", status, form=form, scenarios=known.items)


@pages.post("/projects/{project_id}/calls/new")
async def create(page: Page, project_id: int) -> web.StreamResponse:
    typed = await page.typed()
    body = forms.nested({name: v for name, v in typed.items() if name != "fields"})
    body["fields"] = _fields(typed.get("fields", [""])[0])
    try:
        made = await calls.create(page.ask, project_id, forms.validated(NewCall, body, page.language))
    except InputError as error:
        return await _form(page, project_id, Form(typed, page.problems(error)), 422)
    return page.go(f"/calls/{made.id}", N_("The call is on its way."))


def _fields(text: str) -> dict[str, str]:
    """`name = Anna`, one a line."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}
