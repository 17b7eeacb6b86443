"""Calls: one now, lists, recordings, what happens live, and call passwords."""

from __future__ import annotations

import asyncio
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from engine.model import CallEnd, Result, Spoken, Status, StepLog, TalkLog
from tests.web.conftest import NUMBERS, START, Client, Json, Shop, World

PHONE = "+79001234567"


async def place(client: Client, shop: Shop, **more: Json) -> Json:
    answer = await client.post(
        f"/projects/{shop.project}/calls", {"phone": "8 (900) 123-45-67", "scenario_id": shop.scenario, **more}
    )
    assert answer.status == 202, answer.raw
    return answer.json


def _end(recording: str = "", **more: Any) -> CallEnd:
    talk = TalkLog(
        ending="hangup",
        ended_by="robot",
        result=Result.GOAL,
        tags=("hot",),
        steps=(
            StepLog(0, "hello", "play", 2100, "next"),
            StepLog(2100, "ask", "recognize", 1300, "filters.0", "voice"),
        ),
        transcript=(Spoken(0, "robot", "Здравствуйте"), Spoken(2300, "subscriber", "да")),
    )
    ended = START + timedelta(seconds=30)
    return CallEnd(
        Status.ANSWERED, 16, ended, dialed_at=START, answered_at=START + timedelta(seconds=10), talk=talk,
        number=NUMBERS[0], recording=recording, **more,
    )  # fmt: skip


async def test_one_call_now(anna: Client, shop: Shop, world: World) -> None:
    made = await place(anna, shop, fields={"name": "Анна", "n": 1}, number=shop.number)
    assert (made["status"], made["phone"], made["direction"], made["kind"]) == ("queued", PHONE, "outbound", "single")
    assert world.robot.called == [made["id"]]
    full = (await anna.get(f"/calls/{made['id']}")).json
    assert full["steps"] == [] and full["transcript"] == [] and full["fields"] == {"name": "Анна", "n": 1}


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({"phone": "112"}, "/phone", "emergency"),
        ({"phone": "hello"}, "/phone", "not_a_number"),
        ({"phone": "+7809123456"}, "/phone", "premium"),
        ({"phone": "+79001234567\r\nAction: Originate"}, "/phone", None),
        ({"scenario_id": 999}, "/scenario_id", "not_found"),
        ({"number": NUMBERS[1]}, "/number", "not_found"),
        ({"not_after": "2026-11-20T08:59:59Z"}, "/not_after", "past"),
        ({"not_after": "2026-11-20T10:00:00"}, "/not_after", "timezone_aware"),
    ],
)
async def test_a_call_that_cannot_be(
    anna: Client, shop: Shop, world: World, body: Json, path: str, code: str | None
) -> None:
    full = {"phone": PHONE, "scenario_id": shop.scenario, **body}
    answer = await anna.post(f"/projects/{shop.project}/calls", full)
    assert answer.status == 422
    assert list(answer.codes) == [path]
    assert code is None or answer.codes[path] == code
    assert world.robot.called == []


async def test_the_same_key_calls_once(anna: Client, boris: Client, shop: Shop, world: World) -> None:
    path, key = f"/projects/{shop.project}/calls", {"Idempotency-Key": "order-1"}
    body = {"phone": PHONE, "scenario_id": shop.scenario}
    first = await anna.post(path, body, headers=key)
    again = await anna.post(path, body, headers=key)
    assert (first.status, again.status) == (202, 202) and first.json == again.json
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(world.robot.called) == 1
    other = await anna.post(path, {**body, "fields": {"a": 1}}, headers=key)
    assert other.status == 409
    await anna.put(f"/projects/{shop.project}/members", {"email": "boris@example.com", "role": "operator"})
    assert (await boris.post(path, body, headers=key)).json["id"] != first.json["id"]
    world.clock.pass_by(hours=25)
    assert (await anna.post(path, body, headers=key)).json["id"] != first.json["id"]


