"""Every table. Rows are given out as these classes, detached: plain values, nothing is loaded behind the reader's back.

    users ─ logins, tokens          projects ─ members, fields, tags, integrations, opt_outs
    segments ─ segment_contacts     scenarios ─ scenario_versions     materials, numbers, lines ─ line_numbers
    campaigns ─ campaign_contacts (the queue), campaign_zones, campaign_totals
    calls ─ call_details            call_rollups (by hour)            call_passwords, jobs, idempotency_keys
    numbering_ranges, settings

Money is an integer in minor units; moments are aware and UTC; what belongs to a project carries `project_id`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from engine.store.tables_account import (
    Field,
    Integration,
    Login,
    Material,
    Member,
    Number,
    OptOut,
    Project,
    Scenario,
    ScenarioVersion,
    Segment,
    SegmentContact,
    Tag,
    Token,
    User,
)
from engine.store.tables_calls import (
    Call,
    CallDetail,
    CallPassword,
    CallRollup,
    Campaign,
    CampaignContact,
    CampaignTotals,
    CampaignZone,
    Counts,
    InboundLine,
    LineNumber,
)
from engine.store.types import Empty, Id, Table, UserRef, Zero

__all__ = [
    "Call",
    "CallDetail",
    "CallPassword",
    "CallRollup",
    "Campaign",
    "CampaignContact",
    "CampaignTotals",
    "CampaignZone",
    "Counts",
    "Field",
    "IdempotencyKey",
    "InboundLine",
    "Integration",
    "Job",
    "LineNumber",
    "Login",
    "Material",
    "Member",
    "Number",
    "NumberingRange",
    "OptOut",
    "Project",
    "Scenario",
    "ScenarioVersion",
    "Segment",
    "SegmentContact",
    "Setting",
    "Table",
    "Tag",
    "Token",
    "User",
]


class Job(Table):
    __tablename__ = "jobs"
    id: Mapped[Id]
    user_id: Mapped[int | None]
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(default="queued", index=True)  # queued | running | done | failed
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    done: Mapped[Zero]
    total: Mapped[Zero]
    result: Mapped[dict[str, Any] | None]
    errors: Mapped[list[Any]] = mapped_column(default=list)
    worker: Mapped[Empty]
    claimed_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class IdempotencyKey(Table):
    __tablename__ = "idempotency_keys"
    user_id: Mapped[UserRef] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]  # of method, path and body
    status: Mapped[Zero]  # 0: the first request is still being answered
    answer: Mapped[Empty]
    created_at: Mapped[datetime] = mapped_column(index=True)


class NumberingRange(Table):
    """The national numbering plan: who serves the numbers from `first` to `last` (E.164 digits), and where."""

    __tablename__ = "numbering_ranges"
    first: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int]
    operator: Mapped[str]
    region: Mapped[str]
    timezone: Mapped[str]  # empty: the region is not known to us


class Setting(Table):
    __tablename__ = "settings"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
