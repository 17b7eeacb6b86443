"""A talk without a telephone: the subscriber's part is written down, the scenario answers.

    [{say: да}, {webhook: {status: 200}}] ─▶ events ─▶ Interpreter ─▶ path, transcript, ending, result

What the script does not say happens as it usually does: prompts are heard out, requests succeed, transfers are
answered; a subscriber whose script is over stays silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from scenarios.document import Scenario
from scenarios.head import Action, Expect, Test
from scenarios.interpreter import Interpreter
from scenarios.problems import Label, Problem, ScenarioError, pointer, problem
from scenarios.talk import (
    NONE,
    Began,
    Event,
    Fetch,
    Fetched,
    Heard,
    Left,
    Listen,
    Mark,
    Move,
    Play,
    Played,
    Pressed,
    Prompt,
    Record,
    Recorded,
    Silent,
    State,
    Transfer,
    Transferred,
    Vars,
    Visit,
)
from scenarios.told import told

MOST_EVENTS = 2000
_ACTIONS: TypeAdapter[tuple[Action, ...]] = TypeAdapter(tuple[Action, ...])


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was said, done or pressed. `who`: robot, subscriber or system."""

    who: str
    text: str
    node: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What became of it. `ending` is empty when the talk never ended."""

    path: tuple[str, ...]
    transcript: tuple[Line, ...]
    ending: str
    reason: str = ""
    result: str | None = None
    tags: tuple[str, ...] = ()
    vars: Vars = field(default_factory=dict)
    visits: tuple[Visit, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Tested:
    """One of the document's own tests and how it went; `differences` is empty when it passed."""

    name: str
    differences: tuple[Label, ...]
    rehearsal: Rehearsal

    @property
    def passed(self) -> bool:
        return not self.differences


def actions(given: object, at: str = "/subscriber") -> tuple[Action, ...]:
    """A subscriber's part as the API and the document write it. Raises ScenarioError with every fault."""
    at_parts = tuple(part for part in at.split("/") if part)
    try:
        parsed = _ACTIONS.validate_python(given)
    except ValidationError as error:
        raise ScenarioError(list(told(error, given, at_parts, "", Action))) from None
    what = "say, dtmf, silence, hangup, webhook, transfer, record"
    wrong = [i for i, action in enumerate(parsed) if len(action.given) != 1]
    if wrong:
        raise ScenarioError([problem(pointer(*at_parts, i), "one_of", what=what) for i in wrong])
    return parsed


def rehearse(
    scenario: Scenario,
    fields: Vars = NONE,
    subscriber: Sequence[Action | Mapping[str, Any]] = (),
    now: datetime | None = None,
    *,
    contact_key: str = "",
) -> Rehearsal:
    """Play the talk through. Without `now` it is noon on a Tuesday. Raises ScenarioError if it cannot be run."""
    script = tuple(a for one in subscriber for a in ((one,) if isinstance(one, Action) else actions([one])))
    stage = _Stage(Interpreter(scenario), script, now or datetime(2026, 12, 1, 12, tzinfo=UTC))
    return stage.play(fields, contact_key)


def run_tests(scenario: Scenario) -> tuple[Tested, ...]:
    """The document's own tests. Raises ScenarioError if it cannot be run."""
    return tuple(_tested(scenario, test) for test in scenario.tests)


def _tested(scenario: Scenario, test: Test) -> Tested:
    now = moment(test.at) if test.at else None
    rehearsal = rehearse(scenario, test.fields, test.subscriber, now, contact_key=test.contact_key)
    return Tested(test.name, tuple(_differences(test.expect, rehearsal)), rehearsal)


