"""What should the dialler do now? One question, one answer, no waiting.

plan(campaign, facts) ─▶ Dial (start this call at that moment)
                         Postpone (this zone's window is closed)
                         Wait (until then, or until something changes)
                         Blocked (only a person can change it) | Finished
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.model import Due
from engine.rules.campaign import Caller, Campaign
from engine.rules.outcome import Totals
from engine.rules.why import Why
from engine.rules.window import next_open

LEAD_S = 0.25  # a contact is leased this long before its call starts, so that a slow database does not delay the start
HEADROOM_S = 0.1  # and so long where the start is due at once: else the first of a row would be the late one
LOOK_AGAIN_S = 1.0  # for causes that nobody announces the end of


@dataclass(frozen=True, slots=True)
class Option:
    """A number that the campaign can call from, and what its trunk says about one more call."""

    caller: Caller
    free: int  # channels of the trunk left for this campaign, as its turn stands
    channels: int  # of the trunk, in all
    number_free: bool  # the number's own limit allows one more
    slot: datetime  # when the trunk may start the next call
    per_second: float


@dataclass(frozen=True, slots=True)
class Facts:
    now: datetime
    due: Due | None
    live: int  # this campaign's calls that are not settled yet
    own_lease: datetime | None  # when the earliest lease of those calls ends
    last_slot: datetime | None
    options: Sequence[Option]  # the number whose turn it is first
    totals: Totals
    tight: bool = False  # the last contact leased could not be paid for within the limits
    down_until: datetime | None = None  # the telephony is away, look again then
    full: str = ""  # why there is no room for one more call
    filled: bool = True  # the queue is complete: when it is empty, the campaign is over


@dataclass(frozen=True, slots=True)
class Dial:
    """Lease a contact of this zone (the contact's own) and start its call at `at`, at most `LEAD_S` ahead."""

    timezone: str
    at: datetime
    option: Option
    why: Why


@dataclass(frozen=True, slots=True)
class Postpone:
    """None: there is no moment when this zone may be called (it does not exist)."""

    timezone: str
    until: datetime | None
    why: Why


@dataclass(frozen=True, slots=True)
class Wait:
    until: datetime | None  # None: until a call ends or something changes
    why: Why


@dataclass(frozen=True, slots=True)
class Blocked:
    """Nothing lives, and nothing will happen by itself."""

    why: Why


@dataclass(frozen=True, slots=True)
class Finished:
    why: Why


Answer = Dial | Postpone | Wait | Blocked | Finished


def plan(campaign: Campaign, facts: Facts) -> Answer:
    live = {"live": facts.live}
    if facts.due is None and not facts.filled:
        return Wait(facts.now + timedelta(seconds=LOOK_AGAIN_S), Why("filling"))
    if facts.due is None:
        return Wait(None, Why("dialing", live)) if facts.live else Finished(Why("finished"))
    return _limits(campaign, facts) or _time(campaign, facts, facts.due) or _capacity(campaign, facts, facts.due)


def _limits(campaign: Campaign, facts: Facts) -> Answer | None:
    """Goals and money: what a campaign may come to."""
    totals = facts.totals
    if campaign.max_goals and totals.goals >= campaign.max_goals:
        return _held(facts, Why("goal_limit", {"goals": totals.goals, "limit": campaign.max_goals}))
    if campaign.max_spend and (totals.spent >= campaign.max_spend or facts.tight):
        return _held(facts, Why("spend_limit", {"spent": totals.spent, "limit": campaign.max_spend}))
    if totals.balance is not None and (totals.balance <= 0 or facts.tight):
        until = facts.now + timedelta(seconds=10 * LOOK_AGAIN_S)
        return Wait(until, Why("balance", {"balance": totals.balance}))
    return None


def _held(facts: Facts, why: Why) -> Answer:
    return Wait(None, why) if facts.live else Blocked(why)


def _time(campaign: Campaign, facts: Facts, due: Due) -> Answer | None:
    """The start, the contact's own time, and its window."""
    now = facts.now
    if campaign.start_at is not None and campaign.start_at > now:
        return Wait(campaign.start_at, Why("not_started_yet", until=campaign.start_at))
    zone = campaign.zone(due.timezone)
    if due.at > now:
        if facts.own_lease is not None and due.at >= facts.own_lease:
            return Wait(None, Why("dialing", {"live": facts.live}))
        opens = next_open(campaign.windows, now, zone)
        closed = opens is not None and now < opens <= due.at
        code = "window" if closed else "waiting_retry"
        return Wait(due.at, Why(code, {"timezone": zone} if closed else {}, due.at))
    opens = next_open(campaign.windows, now, zone)
    if opens != now:
        return Postpone(due.timezone, opens, Why("window", {"timezone": zone}, opens))
    return None


def _capacity(campaign: Campaign, facts: Facts, due: Due) -> Answer:
    """Lines, numbers, trunks and the pace."""
    now = facts.now
    if facts.down_until is not None and facts.down_until > now:
        return Wait(facts.down_until, Why("telephony_down"))
    if facts.full:
        return Wait(now + timedelta(seconds=LOOK_AGAIN_S), Why(facts.full))
    if campaign.max_concurrent and facts.live >= campaign.max_concurrent:
        return Wait(None, Why("concurrency", {"live": facts.live, "limit": campaign.max_concurrent}))
    slot = campaign.pace.next_slot(facts.last_slot, now)
    option = choose(facts.options)
    if isinstance(option, Why):
        return Wait(None, option)
    at = max(slot, option.slot)
    if (at - now).total_seconds() > LEAD_S:
        why = Why("pacing", {"per_hour": round(campaign.pace.per_second * 3600)}, at)
        if option.slot > slot:
            why = Why("trunk_cps", {"trunk": option.caller.trunk, "per_second": f"{option.per_second:g}"}, at)
        return Wait(at - timedelta(seconds=LEAD_S), why)
    if at <= now:
        at = now + timedelta(seconds=HEADROOM_S)
    if next_open(campaign.windows, at, campaign.zone(due.timezone)) != at:
        return Wait(at, Why("window", {"timezone": campaign.zone(due.timezone)}, at))  # it closes before the start
    return Dial(due.timezone, at, option, Why("dialing", {"live": facts.live + 1}))


def choose(options: Sequence[Option]) -> Option | Why:
    """The number that may call first; of equals the one whose turn it is. A Why if none may."""
    if not options:
        return Why("no_free_number")
    fitting = [option for option in options if option.free > 0 and option.number_free]
    if fitting:
        return min(fitting, key=lambda option: option.slot)
    free = next((option for option in options if option.free > 0), None)
    if free is not None:
        return Why("number_limit", {"number": free.caller.number})
    return Why("trunk_channels", {"trunk": options[0].caller.trunk, "limit": options[0].channels})


def number_for(
    attempt: int, first_number: str, campaign: Campaign, options: Sequence[Option], planned: Option
) -> Option | Why:
    """Which number this attempt calls from: the first one has the planned one, a repeat that of the first attempt while
    the campaign still has it, the carousel's extra one another. A Why: not now."""
    if attempt <= 1 or not first_number:
        return planned
    others = [option for option in options if option.caller.number != first_number]
    same = [option for option in options if option.caller.number == first_number]
    if campaign.retry.extra(attempt):
        return choose(others or same)
    return choose(same or others)
