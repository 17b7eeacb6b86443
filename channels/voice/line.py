"""One telephone call towards Asterisk, from the moment it is placed or comes in until it is down.

AMI events ─▶ heard ─┬▶ ringing, answered, ended          dialplan ─AGI─▶ next ─▶ media | transfer | hangup
                     └▶ the end of a transfer             media link ─▶ `media`, one stream for all legs
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any, Protocol

from channels.voice import causes, numbers
from channels.voice.agi import Question
from channels.voice.ami import Ami, Message, Refused
from channels.voice.media import Stream, Ticker
from channels.voice.recorder import Recorder
from engine.errors import ChannelDown, NotReached
from engine.model import Sound
from engine.ports import Progress, TransferEnd, TransferOrder

log = logging.getLogger(__name__)

PREFIX = "dz-"  # of the ids of our calls
LOST_S = 10.0  # so long a call is offered again when its media link broke
HANG_UP_S = 10.0  # a call that is not down by then cannot be hung up
RETRY_S = 0.25
RING_S = (1, 300)
TIMED_OUT = "3"  # OriginateResponse's Reason when the answer timeout has passed

Answer = Mapping[str, str]
HANG_UP: Answer = {"DOZVON_DO": "hangup"}
MEDIA: Answer = {"DOZVON_DO": "media"}


def id_of(uniqueid: str) -> str:
    """Our id of the call whose channel Asterisk calls so."""
    return uniqueid if uniqueid.startswith(PREFIX) else PREFIX + uniqueid


def _now() -> float:
    return asyncio.get_running_loop().time()


class Exchange(Protocol):
    """What a line needs of the channel that it belongs to."""

    ami: Ami
    ticker: Ticker

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run this beside the channel."""
        ...

    def whisper(self, call: str, sound: Sound) -> str:
        """A file with this sound that Asterisk can play; empty if there can be none."""
        ...


