"""Segments: whom to call, whom never; pasted numbers, and what was wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from engine.errors import InputError, NotFound
from web.api import integrations, projects, segments
from web.api.integrations import OptOutQuery
from web.api.segments import ContactQuery, ContactsAdded, NewContacts, NewSegment, SegmentQuery
from web.pages import forms
from web.pages.forms import Form
from web.pages.labels import N_
from web.pages.listing import listed
from web.pages.project import zones
from web.pages.shell import Page, Pages
from web.paging import ListQuery

pages = Pages()

KINDS = ("contacts", "blacklist")
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Pasted:
    """What stood in the text: contacts for the API, and the line that each came from."""

    contacts: list[dict[str, Any]]
    lines: list[tuple[int, str]]


def pasted(text: str, keys: list[str]) -> Pasted:
    """A contact a line: `phone;value;…`, the values in the order of `keys`. Tabs part them too (a spreadsheet's copy).
    A first line without any digit is a heading and names the fields itself."""
    contacts: list[dict[str, Any]] = []
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip().strip('"') for cell in (line.split("\t") if "\t" in line else line.split(";"))]
        if not cells[0]:
            continue
        if not contacts and not any(c.isdigit() for c in line) and len(cells) > 1:
            keys = [cell[:64] for cell in cells[1:]]
            continue
        named = {key: value[:2000] for key, value in zip(keys, cells[1:], strict=False) if key and value}
        contacts.append({"phone": cells[0][:64], "fields": named})
        lines.append((number, cells[0][:64]))
    return Pasted(contacts, lines)


def refused(added: ContactsAdded, source: Pasted) -> Iterator[tuple[int, str, str]]:
    """(line, what stood there, why not) of the first ones that were left out."""
    for error in added.errors[:MOST_SHOWN]:
        place = next((part for part in error.path.split("/") if part.isdigit()), "")
        if place and int(place) < len(source.lines):
            yield *source.lines[int(place)], error.message


@pages.get("/projects/{project_id}/segments")
async def listing(page: Page, project_id: int) -> web.StreamResponse:
    await page.enter(project_id)
    query = listed(page, SegmentQuery, "kind", "archived")
    found = await segments.listing(page.ask, project_id, query)
    stopped = await integrations.opt_outs(page.ask, project_id, ListQuery(limit=200))
    return await page.show("segments.html", found=found, query=query, opt_outs=stopped)


@pages.get("/projects/{project_id}/segments/new")
async def blank(page: Page, project_id: int) -> web.StreamResponse:
    kind = page.request.query.get("kind", "contacts")
    return await _form(page, project_id, Form({"kind": kind if kind in KINDS else "contacts"}))


async def _form(page: Page, project_id: int, form: Form, status: int = 200) -> web.Response:
    await page.enter(project_id)
    await page.ask.may(project_id, "manager")
    return await page.show(
        "segment_form.html", status, form=form, kinds=KINDS, zones=zones(), keys=await _keys(page, project_id)
    )


async def _keys(page: Page, project_id: int) -> list[str]:
    return [each.key for each in (await projects.fields(page.ask, project_id, ListQuery(limit=100))).items]


@pages.post("/projects/{project_id}/segments/new")
async def create(page: Page, project_id: int) -> web.StreamResponse:
    typed = await page.typed()
    try:
        source = pasted(typed.get("contacts", [""])[0], await _keys(page, project_id))
        body = forms.nested({name: v for name, v in typed.items() if name != "contacts"})
        made = await segments.create(page.ask, project_id, forms.validated(NewSegment, body, page.language))
    except InputError as error:
        return await _form(page, project_id, Form(typed, page.problems(error)), 422)
    if not source.contacts:
        return page.go(f"/segments/{made.id}", N_("The segment is made: now add its contacts."))
    return await _taken(page, made.id, source)


@pages.get("/segments/{segment_id}")
async def show(page: Page, segment_id: int) -> web.StreamResponse:
    return await _show(page, segment_id)


async def _show(page: Page, segment_id: int, status: int = 200, form: Form | None = None, **told: Any) -> web.Response:
    segment = await segments.get(page.ask, segment_id)
    await page.enter(segment.project_id)
    query = listed(page, ContactQuery, "phone")
    found = await segments.contacts(page.ask, segment_id, query)
    return await page.show(
        "segment.html", status, segment=segment, found=found, query=query, form=form or Form(),
        keys=await _keys(page, segment.project_id), **{"added": None, "refused": [], **told},
    )  # fmt: skip


@pages.post("/segments/{segment_id}/contacts")
async def add(page: Page, segment_id: int) -> web.StreamResponse:
    segment = await segments.get(page.ask, segment_id)
    typed = await page.typed()
    source = pasted(typed.get("contacts", [""])[0], await _keys(page, segment.project_id))
    if not source.contacts:
        told = [("/contacts", page.say(N_("Put in a telephone number, one a line.")))]
        return await _show(page, segment_id, 422, form=Form(typed, told))
    return await _taken(page, segment_id, source)


async def _taken(page: Page, segment_id: int, source: Pasted) -> web.StreamResponse:
    body = forms.validated(NewContacts, {"contacts": source.contacts}, page.language)
    added = await segments.add_contacts(page.ask, segment_id, body)
    if not added.invalid and not added.duplicates:
        return page.go(f"/segments/{segment_id}", N_("Contacts added: %(count)s."), count=added.added)
    return await _show(page, segment_id, added=added, refused=list(refused(added, source)))


@pages.post("/segments/{segment_id}/contacts/{contact_id}/remove")
async def drop(page: Page, segment_id: int, contact_id: int) -> web.StreamResponse:
    await segments.drop_contact(page.ask, segment_id, contact_id)
    return page.go(f"/segments/{segment_id}", N_("The contact is removed."))


@pages.post("/segments/{segment_id}/{action}")
async def act(page: Page, segment_id: int, action: str) -> web.StreamResponse:
    if action == "archive":
        was = await segments.archive(page.ask, segment_id)
        return page.go(f"/projects/{was.project_id}/segments", N_("The segment is in the archive."))
    if action == "restore":
        await segments.restore(page.ask, segment_id)
        return page.go(f"/segments/{segment_id}", N_("The segment is back from the archive."))
    raise NotFound("there is no such page")


@pages.post("/projects/{project_id}/opt-outs/remove")
async def opt_in(page: Page, project_id: int) -> web.StreamResponse:
    body = forms.validated(OptOutQuery, forms.nested(await page.typed()), page.language)
    await integrations.opt_in(page.ask, project_id, body)
    return page.go(f"/projects/{project_id}/segments", N_("The number may be called again."))
