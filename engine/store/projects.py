"""Projects: the walls between tenants, and who may pass them; with a project's fields, tags, integrations and
pronunciations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from engine.errors import Conflict, NotFound
from engine.store.access import RAW, absent, change, create, mine, one, only
from engine.store.database import Database
from engine.store.paging import Ask, Page, page
from engine.store.tables import Field, Integration, Member, Project, Setting, Tag, User

OWNER = "owner"
PRONUNCIATIONS = "pronunciations:{}"  # in the settings, by project


class Projects:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(
        self, owner: int, name: str, *, now: datetime, description: str = "", timezone: str = "Europe/Moscow"
    ) -> Project:
        async with self._db.write() as session:
            row = await create(
                session,
                Project,
                owner_id=owner,
                name=name,
                description=description,
                timezone=timezone,
                created_at=now,
            )
            await create(session, Member, project_id=row.id, user_id=owner, role=OWNER)
            return row

    async def get(self, project_id: int, *, user: int | None) -> Project:
        """Raises NotFound."""
        async with self._db.read() as session:
            return await one(session, Project, project_id, user)

    async def page(self, ask: Ask, *, user: int | None, archived: bool | None = False) -> Page[Project]:
        """`archived=None`: both kinds."""
        async with self._db.read() as session:
            statement = select(Project).where(mine(Project.id, user))
            if archived is not None:
                statement = statement.where(Project.archived == archived)
            sorts = {"created_at": Project.created_at, "name": Project.name, "id": Project.id}
            return await page(session, statement, ask, sorts, Project.id)

    async def change(self, project_id: int, changes: Mapping[str, Any], *, user: int | None) -> Project:
        """`changes` of name, description, timezone, archived. Raises NotFound."""
        async with self._db.write() as session:
            await one(session, Project, project_id, user)
            allowed = only(changes, "name", "description", "timezone", "archived")
            return await change(session, Project, project_id, allowed)

    # --- members

    async def role(self, project_id: int, *, user: int) -> str:
        """owner | admin | manager | operator | analyst. Raises NotFound for a stranger."""
        async with self._db.read() as session:
            role = await session.scalar(
                select(Member.role).where(Member.project_id == project_id, Member.user_id == user)
            )
            if role is None:
                raise absent(Project)
            return role

    async def roles(self, *, user: int) -> dict[int, str]:
        """Every project of this user, and their role in it."""
        async with self._db.read() as session:
            rows = await session.execute(select(Member.project_id, Member.role).where(Member.user_id == user))
            return dict(rows.tuples().all())

    async def members(self, project_id: int, *, user: int | None) -> list[tuple[User, str]]:
        """Who sees the project, and their roles. Raises NotFound."""
        async with self._db.read() as session:
            await one(session, Project, project_id, user)
            rows = await session.execute(
                select(User, Member.role)
                .join(Member, Member.user_id == User.id)
                .where(Member.project_id == project_id)
                .order_by(User.email)
            )
            return [(member, role) for member, role in rows.tuples()]

    async def put_member(self, project_id: int, email: str, role: str, *, user: int | None) -> User:
        """A new member, or another role for one. Raises NotFound if there is no such user, Conflict for the owner."""
        async with self._db.write() as session:
            project = await one(session, Project, project_id, user)
            member = await session.scalar(select(User).where(User.email == email.strip().lower()))
            if member is None:
                raise NotFound(f"there is no user {email}: they must be created first")
            if member.id == project.owner_id:
                raise Conflict("the owner's role cannot be changed")
            put = self._db.insert(Member).values(project_id=project_id, user_id=member.id, role=role)
            await session.execute(
                put.on_conflict_do_update(index_elements=["project_id", "user_id"], set_={"role": role})
            )
            return member

    async def drop_member(self, project_id: int, member: int, *, user: int | None) -> None:
        """Raises NotFound, and Conflict for the owner."""
        async with self._db.write() as session:
            project = await one(session, Project, project_id, user)
            if member == project.owner_id:
                raise Conflict("the owner cannot be removed")
            dropped = delete(Member).where(Member.project_id == project_id, Member.user_id == member)
            if await session.scalar(dropped.returning(Member.user_id), execution_options=RAW) is None:
                raise absent(User)

    # --- fields, tags, integrations

    async def add_field(
        self, project_id: int, *, name: str, key: str, type: str, now: datetime, user: int | None
    ) -> Field:
        """Raises NotFound, and Conflict if there is a field with this key."""
        async with self._db.write() as session:
            await one(session, Project, project_id, user)
            if await session.scalar(select(Field.id).where(Field.project_id == project_id, Field.key == key)):
                raise Conflict(f"there is a field {key} already")
            return await create(session, Field, project_id=project_id, name=name, key=key, type=type, created_at=now)

    async def fields(self, project_id: int, ask: Ask, *, user: int | None) -> Page[Field]:
        async with self._db.read() as session:
            await one(session, Project, project_id, user)
            statement = select(Field).where(Field.project_id == project_id)
            sorts = {"created_at": Field.created_at, "name": Field.name, "key": Field.key}
            return await page(session, statement, ask, sorts, Field.id, default="created_at")

    async def add_tag(self, project_id: int, *, name: str, color: str, now: datetime, user: int | None) -> Tag:
        """Raises NotFound, and Conflict if there is a tag of this name."""
        async with self._db.write() as session:
            await one(session, Project, project_id, user)
            if await session.scalar(select(Tag.id).where(Tag.project_id == project_id, Tag.name == name)):
                raise Conflict(f"there is a tag {name} already")
            return await create(session, Tag, project_id=project_id, name=name, color=color, created_at=now)

    async def tags(self, project_id: int, ask: Ask, *, user: int | None) -> Page[Tag]:
        async with self._db.read() as session:
            await one(session, Project, project_id, user)
            statement = select(Tag).where(Tag.project_id == project_id)
            sorts = {"created_at": Tag.created_at, "name": Tag.name}
            return await page(session, statement, ask, sorts, Tag.id, default="created_at")

    async def put_integration(
        self, project_id: int, name: str, config: Mapping[str, Any], *, now: datetime, user: int | None
    ) -> Integration:
        """Make it, or replace its `config`. Raises NotFound."""
        async with self._db.write() as session:
            await one(session, Project, project_id, user)
            put = self._db.insert(Integration).values(
                project_id=project_id, name=name, config=dict(config), created_at=now
            )
            await session.execute(
                put.on_conflict_do_update(index_elements=["project_id", "name"], set_={"config": put.excluded.config})
            )
            row = await session.scalar(
                select(Integration).where(Integration.project_id == project_id, Integration.name == name)
            )
            assert row is not None
            return row

    async def integrations(self, project_id: int, *, user: int | None) -> list[Integration]:
        async with self._db.read() as session:
            await one(session, Project, project_id, user)
            rows = await session.scalars(
                select(Integration).where(Integration.project_id == project_id).order_by(Integration.name)
            )
            return list(rows.all())

    # --- pronunciations

    async def pronunciations(self, project_id: int, *, user: int | None) -> list[dict[str, Any]]:
        """What was put last, in its order. Raises NotFound."""
        async with self._db.read() as session:
            await one(session, Project, project_id, user)
            kept = await session.scalar(select(Setting.value).where(Setting.key == PRONUNCIATIONS.format(project_id)))
            return list((kept or {}).get("items", ()))

    async def put_pronunciations(
        self, project_id: int, items: Sequence[Mapping[str, Any]], *, user: int | None
    ) -> None:
        """Instead of those that were there. Raises NotFound."""
        async with self._db.write() as session:
            await one(session, Project, project_id, user)
            value = {"items": [dict(item) for item in items]}
            put = self._db.insert(Setting).values(key=PRONUNCIATIONS.format(project_id), value=value)
            await session.execute(put.on_conflict_do_update(index_elements=["key"], set_={"value": put.excluded.value}))
