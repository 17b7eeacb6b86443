"""A call's words are made while it rings; whoever answers does not wait for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.attempt import Job
from engine.call import Senses
from engine.errors import NotFound
from engine.journal import LiveJournal
from engine.model import Sound
from engine.prompts import LATE_S, Prompts
from engine.talks import Talks
from scenarios.document import Scenario, parse
from scenarios.talk import Fetch, Fetched, Prompt
from tests.engine.rig import FIRST
from tests.fakes import FakeLine, FakeRecognizer, FakeSynthesizer, FakeVad, ScriptedMedia, words
from tests.virtual_time import LoopClock, virtually

GRAPH: dict[str, Any] = {
    "dozvon": 1,
    "name": "Personal",
    "language": "ru",
    "start": "hello",
    "fields": {"name": {"type": "string", "default": ""}},
    "nodes": {
        "hello": {"kind": "play", "say": "Здравствуйте, {{ name }}", "next": "more"},
        "more": {"kind": "play", "say": "Ваш заказ, {{ name }}, готов", "next": "bye"},
        "bye": {"kind": "hangup"},
    },
}
PERSONAL = ["Здравствуйте, Анна", "Ваш заказ, Анна, готов"]


class OneScenario:
    """`engine.talks.Scenarios`."""

    def __init__(self) -> None:
        self._scenario = parse(GRAPH)

    async def latest(self, scenario_id: int, timeout_s: float, version: int = 0) -> tuple[int, Scenario]:
        return 1, self._scenario


class NoErrands:
    async def fetch(self, request: Fetch) -> Fetched:
        raise AssertionError

    async def keep(self, call: str, sound: Sound) -> str:
        raise AssertionError


async def no_material(_: int) -> Prompt:
    raise NotFound("there is none")


@dataclass
class World:
    """One call to Anna. `takes_s`: how long the voice takes for a prompt."""

    takes_s: float
    voice: FakeSynthesizer = field(init=False)
    standby: FakeSynthesizer | None = field(default_factory=lambda: FakeSynthesizer(takes_s=0.01))
    media: ScriptedMedia = field(default_factory=ScriptedMedia)

    def __post_init__(self) -> None:
        self.voice = FakeSynthesizer(takes_s=self.takes_s)

    async def call(self, rings_s: float) -> list[float]:
        """When each prompt began, from the answer on, in seconds."""
        clock, journal = LoopClock(), LiveJournal()
        prompts = Prompts(self.voice, language="ru", folder=Path(), material=no_material, standby=self.standby)
        senses = Senses(FakeVad, lambda _: FakeRecognizer(), prompts, NoErrands(), clock)
        talks = Talks(OneScenario(), senses, prompts, journal, clock, language="ru")
        job = Job(1, "dz-1", 1, "+79001234567", FIRST, 7, fields={"name": "Анна"})
        async with talks.prepare(job) as conversation:
            await asyncio.sleep(rings_s)
            answered = asyncio.get_running_loop().time()
            await conversation.talk(FakeLine(self.media))
        return [said.at - answered for said in self.media.heard]

    @property
    def heard(self) -> list[str]:
        return [words(said.pcm[:320]) for said in self.media.heard]


def test_personal_words_are_ready_when_the_call_is_answered() -> None:
    world = World(takes_s=2.0)
    first, _ = virtually(lambda: world.call(rings_s=4.0))
    assert first < 0.05
    assert world.heard == world.voice.said == PERSONAL
    assert world.standby is not None and world.standby.said == []


def test_who_answers_at_once_waits_300_ms_at_most() -> None:
    world = World(takes_s=5.0)
    first, _ = virtually(lambda: world.call(rings_s=0.0))
    assert first == pytest.approx(LATE_S, abs=0.05)
    assert world.heard == PERSONAL
    assert world.standby is not None and world.standby.said == PERSONAL


class SlowLater(FakeSynthesizer):
    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        await asyncio.sleep(5.0 if text == PERSONAL[1] else 0.0)
        return await super().render(text, voice=voice, language=language)


def test_words_that_are_ready_do_not_wait_for_later_ones() -> None:
    world = World(takes_s=0.1, standby=None)
    world.voice = SlowLater(takes_s=0.1)
    first, later = virtually(lambda: world.call(rings_s=0.0))
    assert first == pytest.approx(0.1, abs=0.05)
    assert later == pytest.approx(5.1, abs=0.05)
