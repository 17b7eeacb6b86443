"""Clips as calls: each through a real `Call` (ear, recogniser, scenario, mouth) in real time, many at once.

    Order ─▶ ClipMedia ─ a frame every 20 ms ─▶ Call ─▶ chronicle ─▶ Came: what was understood, when, what was cut
                 ▲ echo of what the robot says ◀── write, flush

One clock gives every call its frames, so that a recogniser's own time counts as it would on a telephone: a decision is
late by as much as it came after its frame was due.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.hearing.channel import Echo
from engine import audio
from engine.call import Call, Senses, Talk
from engine.chronicle import Chronicle
from engine.clock import SystemClock
from engine.ear import TurnTaking
from engine.errors import SpeechError
from engine.model import FRAME_BYTES, FRAME_MS, CallEvent, Digit, Sound
from engine.ports import Recognizer, TransferEnd, TransferOrder, Vad
from engine.tasks import beside
from scenarios.interpreter import Interpreter
from scenarios.talk import Fetch, Fetched, Prompt

FRAME_S = FRAME_MS / 1000
MOST_ECHO_MS = 1000


@dataclass(frozen=True, slots=True)
class Order:
    """A call to be made. `pcm` is what the subscriber's side sends, in whole frames; it hangs up at its end."""

    pcm: bytes
    scenario: Interpreter
    language: str = "ru"
    echo: Echo | None = None


@dataclass(slots=True)
class Came:
    """What came of a call; times count from its first frame."""

    node: str = ""  # the first card that an answer has left, and by which arrow
    port: str = ""
    by: str = ""
    heard: str = ""
    partial: bool = False  # decided before the end of speech
    decided_s: float | None = None
    answered_s: float | None = None  # the first sound of the answer
    ends_ms: list[int] = field(default_factory=list[int])  # of each utterance that was taken for over
    hushed_ms: int | None = None  # the robot was interrupted
    said_ms: int = 0  # of its prompt, until then or in all
    trouble: str = ""  # of the recogniser


@dataclass(frozen=True, slots=True)
class Ready:
    """What all calls share."""

    vad: Callable[[], Vad]
    recognizer: Callable[[str], Recognizer]
    sounds: Mapping[str, Sound]  # by text
    turns: TurnTaking


