"""Recognition by a vosk-server on another machine, over its websocket protocol; one connection for each utterance.

    listen ─▶ Hearing ─ waits (≤ queue_s) ─▶ a connection that stands ready ─▶ {"config": …} sound … {"eof" : 1}
                 └ none: Overloaded                  ◀─ {"partial": …} … {"result": […], "text": …} ─┘

The server ends a connection with its last text, so a few fresh ones are kept ready.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

import aiohttp
from pydantic import BaseModel, ConfigDict, Field

from asr._pool import BATCH, LONGEST, PHRASES, Load
from engine.errors import Overloaded, SpeechError
from engine.model import RATE, Transcript
from engine.tasks import Errands, beside

log = logging.getLogger(__name__)
EOF = '{"eof" : 1}'  # the server compares the text, blanks and all
LARGEST = 1 << 20  # bytes of one answer
UNKNOWN = "[unk]"
LOOK_S = 1.0  # between two looks for a server that is away


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(pattern=r"^wss?://[^\s]{1,2000}$")]
    streams: Annotated[int, Field(ge=1, le=1000)] = 32  # utterances at once that this server can bear
    ready: Annotated[int, Field(ge=0, le=50)] = 2  # connections kept ready
    grammar: bool = True  # send the card's phrases; only a model with a look-ahead graph can take them
    connect_s: Annotated[float, Field(gt=0, le=30)] = 2.0
    queue_s: Annotated[float, Field(gt=0, le=5)] = 0.2  # how long an utterance may wait for a free stream
    finish_s: Annotated[float, Field(gt=0, le=30)] = 3.0  # how long the text may take after the last sound
    headers: dict[str, str] = Field(default_factory=dict)  # of the connection: a token for a proxy before it


class Away(SpeechError):
    """The server cannot be reached, or broke off."""


class ServerRecognizer:
    """See `engine.ports.Recognizer`. One server, one model: `language` of an utterance is not looked at."""

    demonstration = False

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        self.settings = settings
        self._session = session
        self._ready: deque[aiohttp.ClientWebSocketResponse] = deque()
        self._talks = Errands(lambda error: None)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._live = self._overloaded = self._failures = self._opening = 0
        self._up = True

    def listen(self, *, language: str = "ru", phrases: Sequence[str] = ()) -> ServerHearing:
        hearing = ServerHearing(self.settings.finish_s)
        self._talks.run(self._talk(hearing, _config(phrases if self.settings.grammar else ())))
        return hearing

    def load(self) -> Load:
        return Load(
            workers=1,
            ready=int(self._up),
            capacity=self.settings.streams if self._up else 0,
            live=self._live,
            queued=len(self._waiting),
            restarts=self._failures,
            recycled=0,
            overloaded=self._overloaded,
            memory_bytes=0,
        )

    async def prepare(self) -> None:
        """Have connections ready. Raises Away."""
        while len(self._ready) + self._opening < self.settings.ready:
            self._opening += 1
            try:
                self._ready.append(await self._connect())
            finally:
                self._opening -= 1

    async def watch(self) -> None:
        """For ever: a server that is away is looked for, though nobody speaks: without it no calls are made."""
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._up:
                with suppress(Away):
                    self._ready.append(await self._connect())
                    log.info("vosk-server is back")

    async def close(self) -> None:
        self._talks.cancel()
        while self._ready:
            await self._ready.popleft().close()

    # --- one utterance ------------------------------------------------------------------------------------------------

    async def _talk(self, hearing: ServerHearing, config: str) -> None:
        try:
            await self._place()
        except Overloaded as error:
            hearing.failed(error)
            return
        try:
            await self._served(hearing, config)
        except SpeechError as error:
            self._failures += 1
            hearing.failed(error)
        except asyncio.CancelledError:
            hearing.failed(SpeechError("the recogniser is being shut down"))
            raise
        finally:
            self._live -= 1
            while self._waiting:
                if not (waiter := self._waiting.popleft()).done():
                    waiter.set_result(None)
                    break
        with suppress(Away):
            await self.prepare()

    async def _place(self) -> None:
        """One of the `streams`. Raises Overloaded."""
        if self._live >= self.settings.streams:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                async with asyncio.timeout(self.settings.queue_s):
                    await waiter
            except TimeoutError:
                self._overloaded += 1
                raise Overloaded("the vosk-server has no stream free: raise `streams`, or call fewer people") from None
            finally:
                with suppress(ValueError):
                    self._waiting.remove(waiter)
        self._live += 1

    async def _served(self, hearing: ServerHearing, config: str) -> None:
        socket = await self._socket()
        try:
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(_send(socket, hearing, config), name="vosk-server sending")
                await _receive(socket, hearing)
                sending.cancel()
        except BaseExceptionGroup as group_error:
            if (away := group_error.subgroup(Away)) is not None:
                raise Away(str(away.exceptions[0])) from None
            raise Away("the vosk-server broke off") from group_error
        finally:
            await socket.close()

    async def _socket(self) -> aiohttp.ClientWebSocketResponse:
        while self._ready:
            socket = self._ready.popleft()
            if not socket.closed:
                return socket
        return await self._connect()

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        settings = self.settings
        try:
            async with asyncio.timeout(settings.connect_s):
                socket = await self._session.ws_connect(
                    settings.url, headers=settings.headers, max_msg_size=LARGEST, heartbeat=20.0
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if self._up:
                log.error("vosk-server is away", extra={"why": str(error) or type(error).__name__})
            self._up = False
            raise Away(f"the vosk-server cannot be reached ({str(error) or 'no answer'})") from None
        self._up = True
        return socket


class ServerHearing:
    """One utterance; see `engine.ports.Hearing`. Its sound waits here until the server takes it."""

    def __init__(self, finish_s: float) -> None:
        self.partial = ""
        self.failure: SpeechError | None = None
        self.sound = bytearray()
        self.more = asyncio.Event()  # there is something to send
        self.asked = False  # the text is wanted
        self.owed = 0  # answers that have not come yet
        self.last = False  # nothing more will be sent
        self._finish_s = finish_s
        self._room = LONGEST
        self._result: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()
        self._said: list[tuple[str, float]] = []  # of a long utterance, what the server has closed already

    @property
    def over(self) -> bool:
        return self._result.done()

    def push(self, frame: bytes) -> None:
        if self.asked or self._result.done() or self._room < len(frame):
            return
        self._room -= len(frame)
        self.sound += frame
        if len(self.sound) >= BATCH:
            self.more.set()

    async def finish(self) -> Transcript:
        if self.asked or (self.failure is not None):
            raise self.failure or SpeechError("this utterance is over already")
        self.asked = True
        self.more.set()
        try:
            async with asyncio.timeout(self._finish_s):
                return await asyncio.shield(self._result)
        except TimeoutError:
            raise SpeechError(f"the recogniser did not answer within {self._finish_s:g} s") from None
        finally:
            self.drop()

    def drop(self) -> None:
        self.failed(SpeechError("the utterance was dropped"))

    # --- what the server says -----------------------------------------------------------------------------------------

    def failed(self, error: SpeechError) -> None:
        if self._result.done():
            self.failure = self.failure or SpeechError("this utterance is over already")
        else:
            self.failure = error
            self._result.set_exception(error)
            self._result.exception()  # who does not ask need not know
        self.sound.clear()
        self.more.set()

    def answered(self, answer: object) -> None:
        """A partial, or the end of a part of it. Raises Away."""
        self.owed -= 1
        if not isinstance(answer, dict):
            raise Away("the vosk-server spoke nonsense")
        if "partial" in answer:
            self.partial = self._joined(_words(str(answer["partial"])))
            return
        if words := _words(str(answer.get("text", ""))):
            self._said.append((words, _sure(answer)))
            self.partial = self._joined()

    def ended(self) -> None:
        if not self._result.done():
            sure = [confidence for _, confidence in self._said]
            self._result.set_result(Transcript(self._joined(), round(sum(sure) / len(sure), 4) if sure else 0.0))

    def _joined(self, more: str = "") -> str:
        return " ".join([*(words for words, _ in self._said), *([more] if more else [])])


async def _send(socket: aiohttp.ClientWebSocketResponse, hearing: ServerHearing, config: str) -> None:
    """Raises Away."""
    try:
        await socket.send_str(config)
        told = False
        while not hearing.over:
            await hearing.more.wait()
            hearing.more.clear()
            if hearing.sound and not told:
                sound, hearing.sound = bytes(hearing.sound), bytearray()
                hearing.owed += 1
                await socket.send_bytes(sound)
            if hearing.asked and not told:
                told = hearing.last = True
                hearing.owed += 1
                await socket.send_str(EOF)
        await socket.close()  # dropped, or given up: nobody waits for an answer
    except (aiohttp.ClientError, OSError):
        raise Away("the vosk-server broke off in the middle of speech") from None


async def _receive(socket: aiohttp.ClientWebSocketResponse, hearing: ServerHearing) -> None:
    """Until the last text: the server answers once to each thing it is sent. Raises Away."""
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Away("the vosk-server spoke nonsense")
        try:
            hearing.answered(json.loads(message.data))
        except ValueError:
            raise Away("the vosk-server spoke nonsense") from None
        if hearing.last and hearing.owed <= 0:
            hearing.ended()
            return
    if not hearing.over:
        raise Away("the vosk-server broke off in the middle of speech")


def _config(phrases: Sequence[str]) -> str:
    config: dict[str, object] = {"sample_rate": RATE, "words": True}
    if phrases and not any("/" in phrase for phrase in phrases):
        plain = [" ".join(phrase.lower().split()) for phrase in phrases[:PHRASES]]
        config["phrase_list"] = [*dict.fromkeys(phrase for phrase in plain if phrase), UNKNOWN]
    return json.dumps({"config": config}, ensure_ascii=False)


def _words(text: str) -> str:
    """[unk], <eps> are no words."""
    return " ".join(word for word in text.lower().split() if word[0] not in "[<")


def _sure(answer: dict[str, object]) -> float:
    result = answer.get("result")
    words = [word.get("conf") for word in result if isinstance(word, dict)] if isinstance(result, list) else []
    found = [float(conf) for conf in words if isinstance(conf, int | float)]
    return max(0.0, min(1.0, sum(found) / len(found))) if found else 1.0


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path) -> AsyncGenerator[ServerRecognizer]:
    """Enters at once: a server that is away now may come later, and a fallback may stand beside it."""
    limits = aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_s)
    async with aiohttp.ClientSession(timeout=limits) as session:
        recognizer = ServerRecognizer(settings, session)
        with suppress(Away):
            await recognizer.prepare()
        try:
            async with beside(recognizer.watch()):
                yield recognizer
        finally:
            await recognizer.close()
