"""One rule for every extension: a file named after it, holding `Settings` and `open`."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType

from engine.errors import ConfigError


def load(kind: str, name: str) -> ModuleType:
    """The module behind `asr: {vosk: …}`: asr/vosk.py, or an entry point `dozvon.asr`. Raises ConfigError."""
    for point in entry_points(group=f"dozvon.{kind}", name=name):
        module: ModuleType = point.load()
        return module
    if name not in known(kind):
        raise ConfigError(f"there is no {name!r} among {kind}: {', '.join(known(kind))}")
    return import_module(f"{kind}.{name}")


def known(kind: str) -> list[str]:
    package = import_module(kind)
    own = {m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")}
    return sorted(own | {point.name for point in entry_points(group=f"dozvon.{kind}")})
