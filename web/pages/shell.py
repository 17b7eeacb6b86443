"""What every page has around it: who looks, in which language, in which project; and how a page is answered.

request ─▶ body read (bounded) ─▶ who asks (and CSRF) ─▶ Page ─▶ handler ─▶ html
                                         a deed refused ─▶ back to where it was asked, with the reason
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlencode

from aiohttp import web

from engine.errors import ChannelDown, Conflict, DozvonError, InputError, NotFound, StoreDown, TooOften
from engine.store.paging import Ask as Slice
from engine.tasks import beside
from web.api.projects import ProjectOut
from web.ask import RANKS, Ask, Role
from web.auth import COOKIE, ask_of, digest
from web.pages import drawing, forms, locale
from web.problems import BadRequest, TooLarge, Unauthorized
from web.routes import LARGEST_ID
from web.words import below, language_of

LANGUAGE = "dozvon_language"
PROJECT = "dozvon_project"
NOTE = "dozvon_note"
YEAR_S = 365 * 86_400
BODY_S = 30.0
PAUSE_S = 5.0  # the longest within a form that is coming
MOST_PROJECTS = 200
_PARAM = re.compile(r"\{(\w+)\}")
# What a person may have asked for in good faith: told where they asked, not on a page of its own.
REFUSALS = (Conflict, InputError, TooOften, ChannelDown, StoreDown)


@dataclass(slots=True)
class Page:
    """One request of the panel. `project` is whose menu is shown."""

    ask: Ask
    request: web.Request
    csrf: str = ""
    projects: list[ProjectOut] = field(default_factory=list)
    project: ProjectOut | None = None
    roles: dict[int, str] = field(default_factory=dict)
    live: int = 0

    @property
    def language(self) -> str:
        return self.ask.language

    @property
    def zone(self) -> str:
        return self.project.timezone if self.project else self.ask.settings.timezone

    def can(self, role: Role) -> bool:
        """May the reader do what needs this role in the page's project?"""
        have = self.roles.get(self.project.id, "") if self.project else ""
        return RANKS.get(have, 0) >= RANKS[role]

    async def enter(self, project_id: int | None) -> None:
        """Stand in this project. Raises NotFound for a stranger's."""
        found = next((each for each in self.projects if each.id == project_id), None)
        if found is None and project_id is not None:
            found = ProjectOut.model_validate(await self.ask.store.projects.get(project_id, user=self.ask.user))
        self.project = found

    async def typed(self) -> dict[str, list[str]]:
        """The form's fields, stripped of blanks around them; what is for the shell is left out."""
        post = await self.request.post()
        found: dict[str, list[str]] = {}
        for name, value in post.items():
            if isinstance(value, str) and name not in ("csrf", "back"):
                found.setdefault(name, []).append(value.strip())
        return found

    def say(self, text: str, **params: object) -> str:
        """A text of the catalogues."""
        return (
            locale.words(self.language).gettext(text) % params if params else locale.words(self.language).gettext(text)
        )

    def query(self, **changes: object) -> str:
        """This page's address with other parameters; None takes one away."""
        params = {**self.request.query, **{k: str(v) for k, v in changes.items() if v is not None}}
        for name in [name for name, value in changes.items() if value is None]:
            params.pop(name, None)
        return self.request.path + ("?" + urlencode(params) if params else "")

    async def show(self, template: str, status: int = 200, **given: Any) -> web.Response:
        """The page, or, where the browser asks for a part of it (`?part=`), that part of its template."""
        part = self.request.query.get("part", "")
        around = {"page": self, "zone": self.zone}
        text = drawing.draw(self.language, template, around | given, part if part.isidentifier() else "")
        answer = web.Response(text=text, content_type="text/html", charset="utf-8", status=status)
        if not part:
            if NOTE in self.request.cookies:
                answer.del_cookie(NOTE, path="/")
            if self.project and self.request.cookies.get(PROJECT) != str(self.project.id):
                answer.set_cookie(PROJECT, str(self.project.id), max_age=YEAR_S, httponly=True, samesite="Lax")
        return answer

    def go(self, to: str, said: str = "", *, wrong: bool = False, **params: object) -> web.Response:
        """See other: `to`, with something said there once. `said` is translated already when `wrong`."""
        answer = web.Response(status=303, headers={"Location": to})
        if said:
            text = said if wrong else self.say(said, **params)
            answer.set_cookie(
                NOTE, quote(("!" if wrong else "+") + text[:600]), max_age=60, path="/", httponly=True, samesite="Lax"
            )
        return answer

    @property
    def note(self) -> tuple[str, str] | None:
        """(what kind, what was said) by the request before."""
        text = unquote(self.request.cookies.get(NOTE, ""))
        return ("bad" if text[0] == "!" else "good", text[1:]) if text[:1] in ("!", "+") else None

    def problems(self, error: InputError) -> list[tuple[str, str]]:
        return forms.problems(error, self.language)


