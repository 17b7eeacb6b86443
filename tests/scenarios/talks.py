"""A talk in a test: a scenario written short, events in, what came of them out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from scenarios.check import load
from scenarios.interpreter import Interpreter
from scenarios.talk import Event, Listen, Move, Play, State, Value, Visit

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
BYE = {"kind": "hangup"}


def document(nodes: Mapping[str, Any], start: str = "", **head: Any) -> dict[str, Any]:
    """A whole document; a card `bye` that hangs up is always there."""
    all_nodes = {**nodes, "bye": BYE}
    return {"dozvon": 1, "name": "test", "start": start or next(iter(nodes)), "nodes": all_nodes, **head}


class Talk:
    """Walks a scenario and remembers where it was."""

    def __init__(self, given: Mapping[str, Any] | str, vars: Mapping[str, Value] | None = None, **options: Any) -> None:
        self.interpreter = Interpreter(load(given))
        self.now = options.pop("now", NOON)
        self.visits: list[Visit] = []
        self.move = Move(State(""))
        self._took(self.interpreter.start(vars or {}, now=self.now, **options))

    def feed(self, *events: Event) -> Move:
        for event in events:
            self._took(self.interpreter.feed(self.move.state, event, now=self.now))
        return self.move

    def _took(self, move: Move) -> None:
        self.move = move
        self.visits += move.visits

    @property
    def state(self) -> State:
        return self.move.state

    @property
    def at(self) -> str:
        return self.move.state.node

    @property
    def path(self) -> list[str]:
        return [visit.node for visit in self.visits]

    @property
    def said(self) -> list[str]:
        """What the last move says."""
        return [command.prompt.text for command in self.move.commands if isinstance(command, Play)]

    @property
    def listens(self) -> Listen | None:
        return next((command for command in self.move.commands if isinstance(command, Listen)), None)
