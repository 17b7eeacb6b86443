"""Walks a scenario's map. Pure: the same state, event and time give the same move.

start ─▶ enter(card) ─▶ Turn ─ leaves by a port? ─▶ enter(next card) … until a card waits or the talk ends
feed  ─▶ card.on(event) ─▶ Turn ─────────┘
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from scenarios.card import Card, Here, Turn
from scenarios.check import HANGUP, check
from scenarios.document import Scenario
from scenarios.problems import CardError, ScenarioError
from scenarios.steps.time import zone
from scenarios.talk import (
    NONE,
    Command,
    Event,
    Faulted,
    HangUp,
    Left,
    Listen,
    Move,
    State,
    Value,
    Vars,
    Visit,
)

MOST_STEPS = 500


@dataclass(slots=True)
class _Walk:
    """One move in the making."""

    state: State
    now: datetime
    commands: list[Command]
    visits: list[Visit]


class Interpreter:
    """One scenario, for any number of talks. Raises ScenarioError if the scenario has errors."""

    def __init__(self, scenario: Scenario) -> None:
        if not scenario.verdict:
            # A name unknown here may be a field of the project; one that nobody brings fails its card.
            problems = [p for p in check(scenario) if p.code != "unknown_name"]
            if any(p.is_error for p in problems):
                raise ScenarioError(problems)
            scenario.verdict.append(True)
        self.scenario = scenario
        self._steps = scenario.steps
        kept = scenario.kept
        if "" not in kept:  # no card has an empty name
            kept[""] = (scenario.blanks(), {name: _ports(step) for name, step in scenario.steps.items()})
        self._blanks: Vars = kept[""][0]
        self._ports: Mapping[str, Mapping[str, str]] = kept[""][1]

    def start(self, vars: Vars = NONE, *, now: datetime, contact_key: str = "") -> Move:
        """Enter the first card. `now` is aware; `vars` are what the contact brings."""
        state = State(node=self.scenario.start, vars=self.scenario.fitted(vars), contact_key=contact_key)
        walk = _Walk(state, now, [], [])
        self._enter(walk, self.scenario.start, barged=False)
        return Move(walk.state, tuple(walk.commands), tuple(walk.visits))

    def feed(self, state: State, event: Event, *, now: datetime) -> Move:
        """What follows from the event. An event that means nothing to the standing card changes nothing."""
        if state.ending:
            return Move(state)
        walk = _Walk(state, now, [], [])
        match event:
            case Left():
                self._end(walk, "left", Turn("left"))
            case Faulted(reason):
                self._end(walk, "failed", Turn("failed", detail=reason))
            case _:
                self._hear(walk, event)
        return Move(walk.state, tuple(walk.commands), tuple(walk.visits))

    def glance(self, vars: Vars, *, now: datetime) -> Here:
        """The talk as its first card would see it."""
        state = State(node=self.scenario.start, vars=self.scenario.fitted(vars))
        return self._here(_Walk(state, now, [], []), barged=False)

    # --- one event ---------------------------------------------------------------------------------------------------

    def _hear(self, walk: _Walk, event: Event) -> None:
        state = walk.state
        step = self._steps.get(state.node)
        if step is None:
            self._end(walk, "failed", Turn("failed", detail=f"the scenario has no card {state.node!r}"))
            return
        try:
            turn = step.on(event, self._here(walk, barged=False))
        except CardError as error:
            self._end(walk, "failed", Turn("failed", detail=str(error)))
            return
        if not turn.port:
            walk.commands += turn.commands
            if turn.memo:
                walk.state = replace(state, memo={**state.memo, **turn.memo})
            return
        reached = self._leave(walk, turn)
        if turn.again and reached and not walk.state.ending:
            self._hear(walk, event)

    def _leave(self, walk: _Walk, turn: Turn) -> bool:
        """Leave the standing card and walk on until one waits. True if the interruption reached a listening card."""
        while True:
            to = self._passed(walk, turn)
            if to is None:
                return False
            stays = self._entered(walk, to, barged=turn.barged)
            if stays is None:
                return turn.barged and self._steps[walk.state.node].listens
            turn = stays

    def _enter(self, walk: _Walk, to: str, *, barged: bool) -> None:
        turn = self._entered(walk, to, barged=barged)
        if turn is not None:
            self._leave(walk, turn)

    def _entered(self, walk: _Walk, to: str, *, barged: bool) -> Turn | None:
        """Stand at this card. The turn by which it leaves at once, None if it waits."""
        state = walk.state
        step = self._steps[to]
        visits = state.visits
        most = getattr(step, "max_visits", 0)
        if most:
            visits = {**visits, to: visits.get(to, 0) + 1}
        walk.state = replace(state, node=to, memo=NONE, visits=visits, steps=state.steps + 1)
        if state.steps >= MOST_STEPS:
            return Turn("failed", detail=f"more than {MOST_STEPS} cards", ending="failed")
        if most and visits[to] > most:
            return Turn("exhausted", by="exhausted", barged=barged)
        try:
            turn = step.enter(self._here(walk, barged=barged))
        except CardError as error:
            return Turn("failed", detail=str(error), ending="failed")
        if turn.port:
            return turn
        walk.commands += turn.commands
        if turn.memo:
            walk.state = replace(walk.state, memo=dict(turn.memo))
        return None

    def _passed(self, walk: _Walk, turn: Turn) -> str | None:
        """Note the card that is being left; where the way leads, None if the talk is over."""
        if turn.ending:
            self._end(walk, turn.ending, turn)
            return None
        node = walk.state.node
        ports = self._ports[node]
        port = turn.port
        if port not in ports:
            port = self._steps[node].fallback(port)
            if port == HANGUP:
                self._end(walk, "hangup", replace(turn, port=turn.port))
                return None
            if port not in ports:
                self._end(walk, "failed", replace(turn, detail=f"no arrow for {turn.port!r}"))
                return None
        # What this card listened for ends with it; what it said or asked for goes on.
        walk.commands[:] = [command for command in walk.commands if not isinstance(command, Listen)]
        walk.commands += turn.commands
        self._visited(walk, turn, turn.port)
        if turn.sets:
            walk.state = replace(walk.state, vars={**walk.state.vars, **turn.sets})
        to = ports[port]
        if to not in self._steps:  # only `hangup`: the check has seen to that
            walk.commands.append(HangUp())
            walk.state = replace(walk.state, ending="hangup", memo=NONE)
            return None
        return to

    def _end(self, walk: _Walk, ending: str, turn: Turn) -> None:
        walk.commands[:] = [command for command in walk.commands if not isinstance(command, Listen)]
        if ending != "left":
            walk.commands += [*turn.commands, HangUp()]
        self._visited(walk, turn, turn.port)
        reason = turn.detail if ending == "failed" else ""
        vars = {**walk.state.vars, **turn.sets} if turn.sets else walk.state.vars
        walk.state = replace(walk.state, ending=ending, reason=reason, memo=NONE, vars=vars)

    def _visited(self, walk: _Walk, turn: Turn, port: str) -> None:
        node = walk.state.node
        kind = self.scenario.kinds.get(node, "")
        walk.visits.append(
            Visit(node, kind, port, turn.by, turn.heard, turn.confidence, turn.partial, turn.detail[:500])
        )

    # --- what a card sees --------------------------------------------------------------------------------------------

    def _here(self, walk: _Walk, *, barged: bool) -> Here:
        state = walk.state
        return Here(
            node=state.node,
            names=lambda: _names(self._blanks, state, walk.now),
            memo=state.memo,
            now=walk.now,
            contact_key=state.contact_key,
            language=self.scenario.language,
            barged=barged,
            ahead=lambda: self._ahead(walk),
            kept=self.scenario.kept,
        )

    def _ahead(self, walk: _Walk) -> Listen | None:
        """What the card at the end of this chain of prompts listens for, None if the chain leads elsewhere."""
        node = walk.state.node
        seen: set[str] = set()
        while node not in seen:
            seen.add(node)
            step = self._steps.get(node)
            if step is None:
                return None
            if step.listens:
                here = self._here(walk, barged=False)
                here.node = node
                return step.listen(here)
            port = step.onward()
            most = getattr(step, "max_visits", 0)
            if most and node != walk.state.node and walk.state.visits.get(node, 0) >= most:
                port = "exhausted"
            node = self._ports[node].get(port, "")
        return None


def _names(blanks: Vars, state: State, now: datetime) -> dict[str, Value]:
    """What a template may speak of; times are on the contact's own clock where its zone is known."""
    where = state.vars.get("timezone")
    local = now
    if isinstance(where, str) and where:
        try:
            local = now.astimezone(zone(where))
        except CardError:
            local = now
    return {**blanks, **state.vars, "now": local.isoformat(timespec="minutes"), "today": local.date().isoformat()}


def _ports(step: Card) -> dict[str, str]:
    ports: dict[str, str] = {}
    for way in step.ways():
        ports.setdefault(way.port, way.to)
    return ports
