"""Every page, in both languages, for whoever may and may not see it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from engine.model import Status
from tests.web.conftest import Client, Shop, World
from tests.web.panel import LANGUAGES, Full, browser, fill

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta"}


@pytest.fixture
async def full(anna: Client, shop: Shop, world: World) -> Full:
    return await fill(anna, shop, world)


class Judge(HTMLParser):
    """Reads a page as a careful reader would: tags closed, fields named, no id twice, nothing that the CSP forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.headings: list[int] = []
        self._open: list[str] = []
        self._ids: set[str] = set()
        self._labels: set[str] = set()
        self._fields: list[tuple[str, str]] = []  # (id, how it looks) of those without a label around them

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self._open.append(tag)
        if "style" in given or any(name.startswith("on") for name in given):
            self.faults.append(f"{tag}: style or script in the page itself")
        if tag == "script" and "src" not in given:
            self.faults.append("a script in the page itself")
        if (ident := given.get("id")) is not None:
            if ident in self._ids and "template" not in self._open:
                self.faults.append(f"the id {ident} twice")
            self._ids.add(ident)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "label" and "for" in given:
            self._labels.add(given["for"])
        if tag in ("input", "select", "textarea") and given.get("type") != "hidden":
            named = "label" in self._open or "aria-label" in given
            if not named:
                self._fields.append((given.get("id", ""), f"{tag} {given.get('name')}"))
        if tag == "img" and "alt" not in given:
            self.faults.append("a picture without alt")

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def verdict(self) -> list[str]:
        nameless = [look for ident, look in self._fields if ident not in self._labels]
        jumps = [b for a, b in zip(self.headings, self.headings[1:], strict=False) if b > a + 1]
        found = self.faults + [f"no label: {look}" for look in nameless] + [f"a heading h{b} too deep" for b in jumps]
        return (
            found + ([] if self.headings.count(1) == 1 else ["not one h1"]) + [f"not closed: {t}" for t in self._open]
        )


def judged(text: str) -> list[str]:
    judge = Judge()
    judge.feed(text)
    judge.close()
    return judge.verdict()


def test_the_judge_sees_what_is_wrong() -> None:
    page = '<h1>a</h1><h3>b</h3><input name="x"><p id="a"></p><b id="a" style="x"></b><script>1</script><div>'
    assert len(judged(page)) == 6


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_of_a_full_project(world: World, full: Full, language: str) -> None:
    anna = await browser(world, language=language)
    for path in full.pages():
        shown = await anna.get(path)
        assert shown.status == 200, (path, shown.words[:300])
        assert f'<html lang="{language}">' in shown.text
        assert judged(shown.text) == [], path
        assert shown.headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert "<script>да" not in shown.text and "<b>bold" not in shown.text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_of_somebody_new(world: World, language: str) -> None:
    eve = await browser(world, "eve@example.com", language)
    first = await eve.get("/")
    assert (first.status, first.headers["Location"]) == (303, "/projects")
    for path in ("/projects", "/numbers", "/settings", "/call-password"):
        shown = await eve.get(path)
        assert shown.status == 200 and judged(shown.text) == [], path
    made = await eve.post("/projects", {"name": "Новый", "timezone": "Asia/Omsk"})
    project = made.headers["Location"]
    pages = ("", "/settings", "/campaigns", "/campaigns/new", "/segments", "/segments/new", "/calls", "/calls/new")
    for rest in (*pages, "/live", "/lines", "/lines/new", "/scenarios", "/scenarios/new"):
        shown = await eve.get(project + rest)
        assert shown.status == 200 and judged(shown.text) == [], rest


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_words_are_of_the_language(world: World, full: Full, language: str) -> None:
    anna = await browser(world, language=language)
    menu = {"ru": ("Кампании", "Живые звонки"), "en": ("Campaigns", "Live calls")}
    shown = (await anna.get(f"/calls/{full.call}")).words
    assert all(word in shown for word in menu[language])
    assert not any(word in shown for other, words in menu.items() if other != language for word in words)
    assert {"ru": "закончен обычным образом", "en": "ended normally"}[language] in shown


async def test_a_chosen_language_is_kept(world: World, full: Full) -> None:
    anna = await browser(world)
    back = await anna.post("/language", {"language": "en", "back": f"/calls/{full.call}"})
    assert back.headers["Location"] == f"/calls/{full.call}"
    assert '<html lang="en">' in (await anna.get("/settings")).text
    await anna.post("/language", {"language": "xx"})
    assert '<html lang="en">' in (await anna.get("/settings")).text


