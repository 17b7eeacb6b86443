from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import Due
from engine.rules.campaign import Caller, Campaign, read
from engine.rules.lifecycle import ACTIONS, STATES, after, changeable
from engine.rules.outcome import Totals
from engine.rules.pacing import Pace
from engine.rules.plan import LEAD_S, Blocked, Dial, Facts, Finished, Option, Postpone, Wait, number_for, plan
from engine.rules.retry import Retry
from engine.rules.why import CODES, WORDS, Why, text
from engine.rules.window import Window, is_open, window

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)  # Monday noon in Moscow, evening in Kamchatka
CALLER = Caller("+74950000001", "main")
OPTION = Option(CALLER, free=5, channels=10, number_free=True, slot=NOW, per_second=10)
CAMPAIGN = Campaign(1, 1, 7, (CALLER,), (window("10:00", "20:00"),), retry=Retry(), pace=Pace(1), max_concurrent=3)
FACTS = Facts(NOW, Due(NOW, "Europe/Moscow"), 0, None, None, (OPTION,), Totals())


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("campaign", "facts", "kind", "code", "until"),
    [
        ({}, {}, Dial, "dialing", None),
        ({}, {"due": None}, Finished, "finished", None),
        ({}, {"due": None, "live": 2}, Wait, "dialing", None),
        ({}, {"due": None, "filled": False}, Wait, "filling", later(1)),
        ({}, {"due": Due(later(60), "Europe/Moscow")}, Wait, "waiting_retry", later(60)),
        ({}, {"due": Due(later(9e3), "Europe/Moscow"), "own_lease": later(9e3), "live": 1}, Wait, "dialing", None),
        ({}, {"due": Due(NOW, "Asia/Kamchatka")}, Postpone, "window", later(13 * 3600)),
        ({}, {"due": Due(later(14 * 3600), "Asia/Kamchatka")}, Wait, "window", later(14 * 3600)),
        ({}, {"due": Due(NOW, "Nowhere/At_All")}, Postpone, "window", None),
        ({"start_at": later(60)}, {}, Wait, "not_started_yet", later(60)),
        ({}, {"live": 3}, Wait, "concurrency", None),
        ({"max_concurrent": 0}, {"live": 3000}, Dial, "dialing", None),
        ({}, {"last_slot": NOW}, Wait, "pacing", later(1 - LEAD_S)),
        ({}, {"options": (replace(OPTION, slot=later(2)),)}, Wait, "trunk_cps", later(2 - LEAD_S)),
        ({}, {"options": (replace(OPTION, free=0),)}, Wait, "trunk_channels", None),
        ({}, {"options": (replace(OPTION, number_free=False),)}, Wait, "number_limit", None),
        ({}, {"options": ()}, Wait, "no_free_number", None),
        ({"max_goals": 5}, {"totals": Totals(goals=5)}, Blocked, "goal_limit", None),
        ({"max_goals": 5}, {"totals": Totals(goals=5), "live": 1}, Wait, "goal_limit", None),
        ({"max_goals": 5}, {"totals": Totals(goals=4)}, Dial, "dialing", None),
        ({"max_spend": 100}, {"totals": Totals(spent=100)}, Blocked, "spend_limit", None),
        ({"max_spend": 100}, {"tight": True}, Blocked, "spend_limit", None),
        ({}, {"totals": Totals(balance=0)}, Wait, "balance", later(10)),
        ({}, {"down_until": later(3)}, Wait, "telephony_down", later(3)),
        ({}, {"down_until": later(-3)}, Dial, "dialing", None),
        ({}, {"full": "recogniser_full"}, Wait, "recogniser_full", later(1)),
        ({"windows": (window("10:00", "12:00"),)}, {}, Postpone, "window", later(22 * 3600)),
    ],
)
def test_the_one_question(
    campaign: dict[str, object], facts: dict[str, object], kind: type[object], code: str, until: datetime | None
) -> None:
    answer = plan(replace(CAMPAIGN, **campaign), replace(FACTS, **facts))  # type: ignore[arg-type]
    assert isinstance(answer, kind) and answer.why.code == code
    assert getattr(answer, "until", None) == until


def test_no_call_starts_after_its_window_has_closed_meanwhile() -> None:
    now = datetime(2026, 3, 2, 16, 59, 59, 950_000, tzinfo=UTC)
    closing = replace(FACTS, now=now, due=Due(now, "Europe/Moscow"))
    assert isinstance(plan(CAMPAIGN, closing), Wait)


