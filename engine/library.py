"""What talks take from the store: scenarios and materials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import InputError, Problem
from engine.store import Store
from scenarios.document import Scenario, parse
from scenarios.problems import ScenarioError
from scenarios.talk import Prompt

KEPT = 200


class StoredScenarios:
    """`engine.talks.Scenarios`. A version never changes, so a parsed one is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parsed: dict[tuple[int, int, float], Scenario] = {}

    async def latest(self, scenario_id: int, timeout_s: float, version: int = 0) -> tuple[int, Scenario]:
        version = version or await self._store.scenarios.newest(scenario_id)
        key = (scenario_id, version, timeout_s)
        if key not in self._parsed:
            row = await self._store.scenarios.version(scenario_id, version, user=None)
            try:
                parsed = parse(_patient(row.graph, timeout_s))  # checked when it was saved, with the project's fields
            except ScenarioError as error:
                problems = [Problem(p.path, p.code, p.message.en) for p in error.problems]
                raise InputError(f"scenario {scenario_id} cannot be run: mend it in the editor", problems) from None
            if len(self._parsed) >= KEPT:
                self._parsed.pop(next(iter(self._parsed)))
            self._parsed[key] = parsed
        return version, self._parsed[key]


def _patient(graph: Mapping[str, Any], timeout_s: float) -> Mapping[str, Any]:
    """The document, with the campaign's patience where it names none of its own."""
    defaults = graph.get("defaults") or {}
    return {**graph, "defaults": {"timeout_s": timeout_s, **defaults}}


class StoredMaterials:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def prompt(self, material_id: int) -> Prompt:
        """A material as something that can be said. Raises NotFound, or InputError for one that has no sound."""
        row = await self._store.materials.get(material_id, user=None)
        if row.kind == "audio" and row.path:
            return Prompt(audio=row.path)
        if row.kind == "tts" and row.text:
            return Prompt(text=row.text, voice=row.voice)
        raise InputError(f"material {material_id} is of kind {row.kind}: only tts and audio can be said")
