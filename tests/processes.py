"""Processes of a live test: `dozvon …` as a user runs it, and what it uses and leaves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

DOZVON = (sys.executable, "-m", "engine")
ROOT = Path(__file__).resolve().parent.parent


async def command(folder: Path, *words: str) -> str:
    """What `dozvon WORDS…` said in that folder. Raises RuntimeError if it failed."""
    code, out, err = await dozvon(folder, *words)
    if code:
        raise RuntimeError(f"dozvon {' '.join(words)}: {err}")
    return out.strip()


async def dozvon(folder: Path, *words: str, within_s: float = 60.0) -> tuple[int, str, str]:
    """`dozvon WORDS…` in that folder: its exit code, what it said, what it complained of."""
    process = await asyncio.create_subprocess_exec(
        *DOZVON, *words,
        cwd=folder, env=environment(), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(within_s):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


# --- processes ----------------------------------------------------------------------------------------------------


def below(pid: int) -> list[int]:
    """All processes that this one started, and theirs."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found + [deeper for child in found for deeper in below(child)]


def process_of(*words: bytes) -> int:
    """A process whose command line has all of these; 0: none."""
    for pid in processes():
        said = b" ".join(cmdline(pid))
        if all(word in said for word in words) and b"-rx" not in said:
            return pid
    return 0


def processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def cpu_s(pid: int) -> float:
    """User and system time of this process so far."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cmdline(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
