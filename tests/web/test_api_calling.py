"""Scenarios, numbers, campaigns, lines: everything that makes the robot call, by the API alone."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from engine.ports import Why
from tests.web.conftest import GRAPH, NUMBERS, START, Client, Json, Shop, World, open_shop

# --- scenarios --------------------------------------------------------------------------------------------------------


async def test_a_scenario_and_its_versions(anna: Client, shop: Shop) -> None:
    path = f"/scenarios/{shop.scenario}"
    first = (await anna.get(path)).json
    assert (first["version"], first["graph"], first["problems"]) == (1, GRAPH, [])
    changed = copy.deepcopy(GRAPH)
    changed["nodes"]["hello"]["say"] = "Добрый день!"
    second = await anna.put(path, {"graph": changed})
    assert (second.status, second.json["version"]) == (200, 2)
    assert [v["version"] for v in (await anna.get(path + "/versions")).json["items"]] == [2, 1]
    assert (await anna.get(path + "/versions/1")).json["graph"] == GRAPH
    assert (await anna.get(path + "/versions/3")).status == 404
    listed = (await anna.get(f"/projects/{shop.project}/scenarios")).json["items"]
    assert [(s["id"], s["version"]) for s in listed] == [(shop.scenario, 2)]


async def test_an_invalid_scenario_is_refused_with_every_problem(anna: Client, shop: Shop) -> None:
    graph = copy.deepcopy(GRAPH)
    graph["nodes"]["ask"]["filters"][0]["goto"] = "nowhere"
    graph["nodes"]["hello"]["say"] = "{{ ''.__class__ }} {{"
    graph["nodes"]["bye"]["oops"] = 1
    answer = await anna.post(f"/projects/{shop.project}/scenarios", {"name": "x", "graph": graph})
    assert answer.status == 422
    assert answer.codes["/graph/nodes/ask/filters/0/goto"] == "nowhere"
    assert {"/graph/nodes/hello/say", "/graph/nodes/bye/oops"} <= set(answer.codes)
    checked = (await anna.post("/scenarios/check", {"graph": graph})).json
    assert not checked["valid"] and len(checked["problems"]) >= 3
    assert (await anna.put(f"/scenarios/{shop.scenario}", {"graph": graph})).status == 422
    assert (await anna.get(f"/scenarios/{shop.scenario}")).json["version"] == 1


async def test_a_scenario_speaks_of_its_own_projects_materials_only(anna: Client, boris: Client, shop: Shop) -> None:
    other = (await boris.made("/projects", {"name": "B"}))["id"]
    theirs = await boris.made(f"/projects/{other}/materials", {"name": "m", "kind": "tts", "text": "hello"})
    mine = await anna.made(f"/projects/{shop.project}/materials", {"name": "m", "kind": "tts", "text": "hello"})
    graph = copy.deepcopy(GRAPH)
    graph["nodes"]["hello"] = {"kind": "play", "material": theirs["id"], "next": "ask"}
    answer = await anna.put(f"/scenarios/{shop.scenario}", {"graph": graph})
    assert answer.codes == {"/graph/nodes/hello/material": "no_material"}
    graph["nodes"]["hello"]["material"] = mine["id"]
    assert (await anna.put(f"/scenarios/{shop.scenario}", {"graph": graph})).status == 200


async def test_a_scenario_of_five_thousand_cards_is_refused_in_time(anna: Client, shop: Shop) -> None:
    nodes = {f"n{n}": {"kind": "play", "say": "x", "next": f"n{n + 1}"} for n in range(5000)}
    answer = await anna.put(f"/scenarios/{shop.scenario}", {"graph": {**GRAPH, "nodes": nodes}})
    assert (answer.status, answer.codes["/graph/nodes"]) == (422, "too_large")


async def test_a_rehearsal(anna: Client, shop: Shop) -> None:
    path = f"/scenarios/{shop.scenario}/rehearse"
    played = (await anna.post(path, {"fields": {"name": "Анна"}, "subscriber": [{"say": "да, приду"}]})).json
    assert played["path"] == ["hello", "ask", "agreed", "bye"]
    assert (played["result"], played["ending"], played["tags"]) == ("goal", "hangup", ["confirmed"])
    assert played["transcript"][0]["text"] == "Здравствуйте, Анна! Придёте?"
    silent = (await anna.post(path, {"subscriber": [{"silence": True}]})).json
    assert silent["path"] == ["hello", "ask", "bye"]
    assert (await anna.post(path, {"subscriber": [{"say": "x", "dtmf": "1"}]})).status == 422
    assert (await anna.post(path, {"subscriber": [{}]})).status == 422


# --- numbers ----------------------------------------------------------------------------------------------------------


async def test_renting_and_giving_back(anna: Client, boris: Client) -> None:
    free = (await anna.get("/numbers?state=available")).json["items"]
    assert [n["number"] for n in free] == list(NUMBERS)
    rented = await anna.post("/numbers/rent", {"numbers": [NUMBERS[0], NUMBERS[1]]})
    assert {n["state"] for n in rented.json["items"]} == {"rented"}
    assert (await boris.post("/numbers/rent", {"numbers": [NUMBERS[2], NUMBERS[0]]})).status == 409
    assert [n["number"] for n in (await boris.get("/numbers")).json["items"]] == [NUMBERS[2]]
    assert (await boris.post("/numbers/release", {"numbers": [NUMBERS[0]]})).status == 404
    assert (await anna.post("/numbers/release", {"numbers": [NUMBERS[0]]})).status == 200
    assert (await boris.post("/numbers/rent", {"numbers": [NUMBERS[0]]})).status == 200
    assert (await anna.post("/numbers/rent", {"numbers": ["+70000000000"]})).status == 404


# --- campaigns --------------------------------------------------------------------------------------------------------


async def _campaign(client: Client, shop: Shop, **more: Json) -> Json:
    return await client.made(f"/projects/{shop.project}/campaigns", shop.campaign(**more))


async def test_a_campaign_is_what_it_was_made(anna: Client, shop: Shop) -> None:
    windows = [{"days": [1, 2, 3, 4, 5], "from": "10:00", "to": "24:00"}]
    made = await _campaign(
        anna,
        shop,
        limits={"max_goals": 5, "max_spend": 100},
        retry={"attempts": 2, "interval_s": 90, "on": ["busy"]},
        schedule={"timezone": "Asia/Omsk", "local_to": "project", "windows": windows},
        variants=[{"scenario_id": shop.scenario, "share": 0.5}],
        speed_per_hour=120,
    )
    assert (made["state"], made["archived"], made["pause_reason"], made["why"]) == ("draft", False, None, None)
    assert made["limits"] == {"max_goals": 5, "max_spend": 100}
    assert made["retry"] == {"attempts": 2, "interval_s": 90, "on": ["busy"]}
    assert made["schedule"] == {
        "start_at": None,
        "timezone": "Asia/Omsk",
        "local_to": "project",
        "windows": windows,
    }
    assert made["progress"] == {"total": 0, "done": 0, "in_flight": 0, "waiting": 0, "share": 0.0}
    assert made["totals"]["calls"] == 0 and made["totals"]["cost_per_goal"] is None
    assert (await anna.get(f"/campaigns/{made['id']}")).json == made
    assert (await anna.get(f"/projects/{shop.project}/campaigns?state=draft")).json["items"] == [made]
    assert (await anna.get("/campaigns?state=running")).json["items"] == []


async def test_a_campaign_has_the_contracts_defaults(anna: Client, shop: Shop) -> None:
    made = await _campaign(anna, shop)
    assert made["retry"] == {"attempts": 3, "interval_s": 60, "on": ["no_answer", "busy", "unreachable"]}
    assert (made["answer_timeout_s"], made["action_timeout_s"], made["carousel"]) == (27, 7, False)
    assert (made["schedule"]["timezone"], made["schedule"]["local_to"]) == ("Europe/Moscow", "subscriber")


async def test_a_campaign_names_only_what_is_its_projects(
    anna: Client, boris: Client, shop: Shop, world: World
) -> None:
    theirs = await open_shop(boris, NUMBERS[1])
    body = shop.campaign(
        scenario_id=theirs.scenario,
        segment_ids=[shop.segment, theirs.segment, shop.blacklist],
        blacklist_ids=[theirs.blacklist],
        numbers=[shop.number, theirs.number],
        variants=[{"scenario_id": theirs.scenario, "share": 0.1}],
    )
    answer = await anna.post(f"/projects/{shop.project}/campaigns", body)
    assert answer.status == 422
    assert set(answer.codes) >= {"/segment_ids/1", "/segment_ids/2", "/blacklist_ids/0", "/numbers/1"}
    assert {"/scenario_id", "/variants/0/scenario_id"} & set(answer.codes)


async def test_more_repeats_than_the_installation_allows(anna: Client, shop: Shop) -> None:
    answer = await anna.post(f"/projects/{shop.project}/campaigns", shop.campaign(retry={"attempts": 4}))
    assert list(answer.codes) == ["/retry/attempts"]


ACTIONS = ("start", "pause", "resume", "stop", "restart", "archive")


async def test_each_action_in_each_state(anna: Client, shop: Shop, world: World) -> None:
    allowed = {
        "draft": {"start": "running", "archive": "draft"},
        "running": {"pause": "paused", "stop": "stopped"},
        "paused": {"resume": "running", "stop": "stopped"},
        "stopped": {"restart": "running", "archive": "stopped"},
    }
    ways: dict[str, tuple[str, ...]] = {
        "draft": (),
        "running": ("start",),
        "paused": ("start", "pause"),
        "stopped": ("start", "stop"),
    }
    for state, way in ways.items():
        for action in ACTIONS:
            made = await _campaign(anna, shop)
            path = f"/campaigns/{made['id']}"
            for step in way:
                await anna.made(f"{path}/{step}", None)
            answer = await anna.post(f"{path}/{action}")
            if action in allowed[state]:
                assert (answer.status, answer.json["state"]) == (200, allowed[state][action]), (state, action)
            else:
                assert answer.status == 409, (state, action)
                assert (await anna.get(path)).json["state"] == state
    assert made["id"] in world.robot.nudged


async def test_a_campaign_that_starts_later_is_scheduled(anna: Client, shop: Shop) -> None:
    at = (START + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    made = await _campaign(anna, shop, schedule={"start_at": at})
    assert made["schedule"]["start_at"] == at
    started = await anna.post(f"/campaigns/{made['id']}/start")
    assert started.json["state"] == "scheduled"


async def test_a_campaign_that_could_call_nobody_does_not_start(anna: Client, shop: Shop) -> None:
    for missing in ("numbers", "segment_ids"):
        made = await _campaign(anna, shop, **{missing: []})
        answer = await anna.post(f"/campaigns/{made['id']}/start")
        assert answer.status == 409 and missing in answer.json["detail"]


async def test_changing_a_campaign(anna: Client, shop: Shop) -> None:
    start = {"start_at": "2026-12-01T10:00:00Z", "timezone": "Asia/Omsk"}
    made = await _campaign(anna, shop, schedule=start, limits={"max_spend": 9}, retry={"attempts": 1})
    path = f"/campaigns/{made['id']}"
    changed = (await anna.patch(path, {"name": "Winter", "limits": {"max_goals": 1}})).json
    assert changed == {**made, "name": "Winter", "limits": {"max_goals": 1, "max_spend": 9}}
    later = {"retry": {"interval_s": 300}, "schedule": {"windows": [{"from": "09:00", "to": "10:00"}]}}
    changed = (await anna.patch(path, later)).json
    assert changed["retry"] == {**made["retry"], "interval_s": 300}
    days = [1, 2, 3, 4, 5, 6, 7]
    windows = [{"days": days, "from": "09:00", "to": "10:00"}]
    assert changed["schedule"] == {**made["schedule"], "windows": windows}
    changed = (await anna.patch(path, {"schedule": {"start_at": None}})).json
    assert changed["schedule"] == {**made["schedule"], "start_at": None, "windows": windows}
    await anna.made(path + "/start", None)
    assert (await anna.patch(path, {"name": "Spring"})).status == 409
    await anna.made(path + "/pause", None)
    assert (await anna.patch(path, {"name": "Spring"})).json["name"] == "Spring"


async def test_copying_and_archiving(anna: Client, shop: Shop) -> None:
    made = await _campaign(anna, shop)
    copied = await anna.made(f"/campaigns/{made['id']}/copy", {"name": "Again"})
    same = ("scenario_id", "segment_ids", "blacklist_ids", "numbers", "retry", "schedule")
    assert {k: copied[k] for k in same} == {k: made[k] for k in same}
    assert (copied["name"], copied["state"]) == ("Again", "draft") and copied["id"] != made["id"]
    assert (await anna.post(f"/campaigns/{made['id']}/copy", {})).json["name"] == made["name"]
    assert (await anna.post(f"/campaigns/{made['id']}/archive")).json["archived"] is True
    assert (await anna.get(f"/campaigns/{made['id']}")).json["archived"] is True
    assert (await anna.post(f"/campaigns/{made['id']}/restore")).json["archived"] is False


async def test_why_a_running_campaign_does_not_dial_is_said_in_both_languages(
    anna: Client, shop: Shop, world: World
) -> None:
    made = await _campaign(anna, shop, schedule={"timezone": "Asia/Omsk"})
    path = f"/campaigns/{made['id']}"
    await anna.made(path + "/start", None)
    world.robot.whys[made["id"]] = Why("window", {"timezone": "Asia/Omsk"}, START + timedelta(hours=2))
    english = (await anna.get(path)).json["why"]
    assert (english["code"], english["until"]) == ("window", "2026-11-20T11:00:00Z")
    assert "17:00" in english["text"] and "Outside the calling hours" in english["text"]
    russian = (await anna.get(path, headers={"Accept-Language": "ru"})).json["why"]
    assert "вне времени звонков" in russian["text"]


async def test_a_campaigns_contacts_and_a_segment_of_them(anna: Client, shop: Shop, world: World) -> None:
    made = await _campaign(anna, shop)
    path = f"/campaigns/{made['id']}"
    assert (await anna.get(path + "/contacts")).json["items"] == []
    segment = await anna.made(path + "/segment", {"name": "Unreached", "outcome": "unreached"})
    assert (segment["kind"], segment["size"]) == ("contacts", 0)
    assert (await anna.post(path + "/segment", {"name": "x", "outcome": "nonsense"})).status == 422
    assert (await anna.get(path + "/contacts?outcome=nonsense")).status == 422


async def test_another_owners_campaign_is_absent(anna: Client, boris: Client, shop: Shop) -> None:
    made = await _campaign(anna, shop)
    path = f"/campaigns/{made['id']}"
    for tail in ("", "/contacts", "/analytics"):
        assert (await boris.get(path + tail)).status == 404
    for action in (*ACTIONS, "restore"):
        assert (await boris.post(f"{path}/{action}")).status == 404
    assert (await boris.post(path + "/copy", {})).status == 404
    assert (await boris.post(path + "/segment", {"name": "x", "outcome": "all"})).status == 404
    assert (await boris.patch(path, {"name": "x"})).status == 404
    assert (await boris.get("/campaigns")).json["items"] == []


# --- lines ------------------------------------------------------------------------------------------------------------


async def test_a_line_from_beginning_to_end(anna: Client, shop: Shop) -> None:
    body = {
        "name": "Support",
        "numbers": [shop.number],
        "scenario_id": shop.scenario,
        "schedule": {"windows": [{"from": "09:00", "to": "18:00"}]},
        "after_hours_scenario_id": shop.scenario,
    }
    made = await anna.made(f"/projects/{shop.project}/lines", body)
    assert (made["state"], made["calls"], made["goals"], made["spent"]) == ("off", 0, 0, 0)
    assert made["schedule"]["windows"] == [{"days": [1, 2, 3, 4, 5, 6, 7], "from": "09:00", "to": "18:00"}]
    path = f"/lines/{made['id']}"
    assert (await anna.post(path + "/activate")).json["state"] == "active"
    copied = await anna.made(path + "/copy", {"name": "Second"})
    assert (copied["state"], copied["numbers"]) == ("off", [shop.number])
    assert (await anna.post(f"/lines/{copied['id']}/activate")).status == 409
    changed = (await anna.patch(path, {"after_hours_scenario_id": None, "name": "Help"})).json
    assert (changed["name"], changed["after_hours_scenario_id"]) == ("Help", None)
    assert changed["schedule"] == made["schedule"]
    assert (await anna.post(path + "/deactivate")).json["state"] == "off"
    assert (await anna.post(f"/lines/{copied['id']}/activate")).json["state"] == "active"
    assert (await anna.post(path + "/archive")).json["state"] == "archived"
    assert [line["name"] for line in (await anna.get("/lines")).json["items"]] == ["Second"]


async def test_a_line_names_only_what_is_its_projects(anna: Client, boris: Client, shop: Shop) -> None:
    theirs = await open_shop(boris, NUMBERS[1])
    body = {"name": "L", "numbers": [theirs.number], "scenario_id": theirs.scenario, "segment_id": theirs.segment}
    answer = await anna.post(f"/projects/{shop.project}/lines", body)
    assert set(answer.codes) == {"/numbers/0", "/scenario_id", "/segment_id"}
    line = await boris.made(f"/projects/{theirs.project}/lines", {"name": "L", "scenario_id": theirs.scenario})
    for action in ("activate", "deactivate", "archive"):
        assert (await anna.post(f"/lines/{line['id']}/{action}")).status == 404
    assert (await anna.get(f"/lines/{line['id']}")).status == 404


@pytest.mark.parametrize("group", ["hour", "day", "campaign", "number", "operator"])
async def test_analytics_of_nothing(anna: Client, shop: Shop, group: str) -> None:
    answer = (await anna.get(f"/projects/{shop.project}/analytics?group_by={group}")).json
    assert answer["totals"]["calls"] == 0 and answer["totals"]["cost_per_goal"] is None
    assert [stage["stage"] for stage in answer["funnel"]][0] == "calls"
    assert answer["series"] == []
