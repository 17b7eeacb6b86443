"""What is made from the card classes: palette, JSON Schema, reference; and how a card is found."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from scenarios import source, steps
from scenarios.card import Card, Here, Turn, leave
from scenarios.palette import palette, reference, schema
from scenarios.problems import Label
from tests.scenarios.talks import document

ROOT = Path(__file__).parents[2]
KINDS = """
collect condition goal goto hangup message opt_out play recognize record retry_later scenario set split tag
time transfer webhook
"""


def test_all_the_cards_of_the_specification_are_there() -> None:
    assert [entry["kind"] for entry in palette()] == sorted(KINDS.split())


def test_the_palette_is_json_in_both_languages() -> None:
    russian, english = palette("ru"), palette("en")
    json.dumps([russian, english])
    play = next(entry for entry in english if entry["kind"] == "play")
    assert (play["label"], play["arrows"], play["required"]) == ("Say", ["next", "exhausted"], ["next"])
    assert play["fields"]["say"]["title"] == "Text"
    assert "kind" not in play["fields"]
    assert next(entry for entry in russian if entry["kind"] == "play")["label"] == "Сказать"
    assert [entry["kind"] for entry in english if not entry["available"]] == ["message", "scenario"]


def test_the_schema_takes_the_library_and_refuses_the_rest() -> None:
    Draft202012Validator.check_schema(schema())
    validator = Draft202012Validator(schema())
    for file in (ROOT / "scenarios" / "library").glob("*.yaml"):
        assert list(validator.iter_errors(source.read(file.read_bytes()))) == []
    assert not validator.is_valid(document({"a": {"kind": "play", "say": "x"}}))
    assert not validator.is_valid(document({"a": {"kind": "plai", "next": "bye"}}))
    assert not validator.is_valid({**document({"a": {"kind": "goto", "to": "bye"}}), "extra": 1})


def test_the_reference_in_the_docs_is_the_one_made_now() -> None:
    text = (ROOT / "docs" / "SCENARIOS.md").read_text()
    begin, end = "<!-- made by scenarios.palette.reference -->\n", "<!-- end -->"
    assert text[text.index(begin) + len(begin) : text.index(end)].strip() == reference().strip()


def test_a_strangers_card_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    class Step(Card):
        label = does = Label("Чужая", "Foreign")
        icon, group = "x", "flow"

        def enter(self, here: Here) -> Turn:
            return leave("next")

    point = EntryPoint("foreign", "json", "dozvon.steps")
    monkeypatch.setattr(EntryPoint, "load", lambda self: SimpleNamespace(Step=Step))
    monkeypatch.setattr(steps, "entry_points", lambda group: [point] if group == "dozvon.steps" else [])
    found = steps.cards.__wrapped__()
    assert found["foreign"] is Step
    assert found["play"] is steps.cards()["play"]
