"""Scenarios: checked whole, kept in versions, rehearsed without a telephone."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from engine.errors import InputError, NotFound, Problem
from engine.store.paging import Ask as Slice
from engine.store.tables import Scenario
from scenarios import check as checking
from scenarios import rehearse as rehearsing
from scenarios.problems import Problem as Fault
from scenarios.problems import ScenarioError
from scenarios.rehearse import Rehearsal
from web import bodies
from web.api.types import Moment, Name
from web.ask import Ask, Role
from web.paging import ListQuery, PageOf, told
from web.routes import LARGEST_ID, Given, Routes, Told

routes = Routes("scenarios")

MOST_MATERIALS = 500


class NewScenario(Given):
    name: Name
    graph: dict[str, Any] = Field(description="The scenario document")


class ScenarioPut(Given):
    name: Name | None = None
    graph: dict[str, Any] = Field(description="The scenario document")


class ScenarioPatch(Given):
    name: Name


class Draft(Given):
    graph: dict[str, Any]
    project_id: int | None = Field(default=None, description="Whose materials may be named")


class FaultOut(Told):
    path: str = Field(description="JSON pointer into the request: /graph/…")
    code: str
    message: str
    severity: Literal["error", "warning"]
    card: str
    field: str


class Checked(Told):
    valid: bool
    problems: list[FaultOut]


class ScenarioBrief(Told):
    id: int
    project_id: int
    name: str
    version: int
    archived: bool
    created_at: datetime
    updated_at: datetime


class ScenarioOut(ScenarioBrief):
    graph: dict[str, Any]
    problems: list[FaultOut] = Field(description="Warnings: what is wrong keeps a scenario from being saved")


class VersionBrief(Told):
    version: int
    user_id: int | None
    created_at: datetime


class VersionOut(VersionBrief):
    graph: dict[str, Any]


class ScenarioQuery(ListQuery):
    archived: bool = False


class Answered(Given):
    status: Annotated[int, Field(ge=0, le=599)] = 200
    body: Any = None


class Deed(Given):
    """One thing that the subscriber does, or the world around. Exactly one but `interrupt`."""

    say: Annotated[str, Field(max_length=2000)] | None = None
    dtmf: Annotated[str, Field(pattern=r"^[0-9*#A-D]{1,64}$")] | None = None
    silence: bool | float | None = None
    hangup: bool | None = None
    webhook: Answered | None = None
    transfer: Literal["done", "busy", "no_answer", "failed"] | None = None
    record: Annotated[float, Field(ge=0, le=3600)] | None = None
    interrupt: bool = Field(default=False, description="Said or pressed into the prompt, not after it")


class Script(Given):
    fields: dict[str, str | int | float | bool | None] = {}
    subscriber: Annotated[list[Deed], Field(max_length=200)] = []
    at: Moment | None = Field(default=None, description="When it happens; noon of a Tuesday unless given")
    version: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None


class SaidOut(Told):
    who: Literal["robot", "subscriber", "system"]
    text: str
    node: str


class VisitOut(Told):
    node: str
    kind: str
    port: str
    by: str
    heard: str
    detail: str


class Rehearsed(Told):
    path: list[str]
    transcript: list[SaidOut]
    ending: str = Field(description="hangup, left or failed; empty when the talk never ended")
    reason: str
    result: str | None
    tags: list[str]
    vars: dict[str, Any]
    steps: list[VisitOut]
    problems: list[FaultOut]


def brief(row: Scenario) -> ScenarioBrief:
    return ScenarioBrief.model_validate(row)


@routes.post(
    "/projects/{project_id}/scenarios", "Keep a scenario that has no errors", status=201, max_body=bodies.GRAPH_LIMIT
)
async def create(ask: Ask, project_id: int, body: NewScenario) -> ScenarioOut:
    await ask.may(project_id, "manager")
    faults = await _accepted(ask, project_id, body.graph)
    row = await ask.store.scenarios.add(project_id, name=body.name, graph=body.graph, now=ask.now(), user=ask.user)
    return _full(row, body.graph, faults)


@routes.get("/projects/{project_id}/scenarios", "A project's scenarios")
async def listing(ask: Ask, project_id: int, query: ScenarioQuery) -> PageOf[ScenarioBrief]:
    return told(await ask.store.scenarios.page(project_id, query.slice, user=ask.user, archived=query.archived), brief)


@routes.post(
    "/scenarios/check",
    "What is wrong with a document; nothing is kept",
    max_body=bodies.GRAPH_LIMIT,
    scope="read",
    errors=(404,),
)
async def check(ask: Ask, body: Draft) -> Checked:
    faults = await faults_of(ask, body.project_id, body.graph)
    return Checked(valid=not any(f.severity == "error" for f in faults), problems=faults)


@routes.get("/scenarios/{scenario_id}", "The newest version of a scenario")
async def get(ask: Ask, scenario_id: int) -> ScenarioOut:
    row = await ask.store.scenarios.get(scenario_id, user=ask.user)
    version = await ask.store.scenarios.version(scenario_id, row.version, user=ask.user)
    return _full(row, version.graph, await faults_of(ask, row.project_id, version.graph))


@routes.put("/scenarios/{scenario_id}", "A new version; calls that live keep theirs", max_body=bodies.GRAPH_LIMIT)
async def put(ask: Ask, scenario_id: int, body: ScenarioPut) -> ScenarioOut:
    row = await _mine(ask, scenario_id, "manager")
    faults = await _accepted(ask, row.project_id, body.graph)
    row = await ask.store.scenarios.put(scenario_id, body.graph, now=ask.now(), user=ask.user, name=body.name or "")
    ask.robot.nudge()
    return _full(row, body.graph, faults)


@routes.patch("/scenarios/{scenario_id}", "Another name")
async def patch(ask: Ask, scenario_id: int, body: ScenarioPatch) -> ScenarioBrief:
    await _mine(ask, scenario_id, "manager")
    return brief(await ask.store.scenarios.change(scenario_id, {"name": body.name}, user=ask.user))


@routes.post("/scenarios/{scenario_id}/archive", "Put a scenario away; campaigns that name it go on using it")
async def archive(ask: Ask, scenario_id: int) -> ScenarioBrief:
    await _mine(ask, scenario_id, "manager")
    return brief(await ask.store.scenarios.change(scenario_id, {"archived": True}, user=ask.user))


@routes.post("/scenarios/{scenario_id}/restore", "Take a scenario back from the archive")
async def restore(ask: Ask, scenario_id: int) -> ScenarioBrief:
    await _mine(ask, scenario_id, "manager")
    return brief(await ask.store.scenarios.change(scenario_id, {"archived": False}, user=ask.user))


@routes.get("/scenarios/{scenario_id}/versions", "The versions, the newest first")
async def versions(ask: Ask, scenario_id: int, query: ListQuery) -> PageOf[VersionBrief]:
    slice = query.slice if query.sort else Slice(query.limit, query.cursor, "-version")
    return told(await ask.store.scenarios.versions(scenario_id, slice, user=ask.user), VersionBrief.model_validate)


@routes.get("/scenarios/{scenario_id}/versions/{version}", "One version with its document")
async def version(ask: Ask, scenario_id: int, version: int) -> VersionOut:
    return VersionOut.model_validate(await ask.store.scenarios.version(scenario_id, version, user=ask.user))


@routes.post("/scenarios/{scenario_id}/rehearse", "Play a talk through without a telephone", scope="read")
async def rehearse(ask: Ask, scenario_id: int, body: Script) -> Rehearsed:
    """What the script does not say happens as it usually does: prompts are heard out, requests succeed, transfers are
    answered; a subscriber whose script is over stays silent."""
    version = await ask.store.scenarios.version(scenario_id, body.version, user=ask.user)
    try:
        played = await asyncio.to_thread(_played, version.graph, body)
    except ScenarioError as error:
        problems = [Problem(fault.path, fault.code, fault.message.say(ask.language)) for fault in error.problems]
        raise InputError(ask.say("invalid"), problems) from None
    return _rehearsed(played, ask.language)


def _played(graph: dict[str, Any], body: Script) -> Rehearsal:
    script = rehearsing.actions([action.model_dump(exclude_none=True) for action in body.subscriber])
    scenario = checking.load(graph)
    return rehearsing.rehearse(scenario, body.fields, script, body.at)


def _rehearsed(played: Rehearsal, language: str) -> Rehearsed:
    return Rehearsed(
        path=list(played.path),
        transcript=[SaidOut.model_validate(line) for line in played.transcript],
        ending=played.ending,
        reason=played.reason,
        result=played.result,
        tags=list(played.tags),
        vars=dict(played.vars),
        steps=[VisitOut.model_validate(visit) for visit in played.visits],
        problems=[_fault(fault, language) for fault in played.problems],
    )


# --- checking ---------------------------------------------------------------------------------------------------------


async def faults_of(ask: Ask, project_id: int | None, graph: dict[str, Any]) -> list[FaultOut]:
    """Everything that is wrong with the document in this project, warnings too."""
    if project_id is not None:
        await ask.store.projects.get(project_id, user=ask.user)
    found = [_fault(fault, ask.language) for fault in await asyncio.to_thread(_check, graph)]
    if project_id is not None:
        found += await _materials(ask, project_id, graph)
    return found


def _check(graph: dict[str, Any]) -> list[Fault]:
    try:
        return checking.check(graph)
    except ScenarioError as error:
        return list(error.problems)


async def _materials(ask: Ask, project_id: int, graph: dict[str, Any]) -> list[FaultOut]:
    """Cards that name a material which is not the project's."""
    nodes = graph.get("nodes")
    cards = nodes.items() if isinstance(nodes, dict) else ()
    named = [(name, card["material"]) for name, card in cards if isinstance(card, dict) and card.get("material")]
    known: dict[int, bool] = {}
    found = []
    for name, material in named:
        if type(material) is not int:
            continue
        if material not in known:
            known[material] = len(known) < MOST_MATERIALS and await _is_there(ask, project_id, material)
        if not known[material]:
            path = f"/graph/nodes/{name.replace('~', '~0').replace('/', '~1')}/material"
            words = ask.say("unknown_ref", what="material" if ask.language == "en" else "материал")
            found.append(
                FaultOut(path=path, code="no_material", message=words, severity="error", card=name, field="material")
            )
    return found


async def _is_there(ask: Ask, project_id: int, material: int) -> bool:
    try:
        return (await ask.store.materials.get(material, user=ask.user)).project_id == project_id
    except NotFound:
        return False


async def _accepted(ask: Ask, project_id: int, graph: dict[str, Any]) -> list[FaultOut]:
    """The warnings. Raises InputError with every error."""
    faults = await faults_of(ask, project_id, graph)
    errors = [Problem(f.path, f.code, f.message) for f in faults if f.severity == "error"]
    if errors:
        raise InputError(ask.say("invalid"), errors)
    return faults


def _fault(fault: Fault, language: str) -> FaultOut:
    return FaultOut(
        path="/graph" + fault.path,
        code=fault.code,
        message=fault.message.say(language),
        severity=fault.severity,
        card=fault.card,
        field=fault.field,
    )


def _full(row: Scenario, graph: dict[str, Any], faults: list[FaultOut]) -> ScenarioOut:
    return ScenarioOut(**brief(row).model_dump(), graph=graph, problems=faults)


async def _mine(ask: Ask, scenario_id: int, role: Role) -> Scenario:
    row = await ask.store.scenarios.get(scenario_id, user=ask.user)
    await ask.may(row.project_id, role)
    return row
