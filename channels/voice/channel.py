"""The telephone: calls out and calls in, over one Asterisk.

    dial ─Originate─▶ Asterisk ─answer─▶ dialplan: media ─▶ next? ─▶ media | transfer | hangup
    calls ◀─AGI in?── Asterisk ◀─ trunk               (dialplans/extensions.conf.j2 is the other half of this)

Three links hold it: the manager (AMI) places, watches and ends calls; AGI answers the dialplan; media carries the
sound. Each may break and come back by itself; what is unclear after a break is asked of Asterisk.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from channels.voice import agi, audiosocket, causes, numbers, websocket
from channels.voice.agi import Question
from channels.voice.ami import Ami, Message, Unanswered
from channels.voice.early import EarlyMedia, media_id
from channels.voice.line import HANG_UP, PREFIX, Answer, TelephoneLine, id_of
from channels.voice.media import Stream, Ticker
from channels.voice.recorder import Files, Recorder
from engine.config import Settings, listening
from engine.errors import ChannelDown, ConfigError, NotReached
from engine.model import DialOrder, Sound, Status
from engine.ports import Early, Incoming, Line, Progress
from engine.tasks import beside, surely

log = logging.getLogger(__name__)

CONTEXT = "dozvon"  # of the dialplan's loop; calls from trunks enter it from `from-trunk`
SLACK_S = 15.0  # beyond the answer timeout: then Asterisk has forgotten to tell
DECIDE_S = 30.0  # an incoming call that nobody decided about by then is busy
ANSWER_S = 10.0  # from `accept` to the first media link
QUEUED = 64  # incoming calls that wait to be looked at
OLD_S = 7 * 86_400.0  # a mark of a call that was answered; its row was settled at the first start after the crash
SAFE_PATH = re.compile(r"[\w./ @+-]+")

OnState = Callable[[bool, str], None]


def _nothing(_: str) -> None: ...


class TelephoneChannel:
    """A `VoiceChannel`; `open` makes it."""

    def __init__(self, settings: Settings, secret: str, on_state: OnState) -> None:
        ami = settings.asterisk.ami
        self.ami = Ami(ami.host, ami.port, ami.username, secret, self._turned)
        self.ticker = Ticker()
        self._trunks = frozenset(settings.trunks)
        self._whispers = settings.data_dir / "asterisk" / "whispers"
        self._answered = settings.data_dir / "asterisk" / "answered"  # a file for each call that was, until it is left
        self._on_state = on_state
        self._files = Files(settings.data_dir / "asterisk" / "recordings")
        self._early = EarlyMedia(settings.asterisk.media)
        self._lines: dict[str, TelephoneLine] = {}
        self._by_uuid: dict[str, TelephoneLine] = {}
        self._waiting: asyncio.Queue[IncomingCall] | None = None
        self._group: asyncio.TaskGroup | None = None

    # --- the port ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def dial(self, order: DialOrder, progress: Progress, early: Early | None = None) -> AsyncGenerator[Line]:
        line = self._place(order, progress, record=order.record)
        ear = self._early.ear(self, line, early)
        try:
            try:
                await self._originate(line, order, "talk", order.answer_timeout_s)
                async with asyncio.timeout(order.answer_timeout_s + SLACK_S):
                    await ear.answered()
            except TimeoutError:
                raise NotReached(Status.FAILED, causes.TEMPORARY, "Asterisk never told what came of it") from None
            yield line
        finally:
            await surely(self._leave(line))

    async def ring(self, order: DialOrder, progress: Progress, *, ring_s: float) -> None:
        line = self._place(order, progress, record=False)
        line.media.expecting = False
        try:
            await self._originate(line, order, "drop", order.answer_timeout_s + ring_s)
            async with asyncio.timeout(order.answer_timeout_s):
                await _first(line.ringing.wait(), line.answered)
            if not line.ringing.is_set():
                await line.answered  # raises NotReached; answered without ringing: it is dropped now
                return
            try:
                async with asyncio.timeout(ring_s):
                    await line.answered
            except (TimeoutError, NotReached):
                pass
        except TimeoutError:
            raise NotReached(Status.UNREACHABLE, causes.NO_ANSWER, "it never rang") from None
        finally:
            await surely(self._leave(line))

    async def calls(self) -> AsyncIterator[Incoming]:
        queue: asyncio.Queue[IncomingCall] = asyncio.Queue(QUEUED)
        self._waiting = queue
        try:
            while True:
                yield await queue.get()
        finally:
            if self._waiting is queue:
                self._waiting = None
            while not queue.empty():
                queue.get_nowait().decide({"DOZVON_DO": "hangup", "DOZVON_CAUSE": str(causes.BUSY)})

    async def drop_strangers(self, known: Callable[[str], bool]) -> Sequence[str]:
        answered = set()
        for id, uniqueid, up in await self._living():
            if up:
                answered.add(id)
            if not known(id) and id not in self._lines:
                try:
                    await self.ami.ask("Hangup", ("Channel", uniqueid), ("Cause", str(causes.NORMAL)))
                except Unanswered:
                    raise
                except ChannelDown:
                    log.info("a stranger was gone already")
        return sorted(answered | await asyncio.to_thread(_marks, self._answered))

    def break_links(self) -> None:
        """Drop every media link at once, as the network would; they come back by themselves."""
        for line in self._lines.values():
            line.media.break_link()

    # --- calls out --------------------------------------------------------------------------------------------------

    def _place(self, order: DialOrder, progress: Progress, *, record: bool) -> TelephoneLine:
        if not numbers.CALL_ID.fullmatch(order.id):
            raise ValueError(f"a call id begins with {PREFIX} and has letters, digits, dots and dashes only")
        if order.trunk not in self._trunks:
            raise NotReached(Status.FAILED, causes.INVALID, f"there is no trunk {order.trunk!r}")
        if not numbers.E164.fullmatch(order.phone):
            raise NotReached(Status.INVALID_NUMBER, causes.INVALID)
        if order.id in self._lines:
            raise ChannelDown("this call is being placed already")
        return self._register(order.id, record, progress)

    async def _originate(self, line: TelephoneLine, order: DialOrder, exten: str, timeout_s: float) -> None:
        variables = self._variables(line)
        try:
            await self.ami.ask(
                "Originate",
                ("Channel", numbers.endpoint(order.phone, order.trunk)),
                ("ChannelId", order.id),
                ("Context", CONTEXT),
                ("Exten", exten),
                ("Priority", "1"),
                ("CallerID", f"<{numbers.caller_id(order.number)}>"),
                ("Timeout", str(round(timeout_s * 1000))),
                ("Async", "true"),
                *(("Variable", f"{name}={value}") for name, value in variables.items()),
                id=order.id,
            )
        except Unanswered:
            log.warning("an originate was not answered, waiting for its outcome", extra={"call": line.id})
        except ChannelDown:
            line.end(causes.TEMPORARY)
            raise

    def _variables(self, line: TelephoneLine) -> dict[str, str]:
        return {
            "DOZVON_CALL": line.id,
            "DOZVON_UUID": media_id(line.id),
            "DOZVON_MARK": str(self._answered / line.id),
        }

    # --- calls in ---------------------------------------------------------------------------------------------------

    async def answer(self, question: Question) -> Answer:
        """What the dialplan asks."""
        if question.path == "next":
            line = self._lines.get(question.query.get("call", ""))
            return HANG_UP if line is None else line.next(question)
        if question.path == "in":
            return await self._come(question)
        log.warning("the dialplan asked what nobody knows")
        return HANG_UP

    async def _come(self, question: Question) -> Answer:
        busy = {"DOZVON_DO": "hangup", "DOZVON_CAUSE": str(causes.BUSY)}
        id = id_of(question.uniqueid)
        if self._waiting is None or self._waiting.full() or not numbers.CALL_ID.fullmatch(id) or id in self._lines:
            log.warning("an incoming call found nobody", extra={"call": id[:64]})
            return busy
        call = IncomingCall(self, question)
        self.ami.listen(question.uniqueid, call.heard)
        self._waiting.put_nowait(call)
        try:
            async with asyncio.timeout(DECIDE_S):
                await _first(call.decision, question.gone.wait())
        except TimeoutError:
            log.warning("nobody decided about an incoming call", extra={"call": id})
        if not call.decision.done():
            call.decision.cancel()
            self.ami.forget(question.uniqueid)
            return busy
        return call.decision.result()

    # --- bookkeeping ------------------------------------------------------------------------------------------------

    def _register(self, uniqueid: str, record: bool, progress: Progress) -> TelephoneLine:
        id = id_of(uniqueid)
        line = TelephoneLine(self, uniqueid, Recorder(self._files, id) if record else None, progress)
        self._lines[id] = line
        self._by_uuid[media_id(id).replace("-", "")] = line
        self.ami.listen(uniqueid, line.heard)
        return line

    async def _leave(self, line: TelephoneLine) -> None:
        try:
            await line.hang_up()
            await line.recorded()
        finally:
            self._lines.pop(line.id, None)
            self._by_uuid.pop(media_id(line.id).replace("-", ""), None)
            self.ami.forget(line.uniqueid)
            (self._whispers / f"{line.id}.sln").unlink(missing_ok=True)
            (self._answered / line.id).unlink(missing_ok=True)

    def stream(self, call: str) -> Stream | None:
        """The stream that a media link is for, by the call's id or its UUID in plain hex."""
        line = self._lines.get(call) or self._by_uuid.get(call)
        return self._early.stream(call) if line is None else line.media

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        if self._group is None:
            work.close()
        else:
            self._group.create_task(work)

    def whisper(self, call: str, sound: Sound) -> str:
        file = self._whispers / f"{call}.sln"
        try:
            file.write_bytes(sound.pcm)
        except OSError as error:
            log.warning("a whisper could not be written", extra={"call": call, "error": error.strerror})
            return ""
        return str(file.with_suffix(""))

    def _turned(self, up: bool) -> None:
        self._on_state(up, self.ami.reason)
        if up and self._lines:
            self.begin(self._reconcile(tuple(self._lines.values())))

    async def _reconcile(self, lines: Sequence[TelephoneLine]) -> None:
        """The manager link is back: what ended meanwhile was not told."""
        try:
            living = {uniqueid for _, uniqueid, _ in await self._living()}
        except ChannelDown:
            return  # it is down again, and will come again
        for line in lines:
            if line.uniqueid not in living:
                line.vanish()

    async def _living(self) -> list[tuple[str, str, bool]]:
        """Our live calls: (id, uniqueid, answered)."""
        rows = await self.ami.ask("CoreShowChannels", whole="CoreShowChannelsComplete")
        return [(id, row["Uniqueid"], row.get("ChannelStateDesc") == "Up") for row in rows if (id := _ours(row))]

    @asynccontextmanager
    async def _running(self, settings: Settings) -> AsyncGenerator[None]:
        media = settings.asterisk.media
        listen = websocket.listen if media.transport == "websocket" else audiosocket.listen
        where = settings.asterisk.agi
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._files.running())
            with listening("asterisk.media.port", media.host, media.port):
                await stack.enter_async_context(listen(media.host, media.port, self.stream))
            with listening("asterisk.agi.port", where.host, where.port):
                await stack.enter_async_context(agi.listen(where.host, where.port, self.answer))
            self._group = await stack.enter_async_context(beside(self.ami.run()))
            try:
                yield
            finally:
                self._group = None


