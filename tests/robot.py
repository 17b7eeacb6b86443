"""A whole robot for live tests: `dozvon up` as a process, configured by dozvon.yaml alone, REST to it, and a telephone
network behind its trunk.

    async with live_robot(tmp_path) as robot:
        campaign = await robot.campaign(await robot.scenario(KEYS), ["key", "busy"])
        await robot.over(campaign)
        assert robot.network.seen() …       what the network saw, whatever the robot says of it
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
import os
import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import aiohttp
import yaml
from sqlalchemy import update
from sqlalchemy.ext.asyncio import create_async_engine

from channels.voice import pstn
from engine.config import Settings, load
from engine.demo.voices import voices
from engine.loopback import HOST as LOOPBACK
from engine.store import migrate, open_store
from engine.store.tables import CampaignContact
from tests.asterisk import free_ports, installed, laid_over, tones
from tests.processes import DOZVON, below, cmdline, command, environment, process_of, processes
from web.auth import hash_password, new_token

NUMBER = "+74950000001"
RINGERS = tuple(f"+7495000{n}" for n in ("1357", "2468", "3579"))  # of call passwords
EMAIL, PASSWORD = "live@example.org", "correct horse battery staple"
READY_S = 60.0
LOOK_S = 0.05

# Somebody presses 1, or nothing.
KEYS: Mapping[str, Any] = {
    "dozvon": 1,
    "name": "Keys",
    "language": "ru",
    "start": "hello",
    "nodes": {
        "hello": {"kind": "play", "say": "Здравствуйте, нажмите один", "next": "ask"},
        "ask": {
            "kind": "recognize",
            "timeout_s": 4,
            "filters": [
                {"dtmf": "1", "port": "yes", "goto": "good"},
                {"silence": True, "port": "silence", "goto": "bye"},
                {"other": True, "port": "other", "goto": "bye"},
            ],
        },
        "good": {"kind": "goal", "tag": "pressed", "next": "bye"},
        "bye": {"kind": "hangup"},
    },
}


class Refused(Exception):
    """The API said no."""

    def __init__(self, status: int, told: Any) -> None:
        super().__init__(f"{status} {told}")
        self.status = status
        self.told = told


@dataclass
class Robot:
    folder: Path
    settings: Settings
    network: pstn.Pstn
    token: str
    project: int = 0
    _process: asyncio.subprocess.Process | None = None
    _session: aiohttp.ClientSession | None = None
    _phones: itertools.count[int] = field(default_factory=itertools.count)

    # --- the process ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Returns when it says that calls can be made."""
        with (self.folder / "robot.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *DOZVON, "up", cwd=self.folder, env=environment(), stdout=asyncio.subprocess.PIPE, stderr=log
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(READY_S):
            first = await self._process.stdout.readline()
        if not first.startswith(b"dozvon ready http://"):
            raise RuntimeError(f"the robot did not start: {self.log()[-3000:]}")

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    def terminate(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    async def ended(self, within_s: float = 60.0) -> int:
        """Its exit code."""
        assert self._process is not None
        async with asyncio.timeout(within_s):
            return await self._process.wait()

    async def leave(self) -> None:
        """Whatever state it is in: nothing of it is left."""
        if self._process is not None and self._process.returncode is None:
            self.terminate()
            try:
                await self.ended()
            except TimeoutError:
                await self.kill()
        if orphan := process_of(b"-C", str(self.settings.data_dir / "asterisk").encode()):
            os.kill(orphan, signal.SIGKILL)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def asterisk(self) -> int:
        """The process of its Asterisk; 0: there is none."""
        return process_of(b"-C", str(self.settings.data_dir / "asterisk").encode())

    def helpers(self, module: str = "_worker", *, everybodys: bool = False) -> set[int]:
        """Its processes that run such a module; `everybodys`: also those whose engine is dead."""
        pids = processes() if everybodys else below(self.pid)
        return {pid for pid in pids if module.encode() in b" ".join(cmdline(pid))}

    def log(self) -> str:
        return (self.folder / "robot.log").read_text("utf-8", "replace")

    def logged(self, message: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.log().splitlines() if line.startswith("{"))
        return [line for line in lines if line["message"] == message]

    # --- REST -------------------------------------------------------------------------------------------------------

    async def api(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """What it answers. Raises Refused for 4xx and 5xx."""
        assert self._session is not None
        async with self._session.request(method, f"/api/v1{path}", json=body, headers=headers) as answer:
            told = await answer.json(content_type=None)
            if answer.status >= 400:
                raise Refused(answer.status, told)
            return told

    async def get(self, path: str) -> Any:
        return await self.api("GET", path)

    async def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return await self.api("POST", path, body if body is not None else {}, **headers)

    async def bytes(self, path: str, **headers: str) -> tuple[int, bytes]:
        assert self._session is not None
        async with self._session.get(f"/api/v1{path}", headers=headers) as answer:
            return answer.status, await answer.read()

    async def until(self, path: str, right: Callable[[Any], bool], within_s: float = 30.0) -> Any:
        """What is told there, once it is right; also of a robot that is away meanwhile."""
        told: Any = None
        try:
            async with asyncio.timeout(within_s):
                while True:
                    with contextlib.suppress(aiohttp.ClientError, Refused):
                        told = await self.get(path)
                        if right(told):
                            return told
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise AssertionError(f"{path} never became right: {told} {self.log()[-3000:]}") from None

    async def health(self) -> dict[str, Any]:
        try:
            return dict(await self.get("/health"))
        except Refused as error:
            return dict(error.told)

    async def part(self, name: str, *, works: bool, within_s: float = 30.0) -> str:
        """The words of /health for this part, once it works or does not."""
        async with asyncio.timeout(within_s):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    part = (await self.health())["parts"].get(name)
                    if part is not None and part["ok"] is works:
                        return str(part["detail"])
                await asyncio.sleep(LOOK_S)

    @asynccontextmanager
    async def events(self, query: str = "") -> AsyncGenerator[asyncio.Queue[dict[str, Any]]]:
        """Server-sent events from now on."""
        assert self._session is not None
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(f"/api/v1/calls/events{query}", timeout=timeout) as answer:

            async def read() -> None:
                async for line in answer.content:
                    if line.startswith(b"data: "):
                        queue.put_nowait(json.loads(line.removeprefix(b"data: ")))

            assert (await answer.content.readline()).startswith(b"retry")
            reading = asyncio.create_task(read(), name="events")
            try:
                yield queue
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    # --- what a user makes ------------------------------------------------------------------------------------------

    async def scenario(self, graph: Mapping[str, Any]) -> int:
        made = await self.post(f"/projects/{self.project}/scenarios", {"name": graph["name"], "graph": graph})
        return int(made["id"])

    def phones(self, behaviours: Sequence[str]) -> list[str]:
        """New numbers whose subscribers behave so."""
        return [f"+7900{next(self._phones):05d}{pstn.SUBSCRIBERS[each]}" for each in behaviours]

    async def campaign(self, scenario: int, phones: Sequence[str], **settings: Any) -> int:
        """A started one."""
        segment = await self.post(
            f"/projects/{self.project}/segments",
            {"name": "people", "kind": "contacts", "contacts": [{"phone": phone} for phone in phones]},
        )
        body = {
            "name": "campaign",
            "scenario_id": scenario,
            "segment_ids": [segment["id"]],
            "numbers": [NUMBER],
            "answer_timeout_s": 5,
            "retry": {"attempts": 0},
            "speed_per_hour": 5 * 3600,
            "max_concurrent": 50,
            **settings,
        }
        campaign = await self.post(f"/projects/{self.project}/campaigns", body)
        await self.post(f"/campaigns/{campaign['id']}/start")
        return int(campaign["id"])

    async def over(self, campaign: int, within_s: float = 90.0) -> dict[str, Any]:
        return dict(
            await self.until(f"/campaigns/{campaign}", lambda told: told["state"] == "finished", within_s=within_s)
        )

    async def hasten(self, campaign: int) -> None:
        """Those who wait for their next attempt have waited long enough."""
        row, now = CampaignContact, datetime.now(UTC)
        waiting = update(row).where(row.due_at > now, row.leased_until.is_(None)).values(due_at=now)
        engine = create_async_engine(self.settings.database_url)
        try:
            async with engine.begin() as connection:
                await connection.execute(waiting)
        finally:
            await engine.dispose()
        with contextlib.suppress(Refused):  # it may be over already
            await self.post(f"/campaigns/{campaign}/pause")
            await self.post(f"/campaigns/{campaign}/resume")

    async def calls(self, query: str) -> dict[str, list[dict[str, Any]]]:
        """The list of calls, by number, the oldest first."""
        found: dict[str, list[dict[str, Any]]] = {}
        path, cursor = f"/calls?limit=500&sort=created_at{query}", ""
        while True:
            page = await self.get(path + cursor)
            for row in page["items"]:
                found.setdefault(row["phone"], []).append(row)
            if not page["next"]:
                return found
            cursor = f"&cursor={page['next']}"


@asynccontextmanager
async def live_robot(
    folder: Path, *, speaking: bool = False, by_hand: bool = False, **overrides: Any
) -> AsyncGenerator[Robot]:
    """A robot that is ready, with an administrator, a project and a rented number; ended with SIGTERM, with all that it
    started. `speaking`: subscribers have voices, not tones. `by_hand`: user and token are made by the command line.
    `overrides` are laid over dozvon.yaml."""
    ami, agi, media, http, sip, trunk = free_ports(6)
    config = laid_over(
        {
            "data_dir": "./var",
            "database": "sqlite+aiosqlite:///./var/dozvon.db",
            "http": {"port": http, "public_url": f"http://{LOOPBACK}:{http}"},
            "asterisk": {
                "sip": {"port": sip},
                "ami": {"port": ami},
                "agi": {"port": agi},
                "media": {"port": media},
            },
            "trunks": {"main": {"host": LOOPBACK, "port": trunk, "channels": 100, "calls_per_second": 20}},
            "numbers": [{"number": number, "trunk": "main"} for number in (NUMBER, *RINGERS)],
        },
        overrides,
    )
    (folder / "dozvon.yaml").write_text(yaml.safe_dump(config), "utf-8")
    settings = load(folder / "dozvon.yaml", {})
    (folder / "var").mkdir()
    sounds = _voices_folder() if speaking else tones(folder / "tones")
    if speaking:
        await voices(sounds)
    network = pstn.Network(trunk, sip, sounds)
    async with pstn.running(network, installed(), root=folder / "network") as playing:
        token = await _by_hand(folder) if by_hand else await _account(settings)
        robot = Robot(folder, settings, playing, token)
        try:
            await robot.start()
            base, bearer = f"http://{LOOPBACK}:{http}", {"Authorization": f"Bearer {token}"}
            async with aiohttp.ClientSession(base, headers=bearer, timeout=aiohttp.ClientTimeout(20)) as session:
                robot._session = session
                robot.project = (await robot.post("/projects", {"name": "Live"}))["id"]
                await robot.post("/numbers/rent", {"numbers": [NUMBER, *RINGERS]})
                yield robot
        finally:
            await robot.leave()


@functools.cache
def _voices_folder() -> Path:
    return Path(mkdtemp(prefix="dozvon-voices-"))


async def _account(settings: Settings) -> str:
    await migrate(settings.database_url)
    now = datetime.now(UTC)
    async with open_store(settings.database_url) as store:
        user = await store.users.add(EMAIL, await asyncio.to_thread(hash_password, PASSWORD), now=now, admin=True)
        token, digest = new_token()
        scopes = ["read", "write", "call_password"]
        await store.users.add_token(user.id, digest, scopes=scopes, now=now, name="live")
    return token


async def _by_hand(folder: Path) -> str:
    (folder / "password").write_text(PASSWORD, "utf-8")
    await command(folder, "user", "create", EMAIL, "--admin", "--password-file", "password")
    return await command(folder, "token", "create", EMAIL, "--scopes", "read,write,call_password")
