"""Calls in progress, with what is being said: drawn once by the server, kept up by events."""

from __future__ import annotations

from aiohttp import web

from web.api import calls
from web.api.calls import LiveFilter
from web.pages.shell import Page, Pages

pages = Pages()

MOST = 100


@pages.get("/projects/{project_id}/live")
async def show(page: Page, project_id: int) -> web.StreamResponse:
    await page.enter(project_id)
    found = await calls.living(page.ask, LiveFilter(project_id=project_id, limit=MOST))
    return await page.show("live.html", calls=found.items, more=found.next is not None)