async def test_the_same_key_at_once_calls_once(anna: Client, shop: Shop, world: World) -> None:
    path, key = f"/projects/{shop.project}/calls", {"Idempotency-Key": "order-1"}
    body = {"phone": PHONE, "scenario_id": shop.scenario}
    answers = await asyncio.gather(*(anna.post(path, body, headers=key) for _ in range(10)))
    assert {a.status for a in answers} <= {202, 409} and len(world.robot.called) == 1
    assert len((await anna.get("/calls")).json["items"]) == 1


async def test_a_refused_request_gives_its_key_back(anna: Client, shop: Shop, world: World) -> None:
    path, key = f"/projects/{shop.project}/calls", {"Idempotency-Key": "order-1"}
    assert (await anna.post(path, {"phone": PHONE, "scenario_id": 999}, headers=key)).status == 422
    assert (await anna.post(path, {"phone": PHONE, "scenario_id": shop.scenario}, headers=key)).status == 202
    for bad in ("", "x" * 201, "a b"):
        assert (await anna.post(path, {}, headers={"Idempotency-Key": bad})).status == 422


async def test_a_number_on_the_stop_list_is_not_called(anna: Client, shop: Shop, world: World) -> None:
    made = await place(anna, shop)
    await world.store.calls.end(made["id"], _end())
    talk = TalkLog("hangup", "robot", Result.OPT_OUT, opted_out=True)
    second = await place(anna, shop)
    await world.store.calls.end(second["id"], CallEnd(Status.ANSWERED, 16, START, answered_at=START, talk=talk))
    answer = await anna.post(f"/projects/{shop.project}/calls", {"phone": PHONE, "scenario_id": shop.scenario})
    assert answer.codes == {"/phone": "stop_list"}
    path = f"/projects/{shop.project}/opt-outs"
    assert [o["phone"] for o in (await anna.get(path)).json["items"]] == [PHONE]
    assert (await anna.delete(f"{path}?phone=89001234567")).status == 204
    assert (await anna.delete(f"{path}?phone=89001234567")).status == 404
    await place(anna, shop)


async def test_a_call_with_its_steps_and_filters_of_the_list(anna: Client, shop: Shop, world: World) -> None:
    made = await place(anna, shop)
    other = await place(anna, shop, phone="+79007654321")
    await world.store.calls.end(made["id"], _end(cost=73, billed_s=19))
    full = (await anna.get(f"/calls/{made['id']}")).json
    assert (full["status"], full["result"], full["tags"], full["cause"]) == ("answered", "goal", ["hot"], 16)
    assert (full["duration_ms"], full["cost"], full["billed_s"], full["ended_by"]) == (20_000, 73, 19, "robot")
    assert [s["node"] for s in full["steps"]] == ["hello", "ask"] and full["steps"][1]["by"] == "voice"
    assert full["transcript"][1] == {"at_ms": 2300, "who": "subscriber", "text": "да"}
    assert full["recording"] is False
    for query, found in [
        ("", {made["id"], other["id"]}),
        ("?status=answered", {made["id"]}),
        ("?result=goal", {made["id"]}),
        ("?result=opt_out", set()),
        ("?phone=%2B79007654321", {other["id"]}),
        ("?phone=765", {other["id"]}),
        (f"?project_id={shop.project}&direction=outbound", {made["id"], other["id"]}),
        ("?direction=inbound", set()),
        ("?from=2026-11-20T09:00:01Z", set()),
        ("?to=2026-11-20T09:00:01Z", {made["id"], other["id"]}),
    ]:
        assert {c["id"] for c in (await anna.get("/calls" + query)).json["items"]} == found, query
    assert [c["id"] for c in (await anna.get("/calls/live")).json["items"]] == [other["id"]]
    sums = (await anna.get(f"/projects/{shop.project}/analytics")).json["totals"]
    assert (sums["calls"], sums["goals"], sums["spent"], sums["acd_s"], sums["asr"]) == (1, 1, 73, 20.0, 1.0)