class IncomingCall:
    """An `Incoming`: the dialplan waits on an open AGI connection for what is decided."""

    def __init__(self, channel: TelephoneChannel, question: Question) -> None:
        self.id = id_of(question.uniqueid)
        self.phone = numbers.e164(question.headers.get("callerid", ""))
        self.number = numbers.e164(question.headers.get("extension", "")) or numbers.of_address(
            question.headers.get("arg_1", "")
        )
        self.decision: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._channel = channel
        self._question = question
        self._gone = question.gone

    def heard(self, event: Message) -> None:
        if event["Event"] == "Hangup":
            self._gone.set()

    def decide(self, answer: Answer) -> bool:
        if self.decision.done() or self._gone.is_set():
            return False
        self.decision.set_result(answer)
        return True

    def accept(self, *, record: bool) -> AbstractAsyncContextManager[Line]:
        return self._accept(record)

    @asynccontextmanager
    async def _accept(self, record: bool) -> AsyncGenerator[Line]:
        channel = self._channel
        line = channel._register(self._question.uniqueid, record, _nothing)
        try:
            if not self.decide({"DOZVON_DO": "answer", **channel._variables(line)}):
                line.end(causes.NORMAL)
                raise NotReached(Status.NO_ANSWER, causes.NORMAL, "the caller has gone")
            try:
                async with asyncio.timeout(ANSWER_S):
                    await line.answered
            except TimeoutError:
                raise NotReached(Status.FAILED, causes.TEMPORARY, "Asterisk did not bring the call's sound") from None
            yield line
        finally:
            await surely(channel._leave(line))

    async def reject(self, cause: int = causes.BUSY) -> None:
        self.decide({"DOZVON_DO": "hangup", "DOZVON_CAUSE": str(cause if 1 <= cause <= 127 else causes.BUSY)})


