"""A recorded call heard again: by another recogniser, by another version of a scenario."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engine.errors import StoreDown, TooOften
from engine.replays import KIND
from web.api.jobs import JobOut, job_out
from web.api.types import Id
from web.ask import Ask
from web.limits import Limiter
from web.paging import PageOf
from web.problems import wrong
from web.routes import Given, Routes, Told

routes = Routes("calls")

_often = Limiter(burst=30, per_s=0.2)  # of a user: each takes as long as the longest answer in the call


class RecognizerOut(Told):
    name: str
    default: bool


class NewReplay(Given):
    """What is not given is as it was in the call."""

    recognizer: Annotated[str, Field(max_length=64)] | None = Field(default=None, description="See /recognizers")
    scenario_id: Id | None = None
    version: Id | None = Field(
        default=None, description="Unless given: of another scenario the newest, else the call's own"
    )


@routes.get("/recognizers", "The recognisers that a call can be heard again with")
async def recognizers(ask: Ask) -> PageOf[RecognizerOut]:
    """Empty where the engine is not running."""
    names = ask.parts.replays.recognizers if ask.parts.replays is not None else ()
    return PageOf(items=[RecognizerOut(name=name, default=not n) for n, name in enumerate(names)], next=None)


@routes.post("/calls/{call_id}/replay", "Hear a recorded call again", status=202)
async def hear_again(ask: Ask, call_id: int, body: NewReplay) -> JobOut:
    """The job's `result` is `{differs, failed, recognizer, scenario_id, version, cards}`. Of each card that listened:
    `difference` (same; text: heard otherwise, the same arrow; arrow; absent: the other version has no such card that
    listens; unheard: the recogniser failed), `was` and `now` (`text`, `by`, `port`, `to`, `confidence`, `partial`,
    `ms`), and `hypothetical`: an earlier card would have led elsewhere, so this one might not have stood at all."""
    row = await ask.store.calls.get(call_id, user=ask.user)
    if row.project_id is not None:
        await ask.may(row.project_id, "operator")
    replays = ask.parts.replays
    if replays is None:
        raise StoreDown(ask.say("no_robot"))
    if not row.recording or not row.scenario_version:
        raise wrong(ask.language, "", "no_recording")
    if body.recognizer and body.recognizer not in replays.recognizers:
        raise wrong(ask.language, "/recognizer", "unknown_recogniser", known=", ".join(replays.recognizers))
    if body.scenario_id is not None or body.version is not None:
        await ask.store.scenarios.version(body.scenario_id or row.scenario_id or 0, body.version, user=ask.user)
    if wait_s := _often.wait_s(ask.user, ask.now()):
        raise TooOften(ask.say("many_replays"), wait_s)
    _often.take(ask.user, ask.now())
    params = {"call_id": call_id, **body.model_dump()}
    job = await ask.store.jobs.add(KIND, params, now=ask.now(), user=ask.user, project_id=row.project_id, total=1)
    replays.nudge()
    return job_out(job)