async def test_another_owners_call_is_absent(anna: Client, boris: Client, shop: Shop, world: World) -> None:
    made = await place(anna, shop)
    path = f"/calls/{made['id']}"
    for tail in ("", "/recording", "/waveform", "/messages/1"):
        assert (await boris.get(path + tail)).status == 404
    assert (await boris.post(path + "/hangup")).status == 404
    assert world.robot.hung_up == []
    assert (await boris.get("/calls")).json["items"] == []
    assert (await boris.get("/calls/live")).json["items"] == []
    assert (await boris.get(f"/calls?project_id={shop.project}")).json["items"] == []


async def test_hanging_up(anna: Client, shop: Shop, world: World) -> None:
    made = await place(anna, shop)
    assert (await anna.post(f"/calls/{made['id']}/hangup")).json == {"hung_up": False}
    world.robot.living.add(made["id"])
    assert (await anna.post(f"/calls/{made['id']}/hangup")).json == {"hung_up": True}
    await world.store.calls.end(made["id"], _end())
    assert (await anna.post(f"/calls/{made['id']}/hangup")).json == {"hung_up": False}


async def test_when_the_telephony_is_away(anna: Client, shop: Shop, world: World) -> None:
    world.robot.down = True
    made = await place(anna, shop)
    assert made["status"] == "queued" and list(await world.store.calls.queued()) == [made["id"]]
    answer = await anna.post("/call-passwords", {"phone": PHONE}, headers={"Idempotency-Key": "k"})
    assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0
    assert (await anna.get("/calls?status=failed")).json["items"][0]["kind"] == "password"
    world.robot.down = False
    again = await anna.post("/call-passwords", {"phone": PHONE}, headers={"Idempotency-Key": "k"})
    assert again.status == 201


# --- recordings -------------------------------------------------------------------------------------------------------


async def _recorded(anna: Client, shop: Shop, world: World) -> tuple[int, bytes]:
    file = Path("recordings") / "1.wav"
    full = world.settings.data_dir / file
    full.parent.mkdir()
    at = np.arange(8000 * 2)
    sound = np.stack([np.sin(at / 5) * 0.5, np.zeros_like(at)], axis=1)
    soundfile.write(full, sound, 8000, subtype="PCM_16")
    made = await place(anna, shop)
    await world.store.calls.end(made["id"], _end(recording=str(file)))
    return made["id"], full.read_bytes()


