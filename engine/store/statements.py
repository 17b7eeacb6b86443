"""The statements that run for every call, written out once: SQLAlchemy need not build and compare them each time.

Both databases take the same words. Locks are taken in one order (calls, contacts, totals, rollups, numbers, lines), so
that two engines never wait for each other crosswise.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, bindparam, text
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.sql.selectable import TextualSelect

from engine.store.tables import Counts
from engine.store.types import Big, Json, UtcTime, Words

COUNTED = tuple(Counts.__annotations__)

_KINDS: dict[str, Any] = {
    **dict.fromkeys(
        ("now", "until", "leased_until", "ended_at", "dialed_at", "ringing_at", "answered_at", "next_at", "closed_at"),
        UtcTime(),
    ),
    **dict.fromkeys(("hour", "at"), UtcTime()),
    **dict.fromkeys(("fields", "tags", "steps", "transcript", "recorded", "vars"), Json),
    **dict.fromkeys(
        ("campaign", "call", "contact", "project", "line", "attempt", "cause", "duration_ms", "billed_s", "cost"), Big
    ),
    **dict.fromkeys(("variant", "scenario_id", "scenario_version", "closings", "goals_of", "spent_of"), Big),
    **dict.fromkeys(COUNTED, Big),
    "closes": Boolean(),
}


def _written(sql: str) -> TextClause:
    clause = text(sql)
    return clause.bindparams(*(bindparam(name, type_=_KINDS.get(name, Words())) for name in clause._bindparams))


def take(kind: str) -> TextualSelect:
    """Lease the earliest contact; one whose attempt was answered before a crash is closed instead."""
    lock = "FOR UPDATE SKIP LOCKED" if kind == "postgresql" else ""
    return _written(f"""
        UPDATE campaign_contacts SET
            due_at = CASE WHEN answered THEN NULL ELSE :until END,
            leased_until = CASE WHEN answered THEN NULL ELSE :until END,
            closed = CASE WHEN answered THEN 'answered' ELSE '' END,
            closed_at = CASE WHEN answered THEN :now ELSE NULL END,
            attempts = attempts + CASE WHEN answered THEN 0 ELSE 1 END
        WHERE id = (
            SELECT id FROM campaign_contacts
            WHERE campaign_id = :campaign AND timezone = :timezone AND due_at <= :now
                AND NOT EXISTS (
                    SELECT 1 FROM campaign_zones
                    WHERE campaign_id = :campaign AND timezone = :timezone AND opens_at > :now
                )
            ORDER BY due_at LIMIT 1 {lock}
        )
        RETURNING id, phone, attempts, first_number, fields, answered""").columns(
        id=Big, phone=Words(), attempts=Big, first_number=Words(), fields=Json, answered=Boolean()
    )


EARLIEST = _written("""
    SELECT z.timezone, z.opens_at, (
        SELECT MIN(c.due_at) FROM campaign_contacts c
        WHERE c.campaign_id = z.campaign_id AND c.timezone = z.timezone AND c.due_at IS NOT NULL
    ) AS due_at
    FROM campaign_zones z WHERE z.campaign_id = :campaign""").columns(
    timezone=Words(), opens_at=UtcTime(), due_at=UtcTime()
)

LISTS = _written("SELECT project_id, blacklist_ids FROM campaigns WHERE id = :campaign").columns(
    project_id=Big, blacklist_ids=Json
)

OPTED_OUT = _written("SELECT 1 FROM opt_outs WHERE project_id = :project AND phone = :phone")

LISTED = text("SELECT 1 FROM segment_contacts WHERE segment_id IN :lists AND phone = :phone LIMIT 1").bindparams(
    bindparam("lists", expanding=True, type_=Big), bindparam("phone", type_=Words())
)

ATTEMPT = _written("""
    INSERT INTO calls (
        uid, kind, direction, project_id, campaign_id, contact_id, attempt, phone, number, scenario_version, variant,
        status, cause, reason, tags, fields, leased_until, created_at, duration_ms, billed_s, cost, currency, ended_by,
        recording
    ) SELECT
        :uid, 'campaign', 'outbound', project_id, id, :contact, :attempt, :phone, '', 0, 0,
        'dialing', 0, '', '[]', :fields, :until, :now, 0, 0, 0, 'RUB', '',
        ''
    FROM campaigns WHERE id = :campaign
    RETURNING id""")

NEWEST = _written("SELECT version FROM scenarios WHERE id = :scenario_id")

LINE_CALLED = _written("""
    SELECT
        l.id, l.project_id, l.scenario_id, l.after_hours_scenario_id, l.schedule, l.timezone, l.record,
        l.segment_id, l.blacklist_ids, p.timezone AS of_project, s.version, a.version AS after_hours_version
    FROM line_numbers n
        JOIN lines l ON l.id = n.line_id
        JOIN projects p ON p.id = l.project_id
        JOIN scenarios s ON s.id = l.scenario_id
        LEFT JOIN scenarios a ON a.id = l.after_hours_scenario_id
    WHERE n.number = :number AND l.state = 'active'""").columns(
    id=Big, project_id=Big, scenario_id=Big, after_hours_scenario_id=Big, schedule=Json, timezone=Words(),
    record=Boolean(), segment_id=Big, blacklist_ids=Json, of_project=Words(), version=Big, after_hours_version=Big,
)  # fmt: skip

PERSON = (
    text("SELECT segment_id, fields FROM segment_contacts WHERE segment_id IN :lists AND phone = :phone")
    .bindparams(bindparam("lists", expanding=True, type_=Big), bindparam("phone", type_=Words()))
    .columns(segment_id=Big, fields=Json)
)

INCOMING = _written("""
    INSERT INTO calls (
        uid, kind, direction, project_id, line_id, attempt, phone, number, scenario_id, scenario_version, variant,
        status, cause, reason, tags, fields, created_at, ringing_at, duration_ms, billed_s, cost, currency, ended_by,
        recording
    ) VALUES (
        :uid, 'inbound', 'inbound', :project, :line, 1, :phone, :number, :scenario_id, 0, 0,
        'ringing', 0, '', '[]', :fields, :at, :at, 0, 0, 0, 'RUB', '',
        ''
    ) ON CONFLICT (uid) DO UPDATE SET uid = calls.uid
    RETURNING id""")

PROGRESSED = _written("""
    UPDATE calls SET
        status = :status, number = CASE WHEN :number = '' THEN number ELSE :number END,
        ringing_at = COALESCE(:ringing_at, ringing_at), answered_at = COALESCE(:answered_at, answered_at)
    WHERE id = :call AND ended_at IS NULL AND (
        status IN ('queued', 'dialing') OR (status = 'ringing' AND :status = 'answered')
    ) AND status <> :status
    RETURNING contact_id, leased_until""").columns(contact_id=Big, leased_until=UtcTime())

ANSWERED = _written("""
    UPDATE campaign_contacts SET answered = true WHERE id = :contact AND leased_until = :leased_until""")

END = _written("""
    UPDATE calls SET
        status = :status, cause = :cause, result = :result, reason = :reason, ended_by = :ended_by, tags = :tags,
        number = CASE WHEN :number = '' THEN number ELSE :number END, recording = :recording, variant = :variant,
        scenario_id = COALESCE(:scenario_id, scenario_id),
        scenario_version = COALESCE(:scenario_version, scenario_version),
        dialed_at = COALESCE(:dialed_at, dialed_at), ringing_at = COALESCE(:ringing_at, ringing_at),
        answered_at = COALESCE(:answered_at, answered_at), ended_at = :ended_at,
        duration_ms = :duration_ms, billed_s = :billed_s, cost = :cost
    WHERE id = :call AND ended_at IS NULL
    RETURNING project_id, campaign_id, line_id, number, phone, created_at""").columns(
    project_id=Big, campaign_id=Big, line_id=Big, number=Words(), phone=Words(), created_at=UtcTime()
)

DETAILS = _written("""
    INSERT INTO call_details (call_id, steps, transcript, recorded, vars)
    VALUES (:call, :steps, :transcript, :recorded, :vars)""")

SETTLE = _written("""
    UPDATE campaign_contacts SET
        due_at = :next_at, leased_until = NULL, answered = false, status = :status, result = :result,
        first_number = CASE WHEN first_number = '' THEN :number ELSE first_number END,
        closed = :closed, closed_at = :closed_at
    WHERE id = :contact AND leased_until = :leased_until""")

TOTALS = _written(f"""
    UPDATE campaign_totals SET closed = closed + :closings, {", ".join(f"{n} = {n} + :{n}" for n in COUNTED)}
    WHERE campaign_id = :campaign""")

ROLLUP = _written(f"""
    INSERT INTO call_rollups (project_id, hour, campaign_id, line_id, number, operator, {", ".join(COUNTED)})
    VALUES (:project, :hour, :campaign, :line, :number, :operator, {", ".join(f":{n}" for n in COUNTED)})
    ON CONFLICT (project_id, hour, campaign_id, line_id, number, operator)
    DO UPDATE SET {", ".join(f"{n} = call_rollups.{n} + excluded.{n}" for n in COUNTED)}""")

NUMBER = _written("UPDATE numbers SET calls = calls + 1 WHERE number = :number")

LINE = _written("""
    UPDATE lines SET calls = calls + :calls, goals = goals + :goals, spent = spent + :spent WHERE id = :line""")

OPT_OUT = _written("""
    INSERT INTO opt_outs (project_id, phone, call_id, created_at) VALUES (:project, :phone, :call, :at)
    ON CONFLICT (project_id, phone) DO NOTHING""")
