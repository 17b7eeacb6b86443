"""Voices, materials, replays and the state of the robot in a real Chromium."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from engine.clock import SystemClock
from engine.config import Number, Settings, Speech, Trunk
from engine.replay import Hearers
from engine.replays import Listeners, Replays
from engine.setup import tools
from engine.store import migrate, open_store
from engine.tasks import beside
from engine.voices import open_voice
from tests.fakes import FakeRecognizer, FakeVad
from tests.live.test_browser import BOTH, CHROMIUM, OUTSIDE, PASSWORD, SMALL, House
from tests.web.conftest import NUMBERS, START, open_shop, serving
from tests.web.panel import fill

pytestmark = pytest.mark.live

LOAD = {
    ("recogniser_workers", (("recogniser", "vosk"),)): 2.0,
    ("recogniser_workers_ready", (("recogniser", "vosk"),)): 2.0,
    ("recogniser_capacity", (("recogniser", "vosk"),)): 40.0,
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """With the voice that is always there, and recognisers that read what is written in frames."""
    settings = Settings(
        data_dir=tmp_path,
        trunks={"main": Trunk(host="192.0.2.1")},
        numbers=tuple(Number(number=number, trunk="main") for number in NUMBERS),
    )
    await migrate(settings.database_url)
    program = tools.find(CHROMIUM)
    assert program is not None, "make test installs Chromium"
    ears = FakeRecognizer(takes_s=0)
    async with (
        open_store(settings.database_url) as store,
        open_voice(Speech(synthesizer="espeak"), tmp_path) as voice,
    ):
        replays = Replays(
            store,
            tmp_path,
            Hearers(FakeVad, lambda _: ears, frame_s=0),
            Listeners("vosk", ("vosk",), lambda _: ears),
            SystemClock(),
            "ru",
        )
        async with (
            beside(replays.run()),
            serving(settings, store, voice, replays=replays, gauges=lambda: LOAD) as world,
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
@pytest.mark.parametrize("language", ["ru-RU", "en-GB"])
async def test_nothing_sticks_out(house: House, size: str, language: str) -> None:
    project = f"/projects/{house.full.shop.project}"
    async with house.anna(size, language) as page:
        for path in (f"/calls/{house.full.call}", f"{project}/voices", f"{project}/materials", "/status"):
            answer = await page.goto(path)
            assert answer is not None and answer.status == 200, path
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            assert await page.evaluate(OUTSIDE) == [] and await page.evaluate(SMALL) == [], path
    assert house.complaints == []


@BOTH
async def test_a_text_is_heard_in_a_voice(house: House, size: str) -> None:
    async with house.anna(size) as page:
        await page.goto(f"/projects/{house.full.shop.project}/voices")
        await page.fill("#preview-text", "Раз, два, три.")
        await page.locator("[data-voice=ivan]").click()
        audio = page.locator("[data-preview] audio")
        await audio.wait_for()
        assert await page.input_value("[name=voice]") == "ivan"
        assert str(await audio.get_attribute("src")).startswith("blob:")
    assert house.complaints == []


async def test_a_file_that_is_no_sound_is_refused_in_words_and_a_good_one_is_taken(
    house: House, tmp_path: Path
) -> None:
    wrong = tmp_path / "x.wav"
    wrong.write_bytes(b"PK\x03\x04")
    async with house.anna() as page:
        await page.goto(f"/projects/{house.full.shop.project}/materials")
        await page.fill("#sound-name", "Привет")
        await page.set_input_files("#sound-file", wrong)
        await page.get_by_role("button", name="Добавить запись").click()
        await page.get_by_text("это архив ZIP").wait_for()
        await page.set_input_files("#sound-file", tmp_path / "recordings" / "one.wav")
        await page.get_by_role("button", name="Добавить запись").click()
        await page.locator("td strong", has_text="Привет").wait_for()
        assert await page.locator("td audio").count() == 1
    assert [told for told in house.complaints if "status of 422" not in told] == []


async def test_a_call_is_heard_again_without_a_new_page(house: House) -> None:
    async with house.anna() as page:
        await page.goto(f"/calls/{house.full.call}")
        await page.get_by_role("button", name="Прослушать заново").click()
        await page.locator("#replay table").wait_for(timeout=30_000)
        assert await page.locator("#replay tbody tr").count() == 1
    assert house.complaints == []


async def test_the_state_keeps_itself_up(house: House) -> None:
    async with house.anna() as page:
        await page.goto("/status")
        await page.get_by_text("2 / 2").wait_for()
        house.world.robot.parts["recogniser"] = (False, "no recogniser process is alive: one is being started")
        await page.locator(".trouble", has_text="Ни один процесс распознавателя не работает").wait_for(timeout=15_000)
    assert house.complaints == []
