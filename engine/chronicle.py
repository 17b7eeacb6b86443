"""What one call came to, written as it happens: its steps, its words, its marks, and how fast it answered.

Call ─▶ Chronicle ─┬▶ live events (Journal)
                   └▶ TalkLog, at the end
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from engine.model import FRAME_MS, CallEvent, Result, Spoken, StepLog, TalkLog
from engine.ports import Clock, Journal
from scenarios.talk import Mark, Prompt, State, Value, Visit

ANSWERS = frozenset({"voice", "dtmf", "other"})
MOST_LINES = 2000  # of a transcript


class Chronicle:
    def __init__(self, call_id: int, journal: Journal, clock: Clock) -> None:
        self._call_id = call_id
        self._journal = journal
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._zero = self._entered = self._loop.time()
        self._steps: list[StepLog] = []
        self._lines: list[Spoken] = []
        self._tags: list[str] = []
        self._recorded: list[str] = []
        self._goal = self._opted_out = self._transferred = False
        self._retry_after_s: float | None = None
        self._retry_at: datetime | None = None
        self._stopped = ""
        self._last_sound: float | None = None  # when the subscriber's last sound, or key, was
        self._began_at: float | None = None
        self._awaiting: int | None = None  # the step whose answer has not sounded yet

    def _ms(self, at: float) -> int:
        return max(0, round((at - self._zero) * 1000))

    def _tell(self, kind: str, **data: Value) -> None:
        self._journal.note(CallEvent(self._call_id, kind, self._clock.now(), data))

    # --- the subscriber ----------------------------------------------------------------------------------------------

    def began(self) -> None:
        self._began_at = self._loop.time()

    def sounded(self, frames_ago: int) -> None:
        self._last_sound = self._loop.time() - frames_ago * FRAME_MS / 1000

    def partial(self, text: str) -> None:
        self._tell("partial", text=text)

    def heard(self, text: str, confidence: float) -> None:
        self._line("subscriber", text, self._began_at)
        self._tell("heard", text=text, confidence=confidence)

    # --- the robot ---------------------------------------------------------------------------------------------------

    def said(self, prompt: Prompt) -> None:
        now = self._loop.time()
        if self._awaiting is not None and self._last_sound is not None:
            step = self._steps[self._awaiting]
            reaction_ms = round((now - self._last_sound) * 1000)
            self._steps[self._awaiting] = StepLog(
                step.at_ms, step.node, step.kind, step.ms, step.port,
                step.by, step.heard, step.confidence, reaction_ms, step.detail,
            )  # fmt: skip
        self._awaiting = None
        text = prompt.text or prompt.audio or f"#{prompt.material}"
        self._line("robot", text, now)
        self._tell("said", text=text)

    def _line(self, who: str, text: str, at: float | None) -> None:
        if text and len(self._lines) < MOST_LINES:
            self._lines.append(Spoken(self._ms(self._loop.time() if at is None else at), who, text))

    # --- the scenario ------------------------------------------------------------------------------------------------

    def at(self, node: str) -> None:
        self._tell("at", node=node)

    def passed(self, visit: Visit) -> None:
        now = self._loop.time()
        if visit.partial and visit.heard:
            self._line("subscriber", visit.heard, self._began_at)
        self._steps.append(
            StepLog(
                at_ms=self._ms(self._entered),
                node=visit.node,
                kind=visit.kind,
                ms=round((now - self._entered) * 1000),
                port=visit.port,
                by=visit.by,
                heard=visit.heard,
                confidence=round(visit.confidence, 3),
                detail=visit.detail,
            )
        )
        self._entered = now
        if visit.by in ANSWERS:
            self._awaiting = len(self._steps) - 1
        self._tell("step", node=visit.node, card=visit.kind, port=visit.port, by=visit.by, heard=visit.heard)

    def mark(self, mark: Mark, now: datetime) -> None:
        match mark.kind:
            case "goal":
                self._goal = True
            case "opt_out":
                self._opted_out = True
            case "retry_later":
                self._retry_after_s = mark.after_s or None
                self._retry_at = _moment(mark.at) if mark.at else now + timedelta(seconds=mark.after_s)
        if mark.tag and mark.tag not in self._tags:
            self._tags.append(mark.tag)
        self._tell("mark", mark=mark.kind, tag=mark.tag)

    def transferred(self) -> None:
        self._transferred = True

    def kept(self, where: str) -> None:
        self._recorded.append(where)

    def lost(self, part: str, reason: str) -> None:
        self._tell("lost", part=part, reason=reason)

    def stopped(self, reason: str) -> None:
        """The engine itself ends the call."""
        self._stopped = reason

    def close(self, state: State) -> TalkLog:
        ending = state.ending or "hangup"
        who = "subscriber" if ending == "left" else "system" if self._stopped or ending == "failed" else "robot"
        return TalkLog(
            ending=ending,
            ended_by=who,
            result=self._result(),
            reason=self._stopped or state.reason,
            tags=tuple(self._tags),
            vars=dict(state.vars),
            opted_out=self._opted_out,
            retry_after_s=self._retry_after_s,
            retry_at=self._retry_at,
            steps=tuple(self._steps),
            transcript=tuple(sorted(self._lines, key=lambda line: line.at_ms)),
            recorded=tuple(self._recorded),
        )

    def _result(self) -> Result | None:
        if self._goal:
            return Result.GOAL
        if self._opted_out:
            return Result.OPT_OUT
        if self._transferred:
            return Result.TRANSFERRED
        return Result.NON_TARGET if "non_target" in self._tags else None


def _moment(text: str) -> datetime | None:
    """ISO 8601; without a zone it is UTC. None if it is no moment."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
