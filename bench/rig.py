"""A robot of its own for measuring: `dozvon up` as a process, one inbound line, measuring telephones on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from bench.telephone import HOST, Phone
from engine.loopback import free_ports

NUMBER = "+74950000001"
SECOND = "+74950000002"
PASSWORD = "correct horse battery staple"
READY_S = 300.0  # a first start fetches Asterisk
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Ports:
    http: int
    sip: int
    ami: int
    agi: int
    media: int
    trunk: int


@dataclass
class Robot:
    folder: Path
    ports: Ports
    process: asyncio.subprocess.Process
    session: aiohttp.ClientSession
    project: int = 0

    async def api(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        async with self.session.request(method, f"/api/v1{path}", json=body) as answer:
            told = await answer.json(content_type=None)
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {told}")
            return told

    async def text(self, path: str) -> str:
        """A page outside of the API."""
        async with self.session.get(path) as answer:
            answer.raise_for_status()
            return await answer.text()

    async def quiet(self, limit_s: float = 40.0) -> None:
        """Wait until no call lives; hang up those that still do after `limit_s`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + limit_s
        while living := (await self.api("GET", "/calls/live"))["items"]:
            if loop.time() > end:
                for call in living:
                    await self.api("POST", f"/calls/{call['id']}/hangup")
                end = loop.time() + limit_s
            await asyncio.sleep(0.2)

    async def scenario(self, graph: Mapping[str, Any]) -> int:
        made = await self.api("POST", f"/projects/{self.project}/scenarios", {"name": graph["name"], "graph": graph})
        return int(made["id"])

    async def line(self, scenario: int, number: str = NUMBER) -> None:
        made = await self.api(
            "POST",
            f"/projects/{self.project}/lines",
            {"name": "bench", "numbers": [number], "scenario_id": scenario},
        )
        await self.api("POST", f"/lines/{made['id']}/activate")

    def phone(self, caller: str = "+79001234567", number: str = NUMBER) -> Phone:
        return Phone((HOST, self.ports.sip), number, caller)

    def asterisk(self) -> int:
        """The process of the robot's own Asterisk."""
        for pid in children(self.process.pid):
            if b"asterisk" in _read(f"/proc/{pid}/cmdline"):
                return pid
        raise RuntimeError("the robot has no Asterisk")


@asynccontextmanager
async def robot(folder: Path, **settings: Any) -> AsyncGenerator[Robot]:
    """Started as a user would start it, with an administrator and a project; ended with SIGTERM."""
    ports = Ports(*free_ports(6))
    config = {
        "data_dir": "./var",
        "http": {"port": ports.http, "public_url": f"http://{HOST}:{ports.http}"},
        "asterisk": {
            "sip": {"port": ports.sip},
            "ami": {"port": ports.ami},
            "agi": {"port": ports.agi},
            "media": {"port": ports.media},
        },
        "trunks": {"main": {"host": HOST, "port": ports.trunk, "channels": 1000, "calls_per_second": 100}},
        "numbers": [{"number": number, "trunk": "main"} for number in (NUMBER, SECOND)],
        "log": {"level": "warning"},
        **settings,
    }
    (folder / "dozvon.yaml").write_text(yaml.safe_dump(config), "utf-8")
    with (folder / "robot.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *DOZVON, "up", cwd=folder, env=environment(), stdout=asyncio.subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_S):
            first = await process.stdout.readline()
        if not first.startswith(b"dozvon ready"):
            raise RuntimeError(f"the robot did not start: {(folder / 'robot.log').read_text('utf-8')[-2000:]}")
        token = await _token(folder)
        base = f"http://{HOST}:{ports.http}"
        async with aiohttp.ClientSession(base, headers={"Authorization": f"Bearer {token}"}) as session:
            made = Robot(folder, ports, process, session)
            made.project = (await made.api("POST", "/projects", {"name": "bench"}))["id"]
            await made.api("POST", "/numbers/rent", {"numbers": [NUMBER, SECOND]})
            yield made
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(90):
                    await process.wait()
            except TimeoutError:
                process.kill()


DOZVON = (sys.executable, "-m", "engine")
ROOT = Path(__file__).resolve().parent.parent


def environment() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("DOZVON_") or name == "DOZVON_CACHE"
    }
    return kept | {"PYTHONPATH": str(ROOT)}


async def command(folder: Path, *words: str) -> str:
    """`dozvon WORDS…` in that folder; what it said. Raises RuntimeError if it failed."""
    process = await asyncio.create_subprocess_exec(
        *DOZVON,
        *words,
        cwd=folder,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"dozvon {' '.join(words)}: {err.decode()}")
    return out.decode().strip()


async def _token(folder: Path) -> str:
    (folder / "password").write_text(PASSWORD, "utf-8")
    await command(folder, "user", "create", "bench@example.org", "--admin", "--password-file", "password")
    return await command(folder, "token", "create", "bench@example.org", "--scopes", "read,write,call_password")


# --- what processes use -----------------------------------------------------------------------------------------------


def cpu_s(pid: int) -> float:
    """User and system time of this process so far; nothing of one that has ended."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def rss_mb(pid: int) -> float:
    pages = int(_read(f"/proc/{pid}/statm").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def children(pid: int) -> list[int]:
    """All processes below this one."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        found += [int(child) for child in _read(str(task / "children")).split()]
    return found + [below for child in found for below in children(child)]


def _read(path: str) -> bytes:
    """Empty where the process, or the thread, has just ended."""
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
