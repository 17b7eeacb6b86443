"""Voices: which there are, what they sound like with your own text, and how the project's words are said."""

from __future__ import annotations

from aiohttp import web

from engine.errors import InputError
from web.api import pronunciations, system
from web.api.pronunciations import Pronunciations
from web.api.system import Preview, VoiceOut
from web.pages import forms
from web.pages.forms import Form
from web.pages.labels import N_
from web.pages.shell import Page, Pages

pages = Pages()

FIELDS = ("word", "say", "language", "forms")


@pages.get("/projects/{project_id}/voices")
async def show(page: Page, project_id: int) -> web.StreamResponse:
    kept = await pronunciations.pronunciations(page.ask, project_id)
    values: dict[str, object] = {}
    for n, item in enumerate(kept.items):
        plain = item.model_dump()
        values |= {f"items.{n}.{name}": plain[name] for name in ("word", "say", "language")}
        values[f"items.{n}.forms"] = "on" if item.forms else None
    return await _show(page, project_id, Form(values))


async def _show(page: Page, project_id: int, form: Form, status: int = 200) -> web.Response:
    await page.enter(project_id)
    known = (await system.voices(page.ask)).items
    spoken = sorted({each.language for each in known}, key=lambda code: (code != page.language, code))
    named: dict[tuple[str, str], list[VoiceOut]] = {}
    for each in known:
        named.setdefault((each.name, each.engine), []).append(each)
    voices = [(same[0], sorted(each.language for each in same)) for same in named.values()]
    return await page.show(
        "voices.html", status, voices=voices, spoken=spoken, form=form, running=page.ask.parts.voices is not None
    )


@pages.post("/projects/{project_id}/voices/preview")
async def preview(page: Page, project_id: int) -> web.StreamResponse:
    """Where scripts do not run: the sound itself."""
    typed = await page.typed()
    body = forms.nested(typed) | {"project_id": project_id}
    return await system.preview(page.ask, forms.validated(Preview, body, page.language))


@pages.post("/projects/{project_id}/voices")
async def change(page: Page, project_id: int) -> web.StreamResponse:
    typed = await page.typed()
    rows = forms.rows(typed, "items", ("word", "say"))
    items = [
        {
            "word": row.get("word", [""])[0],
            "say": row.get("say", [""])[0],
            "language": row.get("language", [""])[0],
            "forms": bool(row.get("forms")),
        }
        for row in rows
    ]
    try:
        body = forms.validated(Pronunciations, {"items": items}, page.language)
        await pronunciations.put_pronunciations(page.ask, project_id, body)
    except InputError as error:
        again = {f"items.{n}.{name}": row.get(name, []) for n, row in enumerate(rows) for name in FIELDS}
        return await _show(page, project_id, Form(again, page.problems(error)), 422)
    return page.go(f"/projects/{project_id}/voices#words", N_("Saved. Calls speak so within some seconds."))