class TelephoneLine:
    """A `Line`. `uniqueid` is Asterisk's name of the channel: for calls that we place it is our `id`."""

    def __init__(self, exchange: Exchange, uniqueid: str, recorder: Recorder | None, progress: Progress) -> None:
        self.uniqueid = uniqueid
        self.cause = 0
        self.media = Stream(exchange.ticker, self._linked, self._lost, recorder)
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ringing = asyncio.Event()
        self.down = asyncio.Event()
        self._exchange = exchange
        self._recorder = recorder
        self._progress = progress
        self._leaving = False
        self._lost_timer: asyncio.TimerHandle | None = None
        self._transfer: _Transfer | None = None

    @property
    def id(self) -> str:
        return id_of(self.uniqueid)

    def recording(self) -> tuple[str, str] | None:
        return None if self._recorder is None else self._recorder.paths

    async def recorded(self) -> None:
        """Wait until the files of the robot's part are whole."""
        if self._recorder is not None:
            await self._recorder.close()

    # --- what Asterisk says -----------------------------------------------------------------------------------------

    def heard(self, event: Message) -> None:
        """An AMI event that names this call."""
        kind = event["Event"]
        if kind == "DialState":
            if event.get("DialStatus") in ("RINGING", "PROGRESS") and not self.ringing.is_set():
                self.ringing.set()
                self._progress("ringing")
        elif kind == "OriginateResponse":
            if event.get("Response") == "Success":
                self.answer()
            elif event.get("Reason") == TIMED_OUT:  # whatever the network then says to Asterisk's cancelling
                self.end(causes.NO_ANSWER if self.ringing.is_set() else causes.NO_USER)
            else:  # the cause comes with Hangup, a moment before or after; with no channel at all it never comes
                asyncio.get_running_loop().call_later(RETRY_S, self.end, 0)
        elif kind == "DialEnd":
            if self._transfer is not None and event.get("DialStatus") == "ANSWER":
                self._transfer.join(_now())
        elif kind == "Hangup":
            cause, sip = causes.number(event.get("Cause", "")), causes.number(event.get("TechCause", "")[:3])
            if self.ringing.is_set() and cause in (causes.NO_USER, causes.NO_ANSWER):
                cause, sip = causes.NO_ANSWER, 0  # it rang: 480 is no absence then
            self.end(cause, sip)

    def answer(self) -> None:
        if not self.answered.done():
            self.answered.set_result(None)
            self._progress("answered")
            if not self.media.carried:
                self._lost()  # the first link must come as soon as any other

    def end(self, cause: int, sip: int = 0) -> None:
        """The call is down."""
        if self.down.is_set():
            return
        self.cause = cause or causes.NORMAL
        self.down.set()
        if self._lost_timer is not None:
            self._lost_timer.cancel()
        if not self.answered.done():
            self.answered.set_exception(NotReached(causes.status(cause, sip), cause))
            self.answered.exception()  # it may be that nobody waits for it any more
        if self._transfer is not None:
            self._transfer.finish(self._transfer.ended_by_subscriber(_now()))
        self.media.end()

    def vanish(self) -> None:
        """Asterisk does not know the call any more, and how it ended was not told."""
        self.end(causes.NORMAL if self._leaving else causes.TEMPORARY)

    def next(self, question: Question) -> Answer:
        """What the dialplan is to do with the call now."""
        if self._leaving or self.down.is_set():
            asyncio.get_running_loop().call_later(RETRY_S, self.end, causes.NORMAL)  # if there is no manager to tell
            return HANG_UP
        transfer = self._transfer
        if transfer is None:
            return MEDIA
        if not transfer.begun:
            transfer.begun = True
            files = "" if self._recorder is None else self._recorder.beside(_now())
            return {**transfer.answer, "DOZVON_FILES": files}
        dial = question.query
        outcome = causes.transfer(dial.get("dial", ""), causes.number(dial.get("cause", "")))
        if dial.get("unheard", "0") != "0":
            outcome = "failed" if outcome == "done" else outcome  # the operator left before the two were joined
        talked = dial.get("talked", "")
        seconds = float(talked) if outcome == "done" and talked.isascii() and talked.isdecimal() else 0.0
        self._transfer = None
        self.media.expecting = True
        transfer.finish(TransferEnd(outcome, transfer.talked(_now()) or seconds))
        return MEDIA

    def _linked(self) -> None:
        """A media link has come: it is only dialled for an answered call."""
        self.answer()
        if self._lost_timer is not None:
            self._lost_timer.cancel()
            self._lost_timer = None

    def _lost(self) -> None:
        """The media link broke: the dialplan offers the call again; not for ever."""
        if self._leaving or self.down.is_set() or self._lost_timer is not None:
            return
        self._lost_timer = asyncio.get_running_loop().call_later(LOST_S, self._give_up)

    def _give_up(self) -> None:
        self._lost_timer = None
        if not self.media.carried and self.media.expecting and not self.down.is_set():
            log.warning("media link did not come back, ending the call", extra={"call": self.id})
            self._exchange.begin(self.hang_up())

    # --- what the engine wants --------------------------------------------------------------------------------------

    async def transfer(self, order: TransferOrder) -> TransferEnd:
        if self._leaving or self.down.is_set() or self._transfer is not None:
            return TransferEnd("failed")
        try:
            where = numbers.endpoint(order.to, order.trunk)
        except ValueError:
            log.warning("transfer to what is no number", extra={"call": self.id})
            return TransferEnd("failed")
        whisper = self._exchange.whisper(self.id, order.whisper) if order.whisper is not None else ""
        transfer = self._transfer = _Transfer(
            {
                "DOZVON_DO": "transfer",
                "DOZVON_TO": where,
                "DOZVON_RING": str(min(max(round(order.ring_s), RING_S[0]), RING_S[1])),
                "DOZVON_CID": numbers.caller_id(order.caller_id),
                "DOZVON_SAY": whisper,
            },
            asyncio.get_running_loop().create_future(),
        )
        self.media.pause()
        try:
            return await transfer.end
        finally:
            if self._transfer is transfer:
                self._transfer = None

    async def hang_up(self) -> None:
        self._leaving = True
        try:
            async with asyncio.timeout(HANG_UP_S):
                while not self.down.is_set():
                    await self._drop()
        except TimeoutError:
            log.warning("a call could not be hung up", extra={"call": self.id})
            self.end(causes.TEMPORARY)

    async def _drop(self) -> None:
        """One try. A call that is only just being placed has no channel yet: it is dropped as soon as it has."""
        try:
            await self._exchange.ami.ask("Hangup", ("Channel", self.uniqueid), ("Cause", str(causes.NORMAL)))
        except Refused:
            if self.answered.done() or self.ringing.is_set():  # there was a channel, so it is gone
                asyncio.get_running_loop().call_later(RETRY_S, self.end, causes.NORMAL)
        except ChannelDown:
            self.media.end()  # without the manager: the dialplan comes to `next` and is told
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S):
                await self.down.wait()


class _Transfer:
    def __init__(self, answer: Answer, end: asyncio.Future[TransferEnd]) -> None:
        self.answer = answer
        self.end = end
        self.begun = False
        self._joined_at: float | None = None

    def join(self, now: float) -> None:
        if self.begun and self._joined_at is None:
            self._joined_at = now

    def talked(self, now: float) -> float:
        return 0.0 if self._joined_at is None else max(0.0, now - self._joined_at)

    def ended_by_subscriber(self, now: float) -> TransferEnd:
        return TransferEnd("failed" if self._joined_at is None else "done", self.talked(now))

    def finish(self, end: TransferEnd) -> None:
        if not self.end.done():
            self.end.set_result(end)
