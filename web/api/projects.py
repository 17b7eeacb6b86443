"""Projects, their members, fields and tags."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field as Doc

from engine.store.tables import Field, Project, Tag, User
from web.api.types import Color, Email, Key, Name, Text, Zone
from web.ask import Ask
from web.paging import ListQuery, PageOf, told
from web.routes import Given, Routes, Told

routes = Routes("projects")


class NewProject(Given):
    name: Name
    description: Text = ""
    timezone: Zone | None = Doc(default=None, description="The installation's, unless given")


class ProjectPatch(Given):
    name: Name | None = None
    description: Text | None = None
    timezone: Zone | None = None


class ProjectOut(Told):
    id: int
    name: str
    description: str
    timezone: str
    archived: bool
    created_at: datetime


class ProjectQuery(ListQuery):
    archived: bool = False


class NewMember(Given):
    email: Email
    role: Literal["admin", "manager", "operator", "analyst"]


class MemberOut(Told):
    user_id: int
    email: str
    name: str
    role: Literal["owner", "admin", "manager", "operator", "analyst"]


class NewField(Given):
    name: Name
    key: Key
    type: Literal["string", "number", "date", "boolean"] = "string"


class FieldOut(Told):
    id: int
    project_id: int
    name: str
    key: str
    type: str
    created_at: datetime


class NewTag(Given):
    name: Name
    color: Color = ""


class TagOut(Told):
    id: int
    project_id: int
    name: str
    color: str
    created_at: datetime


def _project(row: Project) -> ProjectOut:
    return ProjectOut.model_validate(row)


def _member(user: User, role: str) -> MemberOut:
    return MemberOut.model_validate({"user_id": user.id, "email": user.email, "name": user.name, "role": role})


def _field(row: Field) -> FieldOut:
    return FieldOut.model_validate(row)


def _tag(row: Tag) -> TagOut:
    return TagOut.model_validate(row)


@routes.post("/projects", "Make a project; who makes it owns it", status=201)
async def create(ask: Ask, body: NewProject) -> ProjectOut:
    return _project(
        await ask.store.projects.add(
            ask.user,
            body.name,
            now=ask.now(),
            description=body.description,
            timezone=body.timezone or ask.settings.timezone,
        )
    )


@routes.get("/projects", "Your projects, and those you are a member of")
async def listing(ask: Ask, query: ProjectQuery) -> PageOf[ProjectOut]:
    return told(await ask.store.projects.page(query.slice, user=ask.user, archived=query.archived), _project)


@routes.get("/projects/{project_id}", "One project")
async def get(ask: Ask, project_id: int) -> ProjectOut:
    return _project(await ask.store.projects.get(project_id, user=ask.user))


@routes.patch("/projects/{project_id}", "Change a project")
async def patch(ask: Ask, project_id: int, body: ProjectPatch) -> ProjectOut:
    await ask.may(project_id, "admin")
    changes = body.model_dump(exclude_none=True)
    return _project(await ask.store.projects.change(project_id, changes, user=ask.user))


@routes.post("/projects/{project_id}/archive", "Put a project away: its campaigns stop calling")
async def archive(ask: Ask, project_id: int) -> ProjectOut:
    return await _archive(ask, project_id, True)


@routes.post("/projects/{project_id}/restore", "Take a project back from the archive")
async def restore(ask: Ask, project_id: int) -> ProjectOut:
    return await _archive(ask, project_id, False)


async def _archive(ask: Ask, project_id: int, archived: bool) -> ProjectOut:
    await ask.may(project_id, "admin")
    row = await ask.store.projects.change(project_id, {"archived": archived}, user=ask.user)
    ask.robot.nudge()
    return _project(row)


@routes.get("/projects/{project_id}/members", "Who sees the project")
async def members(ask: Ask, project_id: int) -> PageOf[MemberOut]:
    rows = await ask.store.projects.members(project_id, user=ask.user)
    return PageOf(items=[_member(user, role) for user, role in rows], next=None)


@routes.put("/projects/{project_id}/members", "Let somebody in, or give them another role", errors=(409,))
async def put_member(ask: Ask, project_id: int, body: NewMember) -> MemberOut:
    await ask.may(project_id, "admin")
    user = await ask.store.projects.put_member(project_id, body.email, body.role, user=ask.user)
    return _member(user, body.role)


@routes.delete("/projects/{project_id}/members/{user_id}", "Let somebody in no more", errors=(409,))
async def drop_member(ask: Ask, project_id: int, user_id: int) -> None:
    await ask.may(project_id, "admin")
    await ask.store.projects.drop_member(project_id, user_id, user=ask.user)


@routes.post("/projects/{project_id}/fields", "Add a field that contacts may have", status=201, errors=(409,))
async def add_field(ask: Ask, project_id: int, body: NewField) -> FieldOut:
    await ask.may(project_id, "manager")
    return _field(
        await ask.store.projects.add_field(
            project_id, name=body.name, key=body.key, type=body.type, now=ask.now(), user=ask.user
        )
    )


@routes.get("/projects/{project_id}/fields", "The fields of contacts")
async def fields(ask: Ask, project_id: int, query: ListQuery) -> PageOf[FieldOut]:
    return told(await ask.store.projects.fields(project_id, query.slice, user=ask.user), _field)


@routes.post("/projects/{project_id}/tags", "Add a tag", status=201, errors=(409,))
async def add_tag(ask: Ask, project_id: int, body: NewTag) -> TagOut:
    await ask.may(project_id, "manager")
    return _tag(
        await ask.store.projects.add_tag(project_id, name=body.name, color=body.color, now=ask.now(), user=ask.user)
    )


@routes.get("/projects/{project_id}/tags", "The tags of a project")
async def tags(ask: Ask, project_id: int, query: ListQuery) -> PageOf[TagOut]:
    return told(await ask.store.projects.tags(project_id, query.slice, user=ask.user), _tag)
