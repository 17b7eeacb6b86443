"""The demonstration: a robot, a telephone network with subscribers, a campaign of real calls, and what came of it.

set-up: Asterisk, voices ─▶ network (second Asterisk) ─▶ robot ─REST─▶ project, scenario, contacts, campaign
                                                            └─▶ live table ─▶ totals, judged ─▶ panel left open
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn

from channels.voice import install, pstn
from channels.voice.install import Asterisk
from engine import app, logs
from engine.config import Settings
from engine.demo.table import Board
from engine.demo.voices import voices
from engine.loopback import HOST, free_ports
from web.auth import hash_password, new_token

NUMBER = "+74950000001"
OPERATOR, BUSY_OPERATOR = "+74950000091", "+74950000092"
EMAIL, PASSWORD = "demo@dozvon.local", "dozvon-demo"
FOLDER = Path("var/demo").absolute()
LIBRARY = Path(__file__).resolve().parents[2] / "scenarios" / "library"
MOST_S = 900.0
PER_HOUR = 3600
# What voicemail is told after its beep.
MESSAGE = "Здравствуйте! Это робот Дозвон. Перезвоните нам, пожалуйста."
# What an assistant is told that asks who calls.
PURPOSE = "Это робот Дозвон. Звоню рассказать о предложении."


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who is called, and what is to come of it."""

    behaviour: str  # of channels.voice.pstn.SUBSCRIBERS
    name: str
    does: str
    expect: Mapping[str, Any]  # fields of the API's call; `tag` is among its tags


SUBSCRIBERS = (
    Subscriber("yes", "Анна", "говорит «да»", {"status": "answered", "result": "goal"}),
    Subscriber("no", "Борис", "говорит «нет»", {"status": "answered", "result": None, "tag": "refused"}),
    Subscriber("key", "Вера", "нажимает 1", {"status": "answered", "result": "goal"}),
    Subscriber("interrupts", "Глеб", "перебивает робота", {"status": "answered", "result": "goal"}),
    Subscriber("silent", "Дарья", "молчит", {"status": "answered", "result": None, "by": "silence"}),
    Subscriber("other", "Егор", "говорит о другом", {"status": "answered", "result": None, "by": "other"}),
    Subscriber("busy", "Жанна", "занята", {"status": "busy"}),
    Subscriber("no_answer", "Захар", "не берёт трубку", {"status": "no_answer"}),
    Subscriber("absent", "Инна", "номера нет", {"status": "invalid_number"}),
    Subscriber("hangs_up", "Кирилл", "бросает трубку", {"status": "answered", "ended_by": "subscriber"}),
    Subscriber("wants_operator", "Лариса", "просит оператора", {"status": "answered", "result": "transferred"}),
    Subscriber("wants_busy_operator", "Макар", "оператор занят", {"status": "answered", "tag": "operator_busy"}),
    Subscriber("announced", "Нина", "объявили: выключена", {"status": "unreachable", "billed_s": 0}),
    Subscriber(
        "voicemail",
        "Олег",
        "автоответчик",
        {"status": "answered", "result": "answering_machine", "said": MESSAGE},
    ),
    Subscriber(
        "screening",
        "Полина",
        "ассистент: кто это?",
        {"status": "answered", "result": "goal", "answered_by": ("screening",)},
    ),
    Subscriber("street", "Роман", "«да» в шуме улицы", {"status": "answered", "result": "goal"}),
)


def phone(n: int) -> str:
    """The n-th subscriber's number; its last two digits say how they behave."""
    code = pstn.SUBSCRIBERS[SUBSCRIBERS[n % len(SUBSCRIBERS)].behaviour]
    return f"+7900{n // len(SUBSCRIBERS) + 1:05d}{code}"


async def run(*, once: bool, calls: int, port: int | None) -> int:
    """0 if every subscriber's call ended as they played it. Without `once` the panel stays open until Ctrl-C."""
    console = Console()
    logs.setup("warning", "auto")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        running = await _set_up(console, stack, port)
        api = await stack.enter_async_context(_api(running))
        campaign = await _prepare(api, calls)
        work = asyncio.create_task(_watch(console, running, api, campaign, calls), name="campaign")
        stopped = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            return 1
        right = work.result()
        console.print(f"\nПанель / Panel: [bold]{running.url}/[/]   {EMAIL}   {PASSWORD}")
        if not once:
            console.print("Ctrl-C — закончить / to end")
            await stop.wait()
        stopped.cancel()
        return 0 if right else 1