@settings(max_examples=300)
@given(
    st.integers(0, 6 * 86_400),
    st.integers(0, 5),
    st.none() | st.floats(-5, 5),
    st.floats(-5, 5),
    st.integers(-1, 3),
    st.integers(0, 12),
    st.integers(0, 120),
)
def test_it_dials_only_what_may_be_dialled(
    at_s: int, live: int, last: float | None, slot: float, free: int, goals: int, spent: int
) -> None:
    now = NOW + timedelta(seconds=at_s)
    campaign = replace(CAMPAIGN, max_goals=10, max_spend=100)
    option = replace(OPTION, free=free, slot=now + timedelta(seconds=slot))
    last_slot = None if last is None else now + timedelta(seconds=last)
    facts = Facts(now, Due(now, "Europe/Moscow"), live, None, last_slot, (option,), Totals(goals=goals, spent=spent))
    answer = plan(campaign, facts)
    assert answer.why.code in CODES
    if isinstance(answer, Dial):
        assert live < 3 and free > 0 and goals < 10 and spent < 100
        assert now <= answer.at <= now + timedelta(seconds=LEAD_S)
        assert answer.at >= option.slot and is_open(campaign.windows, answer.at, "Europe/Moscow")
        assert last_slot is None or answer.at - last_slot >= timedelta(seconds=0.999)
    if isinstance(answer, Wait) and answer.until is not None:
        assert answer.until > now, "a wait that is over at once would spin"


def test_which_number_calls() -> None:
    other = replace(OPTION, caller=Caller("+74950000002", "main"))
    carousel = replace(CAMPAIGN, retry=Retry(attempts=1, carousel=True))
    both = (OPTION, other)
    assert number_for(1, "", carousel, both, other) is other
    assert number_for(2, "+74950000001", carousel, both, other) is OPTION
    assert number_for(3, "+74950000001", carousel, both, OPTION) is other
    assert number_for(2, "+70000000000", carousel, both, OPTION) is OPTION, "the first number is gone"
    busy = (replace(OPTION, free=0), other)
    assert isinstance(number_for(2, "+74950000001", carousel, busy, other), Why)


def test_every_reason_has_words_in_both_languages() -> None:
    for code, words in WORDS.items():
        assert set(words) == {"ru", "en"}
        said = [text(Why(code, {"live": 3}, NOW), language, "Europe/Moscow") for language in ("ru", "en")]
        assert said[0] != said[1] and all("{" not in sentence for sentence in said)
    assert "12:00" in text(Why("not_started_yet", until=NOW), "ru", "Europe/Moscow")
    assert text(Why("what"), "ru") == "what"
    assert text(Why("window", {"timezone": "{0.__class__}"}), "en", "Nowhere")


def test_a_campaign_is_read_from_the_contracts_words() -> None:
    row = {
        "id": 5,
        "project_id": 1,
        "scenario_id": 7,
        "limits": {"max_goals": 3, "max_spend": 0},
        "retry": {"attempts": 9, "interval_s": 120, "on": ["busy", "invalid_number"]},
        "carousel": True,
        "speed_per_hour": 3600,
        "max_concurrent": 50,
        "schedule": {
            "start_at": "2026-11-21T06:00:00Z",
            "timezone": "Europe/Moscow",
            "local_to": "project",
            "windows": [{"days": [1], "from": "10:00", "to": "20:00"}],
        },
        "variants": [{"scenario_id": 8, "share": 0.5}],
    }
    campaign = read(row, callers=[CALLER], max_retries=3)
    assert campaign.windows == (Window(600, 1200, frozenset({1})),)
    assert campaign.retry.attempts == 3 and campaign.retry.on == {"busy"} and campaign.retry.carousel
    assert campaign.start_at == datetime(2026, 11, 21, 6, tzinfo=UTC)
    assert campaign.zone("Asia/Kamchatka") == "Europe/Moscow"
    assert (campaign.scenario(0), campaign.scenario(1), campaign.scenario(9)) == (7, 8, 7)
    assert campaign.pace.gap_s == 1
    plain = read({"id": 1, "project_id": 1, "scenario_id": 2}, callers=[])
    assert plain.zone("Asia/Kamchatka") == "Asia/Kamchatka" and plain.zone("") == "UTC"


def test_states_and_actions() -> None:
    assert all(set(steps) | set(steps.values()) <= set(STATES) for steps in ACTIONS.values())
    assert after("start", "draft") == "running" and after("start", "draft", later=True) == "scheduled"
    assert after("pause", "running") == "paused" and after("resume", "paused") == "running"
    assert after("restart", "finished") == "running" and after("restart", "running") is None
    assert after("stop", "draft") is None and after("explode", "draft") is None
    assert not changeable("running") and changeable("paused")
