"""What a campaign does about who answers, and about what the network says before anybody does, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pytest

from engine.attempt import Desk, Job
from engine.call import Senses
from engine.model import Result, Sound, Status, TalkLog
from engine.pickup import overhear
from engine.ports import Line
from engine.rules.billing import Tariff, Tariffs
from engine.rules.plan import Finished
from engine.rules.retry import Retry
from scenarios.talk import Fetch, Fetched, Prompt
from tests.engine.rig import Rig, campaign, said, until
from tests.fakes import FakeRecognizer, FakeVad, FakeVoiceChannel, Fate, ScriptedMedia, Speech
from tests.virtual_time import LoopClock, virtually


class Nothing:
    """Nobody speaks to the network, and nobody asks anything."""

    async def sound(self, prompt: Prompt) -> Sound:
        raise AssertionError

    async def fetch(self, request: Fetch) -> Fetched:
        raise AssertionError

    async def keep(self, call: str, sound: Sound) -> str:
        raise AssertionError


def listening(rig: Rig) -> Desk:
    """A desk that hears what the network says before the answer."""
    nothing = Nothing()
    senses = Senses(FakeVad, lambda _: FakeRecognizer(), nothing, nothing, LoopClock())
    desk = rig.desk()
    desk.overhear = lambda job: partial(overhear, senses=senses, language="ru")
    return desk


def announced(words: str) -> Callable[[], ScriptedMedia]:
    return lambda: ScriptedMedia([Speech(0.5, 3.0, words)])


@dataclass(frozen=True)
class Announced:
    words: str
    status: Status
    attempts: int
    closed: str


SAID = [
    Announced("аппарат абонента выключен или находится вне зоны действия сети", Status.UNREACHABLE, 3, "attempts"),
    Announced("набранный вами номер не существует", Status.INVALID_NUMBER, 1, "invalid_number"),
    Announced("вызываемый абонент занят перезвоните позже", Status.BUSY, 3, "attempts"),
]


@pytest.mark.parametrize("said", SAID, ids=lambda said: said.status.value)
def test_an_announcement_ends_the_attempt_with_its_status_and_costs_nothing(said: Announced) -> None:
    fate = Fate(answer_s=25.0, early=announced(said.words))
    rig = Rig(voice=FakeVoiceChannel(usual=fate), tariffs=Tariffs((Tariff("", 600),)))
    rig.contacts(1)
    virtually(lambda: rig.dialer(campaign(), listening(rig)).run())
    ends = rig.store.ends()
    assert [end.status for end in ends] == [said.status] * said.attempts
    assert {(end.billed_s, end.cost, end.answered_at, end.talk) for end in ends} == {(0, 0, None, None)}
    assert [row.closed for row in rig.store.contacts.values()] == [said.closed]
    assert all((end.ended_at - end.dialed_at).total_seconds() < 8 for end in ends if end.dialed_at)


def test_who_answers_is_billed_though_the_network_played_something_before() -> None:
    fate = Fate(answer_s=6.0, early=announced("песня играет вместо гудков"))
    rig = Rig(voice=FakeVoiceChannel(usual=fate), tariffs=Tariffs((Tariff("", 600),)))
    rig.contacts(1)
    virtually(lambda: rig.dialer(campaign(), listening(rig)).run())
    (end,) = rig.store.ends()
    assert (end.status, end.billed_s, end.cost) == (Status.ANSWERED, 20, 200)


@pytest.mark.parametrize(
    ("on", "attempts", "closed"),
    [(("answering_machine", "busy"), 3, "attempts"), (("busy", "no_answer"), 1, "answering_machine")],
)
def test_a_machine_is_called_again_where_the_campaign_wishes(on: Sequence[str], attempts: int, closed: str) -> None:
    async def machine(line: Line, job: Job) -> TalkLog:
        await asyncio.sleep(3)
        return said(Result.ANSWERING_MACHINE)

    rig = Rig(talk=machine)
    rig.contacts(1)
    rules = Retry(attempts=2, interval_s=600, intervals_s={"answering_machine": 7200}, on=frozenset(on))
    virtually(lambda: rig.dialer(campaign(retry=rules)).run())
    starts = rig.starts()
    assert len(starts) == attempts
    assert all(later - sooner >= 7200 for sooner, later in zip(starts, starts[1:], strict=False))
    assert [row.closed for row in rig.store.contacts.values()] == [closed]


def test_a_full_recogniser_holds_the_campaign_and_says_so() -> None:
    rig = Rig()
    rig.contacts(20)
    full = False

    async def main() -> None:
        nonlocal full
        desk = rig.desk()
        desk.full = lambda: "recogniser_full" if full else ""
        dialer = rig.dialer(campaign(), desk)
        task = asyncio.ensure_future(dialer.run())
        await until(lambda: len(rig.voice.dialled) == 6)
        full = True
        await until(lambda: dialer.why.code == "recogniser_full")
        before = len(rig.voice.dialled)
        await asyncio.sleep(300)
        assert len(rig.voice.dialled) == before
        assert dialer.why.code == "recogniser_full"
        assert not dialer.live  # those who were talked to are
        full = False
        back = asyncio.get_running_loop().time()
        await until(lambda: len(rig.voice.dialled) > before)
        assert asyncio.get_running_loop().time() - back < 5
        assert isinstance(await task, Finished)

    virtually(main)
    assert len(rig.voice.dialled) == 20 == len(rig.store.ends())
