"""Coming in and going out, and the language."""

from __future__ import annotations

from aiohttp import web

from engine.errors import InputError, TooOften
from web.api.session import LogIn, MePatch, patch_me
from web.ask import PARTS
from web.auth import COOKIE, DOOR, digest, same_origin
from web.pages import forms, locale
from web.pages.forms import Form
from web.pages.labels import N_
from web.pages.shell import LANGUAGE, YEAR_S, Page, Pages, back, local
from web.problems import Forbidden, Unauthorized

pages = Pages()


@pages.get("/login", open_to_all=True)
async def ask_who(page: Page) -> web.StreamResponse:
    if page.ask.caller.session:
        return page.go("/")
    return await _form(page, Form())


@pages.post("/login", open_to_all=True)
async def log_in(page: Page) -> web.StreamResponse:
    if not same_origin(page.request):  # there is no session whose token could prove it
        raise Forbidden(page.ask.say("csrf"))
    raw = {name: value for name, value in (await page.request.post()).items() if isinstance(value, str)}
    shown = {"email": raw.get("email", "").strip(), "next": raw.get("next", "")}
    try:
        given = {"email": shown["email"], "password": raw.get("password", "")}
        body = forms.validated(LogIn, {k: v for k, v in given.items() if v}, page.language)
        session = await page.request.app[DOOR].log_in(
            page.request.app[PARTS],
            body.email,
            body.password,
            address=page.request.remote or "",
            agent=page.request.headers.get("User-Agent", ""),
            language=page.language,
            old=page.request.cookies.get(COOKIE, ""),
        )
    except InputError as error:
        return await _form(page, Form(shown, page.problems(error)), 422)
    except Unauthorized as error:
        return await _form(page, Form(shown, [("", str(error))]), 401)
    except TooOften as error:
        return await _form(page, Form(shown, [("", str(error))]), 429)
    answer = page.go(shown["next"] if local(shown["next"]) else "/")
    page.request.app[DOOR].give(answer, session)
    return answer


async def _form(page: Page, form: Form, status: int = 200) -> web.Response:
    wanted = form("next") or page.request.query.get("next", "")
    return await page.show("login.html", status, form=form, next=wanted if local(wanted) else "")


@pages.post("/logout")
async def log_out(page: Page) -> web.StreamResponse:
    await page.ask.store.users.end_login(digest(page.ask.caller.session))
    answer = page.go("/login", N_("You are logged out."))
    page.request.app[DOOR].take_away(answer)
    return answer


@pages.post("/language", open_to_all=True)
async def choose(page: Page) -> web.StreamResponse:
    """Only a wish of this browser; of somebody logged in also a setting."""
    chosen = (await page.typed()).get("language", [""])[0]
    answer = page.go(await back(page.request))
    if chosen in locale.LANGUAGES:
        answer.set_cookie(LANGUAGE, chosen, max_age=YEAR_S, path="/", httponly=True, samesite="Lax")
        if page.ask.caller.session and same_origin(page.request):
            await patch_me(page.ask, MePatch.model_validate({"locale": chosen}))
    return answer
