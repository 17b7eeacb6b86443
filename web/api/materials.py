"""Materials: what is said or sent, ready to be named by scenarios."""

from __future__ import annotations

import asyncio
import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field, StringConstraints, model_validator

from engine import audio, loudness
from engine.errors import InputError, NotFound
from engine.store.tables import Material
from web import media
from web.api.types import Name
from web.ask import Ask, Role, Upload
from web.paging import ListQuery, PageOf, told
from web.problems import wrong
from web.routes import Given, Routes, Told
from web.words import below

routes = Routes("materials")

FOLDER = "materials"  # under the data folder
LONGEST_S = 600.0
Kind = Literal["tts", "text", "link", "audio"]
State = Literal["moderation", "active", "rejected", "archived"]
Url = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://[^\s\x00-\x1f\x7f]+$")]


class NewMaterial(Given):
    """`tts` and `text` need `text`, `link` needs `url`, `audio` comes as multipart with a `file`."""

    name: Name
    kind: Kind
    text: Annotated[str, Field(max_length=5000)] = ""
    voice: Annotated[str, Field(max_length=100)] = ""
    url: Url | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> NewMaterial:
        if self.kind in ("tts", "text") and not self.text.strip():
            raise ValueError(f"a material of the kind {self.kind} needs `text`")
        if self.kind == "link" and self.url is None:
            raise ValueError("a link needs `url`")
        return self


class MaterialPatch(Given):
    name: Name | None = None
    text: Annotated[str, Field(min_length=1, max_length=5000)] | None = None
    voice: Annotated[str, Field(max_length=100)] | None = None
    url: Url | None = None


class MaterialOut(Told):
    id: int
    project_id: int
    kind: Kind
    name: str
    status: State
    duration_ms: int | None
    text: str | None
    voice: str | None
    url: str | None
    created_at: datetime


class MaterialQuery(ListQuery):
    kind: Kind | None = None
    status: State | None = None


def material_out(row: Material) -> MaterialOut:
    plain = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    return MaterialOut.model_validate(
        {**plain, "text": row.text or None, "voice": row.voice or None, "url": row.url or None}
    )


@routes.post("/projects/{project_id}/materials", "Add a material", status=201, upload=True)
async def create(ask: Ask, project_id: int, body: NewMaterial) -> MaterialOut:
    """A sound (wav, mp3, ogg, flac; up to ten minutes) is kept as the telephone will play it: mono, 8 kHz, in the
    telephone's band, at the loudness of every other prompt (-23 LUFS, peaks at -3 dB)."""
    await ask.may(project_id, "manager")
    if body.kind == "audio":
        return await _sound(ask, project_id, body)
    if ask.upload is not None:
        raise wrong(ask.language, "/file", "no_file")
    row = await ask.store.materials.add(
        project_id,
        name=body.name,
        kind=body.kind,
        now=ask.now(),
        user=ask.user,
        text=body.text,
        voice=body.voice,
        url=body.url or "",
    )
    return material_out(row)


async def _sound(ask: Ask, project_id: int, body: NewMaterial) -> MaterialOut:
    if ask.upload is None:
        raise wrong(ask.language, "/file", "need_file")
    name, seconds = await asyncio.to_thread(_kept, ask.settings.data_dir, ask.upload, ask.language)
    try:
        row = await ask.store.materials.add(
            project_id,
            name=body.name,
            kind="audio",
            now=ask.now(),
            user=ask.user,
            text=body.text,
            path=name,
            duration_ms=round(seconds * 1000),
        )
    except BaseException:
        (ask.settings.data_dir / FOLDER / name).unlink(missing_ok=True)
        raise
    return material_out(row)


def _kept(data_dir: Path, upload: Upload, language: str) -> tuple[str, float]:
    """The sound as a telephone file under a name that nobody can guess; the name, and its length."""
    try:
        sound = loudness.telephone(audio.read(upload.path, longest_s=LONGEST_S))
    except InputError as error:
        raise wrong(language, "/file", "bad_file", why=below(language, str(error))) from None
    name = f"{secrets.token_hex(16)}.wav"
    file = data_dir / FOLDER / name
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    with part.open("wb") as out:
        out.write(audio.to_wav(sound))
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)
    return name, sound.seconds


@routes.get("/projects/{project_id}/materials", "A project's materials")
async def listing(ask: Ask, project_id: int, query: MaterialQuery) -> PageOf[MaterialOut]:
    rows = await ask.store.materials.page(
        project_id, query.slice, user=ask.user, kind=query.kind or "", status=query.status or ""
    )
    return told(rows, material_out)


@routes.get("/materials/{material_id}", "One material")
async def get(ask: Ask, material_id: int) -> MaterialOut:
    return material_out(await ask.store.materials.get(material_id, user=ask.user))


@routes.patch("/materials/{material_id}", "Change a material")
async def patch(ask: Ask, material_id: int, body: MaterialPatch) -> MaterialOut:
    await _mine(ask, material_id, "manager")
    changes = body.model_dump(exclude_none=True)
    changed = await ask.store.materials.change(material_id, changes, user=ask.user)
    ask.robot.nudge()
    return material_out(changed)


@routes.post("/materials/{material_id}/archive", "Put a material away; scenarios that name it go on using it")
async def archive(ask: Ask, material_id: int) -> MaterialOut:
    await _mine(ask, material_id, "manager")
    return material_out(await ask.store.materials.change(material_id, {"status": "archived"}, user=ask.user))


@routes.post("/materials/{material_id}/restore", "Take a material back from the archive")
async def restore(ask: Ask, material_id: int) -> MaterialOut:
    await _mine(ask, material_id, "manager")
    return material_out(await ask.store.materials.change(material_id, {"status": "active"}, user=ask.user))


@routes.get("/materials/{material_id}/audio", "Hear it", produces=media.KINDS, errors=(416,))
async def sound(ask: Ask, material_id: int) -> web.StreamResponse:
    row = await ask.store.materials.get(material_id, user=ask.user)
    if not row.path:
        raise NotFound(ask.say("no_sound"))
    return await media.send(ask, f"{FOLDER}/{row.path}", "audio/wav")


async def _mine(ask: Ask, material_id: int, role: Role) -> Material:
    row = await ask.store.materials.get(material_id, user=ask.user)
    await ask.may(row.project_id, role)
    return row
