"""Projects, members and their roles, fields and tags; and the walls between tenants."""

from __future__ import annotations

import pytest

from tests.web.conftest import Client, World


async def test_a_project_from_beginning_to_end(anna: Client) -> None:
    made = await anna.made("/projects", {"name": " Осень ", "description": "d"})
    assert made == {
        "id": made["id"],
        "name": "Осень",
        "description": "d",
        "timezone": "Europe/Moscow",
        "archived": False,
        "created_at": "2026-11-20T09:00:00Z",
    }
    path = f"/projects/{made['id']}"
    assert (await anna.get(path)).json == made
    changed = await anna.patch(path, {"name": "Зима", "timezone": "Asia/Omsk"})
    assert (changed.json["name"], changed.json["timezone"], changed.json["description"]) == ("Зима", "Asia/Omsk", "d")
    assert (await anna.post(path + "/archive")).json["archived"] is True
    assert (await anna.get("/projects")).json["items"] == []
    assert len((await anna.get("/projects?archived=true")).json["items"]) == 1
    assert (await anna.post(path + "/restore")).json["archived"] is False


async def test_another_owners_project_is_absent_in_every_way(anna: Client, boris: Client) -> None:
    project = await anna.made("/projects", {"name": "P"})
    path = f"/projects/{project['id']}"
    for method, tail, body in [
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("POST", "/archive", None),
        ("POST", "/restore", None),
        ("GET", "/members", None),
        ("PUT", "/members", {"email": "boris@example.com", "role": "admin"}),
        ("DELETE", "/members/1", None),
        ("POST", "/fields", {"name": "F", "key": "f"}),
        ("GET", "/fields", None),
        ("POST", "/tags", {"name": "T"}),
        ("GET", "/tags", None),
        ("POST", "/segments", {"name": "S"}),
        ("GET", "/segments", None),
    ]:
        assert (await boris(method, path + tail, body)).status == 404, (method, tail)
    assert (await boris.get("/projects")).json["items"] == []
    assert (await boris.get("/projects/999999999999999999")).status == 404


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("admin", {"rename": True, "field": True, "contacts": True, "look": True}),
        ("manager", {"rename": False, "field": True, "contacts": True, "look": True}),
        ("operator", {"rename": False, "field": False, "contacts": True, "look": True}),
        ("analyst", {"rename": False, "field": False, "contacts": False, "look": True}),
    ],
)
async def test_roles(anna: Client, boris: Client, role: str, may: dict[str, bool]) -> None:
    project = await anna.made("/projects", {"name": "P"})
    path = f"/projects/{project['id']}"
    segment = await anna.made(path + "/segments", {"name": "S"})
    assert (await anna.put(path + "/members", {"email": "Boris@example.com", "role": role})).json["role"] == role
    got = {
        "rename": await boris.patch(path, {"name": "x"}),
        "field": await boris.post(path + "/fields", {"name": "F", "key": "f"}),
        "contacts": await boris.post(f"/segments/{segment['id']}/contacts", {"contacts": [{"phone": "+79001234567"}]}),
        "look": await boris.get(path),
    }
    assert {what: answer.status < 300 for what, answer in got.items()} == may
    assert {answer.status for what, answer in got.items() if not may[what]} <= {403}


async def test_members_come_and_go(world: World, anna: Client, boris: Client) -> None:
    project = await anna.made("/projects", {"name": "P"})
    path = f"/projects/{project['id']}/members"
    assert (await anna.put(path, {"email": "nobody@example.com", "role": "admin"})).status == 404
    await anna.put(path, {"email": "boris@example.com", "role": "analyst"})
    members = (await boris.get(path)).json["items"]
    assert {m["email"]: m["role"] for m in members} == {"anna@example.com": "owner", "boris@example.com": "analyst"}
    assert boris.user is not None and anna.user is not None
    assert (await anna.delete(f"{path}/{boris.user.id}")).status == 204
    assert (await boris.get(path)).status == 404
    assert (await anna.delete(f"{path}/{anna.user.id}")).status == 409


