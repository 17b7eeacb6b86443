"""Projects: which there are, a new one, who is in it, and which fields its contacts have."""

from __future__ import annotations

from zoneinfo import available_timezones

from aiohttp import web

from engine.errors import Conflict, InputError, NotFound
from web.api import projects
from web.api.projects import NewField, NewMember, NewProject, ProjectPatch, ProjectQuery
from web.pages import forms
from web.pages.forms import Form
from web.pages.labels import N_
from web.pages.shell import Page, Pages
from web.paging import ListQuery
from web.words import below

pages = Pages()


def zones() -> list[str]:
    """Those that people choose from: places, not the abbreviations that the database keeps for old programs."""
    return sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix")))


@pages.get("/projects")
async def listing(page: Page) -> web.StreamResponse:
    return await _list(page, Form({"timezone": page.ask.settings.timezone}))


async def _list(page: Page, form: Form, status: int = 200) -> web.Response:
    archived = await projects.listing(page.ask, ProjectQuery(archived=True, limit=200))
    return await page.show("projects.html", status, form=form, archived=archived.items, zones=zones())


@pages.post("/projects")
async def create(page: Page) -> web.StreamResponse:
    typed = await page.typed()
    try:
        made = await projects.create(page.ask, forms.validated(NewProject, forms.nested(typed), page.language))
    except InputError as error:
        return await _list(page, Form(typed, page.problems(error)), 422)
    return page.go(f"/projects/{made.id}", N_("The project is made."))


@pages.get("/projects/{project_id}/settings")
async def settings(page: Page, project_id: int) -> web.StreamResponse:
    return await _settings(page, project_id)


async def _settings(
    page: Page, project_id: int, status: int = 200, *, form: Form | None = None, member: Form | None = None,
    field: Form | None = None,
) -> web.Response:  # fmt: skip
    await page.enter(project_id)
    project = await projects.get(page.ask, project_id)
    return await page.show(
        "project.html",
        status,
        project=project,
        form=form or Form(project.model_dump()),
        member=(member or Form({"role": "manager"})).within("member-"),
        field=(field or Form({"type": "string"})).within("field-"),
        members=(await projects.members(page.ask, project_id)).items,
        fields=(await projects.fields(page.ask, project_id, ListQuery(limit=200))).items,
        zones=zones(),
    )


@pages.post("/projects/{project_id}/settings")
async def change(page: Page, project_id: int) -> web.StreamResponse:
    typed = await page.typed()
    try:
        given = {name: typed.get(name, [""])[0] for name in ("name", "description", "timezone")}
        await projects.patch(page.ask, project_id, forms.validated(ProjectPatch, given, page.language))
    except InputError as error:
        return await _settings(page, project_id, 422, form=Form(typed, page.problems(error)))
    return page.go(f"/projects/{project_id}/settings", N_("Saved."))


@pages.post("/projects/{project_id}/archive")
async def archive(page: Page, project_id: int) -> web.StreamResponse:
    await projects.archive(page.ask, project_id)
    return page.go("/projects", N_("The project is in the archive; its campaigns call nobody."))


@pages.post("/projects/{project_id}/restore")
async def restore(page: Page, project_id: int) -> web.StreamResponse:
    await projects.restore(page.ask, project_id)
    return page.go(f"/projects/{project_id}", N_("The project is back."))


@pages.post("/projects/{project_id}/members")
async def put_member(page: Page, project_id: int) -> web.StreamResponse:
    typed = await page.typed()
    try:
        body = forms.validated(NewMember, forms.nested(typed), page.language)
        await projects.put_member(page.ask, project_id, body)
    except InputError as error:
        return await _settings(page, project_id, 422, member=Form(typed, page.problems(error)))
    except (Conflict, NotFound) as error:
        await page.enter(project_id)  # a stranger's project is not there; else it is the user who is not
        told = [("/email", below(page.language, str(error)))]
        return await _settings(page, project_id, 422, member=Form(typed, told))
    return page.go(f"/projects/{project_id}/settings#members", N_("%(email)s is in the project."), email=body.email)


@pages.post("/projects/{project_id}/members/{user_id}/remove")
async def drop_member(page: Page, project_id: int, user_id: int) -> web.StreamResponse:
    await projects.drop_member(page.ask, project_id, user_id)
    return page.go(f"/projects/{project_id}/settings#members", N_("Removed from the project."))


@pages.post("/projects/{project_id}/fields")
async def add_field(page: Page, project_id: int) -> web.StreamResponse:
    typed = await page.typed()
    try:
        await projects.add_field(page.ask, project_id, forms.validated(NewField, forms.nested(typed), page.language))
    except InputError as error:
        return await _settings(page, project_id, 422, field=Form(typed, page.problems(error)))
    except Conflict as error:
        told = [("/key", below(page.language, str(error)))]
        return await _settings(page, project_id, 422, field=Form(typed, told))
    return page.go(f"/projects/{project_id}/settings#fields", N_("The field is added."))
