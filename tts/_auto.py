"""Which voice engine `speech.synthesizer: auto` comes to, and what may stand there by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine import plugins
from engine.errors import ConfigError
from tts import espeak, piper, rhvoice

ALWAYS = frozenset({"cached"})  # stands around every engine by itself
BEST_FIRST = ("recorded", "fallback", "http", "piper", "rhvoice")


@dataclass(frozen=True, slots=True)
class Choice:
    """`name` is the extension's, `options` are for its Settings."""

    name: str
    options: Mapping[str, Any]
    why: str  # one sentence
    better: str = ""  # how to get a better one; empty: this is as good as it gets


def known() -> list[str]:
    """What `speech.synthesizer` may name: engines, and the wrappers `fallback` and `recorded`."""
    return [name for name in plugins.known("tts") if name not in ALWAYS]


def choose(name: str, synthesizers: Mapping[str, Mapping[str, Any]]) -> Choice:
    """The one that is named, else the best that the settings describe, else the one that is here without any.

    Raises ConfigError if there is none.
    """
    if name != "auto":
        if name not in known() and "engine" not in synthesizers.get(name, {}):
            near = difflib.get_close_matches(name, known(), n=1)
            hint = f", did you mean {near[0]!r}?" if near else f": there are {', '.join(known())}"
            raise ConfigError(f"speech.synthesizer: there is no voice engine {name!r}{hint}")
        return Choice(name, synthesizers.get(name, {}), f"{name}, as the settings say")
    for described in BEST_FIRST:
        if described in synthesizers and _here(described, synthesizers[described]):
            return Choice(described, synthesizers[described], f"{described}, the best that the settings describe")
    found = espeak.available()
    if not found:
        raise ConfigError("there is no voice: `pip install 'dozvon[espeak]'`, or `apt-get install espeak-ng`")
    why = f"espeak-ng ({found}), the only voice engine here: plain, but always there"
    better = "docs/VOICES.md tells of piper, rhvoice, services by http, and recorded prompts"
    return Choice("espeak", synthesizers.get("espeak", {}), why, better=better)


def _here(name: str, options: Mapping[str, Any]) -> bool:
    if name == "piper":
        return piper.available()
    if name == "rhvoice":
        return bool(rhvoice.available(str(options.get("program", rhvoice.PROGRAM))))
    return True
