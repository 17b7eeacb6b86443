"""Fetching a model: resumed where it broke off, checked, unpacked, put in its place at once.

url ─▶ data_dir/models/NAME.part (Range: what is there already) ─▶ SHA-256 ─▶ unpack ─▶ data_dir/models/NAME
archive given by hand ────────────────────────────────────────────▶┘
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from asr._catalogue import Entry, find, fits, models_dir
from asr._unpack import unpack
from engine.errors import InstallError

log = logging.getLogger(__name__)
Progress = Callable[[int, int], None]  # bytes so far, bytes in all (about)

TRIES = 5
PAUSE_S = 1.0
SILENT_S = 30.0  # a server that says nothing for so long is given up for now
SLACK = 1.25  # `size` in the catalogue is about right; an archive may be this much larger
LOOPBACK = ("127.0.0.1", "localhost", "::1")


async def install(
    wanted: str | Entry,
    data_dir: Path,
    *,
    archive: Path | None = None,
    progress: Progress = lambda done, total: None,
    pause_s: float = PAUSE_S,
) -> Path:
    """The model's folder; what is there already is not fetched again. Raises InstallError with what to do.

    A download that breaks off is resumed, at once some times, and by the next `install`. A model without a SHA-256 in
    the catalogue is as trustworthy as its HTTPS; `Entry.sha256` tells.
    """
    entry = find(wanted) if isinstance(wanted, str) else wanted
    folder = models_dir(data_dir) / entry.name
    fitting = partial(fits, entry)
    if archive is None and await asyncio.to_thread(fitting, folder):
        return folder
    try:
        await asyncio.to_thread(folder.parent.mkdir, parents=True, exist_ok=True)
        part = folder.with_name(f"{entry.name}.part")
        if archive is None:
            await _fetched(entry, part, progress, pause_s)
        await asyncio.to_thread(_checked, entry, archive or part)
        await asyncio.to_thread(unpack, archive or part, folder, is_model=fitting)
        await asyncio.to_thread(part.unlink, missing_ok=True)
    except OSError as error:
        raise InstallError(f"{folder.parent} cannot be written ({error.strerror or error}): make room there") from None
    return folder


async def _fetched(entry: Entry, part: Path, progress: Progress, pause_s: float) -> None:
    address = urlsplit(entry.url)
    if address.scheme != "https" and address.hostname not in LOOPBACK:
        raise InstallError(f"{entry.name} is not fetched from {entry.url}: only https is trusted")
    why = ""
    limits = aiohttp.ClientTimeout(total=None, sock_connect=SILENT_S, sock_read=SILENT_S)
    async with aiohttp.ClientSession(timeout=limits, trust_env=True) as session:
        for turn in range(TRIES):
            if turn:
                await asyncio.sleep(pause_s * 2 ** (turn - 1))
            try:
                if await _more(session, entry, part, progress):
                    return
                why = "the connection was closed early"
            except (aiohttp.ClientError, TimeoutError) as error:
                why = str(error) or type(error).__name__
            log.warning("download broke off", extra={"model": entry.name, "why": why, "turn": turn + 1})
    raise InstallError(
        f"{entry.name} could not be fetched ({why}): run it again to go on, or give the archive with --archive FILE"
    )


async def _more(session: aiohttp.ClientSession, entry: Entry, part: Path, progress: Progress) -> bool:
    """One request, from where we are; True when nothing is missing."""
    have = await asyncio.to_thread(_size, part)
    headers = {"Range": f"bytes={have}-"} if have else {}
    async with session.get(entry.url, headers=headers) as answer:
        if answer.status == 416:  # there is nothing beyond what we have
            return _total(answer.headers.get("Content-Range", ""), have) == have or await _again(part)
        if answer.status not in (200, 206):
            if answer.status in (408, 425, 429) or answer.status >= 500:
                raise aiohttp.ClientError(f"the server answers {answer.status}")
            raise InstallError(f"{entry.url} answers {answer.status}: look for the model's new address")
        if answer.status == 200 or not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            have = 0 if answer.status == 200 else await _again(part)
        total = have + (answer.content_length or 0)
        most = int(entry.size * SLACK) + (1 << 18)
        if max(total, have) > most:
            raise InstallError(f"{entry.name} is larger than the catalogue says: it is not fetched")
        with await asyncio.to_thread(part.open, "r+b" if have else "wb") as file:
            await asyncio.to_thread(file.seek, have)
            async for chunk in answer.content.iter_any():  # not larger chunks: a break loses what is not written
                have += len(chunk)
                if have > most:
                    raise InstallError(f"{entry.name} is larger than the catalogue says: it is not fetched")
                await asyncio.to_thread(file.write, chunk)
                progress(have, total or entry.size)
            await asyncio.to_thread(file.truncate)
    return not answer.content_length or have >= total


async def _again(part: Path) -> bool:
    """What is there is of no use: from the beginning."""
    await asyncio.to_thread(part.unlink, missing_ok=True)
    return False


def _total(content_range: str, unknown: int) -> int:
    """Of `bytes */1234`."""
    said = content_range.rpartition("/")[2]
    return int(said) if said.isdigit() else unknown


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _checked(entry: Entry, archive: Path) -> None:
    if not archive.is_file():
        raise InstallError(f"there is no archive {archive}")
    if entry.sha256 is None:
        log.warning("no checksum is known for this model", extra={"model": entry.name})
        return
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != entry.sha256:
        if archive.suffix == ".part":
            archive.unlink()
        raise InstallError(f"{entry.name} is not what its publisher made (SHA-256 {found[:16]}…): fetch it again")
