"""Which voice engine `speech.synthesizer: auto` comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import ConfigError
from tts import espeak


@dataclass(frozen=True, slots=True)
class Choice:
    """`name` is the extension's, `options` are for its Settings."""

    name: str
    options: Mapping[str, Any]
    why: str  # one sentence
    better: str = ""  # how to get a better one; empty: this is as good as it gets


def choose(name: str, synthesizers: Mapping[str, Mapping[str, Any]]) -> Choice:
    """The one that is named, else the best that is here. Raises ConfigError if there is none."""
    if name != "auto":
        return Choice(name, synthesizers.get(name, {}), f"{name}, as the settings say")
    found = espeak.available()
    if not found:
        raise ConfigError("there is no voice: `pip install 'dozvon[espeak]'`, or `apt-get install espeak-ng`")
    why = f"espeak-ng ({found}), the only voice engine here: plain, but always there"
    return Choice("espeak", synthesizers.get("espeak", {}), why, better="upload recorded prompts as materials")
