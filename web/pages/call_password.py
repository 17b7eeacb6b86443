"""Call passwords: a form to try them out, with how it went."""

from __future__ import annotations

from aiohttp import web

from engine.errors import InputError
from web.api import call_passwords
from web.api.call_passwords import Guess, NewPassword
from web.pages import forms
from web.pages.forms import Form
from web.pages.labels import N_
from web.pages.shell import Page, Pages

pages = Pages()


@pages.get("/call-password")
async def blank(page: Page) -> web.StreamResponse:
    return await page.show("call_password.html", form=Form({"code_length": 4, "ttl_s": 300}), made=None)


@pages.post("/call-password")
async def create(page: Page) -> web.StreamResponse:
    typed = await page.typed()
    try:
        made = await call_passwords.create(page.ask, forms.validated(NewPassword, forms.nested(typed), page.language))
    except InputError as error:
        return await page.show("call_password.html", 422, form=Form(typed, page.problems(error)), made=None)
    return page.go(f"/call-password/{made.id}")


@pages.get("/call-password/{password_id}")
async def show(page: Page, password_id: int) -> web.StreamResponse:
    made = await call_passwords.get(page.ask, password_id)
    return await page.show("call_password.html", form=Form({"code_length": 4, "ttl_s": 300}), made=made)


@pages.post("/call-password/{password_id}")
async def verify(page: Page, password_id: int) -> web.StreamResponse:
    here = f"/call-password/{password_id}"
    await call_passwords.get(page.ask, password_id)
    typed = await page.typed()
    verdict = await call_passwords.verify(
        page.ask, password_id, forms.validated(Guess, forms.nested(typed), page.language)
    )
    if verdict.verified:
        return page.go(here, N_("The code is right."))
    left = page.say(N_("The code is wrong; attempts left: %(left)s."), left=verdict.attempts_left)
    return page.go(here, left, wrong=True)
