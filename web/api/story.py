"""Why a call went the way it went: which answer of a card decided, and what told who had picked up.

steps + the version of the scenario that was talked ─▶ scenarios.explain ─▶ StepOut.why
steps of the kind `amd` ─▶ verdicts, each with the evidence that was new then
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import Field

from engine.errors import NotFound
from engine.store.tables import Call
from scenarios.document import Scenario, read
from scenarios.explain import reason
from web.ask import Ask
from web.routes import Told

_EVIDENCE = re.compile(r"(.+?) ([+-]\d+\.\d) @(\d+) ms(?:; |$)")


class WhyOut(Told):
    """`answer` counts the card's filters from 1; 0: it had none for this."""

    answer: int
    phrase: str = Field(description="The filter's phrase, or its keys")
    said: str = Field(description="The words that met it")
    how: Literal["exact", "form", "pattern", ""] = Field(description="How they met; empty where no phrase decided")


class EvidenceOut(Told):
    at_ms: int
    what: str
    weight: float


class VerdictOut(Told):
    """Who answers, as far as was known from `at_ms` on, and what was new."""

    at_ms: int
    kind: str = Field(description="person, machine, screening, announcement, fax or unknown")
    evidence: list[EvidenceOut]


def verdicts(steps: Iterable[Mapping[str, Any]]) -> list[VerdictOut]:
    """In the order of time."""
    found: list[VerdictOut] = []
    known: set[tuple[str, int]] = set()
    for step in steps:
        if step.get("kind") != "amd":
            continue
        evidence = [
            EvidenceOut(at_ms=int(at), what=what, weight=float(weight))
            for what, weight, at in _EVIDENCE.findall(str(step.get("detail", "")))
            if (what, int(at)) not in known
        ]
        known |= {(each.what, each.at_ms) for each in evidence}
        found.append(VerdictOut(at_ms=step["at_ms"], kind=step["port"], evidence=evidence))
    return found


def whys(steps: Iterable[Mapping[str, Any]], scenario: Scenario | None) -> list[WhyOut | None]:
    """Of each step; None where there is nothing to explain, or nobody knows any more."""
    found: list[WhyOut | None] = []
    for step in steps:
        card = scenario.steps.get(step["node"]) if scenario is not None else None
        told = reason(card, step.get("by", ""), step.get("heard", ""), step["port"])
        found.append(None if told is None else WhyOut.model_validate(told))
    return found


async def scenario_of(ask: Ask, row: Call) -> Scenario | None:
    """The very version that this call talked; None if it is gone."""
    if not row.scenario_id or not row.scenario_version:
        return None
    try:
        version = await ask.store.scenarios.version(row.scenario_id, row.scenario_version, user=ask.user)
    except NotFound:
        return None
    return await asyncio.to_thread(lambda: read(version.graph).scenario)
