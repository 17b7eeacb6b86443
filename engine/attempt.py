"""One telephone call of any kind, placed or taken, from the first ring to what is to be written about it.

prepare (prompts render while it rings) ─▶ dial ─▶ talk ─▶ hang-up ─▶ recording kept ─▶ CallEnd
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from engine.ahead import Render
from engine.errors import ChannelDown, NotReached, RecordingLost
from engine.model import CallEnd, CallEvent, DialOrder, Status, TalkLog
from engine.ports import Clock, Early, Journal, Line, Progress, VoiceChannel
from engine.records import CallStore
from engine.rules.billing import Tariffs
from engine.rules.campaign import Caller, Campaign
from engine.rules.outcome import status_of
from engine.stubborn import Stubborn
from engine.tasks import beside
from engine.trunks import Trunks
from scenarios.talk import Value

log = logging.getLogger(__name__)

OVERRUN_S = 2.0  # the talk keeps its own limit; this is for the one that does not
LETTING_GO_S = 10.0  # between the hang-up and the end of the talk
KEEPING_S = 10.0  # handing over a recording
NORMAL = 16  # Q.850: normal clearing


@dataclass(frozen=True, slots=True)
class Job:
    """One call, and all that a talk needs to know of it."""

    call_id: int
    uid: str
    project_id: int
    phone: str
    caller: Caller
    scenario_id: int
    scenario_version: int = 0  # known to be the newest; 0: it is looked up
    direction: str = "outbound"
    variant: int = 0
    attempt: int = 1
    campaign: Campaign | None = None
    contact_id: int | None = None
    line_id: int | None = None
    fields: Mapping[str, Value] = field(default_factory=dict[str, Value])
    answer_timeout_s: float = 27.0
    action_timeout_s: float = 7.0
    max_call_s: float = 600.0
    record: bool = True


class Script(Protocol):
    """A scenario ready to be talked through with one person."""

    @property
    def version(self) -> int: ...

    async def talk(self, line: Line) -> TalkLog:
        """Talk to the end."""
        ...

    def dismiss(self) -> None:
        """The engine is to stop: say goodbye and end, soon. Synchronous; without a talk nothing."""
        ...

    def log(self) -> TalkLog | None:
        """What there is to tell of a talk that was cancelled; None if it had not begun."""
        ...


Prepare = Callable[[Job], AbstractAsyncContextManager[Script]]
"""Entered before the dialling, left after the hang-up. Entering must not wait for prompts: they render while it rings.
Raises what makes the call impossible: it ends as `failed`, with that as its reason, and nobody is dialled."""

Keep = Callable[[Job, tuple[str, str], float], Awaitable[str]]
"""Takes over the two files of a recording that should last so many seconds (0: not known); gives its path below the
data folder. Raises RecordingLost."""


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was recorded of a call whose engine crashed; nothing: no path."""

    path: str = ""
    seconds: float = 0.0


Salvage = Callable[[str], Awaitable[Salvaged]]
"""Takes over what there is of the recording of the call with this uid."""

Open = Callable[[Progress], AbstractAsyncContextManager[Line]]


async def keep_nothing(job: Job, files: tuple[str, str], seconds: float) -> str:
    return ""


async def salvage_nothing(uid: str) -> Salvaged:
    return Salvaged()


class Busy:
    """Counts work that is under way, and tells when there is none."""

    def __init__(self) -> None:
        self.count = 0
        self._idle = asyncio.Event()

    def __enter__(self) -> None:
        self.count += 1
        self._idle.clear()

    def __exit__(self, *_: object) -> None:
        self.count -= 1
        if not self.count:
            self._idle.set()

    async def quiet(self, seconds: float) -> bool:
        """Has everything ended within so long?"""
        if not self.count:
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        return not self.count


@dataclass
class Desk:
    """What every call needs, and the calls that live."""

    voice: VoiceChannel
    prepare: Prepare
    calls: CallStore
    trunks: Trunks
    journal: Journal
    clock: Clock
    stubborn: Stubborn
    tariffs: Tariffs = Tariffs()
    keep: Keep = keep_nothing
    salvage: Salvage = salvage_nothing
    live: dict[int, Attempt] = field(default_factory=dict)  # by call_id, until their end is written
    owned: set[int] = field(default_factory=set)  # rows of `calls` that this engine is going to end
    busy: Busy = field(default_factory=Busy)
    full: Callable[[], str] = str  # why there is no room for one more call, as a code of `rules.why`; empty: there is
    render: Render | None = None  # makes a campaign's fixed prompts ahead of its calls
    overhear: Callable[[Job], Early | None] = lambda job: None  # before the answer
    draining: bool = False

    async def hang_up(self, call_id: int) -> bool:
        """End a live call; False if it does not live here."""
        attempt = self.live.get(call_id)
        if attempt is None:
            return False
        await attempt.hang_up()
        return True

    def knows(self, uid: str) -> bool:
        return any(attempt.job.uid == uid for attempt in self.live.values())


