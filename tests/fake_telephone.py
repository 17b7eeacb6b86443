"""A telephone that is not there: subscribers who speak, press and hang up by a script, on the loop's own clock.

`tests.fakes` has it all by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from engine.errors import ChannelDown, NotReached
from engine.model import FRAME_BYTES, FRAME_MS, RATE, SILENCE, DialOrder, Digit, Status
from engine.ports import Early, Incoming, Line, Progress, TransferEnd, TransferOrder
from tests.fake_speech import utterance

FRAME_S = FRAME_MS / 1000


# --- the media of one call -------------------------------------------------------------------------------------------


def now_s() -> float:
    """The loop's clock: virtual in most tests."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Speech:
    """The subscriber speaks: `utterance(text, seconds)` in frames. `at` counts from the answer."""

    at: float
    seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """What the subscriber heard of one `write`. `at` and `until` are loop time; `whole`: no flush cut it."""

    at: float
    until: float
    pcm: bytes
    whole: bool


def _frames(speech: Speech) -> Iterable[tuple[int, bytes]]:
    return enumerate(utterance(speech.text, speech.seconds))


@dataclass
class ScriptedMedia:
    """A subscriber who speaks, presses keys and hangs up at given moments; also live by `say`, `press`, `leave`.

    `heard` is what reached them. `buffer_s` is the far buffer: a `write` beyond it waits.
    """

    speeches: Sequence[Speech] = ()
    digits: Sequence[tuple[float, str]] = ()
    hangs_up_at: float = 600.0
    buffer_s: float = 18.0
    on_end: Callable[[], None] | None = None
    _writes: list[Said] = field(default_factory=list)
    _live: list[bytes] = field(default_factory=list)
    _keys: list[str] = field(default_factory=list)
    _answered: float | None = None
    _frames: int = 0
    _paused: bool = False
    _ended: bool = False
    _flushed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._voice = {round(s.at / FRAME_S) + n: f for s in self.speeches for n, f in _frames(s)}
        self._script = sorted(self.digits)

    # what the test does

    def say(self, text: str, seconds: float = 0.5) -> None:
        """Speak, from now on."""
        self._start()
        self._voice |= {self._frames + n: f for n, f in _frames(Speech(0, seconds, text))}

    def press(self, key: str) -> None:
        self._keys.append(key)

    def push(self, frame: bytes) -> None:
        """This very frame is the next that the engine hears."""
        self._live.append(frame)

    def leave(self) -> None:
        """Hang up."""
        self.end()

    @property
    def heard(self) -> Sequence[Said]:
        """All that was written and not flushed, in order; a cut one has only what was heard of it."""
        return self._writes

    @property
    def speaking(self) -> bool:
        """The subscriber hears the robot at this moment."""
        return now_s() < self._until

    # what the line does

    def pause(self, paused: bool) -> None:
        """A transfer rings or talks: nothing is heard, and the time of it is never made up."""
        if self._paused and not paused:
            self._frames = max(self._frames, round((now_s() - self._start()) / FRAME_S))
        self._paused = paused

    def end(self) -> None:
        if self._ended:
            return
        self._ended = True
        self.flush()
        if self.on_end is not None:
            self.on_end()

    # the port

    def __aiter__(self) -> AsyncIterator[bytes | Digit]:
        self._start()
        return self

    async def __anext__(self) -> bytes | Digit:
        while True:
            if self._ended:
                raise StopAsyncIteration
            if self._keys:
                return Digit(self._keys.pop(0))
            at = self._frames * FRAME_S
            wait = self._start() + at + FRAME_S - now_s()
            if wait > 1e-9:
                await asyncio.sleep(wait)
                continue
            if at >= self.hangs_up_at:
                self.end()
                continue
            if self._paused:
                self._frames += 1
                continue
            if self._script and self._script[0][0] <= at:
                return Digit(self._script.pop(0)[1])
            self._frames += 1
            if self._live:
                return self._live.pop(0)
            return self._voice.pop(self._frames - 1, SILENCE)

    async def write(self, pcm: bytes) -> None:
        if self._ended or not pcm:
            return
        pcm += bytes(-len(pcm) % FRAME_BYTES)
        at = max(now_s(), self._until)
        self._writes.append(Said(at, at + len(pcm) / 2 / RATE, pcm, True))
        await self._wait(self._until - self.buffer_s)

    async def drain(self) -> None:
        if not self._ended:
            await self._wait(self._until)

    def flush(self) -> None:
        now = now_s()
        kept = []
        for u in self._writes:
            if u.until <= now:
                kept.append(u)
            elif u.at < now:
                kept.append(Said(u.at, now, u.pcm[: int((now - u.at) / FRAME_S) * FRAME_BYTES], False))
        self._writes = kept
        self._flushed.set()
        self._flushed = asyncio.Event()

    @property
    def _until(self) -> float:
        return self._writes[-1].until if self._writes else 0.0

    async def _wait(self, until: float) -> None:
        flushed = self._flushed
        try:
            async with asyncio.timeout_at(until):
                await flushed.wait()
        except TimeoutError:
            pass

    def _start(self) -> float:
        if self._answered is None:
            self._answered = now_s()
        return self._answered


