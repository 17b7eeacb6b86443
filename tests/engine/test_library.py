"""What talks take from the store."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError, NotFound
from engine.library import StoredMaterials, StoredScenarios
from engine.store import Store, migrate, open_store
from scenarios.interpreter import Interpreter
from scenarios.talk import Listen

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ASK: dict[str, Any] = {
    "dozvon": 1,
    "name": "a",
    "start": "ask",
    "nodes": {
        "ask": {"kind": "recognize", "filters": [{"voice": ["да"], "goto": "bye"}, {"silence": True, "goto": "bye"}]},
        "bye": {"kind": "hangup"},
    },
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'dozvon.db'}"
    await migrate(url)
    async with open_store(url) as store:
        yield store


async def _scenario(store: Store, graph: dict[str, Any]) -> tuple[int, int]:
    user = await store.users.add("a@example.org", "x", now=NOW)
    project = await store.projects.add(user.id, "p", now=NOW)
    scenario = await store.scenarios.add(project.id, name="s", graph=graph, now=NOW, user=user.id)
    return project.id, scenario.id


async def _patience(store: Store, scenario: int, timeout_s: float) -> float:
    _, found = await StoredScenarios(store).latest(scenario, timeout_s)
    move = Interpreter(found).start({}, now=NOW)
    return next(command.timeout_s for command in move.commands if isinstance(command, Listen))


async def test_a_campaigns_patience_is_that_of_cards_where_the_document_names_none(store: Store) -> None:
    _, scenario = await _scenario(store, ASK)
    assert await _patience(store, scenario, 12.0) == 12.0


async def test_the_documents_own_patience_comes_first(store: Store) -> None:
    _, scenario = await _scenario(store, {**ASK, "defaults": {"timeout_s": 3}})
    assert await _patience(store, scenario, 12.0) == 3.0


async def test_a_version_is_read_once(store: Store) -> None:
    _, scenario = await _scenario(store, ASK)
    scenarios = StoredScenarios(store)
    assert (await scenarios.latest(scenario, 7.0))[1] is (await scenarios.latest(scenario, 7.0))[1]


async def test_a_document_that_cannot_be_run_is_refused_with_its_problems(store: Store) -> None:
    _, scenario = await _scenario(store, {**ASK, "nodes": {"ask": {"kind": "juggle"}}})
    with pytest.raises(InputError) as refused:
        await StoredScenarios(store).latest(scenario, 7.0)
    assert "/nodes/ask/kind" in {problem.path for problem in refused.value.problems}


async def test_a_scenario_that_is_not_there(store: Store) -> None:
    with pytest.raises(NotFound):
        await StoredScenarios(store).latest(999, 7.0)


async def test_materials_that_can_be_said_and_those_that_cannot(store: Store) -> None:
    project, _ = await _scenario(store, ASK)
    add = store.materials.add
    spoken = await add(project, name="t", kind="tts", text="Привет", voice="anna", now=NOW, user=None)
    played = await add(project, name="a", kind="audio", path="1/a.wav", now=NOW, user=None)
    linked = await add(project, name="l", kind="link", url="https://example.org", now=NOW, user=None)
    materials = StoredMaterials(store)
    assert (await materials.prompt(spoken.id)).text == "Привет"
    assert (await materials.prompt(played.id)).audio == "1/a.wav"
    with pytest.raises(InputError):
        await materials.prompt(linked.id)
