"""What pydantic found wrong, in our words and at the place in the document."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from scenarios.card import specs
from scenarios.problems import Problem, pointer, problem


def near(word: str, among: Iterable[str]) -> str:
    """The known word that was probably meant, or empty."""
    found = difflib.get_close_matches(word[:64], list(among), n=1, cutoff=0.6)
    return found[0] if found else ""


_TYPES = {
    "string_type": "text",
    "bool_type": "true, false",
    "int_type": "123",
    "int_parsing": "123",
    "int_from_float": "123",
    "float_type": "1.5",
    "float_parsing": "1.5",
    "mapping_type": "{…: …}",
    "dict_type": "{…: …}",
    "dataclass_type": "{…: …}",
    "tuple_type": "[…]",
    "list_type": "[…]",
}


def told(error: ValidationError, raw: Any, at: tuple[str | int, ...], card: str, type: Any) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    found = error.errors(include_url=False)
    for item in found:
        if item["type"] == "too_short" and any(len(other["loc"]) > len(item["loc"]) for other in found):
            continue  # wrong members are not counted, which says nothing new
        kind, loc = item["type"], _located(item["loc"], raw, item["type"])
        path = pointer(*at, *loc)
        code, what, meant = _worded(kind, loc, item, type)
        if (path, code) not in seen:
            seen.add((path, code))
            named = next((str(part) for part in loc if isinstance(part, str)), "")
            yield problem(path, code, card=card, field=named, what=what, near=meant)


def _worded(kind: str, loc: tuple[str | int, ...], item: Any, type: Any) -> tuple[str, str, str]:
    last = str(loc[-1]) if loc else ""
    if kind == "missing":
        arrow = last == "goto" or any(s.name == last and s.form == "arrow" and len(loc) == 1 for s in specs(type))
        return ("no_arrow" if arrow else "required"), last, ""
    if kind == "unexpected_keyword_argument":
        return "unknown_field", last[:60], near(last, [s.name for s in specs(type)]) if len(loc) == 1 else ""
    if kind in _TYPES:
        return "wrong_type", _TYPES[kind], ""
    if kind.endswith(("_too_long", "too_short")):
        context = item.get("ctx", {})
        return "bad_value", f"{last}: {context.get('min_length', context.get('max_length', ''))}", ""
    given = item.get("input")
    shown = repr(given)[:40] if isinstance(given, str | int | float | bool) or given is None else "…"
    return "bad_value", f"{shown} ({item['msg'][:120]})", ""


def _located(loc: tuple[str | int, ...], raw: Any, kind: str) -> tuple[str | int, ...]:
    """The place in the document: pydantic also names the branches of a union and the keys of a mapping."""
    out: list[str | int] = []
    value = raw
    for i, part in enumerate(loc):
        if isinstance(value, dict) and part in value or isinstance(value, list) and isinstance(part, int):
            out.append(part)
            value = value[part] if isinstance(value, dict) or part < len(value) else None  # type: ignore[index,operator]
        elif kind == "missing" and i == len(loc) - 1:
            out.append(part)
    return tuple(out)
