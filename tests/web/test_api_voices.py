"""Voices, what they sound like, and how a project's words are said."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import FormData

from engine import audio, loudness
from engine.config import Settings, Speech
from engine.model import RATE, Sound
from engine.prompts import PLAIN
from engine.store import Store
from engine.voices import FRESH_S, Manners, Voice, open_voice
from tests.fakes import FakeSynthesizer
from tests.web.conftest import Client, World, serving
from tts._auto import Choice

Json = Any


@pytest.fixture
def said() -> FakeSynthesizer:
    return FakeSynthesizer(takes_s=0)


@pytest.fixture
def voice(said: FakeSynthesizer) -> Voice:
    return Voice(Choice("fake", {}, "it is fake"), said, [("anna", "ru"), ("ivan", "ru")], None, "whole")


@pytest.fixture
async def manners(store: Store, voice: Voice, settings: Settings) -> Manners:
    return Manners(store, voice, settings.data_dir / "materials")


@pytest.fixture
async def world(settings: Settings, store: Store, voice: Voice, manners: Manners) -> AsyncIterator[World]:
    async with serving(settings, store, voice) as world:
        yield world


async def project(client: Client) -> int:
    return int((await client.made("/projects", {"name": "Shop"}))["id"])


async def test_voices_and_their_preview(anna: Client, said: FakeSynthesizer) -> None:
    unknown = {"language": "ru", "engine": "", "gender": "", "licence": ""}
    assert (await anna.get("/voices")).json["items"] == [{"name": "anna", **unknown}, {"name": "ivan", **unknown}]
    answer = await anna.post("/voices/preview", {"text": "Долг 5 руб.", "voice": "ivan"})
    assert answer.headers["Content-Type"] == "audio/wav"
    assert audio.read(answer.raw).seconds == pytest.approx(0.9, abs=0.4)
    assert said.said == ["Долг пять рублей."]


async def test_the_engine_that_is_here_is_previewed(settings: Settings, store: Store, tmp_path: Path) -> None:
    async with open_voice(Speech(synthesizer="espeak"), tmp_path) as voice, serving(settings, store, voice) as world:
        anna = await world.person()
        known = {"language": "en", "engine": "espeak", "licence": "GPL-3.0-or-later"}
        items = (await anna.get("/voices")).json["items"]
        assert {"name": "anna", "gender": "f", **known} in items and {"name": "ivan", "gender": "m", **known} in items
        answer = await anna.post("/voices/preview", {"text": "Hello", "language": "en"})
        assert loudness.loudness(audio.read(answer.raw).pcm) == pytest.approx(-23, abs=1.0)
        assert (await anna.post("/voices/preview", {"text": "Hello", "language": "xx"})).status == 503


async def test_a_projects_pronunciations(anna: Client, said: FakeSynthesizer) -> None:
    shop = await project(anna)
    path = f"/projects/{shop}/pronunciations"
    assert (await anna.get(path)).json == {"items": []}
    items = [{"word": "СберБанк", "say": "сбер-б+анк"}, {"word": "СМС", "say": "эс-эм-эс", "forms": True}]
    assert (await anna.put(path, {"items": items})).status == 200
    kept = (await anna.get(path)).json["items"]
    assert kept[0] == {"word": "СберБанк", "say": "сбер-б+анк", "forms": False, "language": ""}
    await anna.post("/voices/preview", {"text": "Это СберБанк", "project_id": shop})
    await anna.post("/voices/preview", {"text": "Это СберБанк"})
    assert said.said == ["Это сбер-б+анк", "Это СберБанк"]
    assert (await anna.put(path, {"items": items[:1]})).json["items"] == kept[:1]


async def test_other_peoples_pronunciations(anna: Client, boris: Client) -> None:
    shop = await project(anna)
    assert (await boris.get(f"/projects/{shop}/pronunciations")).status == 404
    assert (await boris.put(f"/projects/{shop}/pronunciations", {"items": []})).status == 404
    assert (await boris.post("/voices/preview", {"text": "а", "project_id": shop})).status == 404


@pytest.mark.parametrize(
    "item",
    [
        {"word": "", "say": "а"},
        {"word": " , ", "say": "а"},
        {"word": "а\nб", "say": "а"},
        {"word": "а", "say": "а" * 201},
        {"word": "а" * 101, "say": "а"},
        {"word": "а"},
        {"word": "а", "say": "б", "language": "русский"},
    ],
)
async def test_pronunciations_that_are_none(anna: Client, item: Json) -> None:
    path = f"/projects/{await project(anna)}/pronunciations"
    assert (await anna.put(path, {"items": [item]})).status == 422
    assert (await anna.put(path, {"items": [{"word": "а", "say": "б"}] * 1001})).status == 422


async def upload(client: Client, shop: int, wave: np.ndarray[Any, Any], text: str = "") -> Json:
    form = FormData()
    form.add_field("name", "Приветствие")
    form.add_field("kind", "audio")
    if text:
        form.add_field("text", text)
    form.add_field("file", io.BytesIO(audio.to_wav(Sound(audio.to_pcm(wave)))), filename="a.wav")
    answer = await client.post(f"/projects/{shop}/materials", data=form)
    assert answer.status == 201, answer.raw
    return answer.json


@pytest.mark.parametrize("amplitude", [0.01, 0.9])
async def test_an_uploaded_sound_is_brought_to_the_one_loudness(anna: Client, amplitude: float) -> None:
    wave = np.sin(np.arange(RATE * 2) * 0.5) * amplitude + np.sin(np.arange(RATE * 2) * 0.05) * amplitude / 9
    made = await upload(anna, await project(anna), wave)
    heard = audio.read((await anna.get(f"/materials/{made['id']}/audio")).raw)
    assert loudness.loudness(heard.pcm) == pytest.approx(-23, abs=0.2)
    assert np.abs(audio.samples(heard.pcm)).max() <= 10 ** (-3 / 20) + 1e-3
    assert heard.seconds == pytest.approx(2.0)


async def test_a_projects_own_recording_is_played_in_it_and_nowhere_else(
    anna: Client, manners: Manners, said: FakeSynthesizer, voice: Voice
) -> None:
    shop, other = await project(anna), await project(anna)
    await upload(anna, shop, np.sin(np.arange(RATE * 3) * 0.5), "Вам 2 подарка")
    own, others = await manners.of(shop), await manners.of(other)
    assert own.voice is not None and own.stamp
    assert (await own.voice.render("Вам 2 подарка!")).seconds == pytest.approx(3.0, abs=0.05)
    assert said.said == []
    assert others == PLAIN


async def test_a_change_is_another_stamp_after_some_seconds(
    anna: Client, manners: Manners, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await project(anna)
    path = f"/projects/{shop}/pronunciations"
    assert await manners.of(shop) == PLAIN
    await anna.put(path, {"items": [{"word": "а", "say": "б"}]})
    assert await manners.of(shop) == PLAIN
    loop = asyncio.get_running_loop()
    later = loop.time() + FRESH_S
    with monkeypatch.context() as patch:
        patch.setattr(loop, "time", lambda: later)
        first = await manners.of(shop)
        assert first.stamp and await manners.of(shop) is first
    assert await manners.of(10**9) == PLAIN  # a project that is not there


async def test_while_one_call_looks_for_changes_the_others_do_not_wait(
    anna: Client, manners: Manners, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await project(anna)
    assert await manners.of(shop) == PLAIN
    await anna.put(f"/projects/{shop}/pronunciations", {"items": [{"word": "а", "say": "б"}]})
    loop = asyncio.get_running_loop()
    later = loop.time() + FRESH_S
    with monkeypatch.context() as patch:
        patch.setattr(loop, "time", lambda: later)
        looking = asyncio.ensure_future(manners.of(shop))
        await asyncio.sleep(0)
        assert await manners.of(shop) == PLAIN and not looking.done()
        assert (await looking).stamp
