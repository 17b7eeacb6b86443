"""The panel: pages drawn by the server."""

from __future__ import annotations

from aiohttp import web


def add_to(app: web.Application) -> None:
    """Put the panel's pages, their error page and their static files into the application."""
