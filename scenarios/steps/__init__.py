"""The cards: one file each, found by walking this package and the entry points `dozvon.steps`. Nothing lists them.

A file named after the kind holds a frozen dataclass `Step` on `scenarios.card.Card`: fields, arrows, label, icon and
behaviour in one place; the schema, the editor's palette and the reference are made from it.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType

from scenarios.card import Card


@cache
def cards() -> Mapping[str, type[Card]]:
    """Every kind of card there is, by its name in the document; ours win over a stranger's of the same name."""
    found: dict[str, type[Card]] = {}
    for point in entry_points(group="dozvon.steps"):
        found[point.name] = point.load().Step
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            found[module.name] = import_module(f"{__name__}.{module.name}").Step
    return MappingProxyType(dict(sorted(found.items())))
