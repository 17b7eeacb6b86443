"""Who may write to a database that takes one writer at a time: any number of quick ones together, or a slow one alone.

    quick ─▶ together ─▶ the writer's thread, which takes them one after another without asking the event loop
    slow  ─▶ alone    ─▶ a session of many steps

In the order in which they come: a slow one waits for those that are inside, and whoever comes later waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Gate:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._together = 0  # inside
        self._alone = False
        self._waiting: deque[tuple[bool, asyncio.Future[None]]] = deque()  # alone?

    @asynccontextmanager
    async def together(self) -> AsyncGenerator[None]:
        await self._enter(alone=False)
        try:
            yield
        finally:
            self._leave(alone=False)

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        await self._enter(alone=True)
        try:
            yield
        finally:
            self._leave(alone=True)

    async def _enter(self, *, alone: bool) -> None:
        let_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((alone, let_in))
        self._admit()
        if let_in.done():
            return
        try:
            await let_in
        except asyncio.CancelledError:
            if let_in.cancelled():
                self._admit()  # those who waited only for this one
            else:
                self._leave(alone=alone)  # let in, and cancelled before it woke up
            raise

    def _leave(self, *, alone: bool) -> None:
        if alone:
            self._alone = False
        else:
            self._together -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            alone, let_in = self._waiting[0]
            if not let_in.done():
                if self._alone or (alone and self._together):
                    return
                if alone:
                    self._alone = True
                else:
                    self._together += 1
                let_in.set_result(None)
            self._waiting.popleft()
