"""A running robot among strangers and hostile words: at its ports, in names and fields, in caller ids."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from channels.voice.pstn import SUBSCRIBERS
from engine.loopback import HOST as LOOPBACK
from tests.processes import cpu_s, rss_mb
from tests.robot import KEYS, NUMBER, RINGERS, Refused, Robot, live_robot

pytestmark = pytest.mark.live

EACH = 20  # strangers of each kind at each port
DROPPED_S = 5.0
SLACK_S = 0.5  # of a machine that has other things to do
MOST_MB = 40.0  # the large ones have sent 120
STRANGERS = {
    "nothing": b"",
    "garbage": bytes(range(256)) * 4,
    "half an HTTP header": b"GET /media?call=dz-1 HTTP/1.1\r\nHost: localhost\r\nX-Long: ",
    "half of AGI's": b"agi_network: yes\nagi_request: agi://127.0.0.1/ne",
    "half of AudioSocket's": b"\x01\x00\x10half",
    "two megabytes": b"A" * 2_000_000,
}


@pytest.mark.parametrize("transport", ["websocket", "audiosocket"])
async def test_strangers_at_every_port_are_dropped_and_calls_go_on(tmp_path: Path, transport: str) -> None:
    async with live_robot(tmp_path, asterisk={"media": {"transport": transport}}) as robot:
        ports = robot.settings.http.port, robot.settings.asterisk.agi.port, robot.settings.asterisk.media.port
        phones = robot.phones(["key"] * 4)
        scenario = await robot.scenario(KEYS)
        await robot.over(await robot.campaign(scenario, robot.phones(["key"])))  # what a first call needs is there now
        before_mb, before_s = rss_mb(robot.pid), cpu_s(robot.pid)
        campaign = await robot.campaign(scenario, phones, speed_per_hour=3600)
        loop = asyncio.get_running_loop()
        began = loop.time()
        lived = await asyncio.gather(
            *(stranger(port, says) for port in ports for says in STRANGERS.values() for _ in range(EACH)),
            *(early_close(port) for port in ports for _ in range(EACH)),
        )
        assert max(lived) < DROPPED_S + SLACK_S
        assert rss_mb(robot.pid) - before_mb < MOST_MB
        told = await robot.over(campaign)
        assert told["totals"]["goals"] == len(phones)
        assert (cpu_s(robot.pid) - before_s) / (loop.time() - began) < 0.5
        quiet_s = cpu_s(robot.pid)
        await asyncio.sleep(1.0)  # what is measured here is a second in which nothing happens
        assert cpu_s(robot.pid) - quiet_s < 0.25
        assert "Traceback" not in robot.log()


async def stranger(port: int, says: bytes) -> float:
    """How long the connection was held."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    began = loop.time()
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(says)
            async with asyncio.timeout(4 * DROPPED_S):
                while await reader.read(65536):
                    pass
        return loop.time() - began
    finally:
        writer.transport.abort()


async def early_close(port: int) -> float:
    _, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(b"GET")
    writer.transport.abort()
    return 0.0


# --- hostile words ------------------------------------------------------------------------------------------------

PWNED = "dozvon-pwned"


def evils(folder: Path) -> list[str]:
    """Each would make a file, place a call or end one, if it were taken for more than words."""
    file, victim = folder / PWNED, f"+79009999{SUBSCRIBERS['silent']}"
    return [
        f"x\r\nAction: Originate\r\nChannel: PJSIP/{victim}@main\r\nApplication: Hangup\r\n\r\n",
        f"x\nVariable: DOZVON_CALL=${{SHELL(touch {file})}}",
        f"${{SHELL(touch {file})}}",
        f"$[${{SHELL(touch {file})}}]",
        f'";SYSTEM(touch {file});"',
        f"a,b)&System(touch {file})&PJSIP/{victim}@main",
        "x\0y",
        "'; DROP TABLE calls; --",
        f"{{{{ ''.__class__.__mro__[1].__subclasses__() }}}} $(touch {file}) `touch {file}`",
        f"sip:{victim}@main\r\nX-Evil: 1",
    ]


HEARS_FIELDS: dict[str, Any] = {
    **KEYS,
    "name": "Fields",
    "fields": {"name": {"type": "string", "default": ""}, "to": {"type": "string", "default": ""}},
    "nodes": {
        "hello": {"kind": "play", "say": "Здравствуйте", "next": "note"},
        "note": {"kind": "set", "vars": {"kept": "{{ name }}"}, "next": "join"},
        "join": {
            "kind": "transfer",
            "to": "{{ to }}",
            "caller_id": "{{ name }}",
            "done": "bye",
            "busy": "bye",
            "no_answer": "bye",
            "failed": "bye",
        },
        "bye": {"kind": "hangup"},
    },
}


