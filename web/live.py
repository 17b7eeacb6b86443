"""What happens in calls, as server-sent events.

robot.events() ─▶ pump ─▶ queue (bounded: the oldest are lost) ─▶ is it the listener's? ─▶ data: {…}
                                                 nothing for 15 s ─▶ : beat, and the listener's rights are read anew
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from aiohttp import web

from engine.errors import NotFound, TooOften
from engine.model import CallEvent
from engine.tasks import beside
from web.ask import Ask

log = logging.getLogger(__name__)

BEAT_S = 15.0
QUEUE = 1000
STREAMS_IN_ALL = 200
STREAMS_EACH = 10
REMEMBERED = 10_000
RETRY_MS = 2000


class Streams:
    """Who listens; so that nobody opens too many, and all end when the server does."""

    def __init__(self) -> None:
        self._open: list[tuple[int, asyncio.Event]] = []

    @contextmanager
    def one(self, ask: Ask) -> Generator[asyncio.Event]:
        """A place in the hall; the event is set when the server goes down. Raises TooOften."""
        mine = sum(user == ask.caller.user_id for user, _ in self._open)
        if mine >= STREAMS_EACH or len(self._open) >= STREAMS_IN_ALL:
            raise TooOften(ask.say("many_streams"), 10.0)
        place = (ask.caller.user_id, asyncio.Event())
        self._open.append(place)
        try:
            yield place[1]
        finally:
            self._open.remove(place)

    def close(self) -> None:
        for _, over in self._open:
            over.set()


STREAMS = web.AppKey("streams", Streams)


async def close(app: web.Application) -> None:
    app[STREAMS].close()


async def stream(ask: Ask, wanted: Wanted) -> web.StreamResponse:
    """Answer with events until the listener or the server goes. Raises TooOften."""
    request = ask.request
    assert request is not None
    with request.app[STREAMS].one(ask) as over:
        async with _heard(ask) as events:
            answer = web.StreamResponse(
                headers={
                    "Content-Type": "text/event-stream; charset=utf-8",
                    "Cache-Control": "no-store",
                    "X-Accel-Buffering": "no",
                    "X-Content-Type-Options": "nosniff",
                }
            )
            await answer.prepare(request)
            await answer.write(f"retry: {RETRY_MS}\n\n".encode())
            queue: asyncio.Queue[CallEvent | None] = asyncio.Queue(QUEUE)
            async with beside(_pump(events, queue), _until(over, queue)):
                await _send(answer, queue, wanted)
    return answer


@asynccontextmanager
async def _heard(ask: Ask) -> AsyncGenerator[AsyncIterator[CallEvent]]:
    """The robot's events. Raises TooOften when it has too many listeners already."""
    async with AsyncExitStack() as stack:
        try:
            events = await stack.enter_async_context(ask.robot.events())
        except OverflowError:
            raise TooOften(ask.say("many_streams"), 10.0) from None
        yield events


class Wanted:
    """Which events this listener may and wants to see."""

    def __init__(self, ask: Ask, *, project_id: int | None, campaign_id: int | None, call_id: int | None) -> None:
        self._ask = ask
        self._project = project_id
        self._campaign = campaign_id
        self._call = call_id
        self._seen: OrderedDict[int, bool] = OrderedDict()

    def refresh(self) -> None:
        """Rights may have changed."""
        self._seen.clear()

    async def has(self, event: CallEvent) -> bool:
        if self._call is not None and event.call_id != self._call:
            return False
        known = self._seen.get(event.call_id)
        if known is None:
            known = await self._look(event.call_id)
            self._seen[event.call_id] = known
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return known

    async def _look(self, call_id: int) -> bool:
        try:
            call = await self._ask.store.calls.get(call_id, user=self._ask.user)
        except NotFound:
            return False
        if self._project is not None and call.project_id != self._project:
            return False
        return self._campaign is None or call.campaign_id == self._campaign


async def _pump(events: AsyncIterator[CallEvent], queue: asyncio.Queue[CallEvent | None]) -> None:
    async for event in events:
        if queue.full():
            queue.get_nowait()
        queue.put_nowait(event)
    await queue.put(None)


async def _until(over: asyncio.Event, queue: asyncio.Queue[CallEvent | None]) -> None:
    await over.wait()
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(None)


async def _send(answer: web.StreamResponse, queue: asyncio.Queue[CallEvent | None], wanted: Wanted) -> None:
    loop = asyncio.get_running_loop()
    beat = loop.time() + BEAT_S
    while True:
        try:
            async with asyncio.timeout_at(beat):
                event = await queue.get()
        except TimeoutError:
            beat = loop.time() + BEAT_S
            wanted.refresh()
            await answer.write(b": beat\n\n")
            continue
        if event is None:
            return
        if await wanted.has(event):
            await answer.write(as_event(event))


def as_event(event: CallEvent) -> bytes:
    """One event of the stream; its JSON holds no line break, so no text of a subscriber can forge another event."""
    data = {
        **event.data,
        "call_id": event.call_id,
        "kind": event.kind,
        "at": event.at.isoformat().replace("+00:00", "Z"),
    }
    return b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n\n"
