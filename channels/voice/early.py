"""Sound before the answer: the network's announcements, heard without touching the call that is being placed.

    183 ─▶ Originate: media link ─ChanSpy─▶ our leg ─▶ Stream ─▶ `hear` ─┬▶ None: wait on for the answer
                                                                         └▶ a status: NotReached, nothing was answered

Asterisk's own EarlyMedia is of no use for this: it takes the 183 for the answer, and the real one is never told. The
link is gone as soon as the call is answered or ends. Without ChanSpy nothing is heard, and nothing else changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from channels.voice import causes
from channels.voice.ami import Message
from channels.voice.line import Exchange, TelephoneLine
from channels.voice.media import Stream
from channels.voice.render import reachable
from engine.config import Media
from engine.errors import ChannelDown, NotReached
from engine.model import Status
from engine.ports import Early

log = logging.getLogger(__name__)

LINK_S = 5.0  # for the media link to come
CAUSES = {
    Status.BUSY: causes.BUSY,
    Status.UNREACHABLE: 20,
    Status.INVALID_NUMBER: 1,
    Status.CONGESTION: 34,
}


@lru_cache(512)
def media_id(call: str) -> str:
    """AudioSocket names calls by UUID: the one that is made of this call's id."""
    return str(uuid5(NAMESPACE_URL, f"dozvon:{call}"))


class EarlyMedia:
    """Every call whose early sound is listened to."""

    def __init__(self, media: Media) -> None:
        self._link = (
            "WebSocket/dozvon/c(slin)f(json)v(call={call})"
            if media.transport == "websocket"
            else f"AudioSocket/{reachable(media.host, media.port)}/{{uuid}}/c(slin)"
        )
        self._streams: dict[str, Stream] = {}

    def stream(self, call: str) -> Stream | None:
        """The stream that a media link is for, by its id or its UUID in plain hex."""
        return self._streams.get(call)

    def ear(self, exchange: Exchange, line: TelephoneLine, hear: Early | None) -> Ear:
        """Made before the call is placed."""
        return Ear(self, exchange, line, hear)

    @asynccontextmanager
    async def open(self, exchange: Exchange, line: TelephoneLine) -> AsyncIterator[Stream]:
        """The sound of a call that is not answered yet. Raises ChannelDown."""
        call = f"early-{line.id}"
        name = media_id(call)
        stream = Stream(exchange.ticker)
        self._streams[call] = self._streams[name.replace("-", "")] = stream
        try:
            await exchange.ami.ask(
                "Originate",
                ("Channel", self._link.format(call=call, uuid=name)),
                ("Application", "ChanSpy"),
                ("Data", f"{line.uniqueid},uqoES"),  # by its id, quietly, its own sound only, until it ends
                ("Timeout", str(round(LINK_S * 1000))),
                ("Async", "true"),
            )
            yield stream
        finally:
            stream.end()
            del self._streams[call], self._streams[name.replace("-", "")]


class Ear:
    """Waits for the answer of one call, and listens until then if somebody wants to hear."""

    def __init__(self, early: EarlyMedia, exchange: Exchange, line: TelephoneLine, hear: Early | None) -> None:
        self._early = early
        self._exchange = exchange
        self._line = line
        self._hear = hear
        self._sounds = asyncio.Event()
        if hear is not None:
            exchange.ami.listen(line.uniqueid, self._heard)

    def _heard(self, event: Message) -> None:
        if event["Event"] == "DialState" and event.get("DialStatus") == "PROGRESS":
            self._sounds.set()
        self._line.heard(event)

    async def answered(self) -> None:
        """Raises NotReached: the call ended, or what was heard says that nobody will answer."""
        if self._hear is None:
            await self._line.answered
            return
        listening: asyncio.Future[Any] = asyncio.ensure_future(self._listen())
        try:
            await asyncio.wait([listening, self._line.answered], return_when=asyncio.FIRST_COMPLETED)
            if listening.done() and not self._line.answered.done() and (status := listening.result()) is not None:
                raise NotReached(status, CAUSES.get(status, causes.NO_ANSWER), "announced before the answer")
            await self._line.answered
        finally:
            listening.cancel()

    async def _listen(self) -> Status | None:
        await self._sounds.wait()
        assert self._hear is not None
        try:
            async with self._early.open(self._exchange, self._line) as stream:
                return await self._hear(stream)
        except ChannelDown as error:
            log.info("nothing is heard before the answer", extra={"call": self._line.id, "reason": str(error)})
            return None
