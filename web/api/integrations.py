"""What a project's scenarios may reach by name, and whom they may reach no more."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from engine.store.tables import Integration, OptOut
from web.api.calls import e164
from web.api.types import Key
from web.ask import Ask
from web.paging import ListQuery, PageOf, told
from web.routes import Given, Routes, Told

routes = Routes("integrations")

Line = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Header = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
HIDDEN = "•••"


class Auth(Given):
    basic: Line | None = Field(default=None, description="user:password")
    bearer: Line | None = None


class NewIntegration(Given):
    """A stored HTTP request. A `webhook` card that names it may override any of this. Private and loopback addresses
    are refused unless the installation's settings list them."""

    name: Key
    url: Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://[^\s\x00-\x1f\x7f]+$")]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    type: Literal["json", "form"] = "json"
    headers: Annotated[dict[Header, Line], Field(max_length=50)] = {}
    params: Annotated[dict[Line, Line], Field(max_length=50)] = {}
    body: Any = None
    auth: Auth | None = None
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 5.0


class IntegrationOut(Told):
    """Secrets are not told: what stands for them is only a mark."""

    id: int
    project_id: int
    name: str
    url: str
    method: str
    type: str
    headers: dict[str, str]
    params: dict[str, str]
    body: Any
    auth: Literal["none", "basic", "bearer"]
    timeout_s: float
    created_at: datetime


class OptOutOut(Told):
    phone: str
    call_id: int | None
    created_at: datetime


class OptOutQuery(Given):
    phone: Annotated[str, Field(min_length=1, max_length=64)]


def integration_out(row: Integration) -> IntegrationOut:
    config = row.config
    auth = config.get("auth") or {}
    return IntegrationOut.model_validate(
        {
            "id": row.id,
            "project_id": row.project_id,
            "name": row.name,
            "url": config.get("url", ""),
            "method": config.get("method", "POST"),
            "type": config.get("type", "json"),
            "headers": dict.fromkeys(config.get("headers") or {}, HIDDEN),
            "params": config.get("params") or {},
            "body": config.get("body"),
            "auth": "bearer" if auth.get("bearer") else "basic" if auth.get("basic") else "none",
            "timeout_s": config.get("timeout_s", 5.0),
            "created_at": row.created_at,
        }
    )


@routes.put("/projects/{project_id}/integrations", "Make an integration, or replace the one of this name")
async def put(ask: Ask, project_id: int, body: NewIntegration) -> IntegrationOut:
    await ask.may(project_id, "manager")
    config = body.model_dump(exclude={"name"}, exclude_none=True)
    return integration_out(
        await ask.store.projects.put_integration(project_id, body.name, config, now=ask.now(), user=ask.user)
    )


@routes.get("/projects/{project_id}/integrations", "The integrations of a project")
async def listing(ask: Ask, project_id: int) -> PageOf[IntegrationOut]:
    rows = await ask.store.projects.integrations(project_id, user=ask.user)
    return PageOf(items=[integration_out(row) for row in rows], next=None)


@routes.get("/projects/{project_id}/opt-outs", "The project's own stop list: who asked not to be called")
async def opt_outs(ask: Ask, project_id: int, query: ListQuery) -> PageOf[OptOutOut]:
    return told(await ask.store.segments.opt_outs(project_id, query.slice, user=ask.user), _opt_out)


@routes.delete("/projects/{project_id}/opt-outs", "Take a number off the stop list")
async def opt_in(ask: Ask, project_id: int, query: OptOutQuery) -> None:
    await ask.may(project_id, "manager")
    await ask.store.segments.opt_in(project_id, e164(ask, query.phone), user=ask.user)


def _opt_out(row: OptOut) -> OptOutOut:
    return OptOutOut.model_validate(row)