class ClipMedia:
    """See `engine.ports.MediaStream`."""

    def __init__(self, order: Order, came: Came) -> None:
        self._pcm = order.pcm
        self._echo = order.echo
        self._came = came
        self._ready: list[bytes] = []
        self._woken = asyncio.Event()
        self._out = bytearray()  # written, not yet played
        self._drained = asyncio.Event()
        self._played = bytearray()
        self._ticks = 0
        self._ended = False
        self.began_s = 0.0

    @property
    def now_ms(self) -> int:
        return self._ticks * FRAME_MS

    def tick(self, due_s: float) -> bool:
        """The next frame of both sides; False: it was the last. A frame is there when its 20 ms are over."""
        if not self._ticks:
            self.began_s = due_s - FRAME_S
        at = self._ticks * FRAME_BYTES
        if self._ended or at + FRAME_BYTES > len(self._pcm):
            self.end()
            return False
        frame = self._pcm[at : at + FRAME_BYTES]
        self._ready.append(self._with_echo(frame) if self._echo is not None else frame)
        self._ticks += 1
        self._play()
        self._woken.set()
        return True

    def end(self) -> None:
        self._ended = True
        self._woken.set()
        self._drained.set()

    def _play(self) -> None:
        frame = bytes(self._out[:FRAME_BYTES])
        if frame:
            del self._out[:FRAME_BYTES]
            if self._came.hushed_ms is None:
                self._came.said_ms += FRAME_MS
        if self._echo is not None:
            self._played += frame.ljust(FRAME_BYTES, b"\0")
            del self._played[: -MOST_ECHO_MS * FRAME_BYTES // FRAME_MS]
        if not self._out:
            self._drained.set()

    def _with_echo(self, frame: bytes) -> bytes:
        assert self._echo is not None
        start = len(self._played) - self._echo.ms * FRAME_BYTES // FRAME_MS
        if start < 0:
            return frame
        came_back = np.frombuffer(bytes(self._played[start : start + FRAME_BYTES]), "<i2")
        mixed = np.frombuffer(frame, "<i2") + came_back * 10 ** (self._echo.db / 20)
        pcm = np.clip(np.rint(mixed), -32768, 32767).astype("<i2").tobytes()
        return audio.decode(audio.encode(pcm, "alaw"), "alaw")

    # --- the port -----------------------------------------------------------------------------------------------------

    async def __aiter__(self) -> AsyncIterator[bytes | Digit]:
        while True:
            while self._ready:
                yield self._ready.pop(0)
            if self._ended:
                return
            self._woken.clear()
            await self._woken.wait()

    async def write(self, pcm: bytes) -> None:
        if self._ended:
            return
        came = self._came
        if came.decided_s is not None and came.answered_s is None:
            came.answered_s = asyncio.get_running_loop().time() - self.began_s
        self._out += audio.padded(pcm)
        if self._out:
            self._drained.clear()

    async def drain(self) -> None:
        if not self._ended:
            await self._drained.wait()

    def flush(self) -> None:
        if self._out and self._came.hushed_ms is None and not self._ended:
            self._came.hushed_ms = self.now_ms
        self._out.clear()
        self._drained.set()


class ClipLine:
    """See `engine.ports.Line`."""

    def __init__(self, media: ClipMedia) -> None:
        self.media = media
        self.id = "clip"
        self.cause = 0

    async def transfer(self, order: TransferOrder) -> TransferEnd:
        return TransferEnd("failed")

    async def hang_up(self) -> None:
        self.media.end()

    def recording(self) -> tuple[str, str] | None:
        return None


class Notes:
    """See `engine.ports.Journal`: keeps what is measured."""

    def __init__(self, media: ClipMedia, came: Came) -> None:
        self._media = media
        self._came = came
        self._stood_ms = -1

    def note(self, event: CallEvent) -> None:
        came, data = self._came, event.data
        if event.kind == "partial":
            self._stood_ms = self._media.now_ms
        elif event.kind == "heard":
            if self._stood_ms != self._media.now_ms:  # a partial that decides is told within one frame
                came.ends_ms.append(self._media.now_ms)
            elif came.decided_s is None:
                came.partial = True
        elif event.kind == "step" and came.decided_s is None and data.get("by"):
            came.node, came.port, came.by = str(data["node"]), str(data["port"]), str(data["by"])
            came.heard = str(data.get("heard") or "")
            came.decided_s = asyncio.get_running_loop().time() - self._media.began_s
        elif event.kind == "lost":
            came.trouble = str(data.get("reason"))


class Sounds:
    def __init__(self, known: Mapping[str, Sound]) -> None:
        self._known = known

    async def sound(self, prompt: Prompt) -> Sound:
        return self._known[prompt.text]


class Errands:
    """See `engine.ports.Errands`: there are none."""

    async def fetch(self, request: Fetch) -> Fetched:
        return Fetched(0, error="nothing is asked while measuring")

    async def keep(self, call: str, sound: Sound) -> str:
        raise SpeechError("nothing is kept while measuring")


class Exchange:
    """`lines` calls at a time on one clock."""

    def __init__(self, ready: Ready, lines: int) -> None:
        self._ready = ready
        self._room = asyncio.Semaphore(lines)
        self._live: dict[ClipMedia, None] = {}
        self._busy = asyncio.Event()
        self.late_ms: list[float] = []  # of each tick: how much this machine has disturbed the measuring

    async def make(self, orders: Sequence[Order], made: Callable[[], None] = lambda: None) -> list[Came]:
        """Make these calls; `made` is told of each that is over."""
        async with beside(self._tick()), asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._call(order, made), name="hearing call") for order in orders]
        return [task.result() for task in tasks]

    async def _call(self, order: Order, made: Callable[[], None]) -> Came:
        async with self._room:
            came = Came()
            media = ClipMedia(order, came)
            ready = self._ready
            senses = Senses(ready.vad, ready.recognizer, Sounds(ready.sounds), Errands(), SystemClock(), ready.turns)
            talk = Talk(order.scenario, language=order.language, max_call_s=len(order.pcm) / 16000 + 30)
            call = Call(ClipLine(media), talk, senses, Chronicle(1, Notes(media, came), SystemClock()))
            self._live[media] = None
            self._busy.set()
            try:
                await call.run()
            finally:
                media.end()
                self._live.pop(media, None)
            made()
            return came

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if not self._live:
                self._busy.clear()
                await self._busy.wait()
                due = loop.time()
            due += FRAME_S
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            self.late_ms.append(max(0.0, loop.time() - due) * 1000)
            for media in list(self._live):
                if not media.tick(due):
                    self._live.pop(media, None)
            await asyncio.sleep(0)
