"""The panel in a real Chromium: on a wide screen and on a telephone's, by mouse and by keyboard, without an error."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from engine.config import Number, Settings, Trunk
from engine.model import CallEvent
from engine.setup import tools
from engine.store import migrate, open_store
from tests.web.conftest import NUMBERS, START, World, open_shop, serving
from tests.web.panel import Full, fill

pytestmark = pytest.mark.live

PASSWORD = "correct horse battery"
SIZES = {"wide": (1280, 860), "telephone": (390, 844)}
BOTH = pytest.mark.parametrize("size", SIZES)
CHROMIUM = next(tool for tool in tools.TESTING if tool.program == "chromium")

OUTSIDE = """() => [...document.querySelectorAll('main *')].filter((each) => {
  if (each.closest('.map-window, pre, textarea, .unseen, .rows thead')) return false;
  const box = each.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 1 || box.left < -1);
}).map((each) => `${each.tagName}.${each.className.baseVal ?? each.className}`)"""
SMALL = """() => [...document.querySelectorAll('main button, main a.button, nav a')].filter((each) => {
  const box = each.getBoundingClientRect();
  return box.width && box.height && (box.height < 24 || box.width < 24) && !each.matches('.stamp');
}).map((each) => each.outerHTML.slice(0, 90))"""


async def until(page: Page, condition: str) -> None:
    """Looked at with every frame; Playwright's own way is an `eval` in the page, which its policy forbids."""
    async with asyncio.timeout(15):
        while not await page.evaluate(condition):
            await page.evaluate("() => new Promise((seen) => requestAnimationFrame(seen))")


@dataclass
class View:
    """A live call as the engine would show it."""

    call_id: int
    node: str = "hello"
    partial: str = ""
    transcript: list[tuple[object, str, str]] = field(default_factory=list)


@dataclass
class House:
    world: World
    full: Full
    browser: Browser
    complaints: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def visitor(self, size: str = "wide", language: str = "ru-RU", scheme: str = "light") -> AsyncGenerator[Page]:
        """Somebody at the door; what their browser complains of is kept."""
        width, height = SIZES[size]
        context = await self.browser.new_context(
            viewport={"width": width, "height": height},
            locale=language,
            color_scheme="dark" if scheme == "dark" else "light",
            base_url=self.world.base,
        )
        page = await context.new_page()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        try:
            yield page
        finally:
            await context.close()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location}")

    @asynccontextmanager
    async def anna(self, size: str = "wide", language: str = "ru-RU", scheme: str = "light") -> AsyncGenerator[Page]:
        async with self.visitor(size, language, scheme) as page:
            await page.goto("/login")
            await page.fill("#f-email", "anna@example.com")
            await page.fill("#f-password", PASSWORD)
            await page.press("#f-password", "Enter")
            await page.wait_for_url("**/projects/*")
            yield page


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = Settings(
        data_dir=tmp_path,
        trunks={"main": Trunk(host="192.0.2.1")},
        numbers=tuple(Number(number=number, trunk="main") for number in NUMBERS),
    )
    await migrate(settings.database_url)
    program = tools.find(CHROMIUM)
    assert program is not None, "make test installs Chromium"
    async with (
        open_store(settings.database_url) as store,
        serving(settings, store) as world,
        async_playwright() as play,
    ):
        await store.numbers.sync([n.model_dump() for n in settings.numbers], now=START)
        await world.user("anna@example.com", password=PASSWORD)
        anna = await world.person("anna@example.com")
        full = await fill(anna, await open_shop(anna), world)
        browser = await play.chromium.launch(
            executable_path=program, args=["--no-sandbox"] if os.geteuid() == 0 else [], timeout=60_000
        )
        try:
            yield House(world, full, browser)
        finally:
            await browser.close()


@BOTH
async def test_a_walk_through_every_page(house: House, size: str) -> None:
    async with house.anna(size) as page:
        for path in house.full.pages():
            answer = await page.goto(path)
            assert answer is not None and answer.status == 200, path
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            assert await page.evaluate(OUTSIDE) == [], path
            assert await page.evaluate(SMALL) == [], path
        assert await page.title() == "Настройки — Дозвон"
    assert house.complaints == []


async def test_dark_and_english(house: House) -> None:
    async with house.anna("wide", "en-GB", "dark") as page:
        await page.goto(f"/campaigns/{house.full.campaign}")
        assert "How it calls" in await page.inner_text("main")
        paper = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert all(int(part) < 60 for part in paper.removeprefix("rgb(").removesuffix(")").split(","))
    assert house.complaints == []


async def test_the_menu_of_a_telephone(house: House) -> None:
    async with house.anna("telephone") as page:
        link = page.locator("#menu a[href$='/calls']")
        assert not await link.is_visible()
        await page.click(".menu-button")
        await link.click()
        await page.wait_for_url("**/calls")
    assert house.complaints == []


async def test_by_keyboard_alone(house: House) -> None:
    async with house.anna() as page:
        await page.goto(f"/calls/{house.full.call}")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"
        seen = set()
        for _ in range(40):
            await page.keyboard.press("Tab")
            seen.add(await page.evaluate("document.activeElement.dataset.play ?? document.activeElement.className"))
        assert {"wave", "stamp"} <= seen
    assert house.complaints == []


