"""Tables of campaigns, their queues, and calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from engine.store.types import Empty, Id, No, ProjectRef, Table, UserRef, Zero

# --- campaigns ------------------------------------------------------------------------------------------------------


class Campaign(Table):
    __tablename__ = "campaigns"
    id: Mapped[Id]
    project_id: Mapped[ProjectRef] = mapped_column(index=True)
    name: Mapped[str]
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenarios.id"))
    segment_ids: Mapped[list[int]] = mapped_column(default=list)
    blacklist_ids: Mapped[list[int]] = mapped_column(default=list)
    numbers: Mapped[list[str]] = mapped_column(default=list)
    max_goals: Mapped[Zero]  # 0: no limit
    max_spend: Mapped[Zero]
    answer_timeout_s: Mapped[int] = mapped_column(default=27)
    action_timeout_s: Mapped[int] = mapped_column(default=7)
    retry: Mapped[dict[str, Any]] = mapped_column(default=dict)  # attempts, interval_s, on
    carousel: Mapped[No]
    speed_per_hour: Mapped[Zero]
    max_concurrent: Mapped[Zero]
    operators: Mapped[list[Any]] = mapped_column(default=list)
    schedule: Mapped[dict[str, Any]] = mapped_column(default=dict)  # start_at, timezone, local_to, windows
    variants: Mapped[list[Any]] = mapped_column(default=list)
    record: Mapped[bool] = mapped_column(default=True)
    amd: Mapped[dict[str, Any]] = mapped_column(default=dict)  # mode, material_id, text, beep_wait_s, purpose
    state: Mapped[str] = mapped_column(default="draft", index=True)  # ... scheduled running paused stopped finished
    pause_reason: Mapped[Empty]
    archived: Mapped[No]
    start_at: Mapped[datetime | None]  # when a scheduled one starts
    revision: Mapped[Zero]  # counts the changes of its settings
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    filled_at: Mapped[datetime | None]  # when its queue was complete; NULL: still to be filled
    reopens: Mapped[No]  # restarted: the unreached are to be opened again when the queue is filled
    finished_at: Mapped[datetime | None]


class CampaignContact(Table):
    """The queue: `due_at` NULL is closed, and `closed` says why."""

    __tablename__ = "campaign_contacts"
    __table_args__ = (
        UniqueConstraint("campaign_id", "phone"),
        Index(
            "ix_campaign_contacts_due",
            "campaign_id",
            "timezone",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
    )
    id: Mapped[Id]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    phone: Mapped[str]
    timezone: Mapped[str]
    zone_source: Mapped[Empty]  # field | registry | phone | segment | project
    due_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]  # the fencing token
    answered: Mapped[No]  # the standing attempt was answered: after a crash it is closed, never dialled again
    attempts: Mapped[Zero]
    first_number: Mapped[Empty]
    status: Mapped[Empty]  # of the last attempt
    result: Mapped[Empty]
    closed: Mapped[Empty]
    closed_at: Mapped[datetime | None]
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)


class CampaignZone(Table):
    """A time zone that has contacts, and the moment before which none of them is due: closing a zone for the night is
    one row here, not one for each contact."""

    __tablename__ = "campaign_zones"
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True)
    timezone: Mapped[str] = mapped_column(primary_key=True)
    opens_at: Mapped[datetime | None]


class Counts:
    """What is counted about ended calls, in totals and in rollups."""

    calls: Mapped[Zero]
    answered: Mapped[Zero]
    no_answer: Mapped[Zero]
    busy: Mapped[Zero]
    rejected: Mapped[Zero]
    unreachable: Mapped[Zero]
    invalid_number: Mapped[Zero]
    congestion: Mapped[Zero]
    failed: Mapped[Zero]
    blocked: Mapped[Zero]
    goals: Mapped[Zero]
    opt_outs: Mapped[Zero]
    answering_machines: Mapped[Zero]
    non_target: Mapped[Zero]
    transferred: Mapped[Zero]
    spent: Mapped[Zero]
    billed_s: Mapped[Zero]
    talk_ms: Mapped[Zero]


class CampaignTotals(Counts, Table):
    __tablename__ = "campaign_totals"
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True)
    contacts: Mapped[Zero]
    closed: Mapped[Zero]


class CallRollup(Counts, Table):
    """Ended calls by the hour (UTC) in which they were created. 0 and empty: none."""

    __tablename__ = "call_rollups"
    __table_args__ = (Index(None, "campaign_id", "hour"), Index(None, "line_id", "hour"))
    project_id: Mapped[int] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(primary_key=True)
    line_id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(primary_key=True)
    operator: Mapped[str] = mapped_column(primary_key=True)  # the subscriber's


# --- calls ----------------------------------------------------------------------------------------------------------


class Call(Table):
    """One attempt, written before anything is dialled. `uid` is Asterisk's ChannelId."""

    __tablename__ = "calls"
    __table_args__ = (
        Index(None, "project_id", "created_at"),
        Index(None, "campaign_id", "created_at"),
        Index(None, "line_id", "created_at"),
        Index(None, "phone", "created_at"),
        Index(None, "created_at"),
        Index(
            "ix_calls_open",
            "campaign_id",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[Id]
    uid: Mapped[str] = mapped_column(unique=True)  # dz- and 32 hex digits
    kind: Mapped[str]  # campaign | single | inbound | password
    direction: Mapped[str]  # outbound | inbound
    user_id: Mapped[int | None]  # who asked for it; whose it is where there is no project
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    line_id: Mapped[int | None] = mapped_column(ForeignKey("lines.id", ondelete="CASCADE"))
    contact_id: Mapped[int | None] = mapped_column(index=True)  # of campaign_contacts
    attempt: Mapped[int] = mapped_column(default=1)
    phone: Mapped[str]
    number: Mapped[Empty]
    scenario_id: Mapped[int | None]
    scenario_version: Mapped[Zero]
    variant: Mapped[Zero]
    status: Mapped[str]
    cause: Mapped[Zero]
    result: Mapped[str | None]
    reason: Mapped[Empty]
    tags: Mapped[list[str]] = mapped_column(default=list)
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    not_after: Mapped[datetime | None]  # a single call is not dialled later than this
    leased_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    dialed_at: Mapped[datetime | None]
    ringing_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    duration_ms: Mapped[Zero]  # from the answer to the end
    billed_s: Mapped[Zero]
    cost: Mapped[Zero]
    currency: Mapped[str] = mapped_column(default="RUB")
    ended_by: Mapped[Empty]
    recording: Mapped[Empty]  # path under the data folder


class CallDetail(Table):
    """What only a call's own page needs."""

    __tablename__ = "call_details"
    call_id: Mapped[int] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True)
    steps: Mapped[list[Any]] = mapped_column(default=list)
    transcript: Mapped[list[Any]] = mapped_column(default=list)
    recorded: Mapped[list[str]] = mapped_column(default=list)  # files of `record` cards
    vars: Mapped[dict[str, Any]] = mapped_column(default=dict)


class InboundLine(Table):
    __tablename__ = "lines"
    id: Mapped[Id]
    project_id: Mapped[ProjectRef] = mapped_column(index=True)
    name: Mapped[str]
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenarios.id"))
    after_hours_scenario_id: Mapped[int | None] = mapped_column(ForeignKey("scenarios.id"))
    schedule: Mapped[dict[str, Any]] = mapped_column(default=dict)
    timezone: Mapped[Empty]  # empty: the project's
    segment_id: Mapped[int | None]
    blacklist_ids: Mapped[list[int]] = mapped_column(default=list)
    numbers: Mapped[list[str]] = mapped_column(default=list)
    record: Mapped[bool] = mapped_column(default=True)
    state: Mapped[str] = mapped_column(default="off")  # active | off | archived
    calls: Mapped[Zero]
    goals: Mapped[Zero]
    spent: Mapped[Zero]
    created_at: Mapped[datetime]


class LineNumber(Table):
    """The numbers of active lines: one number rings at one line."""

    __tablename__ = "line_numbers"
    number: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("lines.id", ondelete="CASCADE"), index=True)


class CallPassword(Table):
    __tablename__ = "call_passwords"
    __table_args__ = (Index(None, "phone", "created_at"), Index(None, "token_id", "created_at"))
    id: Mapped[Id]
    user_id: Mapped[UserRef]
    token_id: Mapped[int | None]
    call_id: Mapped[int | None]
    phone: Mapped[str]
    caller: Mapped[str]  # the number that rings; its last digits are the code
    code: Mapped[str]
    state: Mapped[str]  # calling | delivered | failed | verified | expired
    attempts_left: Mapped[int]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