def _ours(row: Message) -> str:
    """The id of a call of ours, from a row of CoreShowChannels; empty if it is none."""
    uniqueid = row.get("Uniqueid", "")
    if uniqueid.startswith(PREFIX):
        return uniqueid
    ours = row.get("Context") in (CONTEXT, "from-trunk") and row.get("Channel", "").startswith("PJSIP/")
    if ours and row.get("Application") != "AppDial":  # which is an operator's leg
        return id_of(uniqueid)
    return ""


def _marks(folder: Path) -> set[str]:
    """The calls that were answered and that nobody has left: a crashed engine's. Old marks are swept away."""
    marks = set()
    with suppress(OSError):
        for mark in folder.iterdir():
            marks.add(mark.name)
            if time.time() - mark.stat().st_mtime > OLD_S:
                mark.unlink()
    return marks


async def _first(*waits: Coroutine[Any, Any, Any] | asyncio.Future[Any]) -> None:
    """Until one of these is done."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task, wait in zip(tasks, waits, strict=True):
            if task is not wait:
                task.cancel()


def _read_secret(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror}): name it by asterisk.ami.secret_file") from None


@asynccontextmanager
async def open(settings: Settings, on_state: OnState = lambda up, why: None) -> AsyncGenerator[TelephoneChannel]:  # noqa: A001
    """The telephone of these settings. Does not wait for Asterisk: `on_state(up, why)` tells when it comes and goes.

    Raises ConfigError, also if a port is taken.
    """
    secret = await asyncio.to_thread(_read_secret, settings.asterisk.ami.secret_file)
    if not SAFE_PATH.fullmatch(str(settings.data_dir)):
        raise ConfigError("data_dir: its path must be made of letters, digits, spaces and ./@+-_ only")
    channel = TelephoneChannel(settings, secret, on_state)
    for folder in ("recordings", "whispers", "answered"):
        (settings.data_dir / "asterisk" / folder).mkdir(parents=True, exist_ok=True)
    async with channel._running(settings):
        yield channel
