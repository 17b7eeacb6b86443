"""Making a campaign, and changing it.

typed rows ─▶ body (the API's) ─▶ campaigns.create | patch
     ▲                                  │ refused
     └── the same rows, each with what is wrong with it
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aiohttp import web

from engine.errors import InputError, NotFound
from web.api import campaigns, numbers, scenarios, segments
from web.api.campaign_models import CampaignOut, CampaignPatch, NewCampaign
from web.api.numbers import NumberQuery
from web.api.scenarios import ScenarioQuery
from web.api.segments import SegmentQuery
from web.pages import forms
from web.pages.forms import Form, Typed
from web.pages.labels import N_
from web.pages.project import zones
from web.pages.shell import Page, Pages

pages = Pages()

LISTS = ("segment_ids", "blacklist_ids", "numbers", "retry.on")
RETRYABLE = ("no_answer", "busy", "rejected", "unreachable", "congestion", "failed", "answering_machine")
MOST = 500


def fresh(zone: str) -> dict[str, object]:
    """What a new campaign begins with."""
    return {
        "answer_timeout_s": 27, "action_timeout_s": 7, "retry.attempts": 2, "retry.interval_s": 600,
        "retry.on": ["no_answer", "busy", "unreachable"], "speed_per_hour": 600, "max_concurrent": 10,
        "limits.max_goals": 0, "limits.max_spend": 0, "amd.mode": "off", "record": "on",
        "schedule.timezone": zone, "schedule.local_to": "subscriber",
        "schedule.windows.0.days": [1, 2, 3, 4, 5], "schedule.windows.0.from": "10:00",
        "schedule.windows.0.to": "20:00",
    }  # fmt: skip


def filled(campaign: CampaignOut) -> dict[str, object]:
    """A campaign as its form shows it."""
    plain = campaign.model_dump(by_alias=True)
    schedule = plain["schedule"]
    values: dict[str, object] = {
        name: plain[name]
        for name in ("name", "scenario_id", "segment_ids", "blacklist_ids", "numbers", "answer_timeout_s",
                     "action_timeout_s", "speed_per_hour", "max_concurrent")
    }  # fmt: skip
    values |= {f"retry.{name}": value for name, value in plain["retry"].items()}
    values["limits.max_goals"] = plain["limits"]["max_goals"]
    values["limits.max_spend"] = f"{plain['limits']['max_spend'] / 100:g}"
    values |= {"carousel": ["on"] * plain["carousel"], "record": ["on"] * plain["record"]}
    values |= {"schedule.timezone": schedule["timezone"], "schedule.local_to": schedule["local_to"]}
    values |= {"amd.mode": plain["amd"]["mode"], "amd.text": plain["amd"]["text"]}
    if schedule["start_at"]:
        values["schedule.start_at"] = (
            f"{schedule['start_at'].astimezone(ZoneInfo(schedule['timezone'])):%Y-%m-%dT%H:%M}"
        )
    for n, each in enumerate(schedule["windows"]):
        values |= {f"schedule.windows.{n}.{key}": each[key] for key in ("days", "from", "to")}
    for n, each in enumerate(plain["variants"]):
        values[f"variants.{n}.scenario_id"] = each["scenario_id"]
        values[f"variants.{n}.share"] = f"{each['share'] * 100:g}"
    return values


def gathered(typed: Typed) -> tuple[dict[str, Any], dict[str, object]]:
    """(the API's body, the form's values with rows numbered as in the body)."""
    windows = forms.rows(typed, "schedule.windows", ("from", "to"))
    variants = forms.rows(typed, "variants", ("scenario_id", "share"))
    plain = {name: v for name, v in typed.items() if not name.startswith(("schedule.windows.", "variants."))}
    body = forms.nested(plain, LISTS)
    body |= {"carousel": "carousel" in typed, "record": "record" in typed}
    body.setdefault("retry", {}).setdefault("on", [])
    for name in ("segment_ids", "blacklist_ids", "numbers"):
        body.setdefault(name, [])
    if "amd.mode" in typed:
        body["amd"] = {"mode": typed["amd.mode"][0], "text": typed.get("amd.text", [""])[0]}
    schedule = body.setdefault("schedule", {})
    if "start_at" in schedule:
        schedule["start_at"] = _moment(schedule["start_at"], schedule.get("timezone", ""))
    schedule["windows"] = [
        {"days": row.get("days", []), "from": row.get("from", [""])[0], "to": row.get("to", [""])[0]} for row in windows
    ]
    body["variants"] = [
        {"scenario_id": row.get("scenario_id", [""])[0], "share": _share(row.get("share", [""])[0])} for row in variants
    ]
    if "max_spend" in body.get("limits", {}):
        body["limits"]["max_spend"] = _minor(body["limits"]["max_spend"])
    shown: dict[str, object] = dict(plain)
    shown |= {f"schedule.windows.{n}.{k}": v for n, row in enumerate(windows) for k, v in row.items()}
    shown |= {f"variants.{n}.{k}": v for n, row in enumerate(variants) for k, v in row.items()}
    return body, shown


def _moment(local: str, zone: str) -> object:
    """The form's clock has no zone; the API's moments have. What is no moment goes on as it is, to be refused."""
    try:
        return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, ZoneInfoNotFoundError):
        return local


def _share(percent: str) -> object:
    try:
        return round(float(percent.replace(",", ".")) / 100, 6)
    except ValueError:
        return percent


def _minor(amount: str) -> object:
    try:
        return round(float(amount.replace(",", ".").replace(" ", "")) * 100)
    except (ValueError, OverflowError):
        return amount


# --- the pages --------------------------------------------------------------------------------------------------------


@pages.get("/projects/{project_id}/campaigns/new")
async def blank(page: Page, project_id: int) -> web.StreamResponse:
    await page.enter(project_id)
    values = fresh(page.zone)
    for name in ("scenario_id", "segment_ids"):  # "call these", from another page
        if page.request.query.get(name):
            values[name] = [page.request.query[name]]
    return await _form(page, project_id, Form(values))


@pages.post("/projects/{project_id}/campaigns/new")
async def create(page: Page, project_id: int) -> web.StreamResponse:
    await page.enter(project_id)
    await page.ask.may(project_id, "manager")
    body, shown = gathered(await page.typed())
    try:
        made = await campaigns.create(page.ask, project_id, forms.validated(NewCampaign, body, page.language))
    except InputError as error:
        return await _form(page, project_id, Form(shown, page.problems(error)), 422)
    return page.go(f"/campaigns/{made.id}", N_("The campaign is a draft: look it over and start it."))


@pages.get("/campaigns/{campaign_id}/edit")
async def edit(page: Page, campaign_id: int) -> web.StreamResponse:
    campaign = await campaigns.get(page.ask, campaign_id)
    await page.enter(campaign.project_id)
    return await _form(page, campaign.project_id, Form(filled(campaign)), campaign=campaign)


@pages.post("/campaigns/{campaign_id}/edit")
async def change(page: Page, campaign_id: int) -> web.StreamResponse:
    campaign = await campaigns.get(page.ask, campaign_id)
    await page.enter(campaign.project_id)
    body, shown = gathered(await page.typed())
    if "amd" in body:  # the form shows a part of it
        body["amd"] = campaign.amd.model_dump() | body["amd"]
    try:
        whole = forms.validated(NewCampaign, body, page.language)
        given = whole.model_dump(by_alias=True, include=set(body))  # what the form does not show stays
        await campaigns.patch(page.ask, campaign_id, forms.validated(CampaignPatch, given, page.language))
    except InputError as error:
        return await _form(page, campaign.project_id, Form(shown, page.problems(error)), 422, campaign=campaign)
    return page.go(f"/campaigns/{campaign_id}", N_("Saved."))


async def _form(
    page: Page, project_id: int, form: Form, status: int = 200, campaign: CampaignOut | None = None
) -> web.Response:
    if not page.can("manager"):
        await page.ask.may(project_id, "manager")
    return await page.show(
        "campaign_form.html", status, form=form, campaign=campaign, retryable=RETRYABLE, zones=zones(),
        **await choices(page, project_id, form),
    )  # fmt: skip


async def choices(page: Page, project_id: int, form: Form) -> dict[str, Any]:
    """What can be chosen from: scenarios, segments, stop lists, numbers; and what was chosen though it is archived."""
    ask = page.ask
    talks = (await scenarios.listing(ask, project_id, ScenarioQuery(limit=MOST, sort="name"))).items
    known = {talk.id for talk in talks}
    for chosen in {form("scenario_id"), form("after_hours_scenario_id")}:
        if chosen.isascii() and chosen.isdigit() and int(chosen) not in known:
            try:
                row = await ask.store.scenarios.get(int(chosen[:15]), user=ask.user)
            except NotFound:
                continue
            talks += [scenarios.brief(row)] if row.project_id == project_id else []
    people = (await segments.listing(ask, project_id, SegmentQuery(limit=MOST))).items
    rented = (await numbers.listing(ask, NumberQuery(state="rented", limit=MOST))).items
    return {
        "scenarios": talks,
        "people": [each for each in people if each.kind != "blacklist"],
        "blacklists": [each for each in people if each.kind == "blacklist"],
        "numbers": [each for each in rented if each.project_id in (None, project_id)],
    }
