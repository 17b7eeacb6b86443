"""The panel: pages drawn by the server from the same functions that answer the API.

request ─▶ shell.served ─▶ page function ─▶ web.api functions (never over HTTP) ─▶ template
"""

from __future__ import annotations

from aiohttp import web

from web.pages import (
    call_password,
    calls,
    campaign_form,
    campaigns,
    entry,
    errors,
    home,
    lines,
    live,
    materials,
    numbers,
    project,
    rehearsal,
    replays,
    scenarios,
    segments,
    settings,
    static,
    status,
    voices,
)
from web.pages.shell import mount

NOUNS = (
    entry,
    home,
    project,
    campaigns,
    campaign_form,
    segments,
    calls,
    live,
    lines,
    numbers,
    scenarios,
    rehearsal,
    call_password,
    replays,
    materials,
    voices,
    status,
    settings,
)


def add_to(app: web.Application) -> None:
    """Put the panel's pages, their error page and their static files into the application."""
    static.add_to(app)
    errors.add_to(app)
    mount(app, [page for noun in NOUNS for page in noun.pages.all])
