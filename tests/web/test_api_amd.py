"""What a campaign does with machines, from the API to the rules."""

from __future__ import annotations

import pytest

from engine.rules.campaign import Machines
from tests.web.conftest import Client, Json, Shop, World


async def test_nobody_looks_unless_the_campaign_says_so(anna: Client, shop: Shop) -> None:
    made = await anna.made(f"/projects/{shop.project}/campaigns", shop.campaign())
    assert made["amd"]["mode"] == "off"


async def test_what_is_given_reaches_the_engine(anna: Client, shop: Shop, world: World) -> None:
    material = await anna.made(f"/projects/{shop.project}/materials", {"name": "m", "kind": "tts", "text": "hello"})
    amd = {"mode": "message", "material_id": material["id"], "purpose": "Это доставка", "beep_wait_s": 3}
    made = await anna.made(f"/projects/{shop.project}/campaigns", shop.campaign(amd=amd))
    assert made["amd"] == {"text": "", **amd}
    await anna.post(f"/campaigns/{made['id']}/start")
    (active,) = await world.store.running.active()
    wanted = Machines("message", material_id=material["id"], beep_wait_s=3.0, purpose="Это доставка")
    assert active.campaign.amd == wanted


async def test_it_is_changed_as_a_whole_and_copied(anna: Client, shop: Shop) -> None:
    made = await anna.made(f"/projects/{shop.project}/campaigns", shop.campaign(amd={"mode": "hangup"}))
    path = f"/campaigns/{made['id']}"
    changed = (await anna.patch(path, {"amd": {"mode": "message", "text": "Перезвоните"}})).json
    assert (changed["amd"]["mode"], changed["amd"]["text"]) == ("message", "Перезвоните")
    assert (await anna.patch(path, {"name": "x"})).json["amd"] == changed["amd"]
    assert (await anna.post(path + "/copy", {})).json["amd"] == changed["amd"]


@pytest.mark.parametrize(
    ("amd", "where"),
    [
        ({"mode": "message"}, "/amd"),
        ({"mode": "shout"}, "/amd/mode"),
        ({"mode": "message", "material_id": 999}, "/amd/material_id"),
        ({"mode": "hangup", "beep_wait_s": 1000}, "/amd/beep_wait_s"),
        ({"mode": "hangup", "text": "x" * 3000}, "/amd/text"),
    ],
)
async def test_what_cannot_be_is_refused(anna: Client, shop: Shop, amd: Json, where: str) -> None:
    answer = await anna.post(f"/projects/{shop.project}/campaigns", shop.campaign(amd=amd))
    assert (answer.status, list(answer.codes)) == (422, [where])


async def test_another_project_s_material_is_not_there(anna: Client, boris: Client, shop: Shop) -> None:
    other = (await boris.made("/projects", {"name": "B"}))["id"]
    theirs = await boris.made(f"/projects/{other}/materials", {"name": "m", "kind": "tts", "text": "hello"})
    amd = {"mode": "message", "material_id": theirs["id"]}
    answer = await anna.post(f"/projects/{shop.project}/campaigns", shop.campaign(amd=amd))
    assert answer.codes == {"/amd/material_id": "not_found"}
