from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.store.gate import Gate
from tests.virtual_time import virtually


class Visitors:
    """Everybody who has asked to come in."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.inside: list[int] = []
        self.alone: set[int] = set()
        self.came: list[int] = []
        self._leave: dict[int, asyncio.Event] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def come(self, who: int, *, alone: bool) -> None:
        self._leave[who] = asyncio.Event()
        self._tasks[who] = asyncio.create_task(self._visit(who, alone))

    async def _visit(self, who: int, alone: bool) -> None:
        async with self.gate.alone() if alone else self.gate.together():
            self.came.append(who)
            self.inside.append(who)
            if alone:
                self.alone.add(who)
            try:
                await self._leave[who].wait()
            finally:
                self.inside.remove(who)
                self.alone.discard(who)

    async def leave(self, *who: int) -> None:
        for one in who:
            self._leave[one].set()
        await settled()

    async def cancel(self, *who: int) -> None:
        for one in who:
            self._tasks[one].cancel()
        await settled()

    async def end(self) -> None:
        while self.inside:
            await self.leave(*self.inside)
        assert all(task.done() for task in self._tasks.values())


async def settled() -> None:
    """Whatever can happen now has happened."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_quick_ones_are_inside_together_and_a_slow_one_alone_in_the_order_they_come() -> None:
    async def main() -> None:
        here = Visitors()
        for who, alone in enumerate([False, False, True, False, False, True, True]):
            here.come(who, alone=alone)
        await settled()
        assert here.inside == [0, 1]
        await here.leave(0)
        assert here.inside == [1]  # 3 and 4 could be, but 2 would wait for ever then
        await here.leave(1)
        assert here.inside == [2]
        await here.leave(2)
        assert here.inside == [3, 4]
        await here.leave(3, 4)
        assert here.inside == [5]
        await here.leave(5)
        assert here.inside == [6]
        await here.end()

    virtually(main)


def test_a_slow_one_that_gives_up_keeps_nobody_waiting() -> None:
    async def main() -> None:
        here = Visitors()
        for who, alone in enumerate([False, True, False]):
            here.come(who, alone=alone)
        await settled()
        assert here.inside == [0]
        await here.cancel(1)
        assert here.inside == [0, 2]
        await here.end()

    virtually(main)


@pytest.mark.parametrize("alone", [False, True])
def test_one_that_is_let_in_and_cancelled_before_it_wakes_up_has_left(alone: bool) -> None:
    async def main() -> None:
        gate = Gate()

        async def visit() -> None:
            async with gate.alone() if alone else gate.together():
                raise AssertionError("it was cancelled")

        async with gate.alone():
            visitor = asyncio.create_task(visit())
            await settled()
        visitor.cancel()
        await settled()
        assert visitor.cancelled()
        async with gate.alone():
            pass

    virtually(main)


@given(
    st.lists(st.tuples(st.sampled_from(["quick", "slow", "leave", "cancel", "pass"]), st.integers(0, 9)), max_size=40)
)
def test_a_slow_one_is_always_alone_and_everybody_comes_in_at_last(moves: Sequence[tuple[str, int]]) -> None:
    async def main() -> None:
        here, count, cancelled, slow = Visitors(), 0, set[int](), set[int]()
        for move, which in moves:
            if move in ("quick", "slow"):
                here.come(count, alone=move == "slow")
                if move == "slow":
                    slow.add(count)
                count += 1
            elif move == "leave" and here.inside:
                here._leave[here.inside[which % len(here.inside)]].set()
            elif move == "cancel" and count:
                cancelled.add(which % count)
                here._tasks[which % count].cancel()
            else:
                await asyncio.sleep(0)
            assert not here.alone or len(here.inside) == 1
        await settled()
        await here.end()
        assert set(range(count)) - cancelled <= set(here.came)
        # One that comes just as the gate opens may go in while those who were let in still wake up: quick ones, all.
        stayed = [who for who in here.came if who not in cancelled]
        assert all(
            (earlier < later) is (at < behind)
            for at, earlier in enumerate(stayed)
            for behind, later in enumerate(stayed)
            if earlier != later and (earlier in slow or later in slow)
        )

    virtually(main)
