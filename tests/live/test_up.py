"""`dozvon up` against an external trunk, configured only by dozvon.yaml: everything a user does, by REST alone."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.loopback import HOST as LOOPBACK
from tests.asterisk import free_ports, live_network
from tests.postgres import Postgres, server
from tests.processes import dozvon
from tests.robot import NUMBER, RINGERS, Refused, Robot, live_robot

pytestmark = pytest.mark.live

LIBRARY = Path(__file__).resolve().parents[2] / "scenarios" / "library"
EXPECTED = {
    "yes": ("answered", "goal"),
    "no": ("answered", None),
    "key": ("answered", "goal"),
    "busy": ("busy", None),
    "absent": ("invalid_number", None),
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with server() as running:
        yield running


@pytest.mark.parametrize(("transport", "database"), [("websocket", "sqlite"), ("audiosocket", "postgresql")])
async def test_campaign_line_password_and_single_call(
    tmp_path: Path, transport: str, database: str, postgres: Postgres
) -> None:
    settings: dict[str, Any] = {"asterisk": {"media": {"transport": transport}}, "call_password": {"ring_s": 2}}
    if database == "postgresql":
        settings["database"] = postgres.url()
    async with live_robot(tmp_path, speaking=True, by_hand=True, **settings) as robot:
        graph = yaml.safe_load((LIBRARY / "demo.yaml").read_text("utf-8"))
        scenario = await robot.scenario(graph)
        async with robot.events() as events, asyncio.TaskGroup() as group:
            group.create_task(outbound(robot, scenario, events))
            group.create_task(inbound(robot, scenario))
            group.create_task(password(robot))
            group.create_task(one_call_now(robot, scenario))
        assert (await robot.health())["ready"] is True
        robot.terminate()
        assert await robot.ended() == 0


async def outbound(robot: Robot, scenario: int, events: asyncio.Queue[dict[str, Any]]) -> None:
    phones = dict(zip(robot.phones(list(EXPECTED)), EXPECTED, strict=True))
    campaign = await robot.campaign(scenario, list(phones))
    told = await robot.over(campaign)
    assert (told["totals"]["calls"], told["totals"]["answered"], told["totals"]["goals"]) == (5, 3, 2)
    rows = await robot.calls(f"&campaign_id={campaign}")
    assert {who: (rows[phone][0]["status"], rows[phone][0]["result"]) for phone, who in phones.items()} == EXPECTED
    assert {phone: robot.network.seen()[phone].callers for phone in phones} == dict.fromkeys(phones, [NUMBER])
    agreed = next(phone for phone, who in phones.items() if who == "yes")
    call = await robot.get(f"/calls/{rows[agreed][0]['id']}")
    assert call["cause"] == 16
    assert [step["node"] for step in call["steps"]] == ["hello", "ask", "agreed", "thanks", "bye"]
    assert [(line["who"], line["text"]) for line in call["transcript"]][1] == ("subscriber", "да")
    await recording(robot, call)
    kinds = [event["kind"] for event in drained(events) if event["call_id"] == call["id"]]
    assert [kind for kind in kinds if kind in ("dialing", "ringing", "answered", "ended")] == [
        "dialing",
        "ringing",
        "answered",
        "ended",
    ]
    assert "said" in kinds and "heard" in kinds


async def recording(robot: Robot, call: dict[str, Any]) -> None:
    status, whole = await robot.bytes(f"/calls/{call['id']}/recording")
    assert status == 200
    with wave.open(io.BytesIO(whole)) as sound:
        assert (sound.getnchannels(), sound.getframerate()) == (2, 8000)
        assert abs(sound.getnframes() / 8 - call["duration_ms"]) < 500
    status, part = await robot.bytes(f"/calls/{call['id']}/recording", Range="bytes=1000-1999")
    assert (status, part) == (206, whole[1000:2000])


async def inbound(robot: Robot, scenario: int) -> None:
    line = await robot.post(
        f"/projects/{robot.project}/lines", {"name": "in", "numbers": [RINGERS[0]], "scenario_id": scenario}
    )
    await robot.post(f"/lines/{line['id']}/activate")
    await robot.network.call_in(RINGERS[0], "yes", phone="+79031234567")
    told = await robot.until(
        f"/calls?line_id={line['id']}", lambda told: told["items"] and told["items"][0]["ended_at"] is not None
    )
    call = await robot.get(f"/calls/{told['items'][0]['id']}")
    assert (call["direction"], call["phone"], call["number"]) == ("inbound", "+79031234567", RINGERS[0])
    assert (call["status"], call["result"], call["recording"]) == ("answered", "goal", True)
    assert [line["who"] for line in call["transcript"]] == ["robot", "subscriber", "robot"]


async def password(robot: Robot) -> None:
    (phone,) = robot.phones(["rings_long"])
    made = await robot.post("/call-passwords", {"phone": phone})
    assert made["state"] == "calling" and made["caller"].endswith(made["code"]) and len(made["code"]) == 4
    await robot.until(f"/call-passwords/{made['id']}", lambda told: told["state"] == "delivered")
    calls = (await robot.calls("&direction=outbound"))[phone]
    ended = await robot.until(f"/calls/{calls[0]['id']}", lambda told: told["ended_at"] is not None)
    assert (ended["status"], ended["billed_s"]) == ("no_answer", 0)
    seen = robot.network.seen()[phone]
    assert seen.callers == [made["caller"]]
    assert seen.answered == []
    wrong = "0000" if made["code"] != "0000" else "1111"
    assert await verified(robot, made["id"], wrong) == {"verified": False, "attempts_left": 2}
    assert (await verified(robot, made["id"], made["code"]))["verified"] is True
    with pytest.raises(Refused) as refused:
        await verified(robot, made["id"], made["code"])
    assert refused.value.status == 409


async def verified(robot: Robot, password_id: int, code: str) -> dict[str, Any]:
    return dict(await robot.post(f"/call-passwords/{password_id}/verify", {"code": code}))


async def one_call_now(robot: Robot, scenario: int) -> None:
    (phone,) = robot.phones(["key"])
    body = {"phone": phone, "scenario_id": scenario}
    made, again = [
        await robot.post(f"/projects/{robot.project}/calls", body, **{"Idempotency-Key": "once"}) for _ in range(2)
    ]
    assert made["id"] == again["id"]
    call = await robot.until(f"/calls/{made['id']}", lambda told: told["ended_at"] is not None)
    assert (call["status"], call["result"], call["kind"]) == ("answered", "goal", "single")
    assert robot.network.seen()[phone].calls == 1


def drained(queue: asyncio.Queue[dict[str, Any]]) -> list[dict[str, Any]]:
    items = []
    with contextlib.suppress(asyncio.QueueEmpty):
        while True:
            items.append(queue.get_nowait())
    return items


# --- it does not start --------------------------------------------------------------------------------------------


def configured(folder: Path, config: dict[str, Any]) -> None:
    (folder / "dozvon.yaml").write_text(yaml.safe_dump({"data_dir": "./var", **config}), "utf-8")


@pytest.mark.parametrize("setting", ["http", "agi", "media", "ami", "sip"])
async def test_a_taken_port_is_one_sentence(tmp_path: Path, setting: str) -> None:
    ports = dict(zip(("http", "agi", "media", "ami", "sip"), free_ports(5), strict=True))
    asterisk = {name: {"port": port} for name, port in ports.items() if name != "http"}
    configured(tmp_path, {"http": {"port": ports["http"]}, "asterisk": asterisk})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if setting == "sip" else socket.SOCK_STREAM) as taken:
        taken.bind((LOOPBACK, ports[setting]))
        if setting != "sip":
            taken.listen()
        sentence = await complaint(tmp_path)
    assert f"{LOOPBACK}:{ports[setting]}" in sentence
    assert ("http.port" if setting == "http" else f"asterisk.{setting}.port") in sentence


async def test_an_external_manager_that_refuses_or_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    async with live_network(tmp_path / "there") as (settings, _, _):
        (nobody,) = free_ports(1)
        await asyncio.gather(
            external(tmp_path / "refused", settings.asterisk.ami.port, "asterisk.ami.secret_file"),
            external(tmp_path / "nobody", nobody, "refused"),
        )


async def external(folder: Path, port: int, told: str) -> None:
    folder.mkdir()  # noqa: ASYNC240 - a moment
    (folder / "secret").write_text("wrong", "utf-8")
    http, agi, media = free_ports(3)
    ami = {"port": port, "secret_file": "./secret"}
    asterisk = {"mode": "external", "ami": ami, "agi": {"port": agi}, "media": {"port": media}}
    configured(folder, {"http": {"port": http}, "asterisk": asterisk})
    sentence = await complaint(folder)
    assert f"{LOOPBACK}:{port}" in sentence and told in sentence


async def complaint(folder: Path) -> str:
    """What `dozvon up` says when it cannot start: one sentence, and the log's lines."""
    code, said, complained = await dozvon(folder, "up", within_s=50)
    assert (code, said) == (1, "")
    (sentence,) = [line for line in complained.splitlines() if line.startswith("dozvon: ")]
    assert "Traceback" not in complained and "should not have happened" not in sentence
    return sentence
