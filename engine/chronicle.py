"""What one call came to, written as it happens: its steps, its words, its marks, and how fast it answered.

Call ─▶ Chronicle ─┬▶ live events (Journal)
                   └▶ TalkLog, at the end
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from engine.audio import onset_s
from engine.model import FRAME_MS, CallEvent, Result, Sound, Spoken, StepLog, TalkLog
from engine.ports import Clock, Journal
from scenarios.talk import Mark, Prompt, State, Value, Visit

ANSWERS = frozenset({"voice", "dtmf", "other"})
MOST_LINES = 2000  # of a transcript
MOST_DETAIL = 1000  # characters
PAUSE = 100 // FRAME_MS  # frames: who is answered in mid-word has finished after so long a silence
BY_RULE = "answering_machine"  # the reason when the campaign's own rule for machines ends a call


class Stopwatch:
    """Counts from the answer; `entered_s` is when the standing card was."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._zero_s = self.entered_s = self._loop.time()

    def now_s(self) -> float:
        return self._loop.time()

    def ms(self, at_s: float) -> int:
        return max(0, round((at_s - self._zero_s) * 1000))


@dataclass(slots=True)
class Answering:
    """The subscriber's last turn, and the robot's answer to it."""

    began_s: float | None = None  # they began to speak
    sounded_s: float | None = None  # their last sound, or key
    step: int | None = None  # the step that was left by it
    said_s: float | None = None  # the first sound of the answer
    trouble: str = ""  # that the recognition of it had

    def reaction_ms(self) -> int | None:
        """None: there is no answer to this turn yet. 0: it came before they had finished."""
        if self.step is None or self.sounded_s is None or self.said_s is None:
            return None
        return max(0, round((self.said_s - self.sounded_s) * 1000))


@dataclass(slots=True)
class Marks:
    """What the scenario noted about this contact."""

    goal: bool = False
    opted_out: bool = False
    transferred: bool = False
    machine: bool = False  # what answered is no person
    tags: list[str] = field(default_factory=list[str])
    recorded: list[str] = field(default_factory=list[str])
    retry_after_s: float | None = None
    retry_at: datetime | None = None

    def put(self, mark: Mark, now: datetime) -> None:
        match mark.kind:
            case "goal":
                self.goal = True
            case "opt_out":
                self.opted_out = True
            case "retry_later":
                self.retry_after_s = mark.after_s or None
                self.retry_at = _moment(mark.at) if mark.at else now + timedelta(seconds=mark.after_s)
        if mark.tag and mark.tag not in self.tags:
            self.tags.append(mark.tag)

    def result(self) -> Result | None:
        if self.machine:
            return Result.ANSWERING_MACHINE  # whatever its words were taken for
        if self.goal:
            return Result.GOAL
        if self.opted_out:
            return Result.OPT_OUT
        if self.transferred:
            return Result.TRANSFERRED
        return Result.NON_TARGET if Result.NON_TARGET in self.tags else None