# --- the telephone --------------------------------------------------------------------------------------------------


@dataclass
class FakeLine:
    """One answered call. `ends` says how a transfer to each address goes; unknown ones are `failed`."""

    media: ScriptedMedia
    id: str = "dz-1"
    cause: int = 0
    ends: Mapping[str, TransferEnd] = field(default_factory=dict)
    ring_s: float = 1.0  # how long a transfer rings before its end is known
    files: tuple[str, str] | None = None
    transfers: list[TransferOrder] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.media.on_end = self._ended

    def _ended(self) -> None:
        self.cause = self.cause or 16

    async def transfer(self, order: TransferOrder) -> TransferEnd:
        self.transfers.append(order)
        if self.cause:
            return TransferEnd("failed")
        end = self.ends.get(order.to, TransferEnd("failed"))
        self.media.pause(True)
        try:
            await asyncio.sleep(order.ring_s if end.outcome == "no_answer" else min(self.ring_s, order.ring_s))
            if self.cause and end.outcome != "done":
                return TransferEnd("failed")
            await asyncio.sleep(end.talked_s)
        finally:
            self.media.pause(False)
        return end

    async def hang_up(self) -> None:
        self.media.end()

    def recording(self) -> tuple[str, str] | None:
        return self.files


@dataclass(frozen=True)
class Fate:
    """What comes of one call: ringing after `ring_s`, then after `answer_s` the answer, or `status` instead."""

    status: Status = Status.ANSWERED
    cause: int = 16
    ring_s: float = 1.0
    answer_s: float = 4.0
    rings: bool = True
    media: Callable[[], ScriptedMedia] = ScriptedMedia
    ends: Mapping[str, TransferEnd] = field(default_factory=dict)
    early: Callable[[], ScriptedMedia] | None = None  # what the network plays before


