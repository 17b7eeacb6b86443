"""The scenarios that clips are answers to: a menu of commands, a number, a free answer, a prompt of ten seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scenarios.check import load
from scenarios.interpreter import Interpreter

ANSWER = "Хорошо"  # any sound will do
DIGITS = 4


def menu(language: str, commands: Sequence[str], *, say: str = "", **more: Any) -> Interpreter:
    """One card with an arrow for each command, named after it; `say` is said meanwhile."""
    return _made(language, {"ask": _ask(commands, say, more), **_END})


def number(language: str) -> Interpreter:
    """A card that collects DIGITS digits."""
    ask = {
        "kind": "collect", "save": "number", "min": DIGITS, "max": DIGITS, "timeout_s": 5,
        "ok": "well", "invalid": "other", "silence": "silence",
    }  # fmt: skip
    return _made(language, {"ask": ask, **_END})


def free(language: str) -> Interpreter:
    """Any answer, decided at its end."""
    ask = {
        "kind": "recognize", "timeout_s": 5, "decide": "final",
        "filters": [{"other": True, "goto": "well"}, {"silence": True, "goto": "silence"}],
    }  # fmt: skip
    return _made(language, {"ask": ask, **_END})


def _ask(commands: Sequence[str], say: str, more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": "recognize",
        "timeout_s": 5,
        **({"say": say} if say else {}),
        **more,
        "filters": [
            *({"voice": [command], "port": command, "goto": "well"} for command in commands),
            {"silence": True, "port": "silence", "goto": "silence"},
            {"other": True, "port": "other", "goto": "other"},
        ],
    }


_END: Mapping[str, Any] = {
    "well": {"kind": "play", "say": ANSWER, "next": "end"},
    "other": {"kind": "play", "say": ANSWER, "next": "end"},
    "silence": {"kind": "hangup"},
    "end": {"kind": "hangup"},
}


def _made(language: str, nodes: Mapping[str, Any]) -> Interpreter:
    return Interpreter(
        load({"dozvon": 1, "name": "hearing", "language": language, "start": "ask", "nodes": dict(nodes)})
    )