async def test_hostile_fields_and_names_stay_words(tmp_path: Path) -> None:
    async with live_robot(tmp_path) as robot:
        evil = [each for each in evils(tmp_path) if "\0" not in each]
        project = await robot.post("/projects", {"name": evil[4]})
        assert project["name"] == evil[4]
        for key in ("name", "to"):
            await robot.post(
                f"/projects/{robot.project}/fields", {"name": f"{key} {evil[2]}", "key": key, "type": "string"}
            )
        scenario = await robot.scenario(HEARS_FIELDS)
        phones = robot.phones(["silent"] * len(evil))
        contacts = [
            {"phone": phone, "fields": {"name": words, "to": words}} for phone, words in zip(phones, evil, strict=True)
        ]
        segment = await robot.post(
            f"/projects/{robot.project}/segments", {"name": evil[2], "kind": "contacts", "contacts": contacts}
        )
        assert segment["size"] == len(evil)
        campaign = await robot.post(
            f"/projects/{robot.project}/campaigns",
            {"name": evil[5], "scenario_id": scenario, "segment_ids": [segment["id"]], "numbers": [NUMBER]},
        )
        await robot.post(f"/campaigns/{campaign['id']}/start")
        await robot.over(campaign["id"])
        rows = await robot.calls(f"&campaign_id={campaign['id']}")
        for phone, words in zip(phones, evil, strict=True):
            call = await robot.get(f"/calls/{rows[phone][0]['id']}")
            assert call["fields"]["name"] == words
            assert call["answered_at"] is not None, call["reason"]
            assert [step["port"] for step in call["steps"] if step["node"] == "join"] in (["failed"], [""])
        assert {phone: seen.callers for phone, seen in robot.network.seen().items()} == {p: [NUMBER] for p in phones}
        nothing_happened(robot)


async def test_hostile_caller_ids_stay_words(tmp_path: Path) -> None:
    async with live_robot(tmp_path) as robot:
        line = await robot.post(
            f"/projects/{robot.project}/lines",
            {"name": "in", "numbers": [RINGERS[0]], "scenario_id": await robot.scenario(KEYS)},
        )
        await robot.post(f"/lines/{line['id']}/activate")
        evil = [" ".join(each.replace("\0", " ").split()) for each in evils(tmp_path)]
        for words in evil:
            call_from(robot, f'"{words}" <{words}>')
        told = await robot.until(
            f"/calls?line_id={line['id']}",
            lambda told: len([row for row in told["items"] if row["ended_at"]]) == len(evil),
        )
        for row in told["items"]:
            assert row["phone"] == "" or row["phone"].removeprefix("+").isdigit(), row
            assert row["status"] == "answered"
        assert robot.network.seen() == {}
        nothing_happened(robot)


def call_from(robot: Robot, caller: str) -> None:
    """The network calls the robot's line; who calls is said in a way in which no telephone network would say it."""
    spool = robot.network.asterisk.folders.spool
    name = f"{uuid4().hex}.call"
    # The network's own Asterisk must not be the one that takes the words for more.
    text = f"Channel: PJSIP/{RINGERS[0]}@robot\nCallerID: {caller}\nContext: subscribers\nExtension: 03\nPriority: 1\n"
    (spool / "tmp" / name).write_text(text, "utf-8")
    os.rename(spool / "tmp" / name, spool / "outgoing" / name)


def nothing_happened(robot: Robot) -> None:
    assert not list(robot.folder.rglob(PWNED))
    assert "Traceback" not in robot.log()
    output = (robot.settings.data_dir / "asterisk" / "log" / "asterisk.log").read_text("utf-8", "replace")
    assert " ERROR[" not in output, output
    assert PWNED not in output, "Asterisk was told of it as something to do"


async def test_numbers_that_must_not_be_called_are_refused_with_the_reason(tmp_path: Path) -> None:
    async with live_robot(tmp_path) as robot:
        scenario = await robot.scenario(KEYS)
        refused = ["112", "101", "+7112", "02", "911", "12345", "+78091234567", "8 809 123 45 67", "abc", "+", "0"]
        for phone in refused:
            for path, body in (
                (f"/projects/{robot.project}/calls", {"phone": phone, "scenario_id": scenario}),
                ("/call-passwords", {"phone": phone}),
            ):
                with pytest.raises(Refused) as caught:
                    await robot.post(path, body)
                assert caught.value.status == 422, phone
                (error,) = caught.value.told["errors"]
                assert error["path"] == "/phone" and error["code"] and error["message"], error
        (right,) = robot.phones(["busy"])
        contacts = [{"phone": phone} for phone in [*refused, right]]
        segment = await robot.post(
            f"/projects/{robot.project}/segments", {"name": "s", "kind": "contacts", "contacts": contacts}
        )
        assert (segment["size"], segment["invalid"]) == (1, len(refused))
        assert robot.network.seen() == {}


HOSTILE = ("{{ ''.__class__ }}", "{{ 'x' * 10**9 }}", "{% for a in range(10**9) %}x{% endfor %}", "{{ 9**9**9 }}")


async def test_hostile_scenarios_are_refused_or_bounded_while_calls_go_on(tmp_path: Path) -> None:
    async with live_robot(tmp_path) as robot:
        phones = robot.phones(["key"] * 6)
        campaign = await robot.campaign(await robot.scenario(KEYS), phones, speed_per_hour=3600)
        loop = asyncio.get_running_loop()
        nodes = {f"n{n}": {"kind": "play", "say": "a", "next": f"n{n + 1}"} for n in range(4999)}
        graphs = [{**KEYS, "start": "n0", "nodes": {**nodes, "n4999": {"kind": "hangup"}}}]
        graphs += [{**KEYS, "nodes": {**KEYS["nodes"], "hello": say(words)}} for words in HOSTILE]
        for graph in graphs:
            began = loop.time()
            with pytest.raises(Refused) as caught:
                await robot.scenario(graph)
            assert loop.time() - began < 2.0
            assert caught.value.status in (413, 422), json.dumps(caught.value.told)[:500]
        told = await robot.over(campaign)
        assert told["totals"]["goals"] == len(phones)


def say(words: str) -> dict[str, str]:
    return {"kind": "play", "say": words, "next": "ask"}