def moment(text: str) -> datetime:
    """ISO 8601; without a zone it is UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _differences(expect: Expect, got: Rehearsal) -> Iterator[Label]:
    pairs: list[tuple[str, str, object, object]] = []
    if expect.path is not None:
        pairs.append(("путь", "path", " → ".join(expect.path), " → ".join(got.path)))
    if expect.result is not None:
        pairs.append(("результат", "result", expect.result, got.result))
    if expect.ending is not None:
        pairs.append(("конец", "ending", expect.ending, got.ending))
    if expect.tags is not None:
        pairs.append(("метки", "tags", sorted(expect.tags), sorted(got.tags)))
    for name, value in expect.vars.items():
        pairs.append((f"переменная {name}", f"variable {name}", value, got.vars.get(name)))
    for ru, en, wanted, given in pairs:
        if wanted != given:
            yield Label(f"{ru}: ожидалось {wanted}, вышло {given}", f"{en}: expected {wanted}, got {given}")
    said = [line.text for line in got.transcript if line.who == "robot"]
    for text in expect.says:
        if not any(text in line for line in said):
            yield Label(f"робот не сказал: {text}", f"the robot did not say: {text}")
    if got.ending == "failed" and expect.ending != "failed":
        yield Label(f"звонок не удался: {got.reason}", f"the call failed: {got.reason}")


class _Stage:
    """One rehearsal while it goes on."""

    def __init__(self, interpreter: Interpreter, script: tuple[Action, ...], now: datetime) -> None:
        self._interpreter = interpreter
        self._now = now
        spoken = {"say", "dtmf", "silence", "hangup"}
        self._said = [action for action in script if not spoken.isdisjoint(action.given)]
        self._webhooks = [a.webhook for a in script if a.webhook is not None]
        self._transfers = [a.transfer for a in script if a.transfer is not None]
        self._records = [a.record for a in script if a.record is not None]
        self._state = State(node="")
        self._open: dict[str, object] = {}  # what the last commands ask for: Play, Listen, Fetch, Transfer, Record
        self._visits: list[Visit] = []
        self._lines: list[Line] = []
        self._marks: list[Mark] = []
        self._events = 0

    def play(self, fields: Vars, contact_key: str) -> Rehearsal:
        self._take(self._interpreter.start(fields, now=self._now, contact_key=contact_key))
        while not self._state.ending and self._events < MOST_EVENTS:
            self._next()
        state = self._state
        path = tuple(visit.node for visit in self._visits)
        tags = tuple(dict.fromkeys(mark.tag for mark in self._marks if mark.tag))
        return Rehearsal(
            path=path,
            transcript=tuple(self._lines),
            ending=state.ending,
            reason=state.reason,
            result=self._result(tags),
            tags=tags,
            vars=state.vars,
            visits=tuple(self._visits),
            problems=() if state.ending else (problem("", "endless", what=state.node),),
        )

    def _result(self, tags: tuple[str, ...]) -> str | None:
        kinds = {mark.kind for mark in self._marks}
        if "goal" in kinds:
            return "goal"
        if "opt_out" in kinds:
            return "opt_out"
        if any(visit.kind == "transfer" and visit.port == "done" for visit in self._visits):
            return "transferred"
        return "non_target" if "non_target" in tags else None

    def _next(self) -> None:
        """Whatever the standing card waits for, happens."""
        wants = self._open
        if "Fetch" in wants:
            answer = self._webhooks.pop(0) if self._webhooks else None
            status, body = (200, {}) if answer is None else (answer.status, answer.body)
            self._note("system", f"HTTP {status}")
            self._feed(Fetched(status, body, "" if status else "nobody answers"))
        elif "Transfer" in wants:
            outcome = self._transfers.pop(0) if self._transfers else "done"
            self._note("system", outcome)
            self._feed(Transferred(outcome, 30.0 if outcome == "done" else 0.0))
        elif "Record" in wants:
            seconds = self._records.pop(0) if self._records else 5.0
            self._note("subscriber", f"… {seconds:g} s")
            self._feed(Recorded("rehearsal", seconds))
        elif "Listen" in wants and self._interrupts():
            self._act(self._said.pop(0))
        elif "Play" in wants:
            wants.pop("Play")
            self._feed(Played())
        else:
            self._act(self._said.pop(0) if self._said else None)

    def _interrupts(self) -> bool:
        play = self._open.get("Play")
        return isinstance(play, Play) and play.barge_in and bool(self._said) and self._said[0].interrupt

    def _act(self, action: Action | None) -> None:
        if action is None or action.silence is not None:
            self._note("subscriber", "…")
            self._feed(Silent())
        elif action.hangup is not None:
            self._feed(Left())
        elif action.dtmf is not None:
            self._note("subscriber", f"[{action.dtmf}]")
            self._open.pop("Play", None)
            for key in action.dtmf:
                self._feed(Pressed(key))
            if self._state.memo:  # several keys were awaited: no more come
                self._feed(Silent())
        else:
            self._note("subscriber", action.say or "…")
            self._open.pop("Play", None)
            self._feed(Began())
            self._feed(Heard(action.say or ""))

    def _feed(self, event: Event) -> None:
        self._events += 1
        self._take(self._interpreter.feed(self._state, event, now=self._now))

    def _take(self, move: Move) -> None:
        if move.state.steps != self._state.steps:
            self._open.clear()
        self._state = move.state
        self._visits += move.visits
        for command in move.commands:
            match command:
                case Play(prompt):
                    self._note("robot", _words(prompt))
                case Fetch(fill=Prompt() as fill):
                    self._note("robot", _words(fill))
                case Transfer(hold=Prompt() as hold):
                    self._note("robot", _words(hold))
                case Mark():
                    self._marks.append(command)
            if isinstance(command, Play | Listen | Fetch | Transfer | Record):
                self._open[type(command).__name__] = command

    def _note(self, who: str, text: str) -> None:
        self._lines.append(Line(who, text, self._state.node))


def _words(prompt: Prompt) -> str:
    return prompt.text or prompt.audio or f"#{prompt.material}"
