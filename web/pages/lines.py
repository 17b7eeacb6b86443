"""Inbound lines: the list, a form, and switching them on and off."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from engine.errors import InputError, NotFound
from web.api import analytics, calls, lines
from web.api.analytics import Grouped
from web.api.call_models import CallFilter
from web.api.lines import CopyLine, LineOut, LinePatch, LineQuery, NewLine
from web.pages import forms
from web.pages.campaign_form import choices
from web.pages.forms import Form, Typed
from web.pages.labels import N_
from web.pages.listing import listed
from web.pages.project import zones
from web.pages.shell import Page, Pages

pages = Pages()

LISTS = ("numbers", "blacklist_ids")
DONE = {
    "activate": N_("The line answers from now on."),
    "deactivate": N_("The line answers no more; calls that live go on."),
    "archive": N_("The line is in the archive."),
}


@pages.get("/projects/{project_id}/lines")
async def listing(page: Page, project_id: int) -> web.StreamResponse:
    await page.enter(project_id)
    query = listed(page, LineQuery, "state")
    return await page.show("lines.html", found=await lines.listing(page.ask, project_id, query), query=query)


@pages.get("/lines/{line_id}")
async def show(page: Page, line_id: int) -> web.StreamResponse:
    line = await lines.get(page.ask, line_id)
    await page.enter(line.project_id)
    form = Form(filled(line))
    days = await analytics.of_line(page.ask, line_id, Grouped(group_by="day"))
    return await page.show(
        "line.html",
        line=line,
        form=form,
        totals=days.totals,
        days=[{"key": str(p.key), "all": p.totals.calls, "part": p.totals.goals} for p in days.series][-30:],
        recent=await calls.listing(page.ask, CallFilter(line_id=line_id, limit=15)),
        **await choices(page, line.project_id, form),
    )


def filled(line: LineOut) -> dict[str, object]:
    """A line as its form shows it."""
    plain = line.model_dump(by_alias=True)
    names = ("name", "numbers", "scenario_id", "after_hours_scenario_id", "timezone", "segment_id", "blacklist_ids")
    values: dict[str, object] = {name: plain[name] for name in names}
    values["record"] = ["on"] * plain["record"]
    for n, each in enumerate(plain["schedule"]["windows"]):
        values |= {f"schedule.windows.{n}.{key}": each[key] for key in ("days", "from", "to")}
    return values


def gathered(typed: Typed) -> tuple[dict[str, Any], dict[str, object]]:
    """(the API's body, the form's values with rows numbered as in the body)."""
    windows = forms.rows(typed, "schedule.windows", ("from", "to"))
    plain = {name: v for name, v in typed.items() if not name.startswith("schedule.windows.")}
    body = forms.nested(plain, LISTS)
    body["record"] = "record" in typed
    for name in LISTS:
        body.setdefault(name, [])
    for name in ("after_hours_scenario_id", "segment_id", "timezone"):
        body.setdefault(name, None)
    body["schedule"] = {
        "windows": [
            {"days": row.get("days", []), "from": row.get("from", [""])[0], "to": row.get("to", [""])[0]}
            for row in windows
        ]
    }
    shown: dict[str, object] = dict(plain)
    shown |= {f"schedule.windows.{n}.{k}": v for n, row in enumerate(windows) for k, v in row.items()}
    return body, shown


@pages.get("/projects/{project_id}/lines/new")
async def blank(page: Page, project_id: int) -> web.StreamResponse:
    return await _form(page, project_id, Form({"record": "on"}))


async def _form(
    page: Page, project_id: int, form: Form, status: int = 200, line: LineOut | None = None
) -> web.Response:
    await page.enter(project_id)
    await page.ask.may(project_id, "manager")
    known = await choices(page, project_id, form)
    return await page.show("line_form.html", status, form=form, line=line, zones=zones(), **known)


@pages.post("/projects/{project_id}/lines/new")
async def create(page: Page, project_id: int) -> web.StreamResponse:
    body, shown = gathered(await page.typed())
    try:
        made = await lines.create(page.ask, project_id, forms.validated(NewLine, body, page.language))
    except InputError as error:
        return await _form(page, project_id, Form(shown, page.problems(error)), 422)
    return page.go(f"/lines/{made.id}", N_("The line is made: switch it on when it is to answer."))


@pages.get("/lines/{line_id}/edit")
async def edit(page: Page, line_id: int) -> web.StreamResponse:
    line = await lines.get(page.ask, line_id)
    return await _form(page, line.project_id, Form(filled(line)), line=line)


@pages.post("/lines/{line_id}/edit")
async def change(page: Page, line_id: int) -> web.StreamResponse:
    line = await lines.get(page.ask, line_id)
    body, shown = gathered(await page.typed())
    try:
        await lines.patch(page.ask, line_id, forms.validated(LinePatch, body, page.language))
    except InputError as error:
        return await _form(page, line.project_id, Form(shown, page.problems(error)), 422, line)
    return page.go(f"/lines/{line_id}", N_("Saved."))


@pages.post("/lines/{line_id}/copy")
async def copy(page: Page, line_id: int) -> web.StreamResponse:
    was = await lines.get(page.ask, line_id)
    name = page.say(N_("%(name)s (copy)"), name=was.name)[:200]
    made = await lines.copy(page.ask, line_id, CopyLine(name=name))
    return page.go(f"/lines/{made.id}/edit", N_("This is a copy: change what is to be different."))


@pages.post("/lines/{line_id}/{action}")
async def act(page: Page, line_id: int, action: str) -> web.StreamResponse:
    if action not in DONE:
        raise NotFound("there is no such page")
    await getattr(lines, action)(page.ask, line_id)
    return page.go(f"/lines/{line_id}", DONE[action])
