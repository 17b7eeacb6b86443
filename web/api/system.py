"""Is everything working? Health by part, metrics, the description of the API itself, voices."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field

from engine import audio
from engine.errors import SpeechError, StoreDown
from web.api.types import Id
from web.ask import Ask
from web.auth import NOBODY, is_loopback
from web.metrics import METRICS
from web.openapi import DOCUMENT
from web.paging import PageOf
from web.problems import Unauthorized
from web.routes import Given, Routes, Told
from web.words import below

routes = Routes("system")

PING_S = 2.0


class PartOut(Told):
    ok: bool
    detail: str = Field(description="In words; empty for strangers")


class HealthOut(Told):
    status: Literal["ok", "down"] = Field(description="ok: calls can be made")
    live: bool = Field(description="The process works and answers")
    ready: bool = Field(description="Every part works")
    parts: dict[str, PartOut]


class VoiceOut(Told):
    """One voice that can be asked for. What is not known is empty."""

    name: str
    language: str
    engine: str = ""
    gender: Literal["f", "m", ""] = ""
    licence: str = Field(default="", description="Of the engine; a model or a voice may have one of its own")


LICENCES = {  # as their publishers say; docs/VOICES.md
    "espeak": "GPL-3.0-or-later",
    "rhvoice": "GPL-2.0-or-later; each voice its own, many not for business calls",
    "piper": "GPL-3.0-or-later; each model its own",
}


class Preview(Given):
    text: Annotated[str, Field(min_length=1, max_length=500)]
    voice: Annotated[str, Field(max_length=100)] = ""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$")] = "ru"
    project_id: Id | None = Field(default=None, description="With this project's pronunciations")


@routes.get("/health", "Liveness and readiness by part", scope=None, answer=HealthOut, also=((503, HealthOut),))
async def health(ask: Ask) -> web.Response:
    """200 while calls can be made, else 503; that there is an answer at all means that the process lives."""
    parts = await parts_of(ask)
    ready = all(part.ok for part in parts.values())
    if not _trusted(ask):
        parts = {name: PartOut(ok=part.ok, detail="") for name, part in parts.items()}
    told = HealthOut(status="ok" if ready else "down", live=True, ready=ready, parts=parts)
    return web.Response(
        status=200 if ready else 503, body=told.model_dump_json().encode(), content_type="application/json"
    )


async def parts_of(ask: Ask) -> dict[str, PartOut]:
    """Every part, in the reader's language."""
    parts = {
        name: PartOut(ok=ok, detail=below(ask.language, detail)) for name, (ok, detail) in ask.robot.health().items()
    }
    if "database" not in parts or parts["database"].ok:
        parts["database"] = await _database(ask)
    return parts


async def _database(ask: Ask) -> PartOut:
    try:
        async with asyncio.timeout(PING_S):
            await ask.store.ping()
    except StoreDown as error:
        return PartOut(ok=False, detail=below(ask.language, str(error)))
    except TimeoutError:
        return PartOut(ok=False, detail=below(ask.language, "the database does not answer in time"))
    return PartOut(ok=True, detail="")


@routes.get("/metrics", "Prometheus text", scope=None, produces=("text/plain",), errors=(401,))
async def metrics(ask: Ask) -> web.Response:
    """Open to the machine itself; from elsewhere, or through a proxy, it needs a token."""
    if not _trusted(ask):
        raise Unauthorized(ask.say("no_token"))
    assert ask.request is not None
    return web.Response(
        body=generate_latest(ask.request.app[METRICS].registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )


@routes.get("/openapi.json", "This description", scope=None, produces=("application/json",))
async def openapi(ask: Ask) -> web.Response:
    assert ask.request is not None
    return web.Response(body=ask.request.app[DOCUMENT], content_type="application/json")


@routes.get("/voices", "The voices that can be asked for")
async def voices(ask: Ask) -> PageOf[VoiceOut]:
    known = ask.parts.voices.speakers_told() if ask.parts.voices else []
    return PageOf(
        items=[
            VoiceOut(
                name=each.name,
                language=each.language,
                engine=each.engine,
                gender=each.gender,
                licence=LICENCES.get(each.engine, ""),
            )
            for each in known
        ],
        next=None,
    )


@routes.post("/voices/preview", "Hear a text", scope="write", produces=("audio/wav",), errors=(404, 503))
async def preview(ask: Ask, body: Preview) -> web.Response:
    if ask.parts.voices is None:
        raise StoreDown(ask.say("no_robot"))
    if body.project_id is not None:
        await ask.may(body.project_id, "analyst")
    try:
        sound = await ask.parts.voices.preview(
            body.text, voice=body.voice, language=body.language, project=body.project_id
        )
    except SpeechError as error:
        raise StoreDown(below(ask.language, str(error))) from None
    return web.Response(body=audio.to_wav(sound), content_type="audio/wav")


def _trusted(ask: Ask) -> bool:
    """Somebody who was recognised, or this very machine speaking for itself (not a proxy speaking for another)."""
    if ask.caller is not NOBODY:
        return True
    request = ask.request
    if request is None or {"X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"} & set(request.headers):
        return False
    return is_loopback(request.remote or "")
