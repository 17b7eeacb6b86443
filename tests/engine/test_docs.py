"""The settings of hearing and speaking that the documentation lists are all there are, with their true defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from asr import pocketsphinx, sherpa_onnx, vad, vosk, vosk_server
from engine.config import Turns
from tts import cached, espeak, fallback, http, piper, recorded, rhvoice

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def listed(page: str) -> tuple[str, Mapping[str, Any]]:
    """The largest YAML example of `speech` on a page: its text, and what it holds."""
    text = (DOCS / page).read_text("utf-8")
    block = max((b for b in re.findall(r"```yaml\n(.*?)```", text, re.S) if b.startswith("speech:")), key=len)
    return block, yaml.safe_load(block)["speech"]


@pytest.mark.parametrize(("section", "settings"), [("turns", Turns), ("vad", vad.Settings)])
def test_turn_taking_is_listed_with_its_defaults(section: str, settings: type[BaseModel]) -> None:
    _, speech = listed("RECOGNITION.md")
    assert speech[section] == settings().model_dump()


def test_every_recogniser_is_listed_with_its_settings() -> None:
    text, speech = listed("RECOGNITION.md")
    for module in (vosk, sherpa_onnx, pocketsphinx, vosk_server):
        name = module.__name__.rpartition(".")[2]
        given = speech["recognizers"][name]
        for key, field in module.Settings.model_fields.items():
            if key in given and given[key] is not None and not field.is_required():
                assert given[key] == field.get_default(call_default_factory=True), f"{name}.{key}"
            elif key not in given:
                assert f"{key}: {field.default:g}" in text, f"{name}.{key}"


@pytest.mark.parametrize("module", [espeak, rhvoice, piper, http, fallback, recorded, cached])
def test_every_setting_of_a_voice_is_told(module: Any) -> None:
    page = (DOCS / "VOICES.md").read_text("utf-8")
    keys = [field.alias or name for name, field in module.Settings.model_fields.items()]
    assert [key for key in keys if not re.search(rf"\b{key}:|`{key}\b", page)] == []


def measured(file: str, heading: str) -> list[list[str]]:
    """The tables of that section: of each cell its digits, which are the same in both languages."""
    _, _, rest = (DOCS.parent / file).read_text("utf-8").partition(f"\n## {heading}\n")
    section = rest.partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[re.sub(r"\D", "", cell) for cell in row.strip("|").split("|")] for row in rows]


def test_both_readmes_tell_the_same_figures() -> None:
    english, russian = measured("README.md", "Measured"), measured("README.ru.md", "Измерено")
    assert len(english) > 10 and any(any(row) for row in english)
    assert russian == english
