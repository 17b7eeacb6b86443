"""Style, scripts and icons: a fixed list of files, read by browsers anew whenever they change."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).resolve().parent.parent / "static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def add_to(app: web.Application) -> None:
    files = {str(f.relative_to(FOLDER)): f for f in FOLDER.rglob("*") if f.suffix in KINDS and f.is_file()}

    async def serve(request: web.Request) -> web.StreamResponse:
        file = files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        return web.FileResponse(
            file,
            # Asked for each time, answered with 304: after an update nobody runs old scripts on new pages.
            headers={"Content-Type": f"{KINDS[file.suffix]}; charset=utf-8", "Cache-Control": "no-cache"},
        )

    app.router.add_get("/static/{name:.+}", serve)
