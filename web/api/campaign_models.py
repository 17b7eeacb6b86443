"""A campaign in the API's words."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from engine.rules import window
from web.api.types import Clock, Id, Moment, Name, Phone, Result, Status, Zone
from web.routes import Given, Told

State = Literal["draft", "scheduled", "running", "paused", "stopped", "finished"]
Retryable = Literal["no_answer", "busy", "rejected", "unreachable", "congestion", "failed", "answering_machine"]


class Limits(Given):
    """0 means no limit."""

    max_goals: Annotated[int, Field(ge=0, le=10**9)] = 0
    max_spend: Annotated[int, Field(ge=0, le=10**12)] = 0


class RetryRules(Given):
    """`attempts` counts the repeats after the first call."""

    attempts: Annotated[int, Field(ge=0, le=20)] = 3
    interval_s: Annotated[int, Field(ge=60, le=12000)] = 60
    on: Annotated[list[Retryable], Field(max_length=10)] = ["no_answer", "busy", "unreachable"]


class WindowOut(Told):
    days: list[int]
    from_: str = Field(alias="from")
    to: str


class CallingWindow(Given):
    days: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1, max_length=7)] = [1, 2, 3, 4, 5, 6, 7]
    from_: Clock = Field(alias="from")
    to: Clock

    @model_validator(mode="after")
    def _is_one(self) -> CallingWindow:
        window.window(self.from_, self.to, self.days)
        return self


class Schedule(Given):
    """`local_to`: windows are on the subscriber's own clock, or on that of `timezone`. No windows: always."""

    start_at: Moment | None = None
    timezone: Zone | None = Field(default=None, description="The project's, unless given")
    local_to: Literal["subscriber", "project"] = "subscriber"
    windows: Annotated[list[CallingWindow], Field(max_length=50)] = []


class Variant(Given):
    scenario_id: Id
    share: Annotated[float, Field(gt=0, lt=1)]


class MachineRules(Given):
    """What is done when no person answers: nobody looks (`off`), `hangup`, leave a `message` after the beep, or
    `continue` with the scenario. In all but the first the call's result is `answering_machine`, for `retry` to use."""

    mode: Literal["off", "hangup", "message", "continue"] = "off"
    material_id: Id | None = Field(default=None, description="The message; or `text`")
    text: Annotated[str, Field(max_length=2000)] = ""
    beep_wait_s: Annotated[float, Field(ge=0.5, le=20)] = Field(
        default=4.0, description="Silence after the greeting; then the message begins without a beep"
    )
    purpose: Annotated[str, Field(max_length=500)] = Field(
        default="", description="What a call-screening assistant is told, once; then a person is waited for"
    )

    @model_validator(mode="after")
    def _has_a_message(self) -> MachineRules:
        if self.mode == "message" and self.material_id is None and not self.text.strip():
            raise ValueError("the mode message needs `material_id` or `text`")
        return self


class CampaignFields(Given):
    """What a person chooses about a campaign."""

    name: Name
    scenario_id: Id
    segment_ids: Annotated[list[Id], Field(max_length=100)] = []
    blacklist_ids: Annotated[list[Id], Field(max_length=100)] = []
    numbers: Annotated[list[Phone], Field(max_length=1000)] = []
    limits: Limits = Limits()
    answer_timeout_s: Annotated[int, Field(ge=5, le=120)] = 27
    action_timeout_s: Annotated[int, Field(ge=1, le=60)] = 7
    retry: RetryRules = RetryRules()
    carousel: bool = False
    speed_per_hour: Annotated[int, Field(ge=0, le=1_000_000)] = 3000
    max_concurrent: Annotated[int, Field(ge=1, le=10_000)] = 50
    operators: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=100)] = []
    schedule: Schedule = Schedule()
    variants: Annotated[list[Variant], Field(max_length=10)] = []
    record: bool = True
    amd: MachineRules = MachineRules()

    @model_validator(mode="after")
    def _shares(self) -> CampaignFields:
        if sum(v.share for v in self.variants) > 1 + 1e-9:
            raise ValueError("the variants' shares add up to more than 1")
        return self


class NewCampaign(CampaignFields):
    pass


class CampaignPatch(Given):
    """Any of a campaign's fields; what is absent stays."""

    name: Name | None = None
    scenario_id: Id | None = None
    segment_ids: Annotated[list[Id], Field(max_length=100)] | None = None
    blacklist_ids: Annotated[list[Id], Field(max_length=100)] | None = None
    numbers: Annotated[list[Phone], Field(max_length=1000)] | None = None
    limits: Limits | None = None
    answer_timeout_s: Annotated[int, Field(ge=5, le=120)] | None = None
    action_timeout_s: Annotated[int, Field(ge=1, le=60)] | None = None
    retry: RetryRules | None = None
    carousel: bool | None = None
    speed_per_hour: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    max_concurrent: Annotated[int, Field(ge=1, le=10_000)] | None = None
    operators: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=100)] | None = None
    schedule: Schedule | None = None
    variants: Annotated[list[Variant], Field(max_length=10)] | None = None
    record: bool | None = None
    amd: MachineRules | None = None


class ScheduleOut(Told):
    start_at: datetime | None
    timezone: str
    local_to: str
    windows: list[WindowOut]


class Progress(Told):
    total: int
    done: int
    in_flight: int
    waiting: int
    share: float = Field(description="done of total, 0 to 1")


class Totals(Told):
    calls: int = 0
    answered: int = 0
    no_answer: int = 0
    busy: int = 0
    rejected: int = 0
    unreachable: int = 0
    invalid_number: int = 0
    congestion: int = 0
    failed: int = 0
    blocked: int = 0
    goals: int = 0
    answering_machines: int = 0
    opt_outs: int = 0
    non_target: int = 0
    transferred: int = 0
    spent: int = 0
    billed_s: int = 0
    talk_ms: int = 0
    cost_per_goal: int | None = Field(default=None, description="Minor units; null without goals")
    asr: float = Field(default=0.0, description="Answer-seizure ratio, 0 to 1")
    acd_s: float = Field(default=0.0, description="Average length of an answered call")


class WhyOut(Told):
    """Why the campaign dials, or does not, right now."""

    code: str
    text: str
    params: dict[str, str | int]
    until: datetime | None


class CampaignOut(Told):
    id: int
    project_id: int
    name: str
    state: State
    pause_reason: str | None
    archived: bool
    scenario_id: int
    segment_ids: list[int]
    blacklist_ids: list[int]
    numbers: list[str]
    limits: Limits
    answer_timeout_s: int
    action_timeout_s: int
    retry: dict[str, Any]
    carousel: bool
    speed_per_hour: int
    max_concurrent: int
    operators: list[Any]
    schedule: ScheduleOut
    variants: list[Variant]
    record: bool
    amd: MachineRules
    why: WhyOut | None = Field(description="Null unless this engine runs the campaign")
    progress: Progress
    totals: Totals
    currency: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class CampaignContactOut(Told):
    id: int
    phone: str
    timezone: str
    zone_source: str = Field(description="How the zone was found: field, registry, phone, segment or project")
    due_at: datetime | None
    attempts: int
    status: Status | None
    result: Result | None
    closed: str | None = Field(description="Why nobody calls this contact any more; null while it is open")
    closed_at: datetime | None
    fields: dict[str, Any]
