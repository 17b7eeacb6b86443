"""A call heard again, on the call's page: by which recogniser, by which version, and what would have gone otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from engine.errors import NotFound
from engine.replays import KIND
from web.api import replay, scenarios
from web.api.call_models import CallFull
from web.api.jobs import JobOut, job_out
from web.api.replay import NewReplay
from web.api.scenarios import ScenarioQuery
from web.pages import forms
from web.pages.labels import N_
from web.pages.shell import Page, Pages
from web.paging import ListQuery

pages = Pages()

MOST = 100  # of versions, and of other scenarios, to choose from


@dataclass(frozen=True, slots=True)
class Again:
    """What the block on a call's page is drawn from. `versions`: (value, name, version, is it the call's own)."""

    recognizers: list[str]
    versions: list[tuple[str, str, int, bool]]
    job: JobOut | None


async def block(page: Page, call: CallFull) -> Again | None:
    """None where there is nothing to be heard again, or nobody to do it."""
    known = await replay.recognizers(page.ask)
    if not call.recording or not call.scenario_id or not call.scenario_version or not known.items:
        return None
    return Again([each.name for each in known.items], await _versions(page, call), await _job(page, call.id))


async def _versions(page: Page, call: CallFull) -> list[tuple[str, str, int, bool]]:
    assert call.scenario_id is not None
    try:
        own = await scenarios.versions(page.ask, call.scenario_id, ListQuery(limit=MOST))
    except NotFound:
        return []
    found = [
        (f"{call.scenario_id}:{each.version}", "", each.version, each.version == call.scenario_version)
        for each in own.items
    ]
    if call.project_id is not None:
        others = await scenarios.listing(page.ask, call.project_id, ScenarioQuery(limit=MOST, sort="name"))
        found += [(f"{o.id}:{o.version}", o.name, o.version, False) for o in others.items if o.id != call.scenario_id]
    return found


async def _job(page: Page, call_id: int) -> JobOut | None:
    asked = page.request.query.get("replay", "")
    if not (asked.isascii() and asked.isdigit() and len(asked) < 16):
        return None
    try:
        row = await page.ask.store.jobs.get(int(asked), user=page.ask.user)
    except NotFound:
        return None
    return job_out(row) if row.kind == KIND and row.params.get("call_id") == call_id else None


@pages.post("/calls/{call_id}/replay")
async def create(page: Page, call_id: int) -> web.StreamResponse:
    typed = await page.typed()
    body: dict[str, Any] = {}
    if recognizer := typed.get("recognizer", [""])[0]:
        body["recognizer"] = recognizer
    scenario, _, version = typed.get("version", [""])[0].partition(":")
    if scenario:
        body |= {"scenario_id": scenario, "version": version or None}
    made = await replay.hear_again(page.ask, call_id, forms.validated(NewReplay, body, page.language))
    return page.go(f"/calls/{call_id}?replay={made.id}#replay", N_("The call is being heard again."))