async def test_strangers_see_nothing(world: World, full: Full) -> None:
    boris = await browser(world, "boris@example.com")
    for path in full.own():
        assert (await boris.get(path)).status == 404, path
    deeds = [
        f"/campaigns/{full.campaign}/start", f"/campaigns/{full.campaign}/archive", f"/campaigns/{full.campaign}/copy",
        f"/campaigns/{full.campaign}/edit", f"/campaigns/{full.campaign}/segment", f"/lines/{full.line}/activate",
        f"/lines/{full.line}/edit", f"/lines/{full.line}/copy", f"/segments/{full.shop.segment}/contacts",
        f"/segments/{full.shop.segment}/archive", f"/calls/{full.call}/hangup",
        f"/scenarios/{full.shop.scenario}/edit", f"/scenarios/{full.shop.scenario}/archive",
        f"/scenarios/{full.shop.scenario}/rehearse", f"/call-password/{full.password}",
        f"/projects/{full.shop.project}/archive", f"/projects/{full.shop.project}/settings",
        f"/projects/{full.shop.project}/members", f"/projects/{full.shop.project}/campaigns/new",
        f"/projects/{full.shop.project}/segments/new", f"/projects/{full.shop.project}/lines/new",
        f"/projects/{full.shop.project}/calls/new", f"/projects/{full.shop.project}/scenarios/new",
    ]  # fmt: skip
    given = {
        "name": "x", "outcome": "all", "contacts": "+79001112233", "code": "1234", "text": "{}", "email": "a@b",
        "role": "admin", "scenario_id": full.shop.scenario, "phone": "+79001112233", "timezone": "Europe/Moscow",
    }  # fmt: skip
    for path in deeds:
        assert (await boris.post(path, given)).status == 404, path
    assert world.robot.called == [full.call]


async def test_whoever_only_looks_changes_nothing(world: World, anna: Client, full: Full) -> None:
    await world.user("vera@example.com")
    await anna.put(f"/projects/{full.shop.project}/members", {"email": "vera@example.com", "role": "analyst"})
    vera = await browser(world, "vera@example.com")
    campaign = await vera.get(f"/campaigns/{full.campaign}")
    assert campaign.status == 200 and f"/campaigns/{full.campaign}/start" not in campaign.text
    for path in (f"/campaigns/{full.campaign}/edit", f"/projects/{full.shop.project}/segments/new"):
        assert (await vera.get(path)).status == 403
    refused = await vera.post(f"/campaigns/{full.campaign}/start")
    assert refused.status == 403 and "прав" in refused.words
    row = await world.store.campaigns.get(full.campaign, user=None)
    assert row.state == "draft"


async def test_nobody_is_sent_to_log_in_and_back(world: World, full: Full) -> None:
    nobody = await browser(world)
    nobody.cookies.clear()
    sent = await nobody.get(f"/calls/{full.call}")
    assert (sent.status, sent.headers["Location"]) == (303, f"/login?next=%2Fcalls%2F{full.call}")
    assert (await nobody.get(f"/campaigns/{full.campaign}?part=now")).status == 401
    assert (await nobody.post(f"/campaigns/{full.campaign}/start")).headers["Location"] == "/login"


async def test_a_token_of_the_api_opens_no_page(world: World, anna: Client, full: Full) -> None:
    program = await browser(world)
    program.cookies.clear()
    assert (await program.get("/settings", Authorization=anna.headers["Authorization"])).status == 303


async def test_a_form_without_its_token_changes_nothing(world: World, full: Full) -> None:
    anna = await browser(world)
    for csrf in ("", "wrong"):
        anna.csrf = csrf
        for path in (f"/campaigns/{full.campaign}/start", "/settings/tokens", "/logout"):
            assert (await anna.post(path)).status == 403
    row = await world.store.campaigns.get(full.campaign, user=None)
    assert row.state == "draft"


@pytest.mark.parametrize("path", ["/nothing", "/campaigns/999", "/calls/99999999999999999999", "/static/../app.py"])
async def test_what_is_not_there(world: World, path: str) -> None:
    anna = await browser(world)
    shown = await anna.get(path)
    assert shown.status == 404 and "Такой страницы нет" in shown.words and judged(shown.text) == []


async def test_a_page_that_breaks_is_told_kindly(world: World, full: Full, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = await browser(world)

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(world.store.calls, "page", broken)
    shown = await anna.get(f"/projects/{full.shop.project}/calls")
    assert shown.status == 500 and "журнале" in shown.words and "secret" not in shown.text


async def test_static_files_are_asked_for_anew_and_nothing_else_is_served(world: World) -> None:
    anna = await browser(world)
    style = await anna.get("/static/panel.css")
    assert style.status == 200 and style.headers["Cache-Control"] == "no-cache"
    assert (await anna.get("/static/panel.css", **{"If-None-Match": style.headers["Etag"]})).status == 304
    for name in ("/static/", "/static/none.css", "/static/%2e%2e/app.py"):
        assert (await anna.get(name)).status == 404


async def test_parts_that_keep_themselves_up(world: World, anna: Client, full: Full) -> None:
    looking = await browser(world)
    await anna.post(f"/campaigns/{full.campaign}/start")
    for path, part in (
        (f"/campaigns/{full.campaign}", "now"),
        (f"/projects/{full.shop.project}", "now"),
        (f"/projects/{full.shop.project}/campaigns", "list"),
        (f"/projects/{full.shop.project}/live", "now"),
        (f"/call-password/{full.password}", "state"),
    ):
        shown = await looking.get(f"{path}?part={part}")
        assert shown.status == 200 and "<html" not in shown.text and len(shown.text) > 50, path
    whole = await looking.get(f"/campaigns/{full.campaign}?part=../../base")
    assert "<html" in whole.text


async def test_a_call_that_lives_is_on_the_live_page(world: World, anna: Client, shop: Shop) -> None:
    made = await anna.made(f"/projects/{shop.project}/calls", {"phone": "+79001234567", "scenario_id": shop.scenario})
    page = await (await browser(world)).get(f"/projects/{shop.project}/live")
    assert f'data-call="{made["id"]}"' in page.text and "в очереди" in page.words
    assert made["status"] == Status.QUEUED
