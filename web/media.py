"""Sound files of the data folder, in whole or in part (`Range`), as wav or ogg."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from pathlib import Path

import soundfile  # type: ignore[import-untyped]
from aiohttp import web

from engine import audio
from engine.errors import NotFound
from web.ask import Ask

log = logging.getLogger(__name__)

KINDS = ("audio/wav", "audio/ogg")
OGG_BLOCK = 65_536
MOST_SAMPLES = 48_000_000  # of each side: a hundred minutes of telephone sound
_converting = asyncio.Semaphore(2)


def wanted(ask: Ask, given: str | None) -> str:
    """The media type to answer with: as asked for, else by Accept, else wav."""
    if given is not None:
        return f"audio/{given}"
    accept = ask.request.headers.get("Accept", "") if ask.request else ""
    return "audio/ogg" if "audio/ogg" in accept and "audio/wav" not in accept else "audio/wav"


async def send(ask: Ask, name: str, kind: str) -> web.StreamResponse:
    """The file `name` (under the data folder) as `kind`. Raises NotFound, also for a name that leads out of it."""
    file = found(ask, name)
    if kind == "audio/ogg" and file.suffix != ".ogg":
        file = await _ogg(file)
    real = "audio/ogg" if file.suffix == ".ogg" else "audio/wav"
    return web.FileResponse(
        file,
        headers={
            "Content-Type": real,
            "Content-Disposition": f'inline; filename="{file.name}"',
            "Cache-Control": "private, max-age=3600",
        },
    )


def found(ask: Ask, name: str) -> Path:
    """The file itself. Raises NotFound, also for a name that leads out of the data folder."""
    root = ask.settings.data_dir.resolve()
    file = (root / name).resolve()
    if not file.is_relative_to(root) or not file.is_file():
        raise NotFound(ask.say("no_sound"))
    return file


def loudness(file: Path, buckets: int) -> tuple[int, list[list[int]]]:
    """(length in ms, the peaks of each channel, 0 to 100). Takes time: in a thread. Raises NotFound."""
    try:
        with soundfile.SoundFile(file) as source:
            sound = source.read(MOST_SAMPLES, dtype="int16", always_2d=True)
            rate = source.samplerate
    except soundfile.LibsndfileError:
        raise NotFound("this recording cannot be read") from None
    sides = [audio.peaks(sound[:, side].tobytes(), buckets) for side in range(sound.shape[1])]
    return round(len(sound) * 1000 / rate), sides


async def _ogg(file: Path) -> Path:
    """The file as Ogg beside it, made once."""
    made = file.with_suffix(".ogg")
    async with _converting:
        if not await asyncio.to_thread(made.is_file):
            await asyncio.to_thread(_convert, file, made)
    return made


def _convert(file: Path, made: Path) -> None:
    part = made.with_name(f"{made.stem}.{secrets.token_hex(4)}.part")
    try:
        with (
            soundfile.SoundFile(file) as source,
            soundfile.SoundFile(
                part, "w", samplerate=source.samplerate, channels=source.channels, format="OGG", subtype="OPUS"
            ) as out,
        ):
            while len(block := source.read(OGG_BLOCK, dtype="int16")):
                out.write(block)
        os.replace(part, made)
    except (soundfile.LibsndfileError, OSError) as error:
        log.warning("a recording could not be converted", extra={"error": str(error)})
        raise NotFound("this recording cannot be converted: ask for wav") from None
    finally:
        part.unlink(missing_ok=True)
