"""What the web may expect of the running engine, held against the real one and the fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Protocol, cast

import pytest

from engine.attempt import Job
from engine.chores import Chores
from engine.errors import ChannelDown
from engine.model import CallEvent, Status, TalkLog
from engine.ports import Line, Robot
from engine.records import PasswordCall, SingleCall
from engine.robot import Health, RunningRobot
from engine.store import Store
from tests.engine.rig import FIRST, MONDAY, Rig, said, until
from tests.fakes import FakeRobot
from tests.virtual_time import virtually

MANY = 20_000
PHONE = "+79001234567"


class World(Protocol):
    """A robot that can dial nobody yet, and what happens around it."""

    robot: Robot

    async def ready(self) -> None: ...

    def queued(self, call_id: int) -> None:
        """There is such a single call."""
        ...

    def asked(self, password_id: int) -> None:
        """There is such a call password."""
        ...

    async def dialled(self, ident: int) -> bool:
        """Was, or is now, this call or call password dialled?"""
        ...

    def tell(self, event: CallEvent) -> None: ...


class Real:
    def __init__(self) -> None:
        self._rig = rig = Rig(talk=_listen)
        self._campaigns = rig.campaigns()
        chores = Chores(cast(Store, rig.store), rig.clock, lambda _: None)  # which here are never done
        self.robot: Robot = RunningRobot(self._campaigns, chores, rig.journal, Health())

    async def ready(self) -> None:
        self.running = asyncio.ensure_future(self._campaigns.run())
        await until(lambda: self._campaigns.recovered)

    def queued(self, call_id: int) -> None:
        self._rig.store.add_single(SingleCall(call_id, _uid(call_id), 1, PHONE, (FIRST,), 9, MONDAY))

    def asked(self, password_id: int) -> None:
        expires = MONDAY + timedelta(minutes=5)
        self._rig.store.add_password(
            PasswordCall(password_id, password_id, _uid(password_id), 1, PHONE, FIRST, expires)
        )

    async def dialled(self, ident: int) -> bool:
        with suppress(TimeoutError):
            await until(lambda: _uid(ident) in {order.id for _, order in self._rig.voice.dialled}, 10)
            return True
        return False

    def tell(self, event: CallEvent) -> None:
        self._rig.journal.note(event)


class Fake:
    def __init__(self) -> None:
        self.robot: Robot = FakeRobot(down=True)

    @property
    def _fake(self) -> FakeRobot:
        assert isinstance(self.robot, FakeRobot)
        return self.robot

    async def ready(self) -> None:
        self._fake.down = False

    def queued(self, call_id: int) -> None:
        self._fake.living.add(call_id)

    def asked(self, password_id: int) -> None: ...

    async def dialled(self, ident: int) -> bool:
        return ident in (*self._fake.called, *self._fake.passwords)

    def tell(self, event: CallEvent) -> None:
        self._fake.tell(event)


async def _listen(line: Line, job: Job) -> TalkLog:
    async for _ in line.media:
        pass
    return said(ending="left")


def _uid(ident: int) -> str:
    return f"dz-{ident:032x}"


@asynccontextmanager
async def _made(kind: Callable[[], World]) -> AsyncGenerator[World]:
    world = kind()
    try:
        yield world
    finally:
        running = getattr(world, "running", None)
        if running is not None:
            running.cancel()
            await asyncio.wait([running])


BOTH = pytest.mark.parametrize("kind", [Real, Fake])


@BOTH
def test_before_it_can_dial_a_call_stays_queued_and_a_password_is_refused(kind: Callable[[], World]) -> None:
    async def main() -> None:
        async with _made(kind) as world:
            world.queued(1)
            world.asked(2)
            await world.robot.call_now(1)
            with pytest.raises(ChannelDown):
                await world.robot.call_password(2)
            assert not await world.dialled(1)
            assert not await world.dialled(2)

    virtually(main)


@BOTH
def test_what_it_takes_on_is_dialled(kind: Callable[[], World]) -> None:
    async def main() -> None:
        async with _made(kind) as world:
            await world.ready()
            world.queued(1)
            world.asked(2)
            await world.robot.call_now(1)
            await world.robot.call_password(2)
            assert await world.dialled(1)
            assert await world.dialled(2)

    virtually(main)


@BOTH
@pytest.mark.parametrize("taken_on", [False, True])
def test_a_call_is_ended_whether_it_lives_or_waits_and_a_strange_one_is_not(
    kind: Callable[[], World], taken_on: bool
) -> None:
    async def main() -> None:
        async with _made(kind) as world:
            world.queued(1)
            if taken_on:
                await world.ready()
                await world.robot.call_now(1)
                assert await world.dialled(1)
            assert await world.robot.hang_up(1) is True
            assert await world.robot.hang_up(999) is False

    virtually(main)


@BOTH
def test_every_listener_hears_all_in_order_from_now_on(kind: Callable[[], World]) -> None:
    async def main() -> None:
        async with _made(kind) as world:
            world.tell(_event(0))
            async with world.robot.events() as first, world.robot.events() as second:
                for number in (1, 2, 3):
                    world.tell(_event(number))
                for events in (first, second):
                    assert [(await anext(events)).call_id for _ in range(3)] == [1, 2, 3]
            world.tell(_event(4))  # nobody listens any more

    virtually(main)


@BOTH
def test_a_listener_that_is_too_slow_loses_the_oldest(kind: Callable[[], World]) -> None:
    async def main() -> None:
        async with _made(kind) as world, world.robot.events() as events:
            for number in range(MANY):
                world.tell(_event(number))
            heard = [(await anext(events)).call_id]
            while heard[-1] != MANY - 1:
                heard.append((await anext(events)).call_id)
            assert len(heard) < MANY and heard == list(range(heard[0], MANY))

    virtually(main)


@BOTH
def test_too_many_listeners_are_refused_and_those_who_leave_make_room(kind: Callable[[], World]) -> None:
    async def main() -> None:
        async with _made(kind) as world:
            async with AsyncExitStack() as stack:
                with pytest.raises(OverflowError):
                    for _ in range(MANY):
                        await stack.enter_async_context(world.robot.events())
            async with world.robot.events():
                pass

    virtually(main)


@BOTH
def test_of_what_it_does_not_run_it_tells_nothing(kind: Callable[[], World]) -> None:
    async def main() -> None:
        async with _made(kind) as world:
            robot = world.robot
            robot.nudge()
            robot.nudge(5)
            assert robot.why(5) is None
            assert list(robot.live()) == []
            assert all(isinstance(works, bool) and isinstance(words, str) for works, words in robot.health().values())

    virtually(main)


def _event(number: int) -> CallEvent:
    return CallEvent(number, "answered", MONDAY, {"status": Status.ANSWERED.value})
