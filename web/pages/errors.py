"""What a person sees when a page cannot be shown."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from web.ask import PARTS, Ask
from web.auth import NOBODY
from web.pages.labels import N_
from web.pages.shell import Page, language, local, page_of
from web.problems import ERROR_PAGE, ErrorPage, Unauthorized
from web.words import below

TITLES = {
    400: N_("The request cannot be read"),
    403: N_("You may not do this"),
    404: N_("There is no such page"),
    413: N_("That is too much at once"),
    429: N_("Too often"),
    503: N_("This is not working right now"),
}
ADVICE = {
    400: N_("Go back and try once more."),
    403: N_("Ask the project's owner for another role, or reload the page if it has been open for long."),
    404: N_("Perhaps it was removed, or it belongs to somebody else."),
    413: N_("Send it in parts."),
    429: N_("Wait a little and try again."),
    500: N_("The server failed; what happened is in its log. Try again, and if it stays, tell whoever runs it."),
    503: N_("The robot comes back by itself. Try again in a few seconds."),
}
DEFAULT = N_("Something went wrong")


def add_to(app: web.Application) -> None:
    app[ERROR_PAGE] = ErrorPage(show)


async def show(request: web.Request, status: int, detail: str) -> web.StreamResponse:
    if status == 401:
        return _to_login(request)
    page = await _around(request)
    title = page.say(TITLES.get(status, DEFAULT))
    advice = page.say(ADVICE[status]) if status in ADVICE else ""
    told = below(page.language, detail) if detail and status != 404 else ""
    return await page.show("error.html", status, title=title, advice=advice, detail=told, number=status)


async def _around(request: web.Request) -> Page:
    """The shell, if it can be had: the database may be what is broken."""
    try:
        return await page_of(request, required=False)
    except Exception:  # noqa: BLE001 - around one request that has failed already
        return Page(Ask(request.app[PARTS], NOBODY, language(request), request), request)


def _to_login(request: web.Request) -> web.StreamResponse:
    if "part" in request.query:
        return web.Response(status=401)
    wanted = request.path_qs if request.method == "GET" and local(request.path_qs) else "/"
    to = "/login" if wanted == "/" else "/login?next=" + quote(wanted, safe="")
    return web.Response(status=303, headers={"Location": to})


__all__ = ["Unauthorized", "add_to", "show"]
