"""The web application: the API, the panel, and what stands around every request.

request ─▶ watched (log, door) ─▶ told (errors as answers, headers) ─▶ route ─▶ answer
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from aiohttp import web

from engine.clock import SystemClock
from engine.config import Settings
from engine.errors import DozvonError
from engine.ports import Clock, Robot
from engine.store import Store
from web import api, auth, docs, guard, live, openapi, pages
from web.ask import PARTS, Parts, Replays, Voices
from web.metrics import METRICS, Counts, Gauges, Metrics
from web.problems import ERROR_PAGE, problem, problem_of, status_of
from web.routes import mount
from web.words import language_of

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "img-src 'self' data:; media-src 'self' blob:; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def make_app(
    settings: Settings,
    store: Store,
    robot: Robot,
    *,
    clock: Clock | None = None,
    voices: Voices | None = None,
    counts: Counts | None = None,
    gauges: Gauges | None = None,
    replays: Replays | None = None,
) -> web.Application:
    """The application, not yet listening: see `serve`. `counts` and `gauges` are the engine's, for `/metrics`."""
    app = web.Application(middlewares=[guard.watched, told], client_max_size=1 << 20)
    app[PARTS] = Parts(settings, store, robot, clock or SystemClock(), voices, replays)
    app[auth.DOOR] = auth.Door(settings.http.public_url)
    app[METRICS] = Metrics(robot, counts, gauges)
    app[live.STREAMS] = live.Streams()
    app[openapi.DOCUMENT] = openapi.dumped(openapi.document(api.ROUTES, settings.http.public_url))
    mount(app, api.ROUTES)
    docs.add_to(app)
    pages.add_to(app)
    app.on_shutdown.append(live.close)
    return app


def serve(app: web.Application, host: str, port: int) -> AbstractAsyncContextManager[int]:
    """Listen while the block runs; gives the port. Raises OSError if it is taken."""
    return guard.serve(app, host, port)


@web.middleware
async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors become answers; every answer carries the security headers."""
    answer = await _answer(request, handler)
    if not answer.prepared:
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        if "Cache-Control" not in answer.headers and not request.path.startswith("/static/"):
            answer.headers["Cache-Control"] = "no-store"
    return answer


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    language = language_of(request.headers.get("Accept-Language", ""))
    try:
        return await handler(request)
    except DozvonError as error:
        status = status_of(error)
        if status == 500:
            log.exception("request failed", extra={"method": request.method, "path": request.path})
        return await _page(request, status, str(error) if status != 500 else "") or problem_of(error, language)
    except web.HTTPException as error:
        if error.status < 400:
            error.headers.update(HEADERS)
            raise
        return await _page(request, error.status, "") or _same_headers(error, problem(error.status, "", language))
    except ConnectionError:
        raise  # the client went away: nobody to answer
    except Exception:  # noqa: BLE001 - around one request: whatever broke it, the others go on
        log.exception("request failed", extra={"method": request.method, "path": request.path})
        return await _page(request, 500, "") or problem(500, "", language)


def _same_headers(error: web.HTTPException, answer: web.Response) -> web.Response:
    for name in ("Allow", "Content-Range"):
        if name in error.headers:
            answer.headers[name] = error.headers[name]
    return answer


async def _page(request: web.Request, status: int, detail: str) -> web.StreamResponse | None:
    page = request.app.get(ERROR_PAGE)
    if page is None or request.path.startswith(("/api/", "/health", "/metrics")):
        return None
    return await page.show(request, status, detail)
