"""Rehearsal: the talk in text, one turn after another.

    the subscriber's turns so far (in the form itself) + what they do now + "then hangs up" ─▶ the API's rehearsal
                     ▲                                                                              │
                     └───── the page: what was said up to here, and the fields to go on ◀───────────┘

The hang-up at the end stops the talk where it waits for the next turn; if the talk ends otherwise, it is over.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from engine.errors import InputError
from web.api import scenarios
from web.api.scenarios import Rehearsed, ScenarioOut, Script
from web.pages import forms
from web.pages.chart import chart
from web.pages.forms import Form, Typed
from web.pages.shell import Page, Pages

pages = Pages()

KINDS = ("say", "dtmf", "silence", "hangup")
TRANSFERS = ("done", "busy", "no_answer", "failed")
MOST_TURNS = 100


@pages.get("/scenarios/{scenario_id}/rehearse")
async def begin(page: Page, scenario_id: int) -> web.StreamResponse:
    scenario = await scenarios.get(page.ask, scenario_id)
    return await _play(page, scenario, {})


@pages.post("/scenarios/{scenario_id}/rehearse")
async def go_on(page: Page, scenario_id: int) -> web.StreamResponse:
    scenario = await scenarios.get(page.ask, scenario_id)
    return await _play(page, scenario, await page.typed())


async def _play(page: Page, scenario: ScenarioOut, typed: Typed) -> web.Response:
    await page.enter(scenario.project_id)
    problem, turns = "", _turns(typed)
    try:
        played = await _rehearsed(page, scenario, turns, typed)
    except InputError as error:
        problem = " ".join(message for _, message in page.problems(error))
        turns = _turns(typed, so_far=True)
        try:
            played = await _rehearsed(page, scenario, turns, typed)
        except InputError:  # not what was done now, but the document itself, or the fields
            return await _show(page, scenario, typed, [], None, problem)
    return await _show(page, scenario, typed, turns, played, problem)


async def _rehearsed(page: Page, scenario: ScenarioOut, turns: list[str], typed: Typed) -> Rehearsed:
    deeds: list[dict[str, Any]] = [_deed(turn) for turn in turns]
    over = any("hangup" in deed for deed in deeds)
    deeds += [] if over else [{"hangup": True}]
    deeds += [{"transfer": _transfer(typed)}] * 5
    if "webhook" in typed:
        deeds += [{"webhook": {"status": 0}}] * 20
    body = {"subscriber": deeds, "fields": _fields(typed)}
    return await scenarios.rehearse(page.ask, scenario.id, forms.validated(Script, body, page.language))


async def _show(
    page: Page, scenario: ScenarioOut, typed: Typed, turns: list[str], played: Rehearsed | None, problem: str
) -> web.Response:
    path = played.path if played else []
    waits = played is not None and played.ending == "left" and not any(turn == "hangup:" for turn in turns)
    return await page.show(
        "rehearsal.html",
        422 if problem else 200,
        scenario=scenario,
        form=Form(typed, [("/say", problem)] if problem else []),
        turns=turns,
        played=played,
        waits=waits and len(turns) < MOST_TURNS,
        fields=_asked(scenario.graph),
        transfers=TRANSFERS,
        map=await asyncio.to_thread(chart, scenario.graph, (), page.language, path),
    )


def _turns(typed: Typed, *, so_far: bool = False) -> list[str]:
    """`kind:value` of each; with what is done now, unless `so_far`. "back" takes the last one away."""
    done = [turn for turn in typed.get("turn", ()) if turn.partition(":")[0] in KINDS][:MOST_TURNS]
    act = "" if so_far else typed.get("act", [""])[0]
    if act == "back":
        return done[:-1]
    if act == "afresh":
        return []
    said = typed.get("say", [""])[0]
    if act == "say" and said:
        keys = said.replace(" ", "")
        return [*done, f"dtmf:{keys}" if keys and set(keys) <= set("0123456789*#") else f"say:{said}"]
    return [*done, f"{act}:"] if act in ("silence", "hangup") else done


def _deed(turn: str) -> dict[str, Any]:
    kind, _, value = turn.partition(":")
    return {kind: value if kind in ("say", "dtmf") else True}


def _transfer(typed: Typed) -> str:
    given = typed.get("transfer", ["done"])[0]
    return given if given in TRANSFERS else "done"


def _fields(typed: Typed) -> dict[str, str]:
    return {name.removeprefix("field."): v[0] for name, v in typed.items() if name.startswith("field.") and v[0]}


def _asked(graph: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(name, label, default) of the fields that contacts bring."""
    fields = graph.get("fields")
    return [
        (name, str(about.get("label") or name), str(about.get("default") or ""))
        for name, about in (fields.items() if isinstance(fields, dict) else ())
        if isinstance(about, dict)
    ]
