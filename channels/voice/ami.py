"""Asterisk's manager interface, as a link that breaks and comes back.

    kept link ─▶ login ─▶ up ──events──▶ the call they name (a dictionary, not a search)
        ▲                  │  ping every 5 s, answered within 3 s
        └── growing pause ◀┴ down: actions in flight fail, none is ever sent again

An action is sent at most once. What fails before it was written raises `ChannelDown`; what was written and not answered
raises `Unanswered`, a ChannelDown too: whoever asked must find out what came of it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence

from engine.errors import ChannelDown

log = logging.getLogger(__name__)

Message = dict[str, str]
Listener = Callable[[Message], None]

# The events that are needed -> the header that names the call; manager.conf lets no other through.
EVENTS: Mapping[str, str] = {
    "OriginateResponse": "ActionID",
    "DialState": "DestUniqueid",
    "DialEnd": "Uniqueid",
    "Hangup": "Uniqueid",
    "FullyBooted": "",
}
DEADLINE_S = 5.0
BOOT_S = 30.0
PING_EVERY_S = 5.0
PING_WITHIN_S = 3.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 10.0
MAX_MESSAGE = 65536
MAX_LIST = 100_000
BREAKS = re.compile(r"[\r\n\0]+")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class Unanswered(ChannelDown):
    """The action was written to the link, and what came of it is not known."""


class Refused(ChannelDown):
    """Asterisk answered with an error: the action was not done."""


def encode(action: str, id: str, headers: Sequence[tuple[str, str]]) -> bytes:
    """An action as bytes: whatever the values are, they are the values of these headers and nothing else."""
    lines = [f"Action: {action}", f"ActionID: {BREAKS.sub(' ', id)}"]
    for name, value in headers:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no header")
        lines.append(f"{name}: {BREAKS.sub(' ', value)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")


def decode(block: bytes) -> Message:
    """A message as its headers; of a repeated one the first counts."""
    message: Message = {}
    for line in block.decode("utf-8", "replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            message.setdefault(name, value.strip())
    return message


class _Asked:
    """An action that waits for its answer, or for the whole list that is its answer."""

    def __init__(self, whole: str) -> None:
        self.answer: asyncio.Future[list[Message]] = asyncio.get_running_loop().create_future()
        self.whole = whole  # the event that ends the list; empty: the response is all
        self.items: list[Message] = []

    def take(self, message: Message) -> None:
        if "Response" in message:
            if message["Response"] not in ("Success", "Pong"):
                self._end(Refused(message.get("Message", "refused")))
                return
            self.items.append(message)
            if not self.whole:
                self._end(None)
        elif message.get("Event") == self.whole:
            self._end(None)
        elif len(self.items) < MAX_LIST:
            self.items.append(message)

    def _end(self, error: Exception | None) -> None:
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(self.items)
        else:
            self.answer.set_exception(error)

    def lose(self) -> None:
        self._end(Unanswered("the link to Asterisk broke before it answered"))


class Ami:
    """`on_state(up)` is told of each change; `reason` says in words why it is down."""

    def __init__(self, host: str, port: int, username: str, secret: str, on_state: Callable[[bool], None]) -> None:
        self._where = host, port
        self._login = username, secret
        self._on_state = on_state
        self._writer: asyncio.StreamWriter | None = None
        self._asked: dict[str, _Asked] = {}
        self._listeners: dict[str, Listener] = {}
        self._ids = itertools.count(1)
        self._booted = asyncio.Event()
        self.up = False
        self.refused = False  # our name or secret, at the last try: waiting does not mend that
        self.reason = "not connected yet"

    # --- asking -----------------------------------------------------------------------------------------------------

    async def ask(
        self,
        action: str,
        *headers: tuple[str, str],
        id: str = "",
        whole: str = "",
        within_s: float = DEADLINE_S,
    ) -> list[Message]:
        """Do an action once; its response, and with `whole` (the event that ends its list) the list's events after it.

        Raises Refused, Unanswered, or ChannelDown if it was not sent at all.
        """
        if not self.up:
            raise ChannelDown(f"Asterisk is away: {self.reason}")
        return await self._ask(action, headers, id, whole, within_s)

    async def _ask(
        self, action: str, headers: Sequence[tuple[str, str]], id: str, whole: str, within_s: float
    ) -> list[Message]:
        writer = self._writer
        if writer is None or writer.is_closing():
            raise ChannelDown("Asterisk is away")
        id = id or f"e{next(self._ids)}"
        if id in self._asked:
            raise ChannelDown("this was asked already")
        data = encode(action, id, headers)
        asked = self._asked[id] = _Asked(whole)
        try:
            writer.write(data)
            async with asyncio.timeout(within_s):
                return await asked.answer
        except TimeoutError:
            raise Unanswered(f"Asterisk did not answer {action} within {within_s:g} s") from None
        finally:
            del self._asked[id]

    def listen(self, call: str, listener: Listener) -> None:
        """From now on `listener` gets, synchronously, every event that names this call (a Uniqueid or ActionID)."""
        self._listeners[call] = listener

    def forget(self, call: str) -> None:
        self._listeners.pop(call, None)

    def break_link(self) -> None:
        """Drop the link at once, as the network would; it comes back by itself."""
        if self._writer is not None:
            self._writer.transport.abort()

    # --- the link ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the link for ever; ends only by cancellation."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                await self._serve()
            except* (OSError, EOFError, ChannelDown, ValueError, asyncio.LimitOverrunError) as group:
                reason = _told(_first(group))
                new = reason != self.reason
                self.reason = reason
                if new:
                    log.warning("manager link is down", extra={"reason": reason})
                    if not self.up:
                        self._on_state(False)
                self.refused = isinstance(_first(group), Refused)
            if self.up:
                pause = FIRST_PAUSE_S
                self._turn(False)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _serve(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_connection(*self._where, limit=MAX_MESSAGE)
        try:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(DEADLINE_S):
                banner = await reader.readline()
            if not banner.startswith(b"Asterisk Call Manager/"):
                raise ChannelDown("what answers there is no Asterisk manager")
            self._writer = writer
            self._booted.clear()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(reader), name="ami reader")
                await self._log_in()
                self._turn(True)
                await self._ping()
        finally:
            self._writer = None
            writer.close()
            for asked in self._asked.values():
                asked.lose()

    async def _log_in(self) -> None:
        username, secret = self._login
        try:
            await self._ask("Login", (("Username", username), ("Secret", secret)), "", "", DEADLINE_S)
        except Refused as error:
            raise Refused(
                f"Asterisk refused the login ({error}): check asterisk.ami.username and asterisk.ami.secret_file"
            ) from None
        try:
            async with asyncio.timeout(BOOT_S):
                await self._booted.wait()
        except TimeoutError:
            raise ChannelDown("Asterisk does not finish starting") from None

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            self._take(decode(await reader.readuntil(b"\r\n\r\n")))

    def _take(self, message: Message) -> None:
        event = message.get("Event", "")
        header = EVENTS.get(event)
        if header:
            listener = self._listeners.get(message.get(header, ""))
            if listener is not None:
                listener(message)
        elif event == "FullyBooted":
            self._booted.set()
        else:
            asked = self._asked.get(message.get("ActionID", ""))
            if asked is not None:
                asked.take(message)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            await self.ask("Ping", within_s=PING_WITHIN_S)

    def _turn(self, up: bool) -> None:
        self.up = up
        if up:
            self.reason = ""
            log.info("manager link is up")
        self._on_state(up)


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _told(first: BaseException) -> str:
    if isinstance(first, TimeoutError):
        return "no answer in time"
    if isinstance(first, EOFError):
        return "Asterisk closed the link"
    if isinstance(first, OSError) and first.errno:
        return os.strerror(first.errno).lower()
    return str(first) or type(first).__name__
