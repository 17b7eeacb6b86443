"""Your own settings: name, password, and tokens for programs."""

from __future__ import annotations

from aiohttp import web

from engine.errors import InputError, TooOften
from web.api import session
from web.api.session import MePatch, NewPassword, NewToken, TokenMade
from web.ask import SCOPES
from web.pages import forms
from web.pages.forms import Form
from web.pages.labels import N_
from web.pages.shell import Page, Pages

pages = Pages()


@pages.get("/settings")
async def show(page: Page) -> web.StreamResponse:
    return await _show(page)


async def _show(
    page: Page, status: int = 200, *, me: Form | None = None, password: Form | None = None,
    token: Form | None = None, made: TokenMade | None = None,
) -> web.Response:  # fmt: skip
    who = await session.me(page.ask)
    return await page.show(
        "settings.html",
        status,
        who=who,
        me=me or Form({"name": who.name}),
        password=(password or Form()).within("password-"),
        token=(token or Form({"scopes": ["read", "write"]})).within("token-"),
        made=made,
        tokens=(await session.tokens(page.ask)).items,
        scopes=SCOPES,
    )


@pages.post("/settings/me")
async def change(page: Page) -> web.StreamResponse:
    typed = await page.typed()
    try:
        body = forms.validated(MePatch, {"name": typed.get("name", [""])[0]}, page.language)
        await session.patch_me(page.ask, body)
    except InputError as error:
        return await _show(page, 422, me=Form(typed, page.problems(error)))
    return page.go("/settings", N_("Saved."))


@pages.post("/settings/password")
async def change_password(page: Page) -> web.StreamResponse:
    post = await page.request.post()  # as it was typed: blanks may be part of a password
    given = {name: str(post.get(name, "")) for name in ("old", "new")}
    try:
        if given["new"] != str(post.get("again", "")):
            told = [("/again", page.say(N_("This is not the same as the new password.")))]
            return await _show(page, 422, password=Form({}, told))
        await session.change_password(page.ask, forms.validated(NewPassword, given, page.language))
    except InputError as error:
        return await _show(page, 422, password=Form({}, page.problems(error)))
    except TooOften as error:
        return await _show(page, 429, password=Form({}, [("/old", str(error))]))
    return page.go("/settings", N_("The password is changed; your other sessions have ended."))


@pages.post("/settings/tokens")
async def make_token(page: Page) -> web.StreamResponse:
    typed = await page.typed()
    try:
        body = forms.validated(NewToken, {"scopes": [], **forms.nested(typed, ("scopes",))}, page.language)
        made = await session.make_token(page.ask, body)
    except InputError as error:
        return await _show(page, 422, token=Form(typed, page.problems(error)))
    return await _show(page, made=made)  # shown in this answer alone: nothing keeps it


@pages.post("/settings/tokens/{token_id}/revoke")
async def drop_token(page: Page, token_id: int) -> web.StreamResponse:
    await session.drop_token(page.ask, token_id)
    return page.go("/settings#tokens", N_("The token is revoked."))