async def test_a_recording_is_heard_seen_and_read_along(house: House) -> None:
    async with house.anna() as page:
        await page.goto(f"/calls/{house.full.call}")
        painted = """() => { const c = document.querySelector('.wave canvas');
          const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; const colours = new Set();
          for (let n = 0; n < d.length; n += 4) if (d[n + 3] > 100) colours.add(`${d[n]},${d[n + 1]},${d[n + 2]}`);
          return colours.size > 2; }"""
        await until(page, painted)
        await page.click("[data-play]")
        await until(page, "document.querySelector('audio').currentTime > 0.2")
        assert await page.locator(".line.robot.current").count() == 1
        await page.keyboard.press("Tab")  # off the button, which has its own way with the space bar
        await page.evaluate("document.activeElement.blur()")
        await page.keyboard.press("Space")
        await until(page, "document.querySelector('audio').paused")
        box = await page.locator(".wave").bounding_box()
        assert box is not None
        await page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + 20)
        await until(page, "Math.abs(document.querySelector('audio').currentTime - 4.5) < 0.2")
        assert "current" in str(await page.locator(".line.subscriber").get_attribute("class"))
        await page.click(".line.robot .stamp")
        await until(page, "document.querySelector('audio').currentTime < 1.5")
        await page.select_option("[data-speed]", "2")
        assert await page.evaluate("document.querySelector('audio').playbackRate") == 2
    assert house.complaints == []


async def test_words_come_while_they_are_said(house: House) -> None:
    world = house.world
    async with house.anna() as page:
        await page.goto(f"/projects/{house.full.shop.project}/live")
        await page.wait_for_selector("[data-link].on")
        call = await world.store.calls.add_single(
            house.full.shop.project, phone="+79005554433", scenario_id=house.full.shop.scenario,
            now=world.clock.now() + timedelta(seconds=1), user=1, fields={}, number="",
        )  # fmt: skip
        world.robot.lives = [View(call.id)]  # type: ignore[list-item]  # `at` of a line is a moment
        world.robot.living.add(call.id)
        world.robot.tell(CallEvent(call.id, "created", world.clock.now()))
        place = page.locator(f"[data-call='{call.id}']")
        await place.wait_for()
        world.robot.tell(CallEvent(call.id, "said", world.clock.now(), {"text": "Здравствуйте"}))
        world.robot.tell(CallEvent(call.id, "partial", world.clock.now(), {"text": "да ко"}))
        await place.locator(".partial").wait_for()
        world.robot.tell(CallEvent(call.id, "heard", world.clock.now(), {"text": "<b>да конечно", "confidence": 0.9}))
        await place.get_by_text("<b>да конечно").wait_for()
        assert await place.locator(".partial").count() == 0
        await place.get_by_role("button", name="Завершить").click()
        dialog = page.locator("dialog[open]")
        await dialog.get_by_role("button", name="Отмена").click()
        assert world.robot.hung_up == []
        await place.get_by_role("button", name="Завершить").click()
        await dialog.get_by_role("button", name="Да").click()
        await page.get_by_text("Завершаем звонок").wait_for()
        assert world.robot.hung_up == [call.id]
    assert house.complaints == []


async def test_a_campaigns_page_keeps_itself_up(house: House) -> None:
    async with house.anna() as page:
        await page.goto(f"/campaigns/{house.full.campaign}")
        await page.get_by_role("button", name="Запустить").click()
        await page.get_by_text("Кампания запущена").wait_for()
        await house.world.store.campaigns.act(house.full.campaign, "stop", now=house.world.clock.now(), user=1)
        await page.get_by_role("button", name="Перезапустить").wait_for(timeout=15_000)
    assert house.complaints == []


@BOTH
async def test_a_rehearsal_without_a_new_page(house: House, size: str) -> None:
    async with house.anna(size) as page:
        await page.goto(f"/scenarios/{house.full.shop.scenario}/rehearse")
        await page.evaluate("window.stayed = true")
        await page.fill("#say", "да, приду")
        await page.press("#say", "Enter")
        await page.get_by_text("Разговор окончен").wait_for()
        assert await page.locator(".box.passed[data-name=agreed]").count() == 1
        await page.get_by_role("button", name="Сначала").click()
        await page.locator("#say").wait_for()
        assert await page.evaluate("window.stayed") is True
    assert house.complaints == []


@BOTH
async def test_a_campaign_is_made_with_rows_added(house: House, size: str) -> None:
    async with house.anna(size) as page:
        await page.goto(f"/projects/{house.full.shop.project}/campaigns/new")
        await page.fill("#f-name", "Зима")
        await page.select_option("#f-scenario_id", str(house.full.shop.scenario))
        await page.locator(".option", has_text="All").locator("input").check()
        await page.get_by_role("button", name="Ещё окно").click()
        await page.fill("[name='schedule.windows.1.from']", "25:00")
        await page.fill("[name='schedule.windows.1.to']", "12:00")
        await page.locator("[name='schedule.windows.1.days'][value='6']").check(force=True)
        await page.get_by_role("button", name="Сохранить").click()
        await page.get_by_text("Не сохранено").wait_for()
        assert await page.input_value("[name='schedule.windows.1.from']") == "25:00"
        assert await page.input_value("#f-name") == "Зима"
        await page.fill("[name='schedule.windows.1.from']", "10:00")
        await page.get_by_role("button", name="Сохранить").click()
        await page.get_by_text("создана как черновик").wait_for()
    assert [told for told in house.complaints if "status of 422" not in told] == []