@dataclass(slots=True)
class _Trace:
    """What has happened to one call so far."""

    dialed_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    status: Status | None = None
    cause: int = 0
    reason: str = ""
    dropped: bool = False  # by somebody's wish
    cancelled: bool = False
    talk: TalkLog | None = None
    files: tuple[str, str] | None = None

    def final(self) -> Status:
        if self.status is not None:
            return self.status
        if self.answered_at is not None:
            return status_of(self.talk) if self.talk is not None and not self.cancelled else Status.ANSWERED
        return Status.NO_ANSWER if self.dropped else Status.FAILED

    def talked_s(self) -> float:
        if self.answered_at is None or self.ended_at is None:
            return 0.0
        return max(0.0, (self.ended_at - self.answered_at).total_seconds())


class Attempt:
    """Run it once; then `finish` tells how it ended. A cancelled one is finished in the same way."""

    def __init__(self, job: Job, desk: Desk, at: datetime | None = None) -> None:
        self.job = job
        self._desk = desk
        self._at = at
        self._task: asyncio.Task[object] | None = None
        self._script: Script | None = None
        self._line: Line | None = None
        self._trace = _Trace()
        self.undialled = False  # the telephony was away: nothing was dialled

    async def run(self, open: Open | None = None) -> None:
        """Place the call and talk (`open`: take this one instead of dialling). Raises nothing but CancelledError. It
        stands in `desk.live` until `forget`."""
        self._task = asyncio.current_task()
        self._desk.live[self.job.call_id] = self
        trace = self._trace
        try:
            await self._run(open or self._dial)
        except asyncio.CancelledError:
            trace.cancelled = True
            trace.reason = trace.reason or "shutdown"
            raise
        except NotReached as error:
            self._desk.trunks.worked()
            trace.status, trace.cause, trace.reason = error.status, error.cause, _brief(error)
        except ChannelDown as error:
            self.undialled = trace.answered_at is None
            trace.status, trace.reason = Status.FAILED, _brief(error)
        except Exception as error:
            # one call's fault ends that call and nothing else
            log.exception("call failed", extra={"call": self.job.call_id})
            trace.status, trace.reason = Status.FAILED, _named(error)
        finally:
            trace.ended_at = self._desk.clock.now()

    async def _run(self, open: Open) -> None:
        async with self._desk.prepare(self.job) as self._script:
            if self._at is not None and (ahead := (self._at - self._desk.clock.now()).total_seconds()) > 0:
                await asyncio.sleep(ahead)
            self._trace.dialed_at = self._desk.clock.now()
            self._tell("dialing", number=self.job.caller.number, attempt=self.job.attempt)
            async with open(self._progress) as line:
                self._line = line
                self._progress("answered")
                try:
                    async with beside(self._accompany(line)):
                        self._trace.talk = await self._script.talk(line)
                finally:
                    self._trace.files = line.recording()
            self._trace.cause = line.cause

    def _dial(self, progress: Progress) -> AbstractAsyncContextManager[Line]:
        job = self.job
        order = DialOrder(job.uid, job.phone, job.caller.number, job.caller.trunk, job.answer_timeout_s, job.record)
        return self._desk.voice.dial(order, progress, self._desk.overhear(job))

    def _progress(self, stage: str) -> None:
        now = self._desk.clock.now()
        if stage == "ringing" and self._trace.ringing_at is None:
            self._trace.ringing_at = now
        elif stage == "answered" and self._trace.answered_at is None:
            self._trace.answered_at = now
        else:
            return
        self._desk.trunks.worked()
        self._tell(stage)

    async def _accompany(self, line: Line) -> None:
        """Beside the talk, which does not wait for the database: note the answer, then watch over the limit."""
        cut_at = asyncio.get_running_loop().time() + self.job.max_call_s + OVERRUN_S
        with suppress(TimeoutError):
            async with asyncio.timeout_at(cut_at):
                await self._note_answer()
        await asyncio.sleep(cut_at - asyncio.get_running_loop().time())
        log.warning("talk overran its limit", extra={"call": self.job.call_id})
        await line.hang_up()
        await asyncio.sleep(LETTING_GO_S)
        raise TimeoutError("the talk did not end with its call")

    async def _note_answer(self) -> None:
        job, at = self.job, self._trace.answered_at
        assert at is not None
        await self._desk.stubborn.until_done(
            "answered",
            lambda: self._desk.calls.progressed(job.call_id, Status.ANSWERED, at, number=job.caller.number),
        )

    @property
    def answered(self) -> bool:
        return self._trace.answered_at is not None

    def dismiss(self) -> None:
        """The engine stops: a call that is being talked says goodbye; one that only rings is left to `hang_up`."""
        if self._line is not None and self._script is not None:
            self._script.dismiss()

    async def hang_up(self) -> None:
        if self._line is not None:
            await self._line.hang_up()
        else:
            self._trace.dropped, self._trace.reason = True, "hung up"
            self.cancel()

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def finish(self) -> CallEnd | None:
        """What is to be written; None: nothing was dialled and nothing is to be written. Raises nothing."""
        trace = self._trace
        if self.undialled or (trace.dialed_at is None and trace.status is None and not trace.dropped):
            self._tell("undialled")
            return None
        if trace.talk is None and self._script is not None and trace.answered_at is not None:
            trace.talk = self._script.log()
        end = self._end(await self._kept())
        self._tell(
            "ended",
            status=end.status.value,
            cause=end.cause,
            result=end.talk.result.value if end.talk is not None and end.talk.result is not None else None,
            duration_ms=round(trace.talked_s() * 1000),
        )
        return end

    def forget(self) -> None:
        """Its end is written."""
        self._desk.live.pop(self.job.call_id, None)

    def _end(self, recording: str) -> CallEnd:
        job, trace, tariff = self.job, self._trace, self._desk.tariffs.of(self.job.phone)
        talked_s = trace.talked_s() if job.direction == "outbound" else 0.0
        talk, status = trace.talk, trace.final()
        if trace.dropped and status is Status.NO_ANSWER:
            trace.cause = NORMAL
        if self._line is not None:
            trace.cause = self._line.cause or trace.cause or NORMAL
        return CallEnd(
            status=status,
            cause=trace.cause,
            ended_at=trace.ended_at or self._desk.clock.now(),
            dialed_at=trace.dialed_at,
            ringing_at=trace.ringing_at,
            answered_at=trace.answered_at,
            talk=talk,
            number=job.caller.number,
            scenario_id=job.scenario_id,
            scenario_version=self._script.version if self._script is not None else 0,
            variant=job.variant,
            recording=recording,
            reason=trace.reason or (talk.reason if talk is not None else ""),
            cost=tariff.cost(talked_s),
            billed_s=tariff.billed_s(talked_s),
        )

    async def _kept(self) -> str:
        if self._trace.files is None:
            return ""
        try:
            async with asyncio.timeout(KEEPING_S):
                return await self._desk.keep(self.job, self._trace.files, self._recorded_s())
        except Exception as error:  # noqa: BLE001 - around one call: a lost recording is named, the call's end is written
            lost = error if isinstance(error, RecordingLost) else None
            log.warning("recording lost", extra={"call": self.job.call_id, "error": type(error).__name__})
            self._tell("recording_lost", reason=str(lost or type(error).__name__))
            return lost.kept if lost is not None else ""

    def _recorded_s(self) -> float:
        """While an operator's telephone rings nothing is recorded."""
        talk = self._trace.talk
        joined = talk is not None and any(step.kind == "transfer" for step in talk.steps)
        return 0.0 if joined else self._trace.talked_s()

    def _tell(self, kind: str, **data: Value) -> None:
        job = self.job
        if kind == "dialing":
            data |= {
                "project_id": job.project_id,
                "campaign_id": job.campaign.id if job.campaign is not None else None,
                "line_id": job.line_id,
                "contact_id": job.contact_id,
                "scenario_id": job.scenario_id,
                "variant": job.variant,
                "direction": job.direction,
                "phone": job.phone,
            }
        self._desk.journal.note(CallEvent(job.call_id, kind, self._desk.clock.now(), data))


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _named(error: BaseException) -> str:
    """An unforeseen fault by its kind: its text may hold what the subscriber said."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__