@dataclass
class FakeVoiceChannel:
    """A telephone network with a mind of its own: `fates` by number, one for each try, the last one for the rest."""

    fates: Mapping[str, Sequence[Fate]] = field(default_factory=dict)
    usual: Fate = Fate()
    down: bool = False  # ChannelDown for whatever is asked
    dialled: list[tuple[float, DialOrder]] = field(default_factory=list)
    rung: list[tuple[float, DialOrder]] = field(default_factory=list)
    lines: list[FakeLine] = field(default_factory=list)
    living: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)  # those of them who were, and whose end nobody has brought about
    peak: int = 0

    def __post_init__(self) -> None:
        self._incoming: asyncio.Queue[FakeIncoming] | None = None

    def _fate(self, order: DialOrder) -> Fate:
        if self.down:
            raise ChannelDown("the telephone is away")
        self.dialled.append((now_s(), order))
        fates = self.fates.get(order.phone) or (self.usual,)
        tries = sum(1 for _, other in self.dialled if other.phone == order.phone)
        return fates[min(tries, len(fates)) - 1]

    async def _reach(self, fate: Fate, order: DialOrder, progress: Progress, early: Early | None) -> None:
        await asyncio.sleep(fate.ring_s)
        if fate.rings:
            progress("ringing")
        wait = order.answer_timeout_s if fate.status is Status.NO_ANSWER else fate.answer_s
        if wait > order.answer_timeout_s:
            fate, wait = Fate(Status.NO_ANSWER, 19), order.answer_timeout_s
        if early is not None and fate.early is not None:
            await self._overheard(early, fate.early(), wait)
        else:
            await asyncio.sleep(wait)
        if fate.status is not Status.ANSWERED:
            raise NotReached(fate.status, fate.cause)
        progress("answered")

    async def _overheard(self, early: Early, media: ScriptedMedia, wait_s: float) -> None:
        until, listening = now_s() + wait_s, asyncio.ensure_future(early(media))
        try:
            await asyncio.wait([listening], timeout=wait_s)
            if listening.done() and (status := listening.result()) is not None:
                raise NotReached(status, 0)
            await asyncio.sleep(until - now_s())
        finally:
            listening.cancel()

    @asynccontextmanager
    async def dial(self, order: DialOrder, progress: Progress, early: Early | None = None) -> AsyncGenerator[Line]:
        fate = self._fate(order)
        self.living.add(order.id)
        self.peak = max(self.peak, len(self.living))
        try:
            await self._reach(fate, order, progress, early)
            line = FakeLine(fate.media(), order.id, ends=fate.ends)
            self.lines.append(line)
            self.answered.add(order.id)
            try:
                yield line
            finally:
                self.answered.discard(order.id)
                await line.hang_up()
        finally:
            self.living.discard(order.id)

    async def ring(self, order: DialOrder, progress: Progress, *, ring_s: float) -> None:
        fate = self._fate(order)
        await asyncio.sleep(fate.ring_s)
        if not fate.rings:
            raise NotReached(fate.status, fate.cause)
        progress("ringing")
        self.rung.append((now_s(), order))
        if fate.status is Status.ANSWERED and fate.answer_s < ring_s:
            await asyncio.sleep(fate.answer_s)
            progress("answered")
        else:
            await asyncio.sleep(ring_s)

    async def calls(self) -> AsyncIterator[Incoming]:
        queue: asyncio.Queue[FakeIncoming] = asyncio.Queue()
        self._incoming = queue
        try:
            while True:
                yield await queue.get()
        finally:
            self._incoming = None

    def come(self, incoming: FakeIncoming) -> None:
        """Somebody calls; busy if nobody iterates over `calls`."""
        if self._incoming is None:
            incoming.rejected = 17
        else:
            self._incoming.put_nowait(incoming)

    async def drop_strangers(self, known: Callable[[str], bool]) -> Sequence[str]:
        self.living = {id for id in self.living if known(id)}
        return sorted(self.answered)


@dataclass
class FakeIncoming:
    """A caller. `gone`: hung up before the answer."""

    phone: str
    number: str
    id: str = "dz-in-1"
    media: ScriptedMedia = field(default_factory=ScriptedMedia)
    gone: bool = False
    rejected: int = 0
    line: FakeLine | None = None

    def accept(self, *, record: bool) -> AbstractAsyncContextManager[Line]:
        return self._accept(record)

    @asynccontextmanager
    async def _accept(self, record: bool) -> AsyncGenerator[Line]:
        if self.gone:
            raise NotReached(Status.NO_ANSWER, 16, "the caller has gone")
        self.line = FakeLine(self.media, self.id, files=("in.wav", "out.wav") if record else None)
        try:
            yield self.line
        finally:
            await self.line.hang_up()

    async def reject(self, cause: int = 17) -> None:
        self.rejected = cause
