"""The cards as the editor, an integrator and a reader need them, all made from the card classes.

steps/*.py ─▶ palette (for the editor) · schema (JSON Schema of a whole document) · reference (Markdown)
"""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from scenarios.card import Card, specs
from scenarios.head import GIVEN, Head
from scenarios.problems import WARNINGS, WORDS, Label
from scenarios.source import MOST_CARDS
from scenarios.steps import cards
from scenarios.template import SPEECH

GROUPS = {
    "speech": Label("Разговор", "Conversation"),
    "flow": Label("Ход", "Flow"),
    "data": Label("Данные", "Data"),
    "result": Label("Итоги", "Results"),
}


def palette(language: str = "ru") -> list[dict[str, Any]]:
    """One entry for each kind of card: what it is called, how it looks, its fields as JSON Schema, its arrows."""
    return [_entry(kind, card, language) for kind, card in cards().items()]


def _entry(kind: str, card: type[Card], language: str) -> dict[str, Any]:
    shape = _shape(kind)
    labels = {spec.name: spec.label.say(language) for spec in specs(card)}
    fields = {
        name: {**value, "title": labels.get(name, name)}
        for name, value in shape["properties"].items()
        if name != "kind"
    }
    group = GROUPS.get(card.group, Label(card.group, card.group))
    return {
        "kind": kind,
        "label": card.label.say(language),
        "about": card.does.say(language),
        "icon": card.icon,
        "group": card.group,
        "group_label": group.say(language),
        "listens": card.listens,
        "available": card.available,
        "fields": fields,
        "required": [name for name in shape.get("required", ()) if name != "kind"],
        "inherits": [spec.name for spec in specs(card) if spec.inherited],
        "arrows": [spec.name for spec in specs(card) if spec.form == "arrow"],
        "definitions": shape.get("$defs", {}),
    }


@cache
def _shape(kind: str) -> dict[str, Any]:
    shape: dict[str, Any] = TypeAdapter(cards()[kind]).json_schema()
    shape["properties"] = {"kind": {"const": kind}, **shape["properties"]}
    shape["required"] = ["kind", *shape.get("required", ())]
    return shape


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a whole document."""
    head: dict[str, Any] = TypeAdapter(Head).json_schema()
    definitions: dict[str, Any] = dict(head.pop("$defs", {}))
    kinds = []
    for kind in cards():
        shape = dict(_shape(kind))
        own = shape.pop("$defs", {})
        renamed = {name: f"{kind}_{name}" for name in own}
        definitions |= {renamed[name]: _renamed(value, renamed) for name, value in own.items()}
        definitions[f"card_{kind}"] = _renamed({**shape, "title": kind, "description": cards()[kind].does.en}, renamed)
        kinds.append({"$ref": f"#/$defs/card_{kind}"})
    head["properties"]["nodes"] = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": MOST_CARDS,
        "additionalProperties": {"oneOf": kinds},
    }
    head["required"] = ["dozvon", "name", "start", "nodes"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **head,
        "title": "Dozvon scenario",
        "$defs": definitions,
    }


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: f"#/$defs/{names.get(inner.rsplit('/', 1)[1], inner.rsplit('/', 1)[1])}"
            if key == "$ref" and isinstance(inner, str)
            else _renamed(inner, names)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    return value


def reference() -> str:
    """The tables of docs/SCENARIOS.md that are made from the classes."""
    parts: list[str] = []
    for group, label in GROUPS.items():
        parts.append(f"### {label.en} · {label.ru}\n")
        for kind, card in cards().items():
            if card.group == group:
                parts.append(_card_text(kind, card))
    parts.append("### What every template knows · Что знает любой шаблон\n")
    parts.append(", ".join(f"`{name}`" for name in sorted(GIVEN)) + "\n")
    parts.append("### Speech filters · Фильтры речи\n")
    parts.append(", ".join(f"`{name}`" for name in sorted([*SPEECH, "plural"])) + "\n")
    parts.append("### What the check says · Что говорит проверка\n")
    parts.append("| code | | en | ru |\n|---|---|---|---|")
    for code, words in WORDS.items():
        severity = "warning" if code in WARNINGS else "error"
        cells = (text.format(what="…", near="", other="…").replace("|", "\\|") for text in (words.en, words.ru))
        parts.append(f"| `{code}` | {severity} | {' | '.join(cells)} |")
    return "\n".join(parts) + "\n"


def _card_text(kind: str, card: type[Card]) -> str:
    lines = [f"#### `{kind}` — {card.label.en} · {card.label.ru}\n", f"{card.does.en} {card.does.ru}\n"]
    rows = [_row(spec, card) for spec in specs(card)]
    if rows:
        lines += ["| field | default | | |", "|---|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _row(spec: Any, card: type[Card]) -> str:
    notes = [word for word in ("→" if spec.form == "arrow" else "", "inherited" if spec.inherited else "") if word]
    default = "required" if spec.required else _default(spec.attr, card)
    return f"| `{spec.name}`{' ' + ' '.join(notes) if notes else ''} | {default} | {spec.label.en} | {spec.label.ru} |"


def _default(attr: str, card: type[Card]) -> str:
    value = next(item.default for item in dataclasses.fields(card) if item.name == attr)  # type: ignore[arg-type]
    if value is dataclasses.MISSING or value in ("", None, ()):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
