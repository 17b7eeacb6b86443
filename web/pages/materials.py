"""Materials: sounds and texts that scenarios name. A sound is sent to the API by the page's script."""

from __future__ import annotations

from aiohttp import web

from engine.errors import InputError
from web.api import materials, system
from web.api.materials import MaterialQuery, NewMaterial
from web.pages import forms
from web.pages.forms import Form
from web.pages.labels import LABELS, N_
from web.pages.listing import listed
from web.pages.shell import Page, Pages

pages = Pages()


@pages.get("/projects/{project_id}/materials")
async def listing(page: Page, project_id: int) -> web.StreamResponse:
    return await _list(page, project_id, Form())


async def _list(page: Page, project_id: int, form: Form, status: int = 200) -> web.Response:
    await page.enter(project_id)
    query = listed(page, MaterialQuery, "kind", "status", sort="-created_at")
    found = await materials.listing(page.ask, project_id, query)
    names = sorted({voice.name for voice in (await system.voices(page.ask)).items})
    return await page.show("materials.html", status, found=found, form=form, voices=names, words=LABELS)


@pages.post("/projects/{project_id}/materials")
async def create(page: Page, project_id: int) -> web.StreamResponse:
    typed = await page.typed()
    try:
        body = forms.validated(NewMaterial, forms.nested(typed) | {"kind": "tts"}, page.language)
        await materials.create(page.ask, project_id, body)
    except InputError as error:
        return await _list(page, project_id, Form(typed, page.problems(error)), 422)
    return page.go(f"/projects/{project_id}/materials", N_("The material is added."))


@pages.post("/materials/{material_id}/archive")
async def archive(page: Page, material_id: int) -> web.StreamResponse:
    put = await materials.archive(page.ask, material_id)
    return page.go(f"/projects/{put.project_id}/materials", N_("The material is in the archive."))


@pages.post("/materials/{material_id}/restore")
async def restore(page: Page, material_id: int) -> web.StreamResponse:
    put = await materials.restore(page.ask, material_id)
    return page.go(f"/projects/{put.project_id}/materials", N_("The material is back."))