# --- set-up -----------------------------------------------------------------------------------------------------------


async def _set_up(console: Console, stack: AsyncExitStack, port: int | None) -> app.App:
    folder = FOLDER
    await asyncio.to_thread(_afresh, folder)
    with Progress(TextColumn("{task.description:<44}"), BarColumn(), console=console, transient=True) as bars:
        bar = bars.add_task("Asterisk", total=1.0)
        found = await asyncio.to_thread(
            install.install, lambda what, share: bars.update(bar, description=what[:44], completed=share)
        )
        bars.update(bar, description="голоса абонентов / the subscribers' voices", completed=0)
        await voices(folder / "subscribers")
        settings = _settings(folder, port, found)
        sip = settings.trunks["main"].port
        network = pstn.Network(port=sip, robot_port=settings.asterisk.sip.port, sounds=folder / "subscribers")
        bars.update(bar, description="телефонная сеть / the telephone network", completed=0.3)
        await stack.enter_async_context(pstn.running(network, found, root=folder / "network"))
        bars.update(bar, description="робот / the robot", completed=0.6)
        return await stack.enter_async_context(app.running(settings))


def _afresh(folder: Path) -> None:
    """Voices and prompts are kept; calls of an earlier demonstration are not."""
    for name in ("dozvon.db", "dozvon.db-wal", "dozvon.db-shm"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "recordings", ignore_errors=True)
    (folder / "subscribers").mkdir(parents=True, exist_ok=True)


def _settings(folder: Path, port: int | None, found: Asterisk) -> Settings:
    ami, agi, media, sip, network = free_ports(5)
    http = _panel_port() if port is None else port or free_ports(1)[0]
    return Settings.model_validate(
        {
            "data_dir": str(folder),
            "secret_key_file": str(folder / "secret.key"),
            "http": {"host": HOST, "port": http, "public_url": f"http://{HOST}:{http}"},
            "asterisk": {
                "sip": {"host": HOST, "port": sip},
                "ami": {"host": HOST, "port": ami, "secret_file": str(folder / "ami.secret")},
                "agi": {"host": HOST, "port": agi},
                "media": {
                    "host": HOST,
                    "port": media,
                    "transport": "websocket" if "websocket" in found.transports else "audiosocket",
                },
            },
            "trunks": {"main": {"host": HOST, "port": network, "channels": 100, "calls_per_second": 10}},
            "numbers": [{"number": NUMBER, "trunk": "main", "operator": "Демо", "region": "Москва"}],
        }
    )


def _panel_port() -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, 8080))
        except OSError:
            return free_ports(1)[0]
    return 8080


# --- the campaign, by REST alone --------------------------------------------------------------------------------------


class Api:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str) -> Any:
        return await self._ask("GET", path)

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return await self._ask("POST", path, body or {})

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        async with self._session.request(method, f"/api/v1{path}", json=body) as answer:
            told = await answer.json(content_type=None)
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {told}")
            return told


@asynccontextmanager
async def _api(running: app.App) -> AsyncGenerator[Api]:
    now = datetime.now(UTC)
    hashed = await asyncio.to_thread(hash_password, PASSWORD)
    user = await running.store.users.add(EMAIL, hashed, now=now, admin=True)
    token, digest = new_token()
    await running.store.users.add_token(
        user.id, digest, scopes=["read", "write", "call_password"], now=now, name="demo"
    )
    async with aiohttp.ClientSession(running.url, headers={"Authorization": f"Bearer {token}"}) as session:
        yield Api(session)


