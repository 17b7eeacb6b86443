"""The states of a campaign, and which action leads from where to where."""

from __future__ import annotations

from collections.abc import Mapping

STATES = ("draft", "scheduled", "running", "paused", "stopped", "finished")
_BEGUN = "running"

ACTIONS: Mapping[str, Mapping[str, str]] = {
    "start": {"draft": _BEGUN},
    "pause": {"running": "paused", "scheduled": "paused"},
    "resume": {"paused": _BEGUN},
    "stop": {"running": "stopped", "scheduled": "stopped", "paused": "stopped"},
    "restart": {"finished": _BEGUN, "stopped": _BEGUN},  # of the unreached
}


def after(action: str, state: str, *, later: bool = False) -> str | None:
    """The state that `action` leads to; None: it is not allowed in this state. `later`: the campaign's start lies
    ahead, so what would run is scheduled."""
    new = ACTIONS.get(action, {}).get(state)
    return "scheduled" if new == _BEGUN and later else new


def changeable(state: str) -> bool:
    """May the campaign's settings be changed?"""
    return state != _BEGUN
