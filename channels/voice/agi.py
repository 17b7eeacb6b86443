"""FastAGI: the dialplan asks, the engine answers with channel variables.

    AGI(agi://host:port/next?call=ID) ─▶ `agi_…: …` lines ─▶ ask(Question) ─▶ SET VARIABLE … ─▶ dialplan goes on

Whoever connects gets 5 s for at most 16 KB of headers; a connection that says nothing, nonsense or too much is dropped
with one log line. The answer may take its time: the connection stays open, and `Question.gone` is set if Asterisk
hangs up meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

log = logging.getLogger(__name__)

HEADERS_S = 5.0
REPLY_S = 5.0
MAX_HEADERS = 16384
MAX_CONNECTIONS = 2000
LINE = re.compile(r"agi_([a-z0-9_]{1,40}): ?(.*)")
VARIABLE = re.compile(r"[A-Z][A-Z_]*")
UNSAFE = re.compile(r"[\r\n\0]+")
PLAIN = re.compile(r"[\w.+:/@-]+(?: [\w.+:/@-]+)*")  # nothing that separates, quotes or is looked up
LONGEST = 1500  # bytes of a command; Asterisk takes 2048


@dataclass(frozen=True, slots=True)
class Question:
    path: str  # without slashes
    query: Mapping[str, str]
    headers: Mapping[str, str]  # `agi_` left out
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def uniqueid(self) -> str:
        return self.headers.get("uniqueid", "")


Answer = Mapping[str, str]  # channel variables to be set
Ask = Callable[[Question], Awaitable[Answer]]


def command(name: str, value: str) -> bytes:
    """SET VARIABLE as one line, whatever the value is."""
    if not VARIABLE.fullmatch(name):
        raise ValueError(f"{name!r} is no variable")
    quoted = UNSAFE.sub(" ", value).replace("\\", "\\\\").replace('"', '\\"')
    return f'SET VARIABLE {name} "{quoted}"\n'.encode("utf-8", "replace")


def commands(answer: Answer) -> list[bytes]:
    """All of an answer. Each command costs both sides a wake-up while the caller waits, so plain values go in one."""
    if len(answer) > 1 and all(map(PLAIN.fullmatch, answer.values())):
        if not all(map(VARIABLE.fullmatch, answer)):
            raise ValueError("one of these names is no variable")
        together = f'SET VARIABLE ARRAY({",".join(answer)}) "{",".join(answer.values())}"\n'.encode()
        if len(together) <= LONGEST:
            return [together]
    return [command(name, value) for name, value in answer.items()]


def question(block: bytes) -> Question:
    """The headers of a request. Raises ValueError if they are none."""
    headers: dict[str, str] = {}
    for line in block.decode("utf-8", "replace").split("\n"):
        if not line:
            continue
        match = LINE.fullmatch(line)
        if match is None:
            raise ValueError("not AGI headers")
        headers.setdefault(match[1], match[2])
    where = urlsplit(headers.get("request", ""))
    if where.scheme != "agi":
        raise ValueError("no agi:// request")
    query = parse_qs(where.query, max_num_fields=16, keep_blank_values=True)
    return Question(where.path.strip("/"), {name: values[0] for name, values in query.items()}, headers)


class _Server:
    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.live: set[asyncio.Task[None]] = set()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self.live) >= MAX_CONNECTIONS:
            log.warning("too many AGI connections, one is refused")
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="agi connection")
        self.live.add(task)
        task.add_done_callback(self.live.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(HEADERS_S):
                asked = question(await reader.readuntil(b"\n\n"))
        except (TimeoutError, asyncio.LimitOverrunError, EOFError, ValueError, OSError) as error:
            log.warning("AGI connection dropped", extra={"why": type(error).__name__})
            writer.transport.abort()
            return
        watch = asyncio.get_running_loop().create_task(_watch(reader, asked.gone), name="agi watch")
        try:
            answer = await self._ask(asked)
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            if not asked.gone.is_set():
                await _tell(reader, writer, answer)
        except (TimeoutError, asyncio.LimitOverrunError, EOFError, OSError) as error:
            log.warning("AGI connection broke", extra={"why": type(error).__name__})
        finally:
            watch.cancel()
            writer.close()


async def _watch(reader: asyncio.StreamReader, gone: asyncio.Event) -> None:
    """Asterisk says HANGUP, or closes, when the caller goes while we think."""
    with suppress(OSError, ValueError):
        await reader.readline()
    gone.set()


async def _tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    # One by one: Asterisk reads with a buffer and polls the socket, so a second command sent early is not seen.
    async with asyncio.timeout(REPLY_S):
        for each in commands(answer):
            writer.write(each)
            line = await reader.readline()
            while line.startswith(b"HANGUP"):
                line = await reader.readline()
            if not line.startswith(b"200"):
                return


@asynccontextmanager
async def listen(host: str, port: int, ask: Ask) -> AsyncGenerator[int]:
    """Answer the dialplan's questions while the block runs; gives the port."""
    service = _Server(ask)
    server = await asyncio.start_server(service.connected, host, port, limit=MAX_HEADERS, backlog=512)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(service.live):
            task.cancel()
        await asyncio.gather(*service.live, return_exceptions=True)
