"""Stand-ins for the world, one for each Protocol of `engine.ports`; `tests/contracts` holds them to what is real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from engine.errors import ChannelDown
from engine.model import CallEvent
from engine.ports import LiveView, Why
from tests.fake_speech import FakeHearing, FakeRecognizer, FakeSynthesizer, FakeVad, spoken, utterance, words
from tests.fake_telephone import (
    FRAME_S,
    FakeIncoming,
    FakeLine,
    FakeVoiceChannel,
    Fate,
    Said,
    ScriptedMedia,
    Speech,
    now_s,
)

__all__ = [
    "FRAME_S",
    "FakeHearing",
    "FakeIncoming",
    "FakeLine",
    "FakeRecognizer",
    "FakeRobot",
    "FakeSynthesizer",
    "FakeVad",
    "FakeVoiceChannel",
    "Fate",
    "Said",
    "ScriptedMedia",
    "Speech",
    "now_s",
    "spoken",
    "utterance",
    "words",
]

# --- the running engine, as the web sees it ---------------------------------------------------------------------------


@dataclass
class FakeRobot:
    """Remembers what it was asked; `tell` is what happens in its calls."""

    whys: dict[int, Why] = field(default_factory=dict)
    parts: dict[str, tuple[bool, str]] = field(default_factory=lambda: {"telephony": (True, "")})
    nudged: list[int | None] = field(default_factory=list)
    called: list[int] = field(default_factory=list)
    passwords: list[int] = field(default_factory=list)
    hung_up: list[int] = field(default_factory=list)
    living: set[int] = field(default_factory=set)
    down: bool = False  # no call can be taken on: one call now stays queued, a call password is refused
    lives: list[LiveView] = field(default_factory=list)
    listeners: list[asyncio.Queue[CallEvent]] = field(default_factory=list)
    listened: asyncio.Event = field(default_factory=asyncio.Event)

    def nudge(self, campaign: int | None = None) -> None:
        self.nudged.append(campaign)

    def why(self, campaign: int) -> Why | None:
        return self.whys.get(campaign)

    async def call_now(self, call_id: int) -> None:
        if not self.down:
            self.called.append(call_id)

    async def call_password(self, password_id: int) -> None:
        if self.down:
            raise ChannelDown("the telephony is away")
        self.passwords.append(password_id)

    async def hang_up(self, call_id: int) -> bool:
        self.hung_up.append(call_id)
        return call_id in self.living

    def events(self) -> AbstractAsyncContextManager[AsyncIterator[CallEvent]]:
        return self._events()

    @asynccontextmanager
    async def _events(self) -> AsyncGenerator[AsyncIterator[CallEvent]]:
        if len(self.listeners) >= 200:
            raise OverflowError("too many listeners")
        queue: asyncio.Queue[CallEvent] = asyncio.Queue(1000)
        self.listeners.append(queue)
        self.listened.set()
        try:
            yield self._from(queue)
        finally:
            self.listeners.remove(queue)

    async def _from(self, queue: asyncio.Queue[CallEvent]) -> AsyncIterator[CallEvent]:
        while True:
            yield await queue.get()

    def tell(self, event: CallEvent) -> None:
        for queue in self.listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    def live(self) -> Sequence[LiveView]:
        return self.lives

    def health(self) -> Mapping[str, tuple[bool, str]]:
        return self.parts
