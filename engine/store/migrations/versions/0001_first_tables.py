"""The first tables, each column as it was then: `time? expires_at` is a moment that may be NULL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from engine.store.types import Big, Json, UtcTime, Words

revision = "0001"
down_revision = None

KINDS: dict[str, Any] = {"number": Big, "words": Words(), "time": UtcTime(), "json": Json, "flag": sa.Boolean()}

TABLES = """
call_rollups numbering_ranges settings users call_passwords idempotency_keys logins projects tokens fields
integrations jobs materials members numbers opt_outs scenarios segments tags campaigns lines scenario_versions
segment_contacts calls campaign_contacts campaign_totals campaign_zones line_numbers call_details
"""


def table(name: str, columns: str, *constraints: sa.Constraint, key: str = "id", **options: Any) -> None:
    made = []
    for group in columns.split(";"):
        kind, *names = group.split()
        made += [sa.Column(each, KINDS[kind.rstrip("?")], nullable=kind.endswith("?")) for each in names]
    primary = sa.PrimaryKeyConstraint(*key.split(), name=f"pk_{name}")
    op.create_table(name, *made, primary, *constraints, **options)


def refers(table: str, column: str, to: str, on_delete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=f"fk_{table}_{column}", ondelete=on_delete)


def unique(table: str, columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns.split(), name=f"uq_{table}_{columns.replace(' ', '_')}")


def index(table: str, columns: str, name: str = "", where: str = "") -> None:
    only = sa.text(where) if where else None
    name = name or f"ix_{table}_{columns.replace(' ', '_')}"
    op.create_index(name, table, columns.split(), sqlite_where=only, postgresql_where=only)


def upgrade() -> None:
    table(
        "call_rollups",
        """
        number project_id; time hour; number campaign_id line_id; words number operator; number calls answered
        no_answer busy rejected unreachable invalid_number congestion failed blocked goals opt_outs
        answering_machines non_target transferred spent billed_s talk_ms
        """,
        key="project_id hour campaign_id line_id number operator",
    )
    index("call_rollups", "campaign_id hour")
    index("call_rollups", "line_id hour")
    table(
        "numbering_ranges",
        "number first last; words operator region timezone",
        key="first",
    )
    table(
        "settings",
        "words key; json value",
        key="key",
    )
    table(
        "users",
        "number id; words email password_hash name locale; flag admin disabled; time created_at",
        unique("users", "email"),
    )
    table(
        "call_passwords",
        """
        number id user_id; number? token_id call_id; words phone caller code state; number attempts_left; time
        created_at expires_at
        """,
        refers("call_passwords", "user_id", "users", "CASCADE"),
    )
    index("call_passwords", "phone created_at")
    index("call_passwords", "token_id created_at")
    table(
        "idempotency_keys",
        "number user_id; words key digest; number status; words answer; time created_at",
        refers("idempotency_keys", "user_id", "users", "CASCADE"),
        key="user_id key",
    )
    index("idempotency_keys", "created_at")
    table(
        "logins",
        "words id; number user_id; words csrf agent; time created_at seen_at expires_at",
        refers("logins", "user_id", "users", "CASCADE"),
    )
    index("logins", "user_id")
    table(
        "projects",
        "number id owner_id; words name description timezone; flag archived; time created_at",
        refers("projects", "owner_id", "users"),
    )
    table(
        "tokens",
        "number id user_id; words name hash; json scopes; time created_at; time? used_at expires_at",
        refers("tokens", "user_id", "users", "CASCADE"),
        unique("tokens", "hash"),
    )
    index("tokens", "user_id")
    table(
        "fields",
        "number id project_id; words name key type; time created_at",
        refers("fields", "project_id", "projects", "CASCADE"),
        unique("fields", "project_id key"),
    )
    table(
        "integrations",
        "number id project_id; words name; json config; time created_at",
        refers("integrations", "project_id", "projects", "CASCADE"),
        unique("integrations", "project_id name"),
    )
    table(
        "jobs",
        """
        number id; number? user_id project_id; words kind state; json params; number done total; json? result; json
        errors; words worker; time? claimed_until; time created_at; time? started_at finished_at
        """,
        refers("jobs", "project_id", "projects", "CASCADE"),
    )
    index("jobs", "project_id")
    index("jobs", "state")
    table(
        "materials",
        "number id project_id; words name kind status text voice url path; number? duration_ms; time created_at",
        refers("materials", "project_id", "projects", "CASCADE"),
    )
    index("materials", "project_id")
    table(
        "members",
        "number project_id user_id; words role",
        refers("members", "project_id", "projects", "CASCADE"),
        refers("members", "user_id", "users", "CASCADE"),
        key="project_id user_id",
    )
    index("members", "user_id")
    table(
        "numbers",
        """
        words number trunk operator region kind; number monthly_price max_concurrent max_per_day; number? user_id
        project_id; time? rented_at rented_until; number calls; time created_at
        """,
        refers("numbers", "user_id", "users", "SET NULL"),
        refers("numbers", "project_id", "projects", "SET NULL"),
        key="number",
    )
    index("numbers", "user_id")
    table(
        "opt_outs",
        "number project_id; words phone; number? call_id; time created_at",
        refers("opt_outs", "project_id", "projects", "CASCADE"),
        key="project_id phone",
    )
    table(
        "scenarios",
        "number id project_id; words name; number version; flag archived; time created_at updated_at",
        refers("scenarios", "project_id", "projects", "CASCADE"),
    )
    index("scenarios", "project_id")
    table(
        "segments",
        """
        number id project_id; words name kind timezone; number size invalid duplicates; words state; flag archived;
        time created_at
        """,
        refers("segments", "project_id", "projects", "CASCADE"),
    )
    index("segments", "project_id")
    table(
        "tags",
        "number id project_id; words name color; time created_at",
        refers("tags", "project_id", "projects", "CASCADE"),
        unique("tags", "project_id name"),
    )
    table(
        "campaigns",
        """
        number id project_id; words name; number scenario_id; json segment_ids blacklist_ids numbers; number
        max_goals max_spend answer_timeout_s action_timeout_s; json retry; flag carousel; number speed_per_hour
        max_concurrent; json operators schedule variants; flag record; words state pause_reason; flag archived;
        time? start_at; number revision; time created_at; time? started_at filled_at; flag reopens; time?
        finished_at
        """,
        refers("campaigns", "project_id", "projects", "CASCADE"),
        refers("campaigns", "scenario_id", "scenarios"),
    )
    index("campaigns", "project_id")
    index("campaigns", "state")
    table(
        "lines",
        """
        number id project_id; words name; number scenario_id; number? after_hours_scenario_id; json schedule; words
        timezone; number? segment_id; json blacklist_ids numbers; flag record; words state; number calls goals
        spent; time created_at
        """,
        refers("lines", "project_id", "projects", "CASCADE"),
        refers("lines", "scenario_id", "scenarios"),
        refers("lines", "after_hours_scenario_id", "scenarios"),
    )
    index("lines", "project_id")
    table(
        "scenario_versions",
        "number scenario_id version; json graph; number? user_id; time created_at",
        refers("scenario_versions", "scenario_id", "scenarios", "CASCADE"),
        key="scenario_id version",
    )
    table(
        "segment_contacts",
        "number id segment_id; words phone email; json fields; words timezone zone_source; time created_at",
        refers("segment_contacts", "segment_id", "segments", "CASCADE"),
        unique("segment_contacts", "segment_id phone"),
        sqlite_autoincrement=True,
    )
    index("segment_contacts", "segment_id id")
    table(
        "calls",
        """
        number id; words uid kind direction; number? user_id project_id campaign_id line_id contact_id; number
        attempt; words phone number; number? scenario_id; number scenario_version variant; words status; number
        cause; words? result; words reason; json tags fields; time? not_after leased_until; time created_at; time?
        dialed_at ringing_at answered_at ended_at; number duration_ms billed_s cost; words currency ended_by
        recording
        """,
        refers("calls", "project_id", "projects", "CASCADE"),
        refers("calls", "campaign_id", "campaigns", "CASCADE"),
        refers("calls", "line_id", "lines", "CASCADE"),
        unique("calls", "uid"),
        sqlite_autoincrement=True,
    )
    index("calls", "campaign_id created_at")
    index("calls", "campaign_id", name="ix_calls_open", where="ended_at IS NULL")
    index("calls", "contact_id")
    index("calls", "created_at")
    index("calls", "line_id created_at")
    index("calls", "phone created_at")
    index("calls", "project_id created_at")
    table(
        "campaign_contacts",
        """
        number id campaign_id; words phone timezone zone_source; time? due_at leased_until; flag answered; number
        attempts; words first_number status result closed; time? closed_at; json fields
        """,
        refers("campaign_contacts", "campaign_id", "campaigns", "CASCADE"),
        unique("campaign_contacts", "campaign_id phone"),
    )
    index(
        "campaign_contacts", "campaign_id timezone due_at", name="ix_campaign_contacts_due", where="due_at IS NOT NULL"
    )
    table(
        "campaign_totals",
        """
        number campaign_id contacts closed calls answered no_answer busy rejected unreachable invalid_number
        congestion failed blocked goals opt_outs answering_machines non_target transferred spent billed_s talk_ms
        """,
        refers("campaign_totals", "campaign_id", "campaigns", "CASCADE"),
        key="campaign_id",
    )
    table(
        "campaign_zones",
        "number campaign_id; words timezone; time? opens_at",
        refers("campaign_zones", "campaign_id", "campaigns", "CASCADE"),
        key="campaign_id timezone",
    )
    table(
        "line_numbers",
        "words number; number line_id",
        refers("line_numbers", "line_id", "lines", "CASCADE"),
        key="number",
    )
    index("line_numbers", "line_id")
    table(
        "call_details",
        "number call_id; json steps transcript recorded vars",
        refers("call_details", "call_id", "calls", "CASCADE"),
        key="call_id",
    )


def downgrade() -> None:
    for name in reversed(TABLES.split()):
        op.drop_table(name)