async def _prepare(api: Api, calls: int) -> int:
    """Everything that a person would do in the panel; the campaign, started."""
    project = (await api.post("/projects", {"name": "Демонстрация"}))["id"]
    for name, key in (("Имя", "name"), ("Номер оператора", "operator_number")):
        await api.post(f"/projects/{project}/fields", {"name": name, "key": key, "type": "string"})
    await api.post("/numbers/rent", {"numbers": [NUMBER]})
    graph = yaml.safe_load((LIBRARY / "demo.yaml").read_text("utf-8"))
    scenario = (await api.post(f"/projects/{project}/scenarios", {"name": graph["name"], "graph": graph}))["id"]
    contacts = [
        {
            "phone": phone(n),
            "fields": {
                "name": who.name,
                "operator_number": BUSY_OPERATOR if who.behaviour == "wants_busy_operator" else OPERATOR,
            },
        }
        for n, who in ((n, SUBSCRIBERS[n % len(SUBSCRIBERS)]) for n in range(calls))
    ]
    segment = (
        await api.post(f"/projects/{project}/segments", {"name": "Абоненты", "kind": "contacts", "contacts": contacts})
    )["id"]
    campaign = await api.post(
        f"/projects/{project}/campaigns",
        {
            "name": "Демонстрация",
            "scenario_id": scenario,
            "segment_ids": [segment],
            "numbers": [NUMBER],
            "answer_timeout_s": 8,
            "retry": {"attempts": 0},
            "amd": {"mode": "message", "text": MESSAGE, "purpose": PURPOSE},
            "speed_per_hour": PER_HOUR * (1 if calls <= len(SUBSCRIBERS) else 5),
            "max_concurrent": 100,
        },
    )
    id: int = campaign["id"]
    await api.post(f"/campaigns/{id}/start")
    return id


# --- watching and judging ---------------------------------------------------------------------------------------------


async def _watch(console: Console, running: app.App, api: Api, campaign: int, calls: int) -> bool:
    board = Board({phone(n): (who.name, who.does) for n, who in _everybody(calls)})
    async with running.robot.events() as events:
        with Live(board, console=console, refresh_per_second=4, transient=True):

            async def follow() -> None:
                async for event in events:
                    board.note(event)

            following = asyncio.create_task(follow(), name="follow")
            try:
                async with asyncio.timeout(MOST_S):
                    await _until_over(api, campaign)
            finally:
                following.cancel()
    rows = await _calls(api, campaign)
    verdicts = {phone(n): judged(who, rows.get(phone(n))) for n, who in _everybody(calls)}
    console.print(board.final(rows, verdicts))
    totals = (await api.get(f"/campaigns/{campaign}"))["totals"]
    wrong = [number for number, verdict in verdicts.items() if verdict]
    console.print(
        f"звонков {totals['calls']}, отвечено {totals['answered']}, целей {totals['goals']}, "
        f"соединено с оператором {totals['transferred']}; "
        + ("[green]все исходы верны[/]" if not wrong else f"[red]неверных исходов: {len(wrong)}[/]")
    )
    return not wrong


async def _until_over(api: Api, campaign: int) -> None:
    state = ""
    while state not in ("finished", "stopped", "paused"):
        await asyncio.sleep(0.25)
        state = (await api.get(f"/campaigns/{campaign}"))["state"]


def _everybody(calls: int) -> Sequence[tuple[int, Subscriber]]:
    return [(n, SUBSCRIBERS[n % len(SUBSCRIBERS)]) for n in range(calls)]


async def _calls(api: Api, campaign: int) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    cursor = ""
    while True:
        page = await api.get(f"/calls?campaign_id={campaign}&limit=500{cursor}")
        for row in page["items"]:
            rows[row["phone"]] = await api.get(f"/calls/{row['id']}")
        if not page["next"]:
            return rows
        cursor = f"&cursor={page['next']}"


def judged(who: Subscriber, call: Mapping[str, Any] | None) -> str:
    """What is wrong with how this subscriber's call ended; empty if nothing is."""
    if call is None:
        return "не звонили"
    for name, wanted in who.expect.items():
        match name:
            case "tag":
                right = wanted in call["tags"]
            case "by":
                right = wanted in {step.get("by") for step in call["steps"]}
            case "answered_by":
                right = any(verdict["kind"] in wanted for verdict in call["answered_by"])
            case "said":
                right = any(line["who"] == "robot" and line["text"] == wanted for line in call["transcript"])
            case _:
                right = call[name] == wanted
        if not right:
            return f"{name}: {call.get(name, '')} вместо {wanted}"
    if call["status"] == "answered" and not call["recording"]:
        return "нет записи"
    return ""
