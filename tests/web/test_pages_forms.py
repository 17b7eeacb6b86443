"""Forms: what they make, and that nothing typed is lost when something is wrong."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from engine.model import CallEnd, Result, Status, TalkLog
from tests.web.conftest import GRAPH, NUMBERS, START, Client, Shop, World
from tests.web.panel import Browser, browser, ended
from web.pages.campaign_form import gathered
from web.pages.forms import Form, nested, rows
from web.pages.segments import pasted
from web.pages.shell import local

PASSWORD = "correct horse battery"


@pytest.fixture
async def web(world: World, anna: Client) -> Browser:
    return await browser(world)


def campaign(shop: Shop, **more: Any) -> dict[str, Any]:
    return {
        "name": "Осень", "scenario_id": shop.scenario, "segment_ids": [shop.segment], "numbers": [NUMBERS[0]],
        "answer_timeout_s": 30, "action_timeout_s": 7, "retry.attempts": 2, "retry.interval_s": 600,
        "retry.on": ["busy"], "speed_per_hour": 100, "max_concurrent": 5, "limits.max_goals": 0,
        "limits.max_spend": "12,50", "record": "on", "schedule.timezone": "Europe/Moscow",
        "schedule.local_to": "project", "schedule.windows.0.days": [1, 2], "schedule.windows.0.from": "10:00",
        "schedule.windows.0.to": "20:00", "schedule.start_at": "2026-11-21T09:00",
        "variants.0.scenario_id": shop.scenario, "variants.0.share": "25", **more,
    }  # fmt: skip


async def test_a_campaign_from_the_form_to_its_start(world: World, web: Browser, shop: Shop) -> None:
    shown = await web.done(f"/projects/{shop.project}/campaigns/new", campaign(shop))
    row = await world.store.campaigns.get(1, user=None)
    assert (row.name, row.max_spend, row.record, row.carousel) == ("Осень", 1250, True, False)
    assert row.schedule["windows"] == [{"days": [1, 2], "from": "10:00", "to": "20:00"}]
    assert row.start_at is not None and row.start_at.isoformat() == "2026-11-21T06:00:00+00:00"
    assert row.variants == [{"scenario_id": shop.scenario, "share": 0.25}] and row.retry["on"] == ["busy"]
    assert "черновик" in shown.words
    assert "запланирована" in (await web.done("/campaigns/1/start")).words
    assert world.robot.nudged[-1] == 1
    refused = await web.post("/campaigns/1/start")
    assert refused.status == 303 and "невозможно" in (await web.get("/campaigns/1")).words


async def test_a_campaign_with_errors_keeps_all_that_was_typed(world: World, web: Browser, shop: Shop) -> None:
    given = campaign(
        shop, name="", **{"retry.interval_s": "5", "limits.max_spend": "много", "schedule.windows.3.from": "25:00",
                          "schedule.windows.3.to": "26:00", "schedule.windows.3.days": [6], "variants.0.share": "140"},
    )  # fmt: skip
    shown = await web.post(f"/projects/{shop.project}/campaigns/new", given)
    assert shown.status == 422
    assert shown.field("retry.interval_s") == "5" and shown.field("limits.max_spend") == "много"
    assert shown.field("schedule.windows.1.from") == "25:00" and shown.field("variants.0.share") == "140"
    assert shown.field("schedule.start_at") == "2026-11-21T09:00" and shown.field("scenario_id") == str(shop.scenario)
    assert 'name="segment_ids" value="1" checked' in shown.text
    for name in ("f-name-error", "f-retry-interval_s-error", "f-limits-max_spend-error", "f-variants-0-share-error"):
        assert f'id="{name}"' in shown.text
    assert (await web.get(f"/projects/{shop.project}/campaigns")).words.count("Кампаний здесь нет") == 1


async def test_changing_a_campaign_shows_and_keeps_what_it_was(world: World, web: Browser, shop: Shop) -> None:
    await web.done(f"/projects/{shop.project}/campaigns/new", campaign(shop, record=[]))
    before = await world.store.campaigns.get(1, user=None)
    form = await web.get("/campaigns/1/edit")
    assert form.field("limits.max_spend") == "12.5" and form.field("schedule.start_at") == "2026-11-21T09:00"
    assert form.field("variants.0.share") == "25" and form.field("schedule.windows.0.to") == "20:00"
    assert 'name="record" value="on" checked' not in form.text
    await web.done("/campaigns/1/edit", campaign(shop, name="Зима", record=[]))
    after = await world.store.campaigns.get(1, user=None)
    assert after.name == "Зима"
    for name in ("schedule", "start_at", "variants", "retry", "max_spend", "numbers", "record", "segment_ids"):
        assert getattr(after, name) == getattr(before, name), name
    machines = {"amd.mode": "message", "amd.text": "Перезвоните нам"}
    assert (await web.post("/campaigns/1/edit", campaign(shop, **machines | {"amd.text": ""}))).status == 422
    await web.done("/campaigns/1/edit", campaign(shop, name="Зима", **machines))
    assert (await web.get("/campaigns/1/edit")).field("amd.text") == "Перезвоните нам"
    copied = await web.done("/campaigns/1/copy")
    assert copied.field("name") == "Зима (копия)"


async def test_pasted_contacts_are_counted_with_reasons(world: World, web: Browser, shop: Shop, anna: Client) -> None:
    await anna.made(f"/projects/{shop.project}/fields", {"name": "Имя", "key": "name"})
    text = "8 (900) 111-22-33;Анна\n\n112;Пожар\n+79001112233;Анна\nслово;Б\n=1+1;В\n+79004445566;<b>"
    given = {"name": "Новые", "kind": "contacts", "contacts": text}
    shown = await web.post(f"/projects/{shop.project}/segments/new", given)
    assert shown.status == 200 and "Добавлено: 2." in shown.words
    assert "Повторов: 1." in shown.words and "Не принято: 3." in shown.words
    assert "строка 3" in shown.words and "экстренных" in shown.words and "<b>" not in shown.text
    found = (await anna.get("/segments/3/contacts")).json["items"]
    assert {c["phone"]: c["fields"] for c in found} == {
        "+79001112233": {"name": "Анна"}, "+79004445566": {"name": "<b>"},
    }  # fmt: skip
    removed = await web.done(f"/segments/3/contacts/{found[0]['id']}/remove")
    assert "Контакт убран" in removed.words
    empty = await web.post("/segments/3/contacts", {"contacts": " \n "})
    assert empty.status == 422 and "по одному на строке" in empty.words


def test_what_is_pasted() -> None:
    plain = pasted("+7900;Анна;Москва\n;без номера\n+7901", ["name"])
    assert plain.contacts == [{"phone": "+7900", "fields": {"name": "Анна"}}, {"phone": "+7901", "fields": {}}]
    assert [line for line, _ in plain.lines] == [1, 3]
    headed = pasted('phone\tname\tcity\n"+7900"\tАнна\tОмск', [])
    assert headed.contacts == [{"phone": "+7900", "fields": {"name": "Анна", "city": "Омск"}}]


async def test_more_than_a_megabyte_is_refused(world: World, web: Browser, shop: Shop) -> None:
    text = "+79001112233;x\n" * 69_000
    shown = await web.post(f"/projects/{shop.project}/segments/new", {"name": "x", "contacts": text})
    assert shown.status == 413 and "Слишком много" in shown.words


async def test_nul_and_other_content_are_refused(world: World, web: Browser, shop: Shop) -> None:
    assert (await web.post("/projects", {"name": "a\x00b", "timezone": "Europe/Moscow"})).status == 400
    async with web.http.post(web.base + "/projects", json={"name": "x"}, cookies=web.cookies) as answer:
        assert answer.status in (403, 415)


async def test_a_scenario_from_the_library_and_a_broken_one(world: World, web: Browser, shop: Shop) -> None:
    form = await web.get(f"/projects/{shop.project}/scenarios/new?from=clinic")
    text = form.field("text")
    assert yaml.safe_load(text)["nodes"]
    shown = await web.done(f"/projects/{shop.project}/scenarios/new", {"name": "", "text": text})
    assert "Входящая линия клиники" in shown.words and 'id="card-hours"' in shown.text
    broken = text.replace("inside: hello", "inside: nowhere").replace("max_s: 90", "max_s: soon")
    refused = await web.post("/scenarios/2/edit", {"name": "Клиника", "text": broken})
    assert refused.status == 422 and refused.field("text").strip() == broken.strip()
    assert 'href="#card-hours"' in refused.text and 'href="#card-message"' in refused.text
    assert "box data error" in refused.text or "box flow error" in refused.text
    nonsense = await web.post("/scenarios/2/edit", {"text": "a: [b"})
    assert nonsense.status == 422 and nonsense.field("text") == "a: [b" and "не читается" in nonsense.words
    kept = await web.done("/scenarios/2/edit", {"name": "Клиника 2", "text": text})
    assert "Сохранена версия 2" in kept.words and "Клиника 2" in kept.words


async def test_a_rehearsal_goes_turn_by_turn(world: World, web: Browser, shop: Shop) -> None:
    path = f"/scenarios/{shop.scenario}/rehearse"
    begun = await web.get(path)
    assert "Здравствуйте, ! Придёте?" in begun.words and 'name="say"' in begun.text
    named = await web.post(path, {"field.name": "Анна", "act": "again"})
    assert "Здравствуйте, Анна! Придёте?" in named.words and named.field("field.name") == "Анна"
    said = await web.post(path, {"field.name": "Анна", "say": "да, приду", "act": "say"})
    assert "Разговор окончен: трубку положил робот" in said.words and "цель" in said.words
    assert said.field("turn") == "say:да, приду" and 'name="say"' not in said.text
    back = await web.post(path, {"turn": ["say:да, приду"], "act": "back"})
    assert 'name="say"' in back.text and "окончен" not in back.words
    left = await web.post(path, {"act": "hangup"})
    assert "трубку положил абонент" in left.words
    hostile = await web.post(path, {"turn": ["evil:x", "say:" + "а" * 3000], "act": "silence", "transfer": "x"})
    assert hostile.status == 422 and "<html" in hostile.text
    part = await web.post(path + "?part=stage", {"say": "1", "act": "say"})
    assert part.status == 200 and "<html" not in part.text and part.field("turn") == "dtmf:1"


async def test_lines_numbers_and_their_states(world: World, web: Browser, shop: Shop) -> None:
    shown = await web.done("/numbers/rent", {"numbers": NUMBERS[1]})
    assert "Арендовано номеров: 1." in shown.words
    given = {
        "name": "Приём", "numbers": [NUMBERS[1]], "scenario_id": shop.scenario, "record": "on", "timezone": "",
        "schedule.windows.0.days": [1], "schedule.windows.0.from": "09:00", "schedule.windows.0.to": "18:00",
        "after_hours_scenario_id": shop.scenario, "segment_id": "",
    }  # fmt: skip
    made = await web.done(f"/projects/{shop.project}/lines/new", given)
    assert "выключена" in made.words
    assert "отвечает" in (await web.done("/lines/1/activate")).words
    wrong = await web.post("/lines/1/edit", {**given, "name": "", "schedule.windows.0.from": "9"})
    assert wrong.status == 422 and wrong.field("schedule.windows.0.from") == "9"
    changed = await web.done("/lines/1/edit", {**given, "after_hours_scenario_id": ""})
    assert "никто не отвечает" in changed.words
    assert "выключена" in (await web.done("/lines/1/deactivate")).words
    assert "в архиве" in (await web.done("/lines/1/archive")).words
    assert "Возвращено номеров: 1." in (await web.done("/numbers/release", {"numbers": NUMBERS[1]})).words


async def test_calls_now_filters_and_hanging_up(world: World, web: Browser, shop: Shop) -> None:
    path = f"/projects/{shop.project}/calls"
    wrong = await web.post(path + "/new", {"phone": "112", "scenario_id": shop.scenario, "fields": "name = Анна"})
    assert wrong.status == 422 and wrong.field("phone") == "112" and wrong.field("fields") == "name = Анна"
    await web.done(path + "/new", {"phone": "89001234567", "scenario_id": shop.scenario, "fields": "name = Анна"})
    assert world.robot.called == [1]
    assert (await world.store.calls.get(1, user=None)).fields == {"name": "Анна"}
    world.robot.living.add(1)
    assert "Завершаем звонок" in (await web.done("/calls/1/hangup")).words
    await world.store.calls.end(1, ended())
    assert "уже закончился" in (await web.done("/calls/1/hangup")).words
    assert "/calls/1" in (await web.get(path + "?status=answered&result=goal&phone=1234")).text
    assert "ничего не подходит" in (await web.get(path + "?status=busy")).words
    assert (await web.get(path + "?status=nonsense&cursor=zzz")).status in (200, 422)


async def test_the_stop_list(world: World, web: Browser, shop: Shop, anna: Client) -> None:
    made = await anna.made(f"/projects/{shop.project}/calls", {"phone": "+79001234567", "scenario_id": shop.scenario})
    talk = TalkLog("hangup", "robot", Result.OPT_OUT, opted_out=True)
    await world.store.calls.end(made["id"], CallEnd(Status.ANSWERED, 16, START, answered_at=START, talk=talk))
    shown = await web.get(f"/projects/{shop.project}/segments")
    assert "+7\u00a0900\u00a0123\u201145\u201167" in shown.text
    freed = await web.done(f"/projects/{shop.project}/opt-outs/remove", {"phone": "+79001234567"})
    assert "Никто не просил" in freed.words


async def test_projects_members_and_fields(world: World, web: Browser, shop: Shop) -> None:
    path = f"/projects/{shop.project}"
    assert (await web.post("/projects", {"name": "", "timezone": "Mars/Base"})).status == 422
    await web.done(path + "/settings", {"name": "Лавка", "description": "", "timezone": "Asia/Omsk"})
    unknown = await web.post(path + "/members", {"email": "no@example.com", "role": "analyst"})
    assert unknown.status == 422 and unknown.field("email") == "no@example.com" and "нет" in unknown.words
    boris = await world.user("boris@example.com")
    await web.done(path + "/members", {"email": "boris@example.com", "role": "analyst"})
    assert await world.store.projects.role(shop.project, user=boris.id) == "analyst"
    await web.done(f"{path}/members/{boris.id}/remove")
    await web.done(path + "/fields", {"name": "Город", "key": "city", "type": "string"})
    again = await web.post(path + "/fields", {"name": "Город", "key": "city", "type": "string"})
    assert again.status == 422 and "уже есть" in again.words
    assert (await web.done(path + "/archive")).path == "/projects"
    assert "Проект возвращён" in (await web.done(path + "/restore")).words


async def test_tokens_are_shown_once_and_revoked(world: World, web: Browser) -> None:
    wrong = await web.post("/settings/tokens", {"name": "crm"})
    assert wrong.status == 422 and 'value="crm"' in wrong.text
    made = await web.post("/settings/tokens", {"name": "crm", "scopes": ["read"]})
    assert made.status == 200 and "dz_" in made.text
    shown = await web.get("/settings")
    assert "dz_" not in shown.text and "crm" in shown.words
    row = next(t for t in await world.store.users.tokens((await _anna(world)).id) if t.name == "crm")
    gone = await web.done(f"/settings/tokens/{row.id}/revoke")
    assert "отозван" in gone.words and "crm" not in gone.words


async def _anna(world: World) -> Any:
    return await world.store.users.by_email("anna@example.com")


async def test_call_passwords(world: World, web: Browser, shop: Shop) -> None:
    wrong = await web.post("/call-password", {"phone": "112", "code_length": 4, "ttl_s": 300})
    assert wrong.status == 422 and wrong.field("phone") == "112"
    shown = await web.done("/call-password", {"phone": "+79001234567", "code_length": 4, "ttl_s": 300})
    assert "звоним" in shown.words and world.robot.passwords == [1]
    guessed = await web.done("/call-password/1", {"code": "0000x"})
    assert "Код неверный" in guessed.words
    right = await web.done("/call-password/1", {"code": NUMBERS[0][-4:]})
    assert "Код верный" in right.words
    world.robot.down = True
    refused = await web.post("/call-password", {"phone": "+79007654321", "code_length": 4, "ttl_s": 300})
    assert refused.status == 303


async def test_logging_in_and_out(world: World) -> None:
    await world.user("vera@example.com", password=PASSWORD)
    vera = await browser(world, "vera@example.com")
    vera.cookies.clear()
    wrong = await vera.post("/login", {"email": "vera@example.com", "password": "no", "next": "/settings"})
    assert wrong.status == 401 and wrong.field("email") == "vera@example.com" and "Неверный" in wrong.words
    assert wrong.field("next") == "/settings" and wrong.field("password") == ""
    elsewhere = await vera.post(
        "/login", {"email": "vera@example.com", "password": PASSWORD}, **{"Sec-Fetch-Site": "cross-site"}
    )
    assert elsewhere.status == 403
    right = await vera.post("/login", {"email": "vera@example.com", "password": PASSWORD, "next": "//evil.example"})
    assert (right.status, right.headers["Location"]) == (303, "/")
    page = await vera.get("/settings")
    vera.csrf = page.field("csrf")
    assert (await vera.get("/login")).headers["Location"] == "/"
    mistaken = await vera.post("/settings/password", {"old": PASSWORD, "new": "long enough 1", "again": "other"})
    assert mistaken.status == 422 and "Не совпадает" in mistaken.words
    changed = await vera.done("/settings/password", {"old": PASSWORD, "new": "long enough 1", "again": "long enough 1"})
    assert "Пароль изменён" in changed.words
    out = await vera.post("/logout")
    assert out.headers["Location"] == "/login" and (await vera.get("/settings")).status == 303


async def test_too_many_log_ins_are_told(world: World) -> None:
    eve = await browser(world, "eve@example.com")
    eve.cookies.clear()
    for _ in range(5):
        await eve.post("/login", {"email": "eve@example.com", "password": "guess"})
    told = await eve.post("/login", {"email": "eve@example.com", "password": "guess"})
    assert told.status == 429 and "подождите" in told.words


@pytest.mark.parametrize(
    ("address", "ours"),
    [("/", True), ("/calls/1?a=%20b", True), ("//evil", False), ("/\\evil", False), ("https://evil", False),
     ("", False),
     ("/a\r\nSet-Cookie: x", False), ("/a\\b", False), ("/" + "a" * 3000, False)],
)  # fmt: skip
def test_only_our_own_addresses_are_gone_back_to(address: str, ours: bool) -> None:
    assert local(address) is ours


def test_dotted_names_become_objects_and_empty_ones_are_absent() -> None:
    assert nested({"a.b": ["1"], "a.c": [""], "d": ["x", "y"], "e": []}, ("d", "e")) == {
        "a": {"b": "1"}, "d": ["x", "y"], "e": [],
    }  # fmt: skip
    found = rows({"w.5.from": ["1"], "w.2.from": ["2"], "w.3.from": [""], "w.x.from": ["3"]}, "w", ("from",))
    assert found == [{"from": ["2"]}, {"from": ["1"]}]


def test_a_form_tells_each_problem_once() -> None:
    form = Form({"name": "x", "w.0.from": "1"}, [("/numbers/0", "bad"), ("/numbers/1", "bad"), ("/other", "lost")])
    assert form("name") == "x" and form("none", "d") == "d" and form.count("w") == 1 and form.count("v") == 0
    assert form.error("numbers") == "bad" and form.error("number") == "" and form.rest() == ["lost"]


def test_nonsense_in_a_campaigns_form_goes_on_to_be_refused() -> None:
    body, _ = gathered({"schedule.start_at": ["soon"], "limits.max_spend": ["1e999"], "schedule.timezone": ["Mars"]})
    assert body["schedule"]["start_at"] == "soon" and body["limits"]["max_spend"] == "1e999"
    assert body["variants"] == [] and body["record"] is False and GRAPH["dozvon"] == 1
