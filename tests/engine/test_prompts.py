"""What the robot says, ready before it is needed: in memory, ahead of a campaign, and never waited for in a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from engine import ahead
from engine.attempt import Desk
from engine.campaigns import Campaigns
from engine.errors import NotFound, SpeechError
from engine.model import Sound
from engine.prompts import AT_ONCE, LATE_S, Manner, Prompts
from scenarios.talk import Prompt
from tests.engine.rig import Rig, campaign, running, until
from tests.fakes import FakeSynthesizer
from tests.virtual_time import virtually


async def no_material(_: int) -> Prompt:
    raise NotFound("there is none")


def prompts(voice: FakeSynthesizer, standby: FakeSynthesizer | None = None) -> Prompts:
    return Prompts(voice, language="ru", folder=Path(), material=no_material, standby=standby)


def in_virtual_time(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    virtually(main)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_prompt_is_made_once_for_all_who_wait() -> None:
    async def main() -> None:
        voice = FakeSynthesizer(takes_s=1.0)
        ready = prompts(voice)
        await asyncio.gather(*(ready.sound(Prompt(text="раз")) for _ in range(5)))
        began = now()
        await ready.sound(Prompt(text="раз"))
        assert (voice.said, now()) == (["раз"], began)

    in_virtual_time(main)


def test_preparing_tells_how_far_it_is_and_what_failed() -> None:
    async def main() -> None:
        told: list[int] = []
        voice = FakeSynthesizer(takes_s=1.0)
        texts = [Prompt(text=f"{n}") for n in range(10)] + [Prompt(material=3)]
        faults = await prompts(voice).prepare(texts, tell=told.append)
        assert told == list(range(1, 12))
        assert now() == pytest.approx(-(-10 // AT_ONCE))
        assert voice.said[:AT_ONCE] == ["0", "1", "2", "3"]
        assert len(faults) == 1 and "material 3" in faults[0]

    in_virtual_time(main)


def test_a_call_waits_300_ms_at_most_if_somebody_else_can_say_it() -> None:
    async def main() -> None:
        voice, standby = FakeSynthesizer(takes_s=5.0), FakeSynthesizer(takes_s=0.01, char_ms=20)
        ready = prompts(voice, standby)
        talk = ready.of(Manner())
        late = await talk.sound(Prompt(text="раз"))
        assert now() == pytest.approx(LATE_S + 0.01)
        assert standby.said == ["раз"]
        await asyncio.sleep(5)
        assert await talk.sound(Prompt(text="раз")) != late  # made meanwhile, and kept
        assert (len(voice.said), len(standby.said)) == (1, 1)

    in_virtual_time(main)


def test_without_a_stand_by_it_is_waited_for() -> None:
    async def main() -> None:
        await prompts(FakeSynthesizer(takes_s=2.0)).of(Manner()).sound(Prompt(text="раз"))
        assert now() == pytest.approx(2.0)

    in_virtual_time(main)


class MakeshiftFirst(FakeSynthesizer):
    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        sound = await super().render(text, voice=voice, language=language)
        return replace(sound, makeshift=len(self.said) == 1)


def test_what_a_stand_in_said_is_not_kept() -> None:
    async def main() -> None:
        voice = MakeshiftFirst(takes_s=0)
        ready = prompts(voice)
        for _ in range(3):
            await ready.sound(Prompt(text="раз"))
        assert voice.said == ["раз", "раз"]

    in_virtual_time(main)


def test_another_manner_is_another_prompt() -> None:
    async def main() -> None:
        plain, own = FakeSynthesizer(takes_s=0), FakeSynthesizer(takes_s=0)
        ready = prompts(plain)
        for manner in (Manner(), Manner("x", own), Manner("x", own), Manner("y", own)):
            await ready.of(manner).sound(Prompt(text="раз"))
        assert (len(plain.said), len(own.said)) == (1, 2)

    in_virtual_time(main)


# --- ahead of a campaign ----------------------------------------------------------------------------------------------

Tell = Callable[[int, int], None]


@dataclass
class RenderingRig(Rig):
    render: ahead.Render | None = None

    def campaigns(self, desk: Desk | None = None) -> Campaigns:
        return Campaigns(desk or self.desk(), self.store, self.store, self.store, render=self.render)


def dialled_after(render: ahead.Render, watch: Callable[[Campaigns], Coroutine[Any, Any, None]]) -> Rig:
    rig = RenderingRig(render=render)
    rig.store.add_campaign(campaign(variants=((8, 0.5),)))
    rig.contacts(1)
    running(rig, watch)
    return rig


def test_a_campaign_dials_when_its_prompts_are_made_and_says_how_far_it_is() -> None:
    asked: list[tuple[int, tuple[int, ...]]] = []

    async def render(project: int, scenarios: Sequence[int], tell: Tell) -> None:
        asked.append((project, tuple(scenarios)))
        for done in range(4):
            tell(done, 3)
            await asyncio.sleep(5)

    async def watch(campaigns: Campaigns) -> None:
        await asyncio.sleep(7)
        why = campaigns.why(1)
        assert why is not None and (why.code, dict(why.params)) == ("rendering", {"done": 1, "total": 3})
        await until(lambda: now() > 25)

    rig = dialled_after(render, watch)
    assert asked == [(1, (7, 8))]
    assert rig.starts()[0] == pytest.approx(20.0, abs=1.5)


@pytest.mark.parametrize("failure", [SpeechError("no voice"), NotFound("no scenario"), RuntimeError("a fault")])
def test_prompts_that_cannot_be_made_do_not_hold_it(failure: Exception) -> None:
    async def render(project: int, scenarios: Sequence[int], tell: Tell) -> None:
        raise failure

    async def watch(campaigns: Campaigns) -> None:
        await asyncio.sleep(10)

    assert dialled_after(render, watch).starts()


def test_nor_do_those_that_take_long() -> None:
    async def render(project: int, scenarios: Sequence[int], tell: Tell) -> None:
        tell(0, 500)
        await asyncio.sleep(3600)

    async def watch(campaigns: Campaigns) -> None:
        await asyncio.sleep(ahead.HOLD_S + 5)

    starts = dialled_after(render, watch).starts()
    assert starts[0] == pytest.approx(ahead.HOLD_S, abs=1.5)


def test_a_stopped_campaign_does_not_wait_for_its_prompts() -> None:
    ended: list[float] = []

    async def render(project: int, scenarios: Sequence[int], tell: Tell) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(now())

    async def watch(campaigns: Campaigns) -> None:
        await asyncio.sleep(3)
        began = now()
        await campaigns.drain()
        assert now() - began < 1

    assert not dialled_after(render, watch).starts()
    assert ended and ended[0] < 5
