"""The state of the installation, kept up by itself: what works, how loaded it is, and what to do about the rest."""

from __future__ import annotations

from aiohttp import web

from web.api import status
from web.pages.shell import Page, Pages

pages = Pages()


@pages.get("/status")
async def show(page: Page) -> web.StreamResponse:
    return await page.show("status.html", state=await status.status(page.ask))