async def test_a_recording_in_whole_and_in_part(anna: Client, shop: Shop, world: World) -> None:
    ident, data = await _recorded(anna, shop, world)
    path = f"/calls/{ident}/recording"
    whole = await anna.get(path)
    assert (whole.status, whole.headers["Content-Type"], whole.raw) == (200, "audio/wav", data)
    assert whole.headers["Accept-Ranges"] == "bytes"
    part = await anna.get(path, headers={"Range": "bytes=100-199"})
    assert (part.status, part.raw) == (206, data[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(data)}"
    tail = await anna.get(path, headers={"Range": "bytes=-10"})
    assert tail.raw == data[-10:]
    beyond = await anna.get(path, headers={"Range": f"bytes={len(data)}-"})
    assert beyond.status == 416


async def test_a_recording_as_ogg(anna: Client, shop: Shop, world: World) -> None:
    ident, data = await _recorded(anna, shop, world)
    ogg = await anna.get(f"/calls/{ident}/recording?format=ogg")
    assert (ogg.status, ogg.headers["Content-Type"]) == (200, "audio/ogg")
    sound, _ = soundfile.read(io.BytesIO(ogg.raw))
    assert sound.shape[1] == 2 and len(ogg.raw) < len(data)
    accepted = await anna.get(f"/calls/{ident}/recording", headers={"Accept": "audio/ogg"})
    assert accepted.raw == ogg.raw


async def test_the_waveform_tells_both_sides(anna: Client, shop: Shop, world: World) -> None:
    ident, _ = await _recorded(anna, shop, world)
    wave = (await anna.get(f"/calls/{ident}/waveform?buckets=50")).json
    assert wave["duration_ms"] == 2000 and len(wave["subscriber"]) == 50
    assert min(wave["subscriber"]) > 30 and max(wave["robot"]) == 0


async def test_a_recording_that_is_gone_or_outside_is_absent(anna: Client, shop: Shop, world: World) -> None:
    for name in ("recordings/none.wav", "../../etc/passwd", "/etc/passwd"):
        made = await place(anna, shop)
        await world.store.calls.end(made["id"], _end(recording=name))
        assert (await anna.get(f"/calls/{made['id']}/recording")).status == 404


# --- call passwords ---------------------------------------------------------------------------------------------------


async def _password(client: Client, **more: Json) -> Json:
    return await client.made("/call-passwords", {"phone": PHONE, **more})


async def test_a_call_password(anna: Client, boris: Client, shop: Shop, world: World) -> None:
    made = await _password(anna)
    assert made["state"] == "calling" and made["caller"] == shop.number and made["code"] == shop.number[-4:]
    assert made["expires_at"] == "2026-11-20T09:05:00Z" and world.robot.passwords == [made["id"]]
    path = f"/call-passwords/{made['id']}"
    assert "code" not in (await anna.get(path)).json
    assert (await boris.get(path)).status == 404
    assert (await boris.post(path + "/verify", {"code": made["code"]})).status == 404
    await world.store.passwords.password_rang(made["id"], delivered=True)
    assert (await anna.get(path)).json["state"] == "delivered"
    assert (await anna.post(path + "/verify", {"code": "xxxx"})).json == {"verified": False, "attempts_left": 2}
    assert (await anna.post(path + "/verify", {"code": made["code"]})).json["verified"] is True
    assert (await anna.get(path)).json["state"] == "verified"
    assert (await anna.post(path + "/verify", {"code": made["code"]})).status == 409


async def test_guessing_a_code_ends(anna: Client, shop: Shop) -> None:
    made = await _password(anna)
    path = f"/call-passwords/{made['id']}/verify"
    left = [(await anna.post(path, {"code": "nope"})).json["attempts_left"] for _ in range(4)]
    assert left == [2, 1, 0, 0]
    assert (await anna.post(path, {"code": made["code"]})).json["verified"] is False


async def test_a_code_expires(anna: Client, shop: Shop, world: World) -> None:
    made = await _password(anna, ttl_s=60, code_length=5)
    assert made["code"] == shop.number[-5:]
    world.clock.pass_by(seconds=61)
    assert (await anna.get(f"/call-passwords/{made['id']}")).json["state"] == "expired"
    answer = await anna.post(f"/call-passwords/{made['id']}/verify", {"code": made["code"]})
    assert answer.json["verified"] is False


async def test_a_telephone_is_not_rung_without_end(anna: Client, shop: Shop, world: World) -> None:
    for _ in range(world.settings.call_password.per_phone_per_hour):
        await _password(anna)
    refused = await anna.post("/call-passwords", {"phone": PHONE})
    assert refused.status == 429 and 0 < int(refused.headers["Retry-After"]) <= 3600
    await _password(anna, phone="+79007654321")
    world.clock.pass_by(hours=1, seconds=1)
    await _password(anna)


async def test_who_has_no_number_cannot_ring(boris: Client) -> None:
    assert (await boris.post("/call-passwords", {"phone": PHONE})).status == 409
    assert (await boris.post("/call-passwords", {"phone": "112"})).codes == {"/phone": "emergency"}


async def test_a_token_for_call_passwords_alone(world: World, anna: Client, shop: Shop) -> None:
    ringer = await world.person("anna@example.com", scopes="call_password")
    made = await _password(ringer)
    assert (await ringer.get(f"/call-passwords/{made['id']}")).status == 200
    assert (await ringer.get("/calls")).status == 403
    reader = await world.person("anna@example.com", scopes="read")
    assert (await reader.post("/call-passwords", {"phone": PHONE})).status == 403