class Chronicle:
    def __init__(self, call_id: int, journal: Journal, clock: Clock) -> None:
        self._call_id = call_id
        self._journal = journal
        self._clock = clock
        self._watch = Stopwatch()
        self._steps: list[StepLog] = []
        self._lines: list[Spoken] = []
        self._marks = Marks()
        self._turn = Answering()
        self._stopped = ""
        self.unfinished = False  # a part of what they say was enough: their last sound may be still to come

    def _tell(self, kind: str, **data: Value) -> None:
        self._journal.note(CallEvent(self._call_id, kind, self._clock.now(), data))

    # --- the subscriber ----------------------------------------------------------------------------------------------

    def began(self) -> None:
        self.unfinished = False
        self._turn.began_s, self._turn.trouble = self._watch.now_s(), ""

    def sounded(self, frames_ago: int, *, finished: bool = True) -> None:
        """Their last sound, or key, was so long ago; not `finished`: as far as is known, see `sounds_on`."""
        turn = self._turn
        if turn.said_s is not None:  # that one is answered
            turn.step = turn.said_s = None
        turn.sounded_s = self._watch.now_s() - frames_ago * FRAME_MS / 1000
        self.unfinished = not finished

    def sounds_on(self, frames_ago: int) -> None:
        """They may be speaking on, though the answer is decided or even said: their last sound was so long ago."""
        if frames_ago > PAUSE:
            self.unfinished = False
        elif not frames_ago:
            self._turn.sounded_s = self._watch.now_s()
            self._reacted()

    def partial(self, text: str) -> None:
        self._tell("partial", text=text)

    def heard(self, text: str, confidence: float) -> None:
        self._line("subscriber", text, self._turn.began_s)
        self._tell("heard", text=text, confidence=confidence)

    def strained(self, how: str) -> None:
        """The recognition of what they say had this trouble; the step that is left by it tells."""
        self._turn.trouble = how

    # --- the robot ---------------------------------------------------------------------------------------------------

    def said(self, prompt: Prompt, sound: Sound | None = None) -> None:
        """This begins to be played now."""
        now_s, turn = self._watch.now_s(), self._turn
        if turn.step is not None and turn.said_s is None:
            turn.said_s = now_s + (onset_s(sound.pcm) if sound is not None else 0.0)
            self._reacted()
        text = prompt.text or prompt.audio or f"#{prompt.material}"
        self._line("robot", text, now_s)
        self._tell("said", text=text)

    def _reacted(self) -> None:
        step, reaction_ms = self._turn.step, self._turn.reaction_ms()
        if step is not None and reaction_ms is not None:
            self._steps[step] = replace(self._steps[step], reaction_ms=reaction_ms)

    def _line(self, who: str, text: str, at_s: float | None) -> None:
        if text and len(self._lines) < MOST_LINES:
            self._lines.append(Spoken(self._watch.ms(self._watch.now_s() if at_s is None else at_s), who, text))

    # --- the scenario ------------------------------------------------------------------------------------------------

    def at(self, node: str) -> None:
        self._tell("at", node=node)

    def passed(self, visit: Visit) -> None:
        watch = self._watch
        now_s = watch.now_s()
        if visit.partial and visit.heard:
            self._line("subscriber", visit.heard, self._turn.began_s)
            self._tell("heard", text=visit.heard, confidence=visit.confidence)
        answer = visit.by in ANSWERS
        detail = "; ".join(filter(None, (visit.detail, self._turn.trouble if answer else "")))
        self._steps.append(
            StepLog(
                at_ms=watch.ms(watch.entered_s),
                node=visit.node,
                kind=visit.kind,
                ms=round((now_s - watch.entered_s) * 1000),
                port=visit.port,
                by=visit.by,
                heard=visit.heard,
                confidence=round(visit.confidence, 3),
                partial=visit.partial,
                detail=detail[:MOST_DETAIL],
            )
        )
        watch.entered_s = now_s
        if answer:
            self._turn.step, self._turn.trouble = len(self._steps) - 1, ""
        self._tell("step", node=visit.node, card=visit.kind, port=visit.port, by=visit.by, heard=visit.heard)

    def mark(self, mark: Mark, now: datetime) -> None:
        self._marks.put(mark, now)
        self._tell("mark", mark=mark.kind, tag=mark.tag)

    def transferred(self) -> None:
        self._marks.transferred = True

    def kept(self, where: str) -> None:
        self._marks.recorded.append(where)

    def lost(self, part: str, reason: str) -> None:
        self._tell("lost", part=part, reason=reason)

    def stopped(self, reason: str) -> None:
        """The engine itself ends the call; an empty `reason` takes that back."""
        self._stopped = reason

    def answered_by(self, kind: str, *, machine: bool, at_ms: int, because: Sequence[tuple[str, float, int]]) -> None:
        """Who has answered, as far as is known now, and why: (what, weight, when in ms)."""
        self._marks.machine = machine
        detail = "; ".join(f"{what} {weight:+.1f} @{at} ms" for what, weight, at in because)
        self._steps.append(StepLog(at_ms=at_ms, node="amd", kind="amd", ms=0, port=kind, detail=detail[:MOST_DETAIL]))
        self._tell("amd", port=kind, at_ms=at_ms, detail=detail[:MOST_DETAIL])

    def close(self, state: State) -> TalkLog:
        ending, marks = state.ending or "hangup", self._marks
        ours = self._stopped not in ("", BY_RULE) or ending == "failed"
        who = "subscriber" if ending == "left" else "system" if ours else "robot"
        return TalkLog(
            ending=ending,
            ended_by=who,
            result=marks.result(),
            reason=self._stopped or state.reason,
            tags=tuple(marks.tags),
            vars=dict(state.vars),
            opted_out=marks.opted_out,
            retry_after_s=marks.retry_after_s,
            retry_at=marks.retry_at,
            steps=tuple(self._steps),
            transcript=tuple(sorted(self._lines, key=lambda line: line.at_ms)),
            recorded=tuple(marks.recorded),
        )


def _moment(text: str) -> datetime | None:
    """ISO 8601; without a zone it is UTC. None if it is no moment."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
