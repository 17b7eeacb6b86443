"""Scenarios: the list, making one from the library or from YAML, its map, its versions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

import scenarios as package
from engine.errors import InputError, NotFound
from scenarios import source
from scenarios.problems import ScenarioError
from web.api import scenarios
from web.api.scenarios import FaultOut, NewScenario, ScenarioPut, ScenarioQuery
from web.pages import forms
from web.pages.chart import chart
from web.pages.forms import Form
from web.pages.labels import N_
from web.pages.listing import listed
from web.pages.shell import Page, Pages
from web.paging import ListQuery

pages = Pages()

LIBRARY = Path(package.__file__).resolve().parent / "library"


@dataclass(frozen=True, slots=True)
class Sample:
    """A scenario of the library."""

    key: str
    name: str
    description: str
    language: str
    cards: int
    text: str


@cache
def library() -> tuple[Sample, ...]:
    found = []
    for file in sorted(LIBRARY.glob("*.yaml")):
        text = file.read_text("utf-8")
        graph = source.read(text)
        about = " ".join(str(graph.get("description", "")).split())
        found.append(
            Sample(file.stem, graph["name"], about, str(graph.get("language", "ru")), len(graph["nodes"]), text)
        )
    return tuple(found)


@pages.get("/projects/{project_id}/scenarios")
async def listing(page: Page, project_id: int) -> web.StreamResponse:
    await page.enter(project_id)
    query = listed(page, ScenarioQuery, "archived")
    found = await scenarios.listing(page.ask, project_id, query)
    return await page.show("scenarios.html", found=found, query=query, library=library())


@pages.get("/projects/{project_id}/scenarios/new")
async def blank(page: Page, project_id: int) -> web.StreamResponse:
    sample = next((each for each in library() if each.key == page.request.query.get("from")), None)
    form = Form({"name": sample.name, "text": sample.text} if sample else {})
    return await _form(page, project_id, form)


async def _form(
    page: Page, project_id: int, form: Form, faults: Sequence[FaultOut] = (), graph: dict[str, Any] | None = None,
    scenario: Any = None,
) -> web.Response:  # fmt: skip
    await page.enter(project_id)
    await page.ask.may(project_id, "manager")
    return await page.show(
        "scenario_form.html",
        422 if form.errors or faults else 200,
        form=form,
        faults=faults,
        scenario=scenario,
        library=library(),
        map=await asyncio.to_thread(chart, graph, faults, page.language) if graph else None,
    )


@pages.post("/projects/{project_id}/scenarios/new")
async def create(page: Page, project_id: int) -> web.StreamResponse:
    typed = await page.typed()
    text, graph = await _text(page), None
    try:
        graph = await _parsed(page, text)
        name = typed.get("name", [""])[0] or str(graph.get("name") or "")
        body = forms.validated(
            NewScenario, {"name": name[:200], "graph": graph} if name else {"graph": graph}, page.language
        )
        made = await scenarios.create(page.ask, project_id, body)
    except InputError as error:
        form, faults = await _refused(page, project_id, {**typed, "text": [text]}, graph, error)
        return await _form(page, project_id, form, faults, graph)
    return page.go(f"/scenarios/{made.id}", N_("The scenario is kept."))


async def _text(page: Page) -> str:
    """YAML as it was typed: blanks at its beginning mean something."""
    text = (await page.request.post()).get("text", "")
    return text.replace("\r\n", "\n") if isinstance(text, str) else ""


async def _parsed(page: Page, text: str) -> dict[str, Any]:
    """Raises InputError at `text`."""
    try:
        return await asyncio.to_thread(source.read, text)
    except ScenarioError as error:
        told = "; ".join(fault.message.say(page.language) for fault in error.problems)
        raise _at_text(told) from None
    except yaml.YAMLError as error:
        raise _at_text(str(error)) from None


def _at_text(message: str) -> InputError:
    from engine.errors import Problem

    return InputError(message, [Problem("/text", "not_parsed", message)])


async def _refused(
    page: Page, project_id: int, typed: dict[str, list[str]], graph: dict[str, Any] | None, error: InputError
) -> tuple[Form, list[FaultOut]]:
    """What is wrong: of the document with cards and fields, of the form at its fields."""
    if graph is None:
        return Form(typed, page.problems(error)), []
    faults = await scenarios.faults_of(page.ask, project_id, graph)
    other = [(path, told) for path, told in page.problems(error) if not path.startswith("/graph")]
    return Form(typed, other), sorted(faults, key=lambda fault: fault.severity)


@pages.get("/scenarios/{scenario_id}")
async def show(page: Page, scenario_id: int) -> web.StreamResponse:
    scenario = await scenarios.get(page.ask, scenario_id)
    await page.enter(scenario.project_id)
    wanted = page.request.query.get("version", "")
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 else scenario.version
    graph, faults = scenario.graph, scenario.problems
    if number != scenario.version:
        graph = (await scenarios.version(page.ask, scenario_id, number)).graph
        faults = await scenarios.faults_of(page.ask, scenario.project_id, graph)
    return await page.show(
        "scenario.html",
        scenario=scenario,
        number=number,
        faults=faults,
        map=await asyncio.to_thread(chart, graph, faults, page.language),
        versions=(await scenarios.versions(page.ask, scenario_id, ListQuery(limit=100))).items,
        text=source.dump(graph),
    )


@pages.get("/scenarios/{scenario_id}/edit")
async def edit(page: Page, scenario_id: int) -> web.StreamResponse:
    scenario = await scenarios.get(page.ask, scenario_id)
    form = Form({"name": scenario.name, "text": source.dump(scenario.graph)})
    return await _form(page, scenario.project_id, form, scenario=scenario)


@pages.post("/scenarios/{scenario_id}/edit")
async def change(page: Page, scenario_id: int) -> web.StreamResponse:
    scenario = await scenarios.get(page.ask, scenario_id)
    typed = await page.typed()
    text, graph = await _text(page), None
    try:
        graph = await _parsed(page, text)
        name = typed.get("name", [""])[0]
        body = forms.validated(ScenarioPut, {"graph": graph} | ({"name": name} if name else {}), page.language)
        saved = await scenarios.put(page.ask, scenario_id, body)
    except InputError as error:
        form, faults = await _refused(page, scenario.project_id, {**typed, "text": [text]}, graph, error)
        return await _form(page, scenario.project_id, form, faults, graph, scenario)
    return page.go(
        f"/scenarios/{scenario_id}",
        N_("Version %(version)s is kept; calls that live keep theirs."),
        version=saved.version,
    )


@pages.post("/scenarios/{scenario_id}/{action}")
async def act(page: Page, scenario_id: int, action: str) -> web.StreamResponse:
    if action == "archive":
        was = await scenarios.archive(page.ask, scenario_id)
        return page.go(f"/projects/{was.project_id}/scenarios", N_("The scenario is in the archive."))
    if action == "restore":
        await scenarios.restore(page.ask, scenario_id)
        return page.go(f"/scenarios/{scenario_id}", N_("The scenario is back from the archive."))
    raise NotFound("there is no such page")