async def test_fields_and_tags(anna: Client) -> None:
    project = await anna.made("/projects", {"name": "P"})
    path = f"/projects/{project['id']}"
    field = await anna.made(path + "/fields", {"name": "Имя", "key": "name", "type": "string"})
    assert (field["key"], field["type"]) == ("name", "string")
    assert (await anna.post(path + "/fields", {"name": "Другое", "key": "name"})).status == 409
    assert (await anna.post(path + "/fields", {"name": "x", "key": "Не Ключ"})).status == 422
    await anna.made(path + "/tags", {"name": "hot", "color": "#ff0000"})
    assert (await anna.post(path + "/tags", {"name": "hot"})).status == 409
    assert [t["name"] for t in (await anna.get(path + "/tags")).json["items"]] == ["hot"]
    assert [f["key"] for f in (await anna.get(path + "/fields")).json["items"]] == ["name"]


async def test_lists_go_on_by_cursor_and_are_stable_under_inserts(world: World, anna: Client) -> None:
    for n in range(7):
        world.clock.pass_by(minutes=1)
        await anna.made("/projects", {"name": f"P{n}"})
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await anna.get(f"/projects?limit=3&cursor={cursor}")).json
        seen += [p["name"] for p in page["items"]]
        cursor = page["next"]
        world.clock.pass_by(minutes=1)
        await anna.made("/projects", {"name": f"new {len(seen)}"})
    assert seen == ["P6", "P5", "P4", "P3", "P2", "P1", "P0"]
    by_name = (await anna.get("/projects?sort=name&limit=2")).json["items"]
    assert [p["name"] for p in by_name] == ["P0", "P1"]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "/limit"),
        ("limit=501", "/limit"),
        ("limit=x", "/limit"),
        ("sort=password", "/sort"),
        ("cursor=zzz", "/cursor"),
        ("cursor=W10", "/cursor"),
        ("nonsense=1", "/nonsense"),
    ],
)
async def test_a_wrong_query_is_told(anna: Client, query: str, path: str) -> None:
    answer = await anna.get(f"/projects?{query}")
    assert answer.status == 422
    assert list(answer.codes) == [path]


async def test_an_integration_keeps_its_secrets(anna: Client, boris: Client) -> None:
    project = await anna.made("/projects", {"name": "P"})
    path = f"/projects/{project['id']}/integrations"
    body = {
        "name": "crm",
        "url": "https://crm.example.com/hook",
        "headers": {"X-Key": "secret"},
        "auth": {"bearer": "secret"},
        "params": {"a": "b"},
    }
    made = await anna.put(path, body)
    assert (made.status, made.json["auth"], list(made.json["headers"])) == (200, "bearer", ["X-Key"])
    again = await anna.put(path, {**body, "method": "GET"})
    listed = await anna.get(path)
    assert [(i["id"], i["method"]) for i in listed.json["items"]] == [(again.json["id"], "GET")]
    assert b"secret" not in made.raw + listed.raw
    for wrong in ({"url": "file:///etc/passwd"}, {"headers": {"A\r\nB": "c"}}, {"headers": {"A": "b\r\nC: d"}}):
        assert (await anna.put(path, {**body, **wrong})).status == 422
    assert (await boris.get(path)).status == 404
    assert (await boris.put(path, body)).status == 404


async def test_what_the_store_says_is_said_in_russian_too(anna: Client) -> None:
    project = await anna.made("/projects", {"name": "P"})
    path = f"/projects/{project['id']}/tags"
    await anna.made(path, {"name": "hot"})
    again = await anna.post(path, {"name": "hot"}, headers={"Accept-Language": "ru"})
    assert (again.status, again.json["detail"]) == (409, "Метка hot уже есть.")
    absent = await anna.get("/projects/999", headers={"Accept-Language": "ru"})
    assert absent.json["detail"] == "Такого объекта нет."