Handler = Callable[..., Awaitable[web.StreamResponse]]
Registered = tuple[str, str, Handler, bool]  # method, path, handler, is it open to all


class Pages:
    """The pages of one noun."""

    def __init__(self) -> None:
        self.all: list[Registered] = []

    def get(self, path: str, *, open_to_all: bool = False) -> Callable[[Handler], Handler]:
        return self._add("GET", path, open_to_all)

    def post(self, path: str, *, open_to_all: bool = False) -> Callable[[Handler], Handler]:
        return self._add("POST", path, open_to_all)

    def _add(self, method: str, path: str, open_to_all: bool) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.all.append((method, path, handler, open_to_all))
            return handler

        return register


def mount(app: web.Application, pages: Sequence[Registered]) -> None:
    """Serve them. What is fixed wins over what is not (`/campaigns/1/edit` over `/campaigns/1/{action}`)."""
    for method, path, handler, open_to_all in sorted(pages, key=lambda each: len(_PARAM.findall(each[1]))):
        url = _PARAM.sub(lambda m: f"{{{m[1]}:\\d{{1,18}}}}" if m[1].endswith("_id") else f"{{{m[1]}:[a-z-]+}}", path)
        app.router.add_route(method, url, _served(handler, open_to_all))


def _served(handler: Handler, open_to_all: bool) -> Handler:
    async def serve(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            await _read(request)
        page = await page_of(request, required=not open_to_all)
        given: Mapping[str, Any] = {k: _param(k, v) for k, v in request.match_info.items()}
        try:
            answer = await handler(page, **given)
        except REFUSALS as error:
            if request.method != "POST":
                raise
            told = page.problems(error) if isinstance(error, InputError) else [("", below(page.language, str(error)))]
            answer = page.go(await back(request), " ".join(dict.fromkeys(m for _, m in told)), wrong=True)
        for work in page.ask.afterwards:
            await work()
        return answer

    return serve


def _param(name: str, value: str) -> int | str:
    if not name.endswith("_id"):
        return value
    if not 0 < int(value) <= LARGEST_ID:
        raise NotFound("there is no such page")
    return int(value)


async def _read(request: web.Request) -> None:
    """The whole form, before anything is asked of it: bounded in size by the application, in time here."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType
    try:
        async with asyncio.timeout(BODY_S), beside(_comes(request)):
            raw = await request.read()
            if b"%00" in raw or b"\0" in raw:  # PostgreSQL keeps none, nobody means one
                raise BadRequest("NUL")
            await request.post()
    except TimeoutError:
        raise BadRequest("the form did not come in time") from None
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge(
            locale.words(language(request)).gettext("The form holds too much: one megabyte at most.")
        ) from None
    except ValueError:
        raise BadRequest("the form cannot be read") from None


async def _comes(request: web.Request) -> None:
    """Raises TimeoutError when nothing more of the body comes."""
    seen = -1
    while request.content.total_bytes > seen:
        seen = request.content.total_bytes
        await asyncio.sleep(PAUSE_S)
    raise TimeoutError


def language(request: web.Request) -> str:
    """As the reader chose, else as their browser says."""
    chosen = request.cookies.get(LANGUAGE, "")
    return chosen if chosen in locale.LANGUAGES else language_of(request.headers.get("Accept-Language", ""))


async def page_of(request: web.Request, *, required: bool = True) -> Page:
    """Raises Unauthorized, and Forbidden for a form without its CSRF token."""
    ask = await ask_of(request, required=required, language=language(request))
    page = Page(ask, request)
    if not ask.caller.session:
        if required:
            raise Unauthorized(ask.say("no_token"))
        return page
    found = await ask.store.users.login(digest(request.cookies.get(COOKIE, "")[:200]))
    page.csrf = found[0].csrf if found else ""
    rows = await ask.store.projects.page(Slice(MOST_PROJECTS, "", "name"), user=ask.user)
    page.projects = [ProjectOut.model_validate(row) for row in rows.items]
    page.roles = await ask.store.projects.roles(user=ask.user)
    last = request.cookies.get(PROJECT, "")
    page.project = next((p for p in page.projects if str(p.id) == last), page.projects[0] if page.projects else None)
    return page


async def back(request: web.Request) -> str:
    """Where the form was: its own `back`, else the page that the browser says it came from, if it is ours."""
    given = (await request.post()).get("back", "")
    if isinstance(given, str) and local(given):
        return given
    origin, _, path = request.headers.get("Referer", "").partition("://")[2].partition("/")
    return "/" + path if origin == request.host and local("/" + path) else "/"


def local(address: str) -> bool:
    """Is it a path of ours? Not `//elsewhere`, nor `/\\elsewhere`, which browsers take for the same."""
    return bool(re.fullmatch(r"/(?![/\\])[^\\\x00-\x20\x7f]*", address)) and len(address) < 2000


__all__ = ["DozvonError", "Page", "Pages", "back", "language", "local", "mount", "page_of"]
