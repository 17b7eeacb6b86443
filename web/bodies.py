"""Bodies of requests, bounded in size and time: JSON, or multipart with one file.

bytes ─▶ (content type, size, time) ─▶ pydantic ─▶ model + digest for idempotency
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pydantic_core
from aiohttp import BodyPartReader, web
from pydantic import BaseModel, ValidationError

from web.ask import Ask, Upload
from web.problems import BadRequest, TooLarge, Unsupported, invalid
from web.words import say

JSON_LIMIT = 1 << 20
GRAPH_LIMIT = 4 << 20
CONTACTS_LIMIT = 16 << 20
FILE_LIMIT = 64 << 20
FIELD_LIMIT = 64 << 10
LONG = 128 << 10
FIELDS = 20  # parts of a multipart body
CHUNK_S = 5.0  # the longest pause within a body
JSON_S = 30.0
FILE_S = 600.0

_NUL = re.compile(r"\\u0000|%00|\x00")
Body = TypeVar("Body", bound=BaseModel)


@asynccontextmanager
async def read(ask: Ask, model: type[Body], limit: int, *, upload: bool = False) -> AsyncGenerator[tuple[Body, bytes]]:
    """The body as `model`, and its digest. With `upload` it may be multipart, its `file` part is `ask.upload` then.

    Raises BadRequest, TooLarge, Unsupported, InputError.
    """
    assert ask.request is not None
    request, language = ask.request, ask.language
    if upload and request.content_type == "multipart/form-data":
        folder = ask.settings.data_dir / "uploads"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as room:
            fields, ask.upload, digest = await _multipart(request, Path(room), language)
            yield _validated(model, fields, language), digest
        return
    raw = await _bytes(request, limit, language)
    if request.content_type != "application/json" and (raw or not _can_be_empty(model)):
        raise Unsupported(say(language, "want_json"))
    if len(raw) > LONG:  # megabytes of JSON take the loop too long
        body, digest = await asyncio.to_thread(_understood, model, raw, language)
    else:
        body, digest = _understood(model, raw, language)
    yield body, digest


def _understood(model: type[Body], raw: bytes, language: str) -> tuple[Body, bytes]:
    return _validated(model, _json(raw or b"{}", language), language), hashlib.sha256(raw).digest()


def _can_be_empty(model: type[BaseModel]) -> bool:
    return not any(info.is_required() for info in model.model_fields.values())


async def _bytes(request: web.Request, limit: int, language: str) -> bytes:
    if (request.content_length or 0) > limit:
        raise TooLarge(say(language, "too_large", limit=limit))
    body = bytearray()
    try:
        async with asyncio.timeout(JSON_S):
            while chunk := await _chunk(request):
                body += chunk
                if len(body) > limit:
                    raise TooLarge(say(language, "too_large", limit=limit))
    except TimeoutError:
        raise BadRequest(say(language, "slow_body")) from None
    except web.RequestPayloadError as error:
        raise BadRequest(say(language, "not_json", why=str(error)[:100])) from None
    return bytes(body)


async def _chunk(request: web.Request) -> bytes:
    async with asyncio.timeout(CHUNK_S):
        return await request.content.readany()


def _json(raw: bytes, language: str) -> Any:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest(say(language, "not_json", why="UTF-8")) from None
    refuse_nul(text, language)
    try:
        return pydantic_core.from_json(raw, allow_inf_nan=False)
    except ValueError as error:  # too deep, too long numbers and plain nonsense alike
        raise BadRequest(say(language, "not_json", why=str(error)[:200])) from None


def refuse_nul(text: str, language: str) -> None:
    """PostgreSQL cannot keep it in a text; nobody means it."""
    if _NUL.search(text):
        raise BadRequest(say(language, "nul"))


def _validated(model: type[Body], given: Any, language: str) -> Body:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid(error, language) from None


async def _multipart(request: web.Request, room: Path, language: str) -> tuple[dict[str, str], Upload | None, bytes]:
    if (request.content_length or 0) > FILE_LIMIT:
        raise TooLarge(say(language, "too_large", limit=FILE_LIMIT))
    fields: dict[str, str] = {}
    upload: Upload | None = None
    digest = hashlib.sha256()
    try:
        async with asyncio.timeout(FILE_S):
            parts = await request.multipart()
            for _ in range(FIELDS):
                async with asyncio.timeout(CHUNK_S):
                    part = await parts.next()
                if part is None:
                    return fields, upload, digest.digest()
                if not isinstance(part, BodyPartReader) or not part.name or part.name in fields:
                    break
                digest.update(part.name.encode() + b"\0")
                if part.filename is not None:
                    if upload is not None or part.name != "file":
                        break
                    size = await _save(part, room / "file", digest, language)
                    upload = Upload(room / "file", Path(part.filename).name[:200], size)
                else:
                    fields[part.name] = await _field(part, digest, language)
    except TimeoutError:
        raise BadRequest(say(language, "slow_body")) from None
    except (ValueError, web.RequestPayloadError):
        pass
    raise BadRequest(say(language, "want_multipart"))


async def _field(part: BodyPartReader, digest: Any, language: str) -> str:
    value = bytearray()
    while chunk := await _part_chunk(part):
        value += chunk
        if len(value) > FIELD_LIMIT:
            raise TooLarge(say(language, "too_large", limit=FIELD_LIMIT))
    digest.update(value)
    text = value.decode("utf-8")
    refuse_nul(text, language)
    return text


async def _save(part: BodyPartReader, file: Path, digest: Any, language: str) -> int:
    size = 0
    with file.open("wb") as out:
        while chunk := await _part_chunk(part):
            size += len(chunk)
            if size > FILE_LIMIT:
                raise TooLarge(say(language, "too_large", limit=FILE_LIMIT))
            digest.update(chunk)
            await asyncio.to_thread(out.write, chunk)
    return size


async def _part_chunk(part: BodyPartReader) -> bytes:
    async with asyncio.timeout(CHUNK_S):
        return await part.read_chunk(64 << 10)
