"""What is said: scenarios with all their versions, and materials."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from engine.store import statements
from engine.store.access import LARGEST, absent, change, create, one, only
from engine.store.database import Database
from engine.store.paging import Ask, Page, page
from engine.store.tables import Material, Project, Scenario, ScenarioVersion


class Scenarios:
    """A change is a new version; a version never changes, so that a running call keeps its own."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(
        self, project_id: int, *, name: str, graph: Mapping[str, Any], now: datetime, user: int | None
    ) -> Scenario:
        """With version 1. Raises NotFound."""
        async with self._db.write() as session:
            await one(session, Project, project_id, user)
            row = await create(session, Scenario, project_id=project_id, name=name, created_at=now, updated_at=now)
            session.add(ScenarioVersion(scenario_id=row.id, version=1, graph=dict(graph), user_id=user, created_at=now))
            return row

    async def put(
        self, scenario_id: int, graph: Mapping[str, Any], *, now: datetime, user: int | None, name: str = ""
    ) -> Scenario:
        """A new version, and a new name if one is given. Raises NotFound."""
        async with self._db.write() as session:
            await one(session, Scenario, scenario_id, user)
            values: dict[str, Any] = {"version": Scenario.version + 1, "updated_at": now}
            row = await change(session, Scenario, scenario_id, values | ({"name": name} if name else {}))
            await session.refresh(row)
            session.add(
                ScenarioVersion(
                    scenario_id=scenario_id, version=row.version, graph=dict(graph), user_id=user, created_at=now
                )
            )
            return row

    async def change(self, scenario_id: int, changes: Mapping[str, Any], *, user: int | None) -> Scenario:
        """`changes` of name, archived. Raises NotFound."""
        async with self._db.write() as session:
            await one(session, Scenario, scenario_id, user)
            return await change(session, Scenario, scenario_id, only(changes, "name", "archived"))

    async def get(self, scenario_id: int, *, user: int | None) -> Scenario:
        """Raises NotFound."""
        async with self._db.read() as session:
            return await one(session, Scenario, scenario_id, user)

    async def page(
        self, project_id: int, ask: Ask, *, user: int | None, archived: bool | None = False
    ) -> Page[Scenario]:
        """Raises NotFound."""
        async with self._db.read() as session:
            await one(session, Project, project_id, user)
            statement = select(Scenario).where(Scenario.project_id == project_id)
            if archived is not None:
                statement = statement.where(Scenario.archived == archived)
            sorts = {"created_at": Scenario.created_at, "updated_at": Scenario.updated_at, "name": Scenario.name}
            return await page(session, statement, ask, sorts, Scenario.id)

    async def newest(self, scenario_id: int) -> int:
        """The newest version's number: asked for every call, so it is one trip. Raises NotFound."""
        version = await self._db.glance(_newest, scenario_id) if 0 < scenario_id <= LARGEST else None
        if version is None:
            raise absent(Scenario)
        return version

    async def version(self, scenario_id: int, version: int | None = None, *, user: int | None) -> ScenarioVersion:
        """One version with its graph; the newest if None. Raises NotFound."""
        async with self._db.read() as session:
            scenario = await one(session, Scenario, scenario_id, user)
            row = await session.get(ScenarioVersion, (scenario_id, scenario.version if version is None else version))
            if row is None:
                raise absent(ScenarioVersion)
            return row

    async def versions(self, scenario_id: int, ask: Ask, *, user: int | None) -> Page[ScenarioVersion]:
        """The newest first. Raises NotFound."""
        async with self._db.read() as session:
            await one(session, Scenario, scenario_id, user)
            statement = select(ScenarioVersion).where(ScenarioVersion.scenario_id == scenario_id)
            sorts = {"version": ScenarioVersion.version, "created_at": ScenarioVersion.version}
            return await page(session, statement, ask, sorts, ScenarioVersion.version)


def _newest(connection: Connection, scenario_id: int) -> int | None:
    found: int | None = connection.scalar(statements.NEWEST, {"scenario_id": scenario_id})
    return found


class Materials:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(
        self, project_id: int, *, name: str, kind: str, now: datetime, user: int | None, **values: Any
    ) -> Material:
        """`values` of status, text, voice, url, path, duration_ms. Raises NotFound."""
        async with self._db.write() as session:
            await one(session, Project, project_id, user)
            fields = only(values, "status", "text", "voice", "url", "path", "duration_ms")
            return await create(
                session, Material, project_id=project_id, name=name, kind=kind, created_at=now, **fields
            )

    async def get(self, material_id: int, *, user: int | None) -> Material:
        """Raises NotFound."""
        async with self._db.read() as session:
            return await one(session, Material, material_id, user)

    async def page(
        self, project_id: int, ask: Ask, *, user: int | None, kind: str = "", status: str = ""
    ) -> Page[Material]:
        """Raises NotFound."""
        async with self._db.read() as session:
            await one(session, Project, project_id, user)
            statement = select(Material).where(Material.project_id == project_id)
            if kind:
                statement = statement.where(Material.kind == kind)
            if status:
                statement = statement.where(Material.status == status)
            sorts = {"created_at": Material.created_at, "name": Material.name}
            return await page(session, statement, ask, sorts, Material.id)

    async def change(self, material_id: int, changes: Mapping[str, Any], *, user: int | None) -> Material:
        """`changes` of name, status, text, voice, url, path, duration_ms. Raises NotFound."""
        async with self._db.write() as session:
            await one(session, Material, material_id, user)
            allowed = only(changes, "name", "status", "text", "voice", "url", "path", "duration_ms")
            return await change(session, Material, material_id, allowed)
