"""A campaign as the rules see it, read from the same words that the API speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.rules import window
from engine.rules.pacing import Pace, per_hour
from engine.rules.retry import RETRYABLE, Retry
from engine.rules.window import Window


@dataclass(frozen=True, slots=True)
class Caller:
    """A number to call from. `channels`: its own limit of calls at once; 0: none but the trunk's."""

    number: str
    trunk: str
    channels: int = 0


@dataclass(frozen=True, slots=True)
class Machines:
    """What is done when no person answers. `mode`: off (nobody looks), hangup, message, continue."""

    mode: str = "off"
    material_id: int = 0  # what is left after the beep,
    text: str = ""  # or these words
    beep_wait_s: float = 4.0  # of silence after the greeting; then the message begins without a beep
    purpose: str = ""  # what a call-screening assistant is told, once


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is to be done, not how far it has come. Limits: 0 means none."""

    id: int
    project_id: int
    scenario_id: int
    callers: tuple[Caller, ...]
    windows: tuple[Window, ...] = ()
    timezone: str = "UTC"
    subscriber_clock: bool = True  # windows are on the subscriber's own clock; else on that of `timezone`
    retry: Retry = Retry()
    pace: Pace = Pace(0)
    max_concurrent: int = 50
    max_goals: int = 0
    max_spend: int = 0  # minor units
    answer_timeout_s: float = 27.0
    action_timeout_s: float = 7.0
    max_call_s: float = 600.0
    record: bool = True
    start_at: datetime | None = None
    variants: tuple[tuple[int, float], ...] = ()  # (scenario, share)
    amd: Machines = Machines()
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])  # for whoever talks; the dialler passes it on

    def zone(self, contact_zone: str) -> str:
        """On whose clock the windows are for a contact of this zone; one that has none is on the campaign's."""
        return contact_zone if self.subscriber_clock and contact_zone else self.timezone

    def scenario(self, variant: int) -> int:
        return self.variants[variant - 1][0] if 0 < variant <= len(self.variants) else self.scenario_id


def read(
    row: Mapping[str, Any], *, callers: Sequence[Caller], max_retries: int = 3, max_call_s: float = 600.0
) -> Campaign:
    """A campaign of the API's own shape (see "A campaign" of the contract, with `id` and `project_id`), as the store
    keeps it. What is absent has the API's defaults. Raises ValueError, TypeError or KeyError on anything else."""
    limits = row.get("limits") or {}
    schedule = row.get("schedule") or {}
    start_at = schedule.get("start_at")
    if isinstance(start_at, str):
        start_at = datetime.fromisoformat(start_at)
    return Campaign(
        id=int(row["id"]),
        project_id=int(row["project_id"]),
        scenario_id=int(row["scenario_id"]),
        callers=tuple(callers),
        windows=tuple(window.read(w) for w in schedule.get("windows") or ()),
        timezone=schedule.get("timezone") or "UTC",
        subscriber_clock=schedule.get("local_to", "subscriber") == "subscriber",
        retry=_retry(row, max_retries),
        pace=per_hour(int(row.get("speed_per_hour") or 0)),
        max_concurrent=int(row.get("max_concurrent") or 0),
        max_goals=int(limits.get("max_goals") or 0),
        max_spend=int(limits.get("max_spend") or 0),
        answer_timeout_s=float(row.get("answer_timeout_s") or 27.0),
        action_timeout_s=float(row.get("action_timeout_s") or 7.0),
        max_call_s=max_call_s,
        record=bool(row.get("record", True)),
        start_at=start_at,
        amd=_machines(row.get("amd") or {}),
        variants=tuple((int(v["scenario_id"]), float(v["share"])) for v in row.get("variants") or ()),
    )


def _machines(raw: Mapping[str, Any]) -> Machines:
    return Machines(
        mode=str(raw.get("mode") or "off"),
        material_id=int(raw.get("material_id") or 0),
        text=str(raw.get("text") or ""),
        beep_wait_s=float(raw.get("beep_wait_s") or 4.0),
        purpose=str(raw.get("purpose") or ""),
    )


def _retry(row: Mapping[str, Any], max_retries: int) -> Retry:
    raw = row.get("retry") or {}
    return Retry(
        attempts=min(int(raw.get("attempts", 3)), max_retries),
        interval_s=float(raw.get("interval_s", 60.0)),
        on=RETRYABLE & frozenset(raw.get("on", ("no_answer", "busy", "unreachable"))),
        intervals_s={str(k): float(v) for k, v in (raw.get("intervals_s") or {}).items()},
        carousel=bool(row.get("carousel", False)),
    )
