"""What a talk may say, known before it begins, so that it can be made ready while the telephone rings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from scenarios import template
from scenarios.card import prompt
from scenarios.document import Scenario
from scenarios.interpreter import Interpreter
from scenarios.problems import CardError
from scenarios.talk import Prompt, Vars

MOST = 500


def ahead(scenario: Scenario, vars: Vars, *, now: datetime) -> tuple[Prompt, ...]:
    """Each prompt that can be said in a talk with this contact, once, the nearest to the start first; at most MOST.

    Left out is what depends on variables that the talk itself fills, and what cannot be rendered.
    Raises ScenarioError if the scenario cannot be run.
    """
    here = Interpreter(scenario).glance(vars, now=now)
    filled = frozenset(name for step in scenario.steps.values() for name in step.saves()) | {"heard"}
    found: dict[Prompt, None] = {}
    for name in _nearest_first(scenario):
        for said in scenario.steps[name].sayings():
            if said.say and template.names(said.say) & filled:
                continue
            try:
                found[prompt(said, here)] = None
            except CardError:
                continue
            if len(found) >= MOST:
                return tuple(found)
    return tuple(found)


def _nearest_first(scenario: Scenario) -> Iterator[str]:
    seen, todo = {scenario.start}, [scenario.start]
    for name in todo:
        yield name
        for way in scenario.steps[name].ways():
            if way.to in scenario.steps and way.to not in seen:
                seen.add(way.to)
                todo.append(way.to)
