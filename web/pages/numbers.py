"""Telephone numbers: yours, and those that can be rented."""

from __future__ import annotations

from aiohttp import web

from web.api import numbers
from web.api.numbers import NumberQuery, Release, Rent
from web.pages import forms
from web.pages.labels import N_
from web.pages.listing import listed
from web.pages.shell import Page, Pages

pages = Pages()


@pages.get("/numbers")
async def listing(page: Page) -> web.StreamResponse:
    query = listed(page, NumberQuery, "state", "region", "operator")
    return await page.show("numbers.html", found=await numbers.listing(page.ask, query), query=query)


@pages.post("/numbers/rent")
async def rent(page: Page) -> web.StreamResponse:
    body = forms.validated(Rent, forms.nested(await page.typed(), ("numbers",)), page.language)
    done = await numbers.rent(page.ask, body)
    return page.go("/numbers", N_("Numbers rented: %(count)s."), count=len(done.items))


@pages.post("/numbers/release")
async def release(page: Page) -> web.StreamResponse:
    body = forms.validated(Release, forms.nested(await page.typed(), ("numbers",)), page.language)
    done = await numbers.release(page.ask, body)
    return page.go("/numbers", N_("Numbers given back: %(count)s."), count=len(done.items))
