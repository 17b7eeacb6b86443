"""Which models there are, which of them are here, and which is taken.

asr/models.yaml ─▶ catalogue ─▶ installed in data_dir/models? ─▶ choose: the best for a language, else the demonstration
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from asr._unpack import unpack
from asr._vosk import graph_folder
from engine.errors import ConfigError, InstallError

HERE = Path(__file__).resolve().parent
DEMO = "vosk-demo"
DEMO_ARCHIVE = HERE / "demo_model" / f"{DEMO}.tar.gz"


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    engine: str
    language: str
    url: str
    size: int  # of the archive in bytes, about
    sha256: str | None  # None: nobody has checked one in
    licence: str
    rate: int
    grammar: bool
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What `auto` came to. `name` is the extension's, `options` are for its Settings."""

    name: str
    options: Mapping[str, Any]
    why: str  # one sentence
    demonstration: bool = False
    better: str = ""  # how to get a better one; empty: this is as good as it gets


@cache
def catalogue() -> tuple[Entry, ...]:
    """All that is known, the best of each language first."""
    raw = yaml.safe_load((HERE / "models.yaml").read_text("utf-8"))
    return tuple(Entry(**entry) for entry in raw)


def find(name: str) -> Entry:
    """Raises InstallError with what there is."""
    for entry in catalogue():
        if entry.name == name:
            return entry
    raise InstallError(f"there is no model {name!r}: {', '.join(entry.name for entry in catalogue())}")


def models_dir(data_dir: Path) -> Path:
    return data_dir / "models"


def is_model(folder: Path) -> bool:
    """Looks like a Kaldi model that vosk can load."""
    graph = graph_folder(folder)
    return any((folder / name).is_file() for name in ("am/final.mdl", "final.mdl")) and (
        (graph / "HCLG.fst").is_file() or ((graph / "HCLr.fst").is_file() and (graph / "Gr.fst").is_file())
    )


def installed(data_dir: Path, language: str = "") -> list[Entry]:
    """Those of the catalogue that are here, the best first."""
    return [
        entry
        for entry in catalogue()
        if (not language or entry.language == language) and is_model(models_dir(data_dir) / entry.name)
    ]


def is_demo(model: Path) -> bool:
    return model.name == DEMO


def demo_model(data_dir: Path) -> Path:
    """The folder of the demonstration model, unpacked at first use. Raises InstallError."""
    folder = models_dir(data_dir) / DEMO
    if not is_model(folder):
        unpack(DEMO_ARCHIVE, folder, is_model=is_model)
    return folder


def choose(
    name: str, recognizers: Mapping[str, Mapping[str, Any]], *, language: str, data_dir: Path, workers: int = 0
) -> Choice:
    """The recogniser for `speech.recognizer: auto`, or for one that is named without a model.

    A model named in the settings comes first, then the best one of this language in data_dir/models, then the
    demonstration model. Raises ConfigError if the settings name a model that is not there.
    """
    language = language.split("-")[0].lower()
    options = {"workers": workers, **recognizers.get("vosk", {})}
    if name not in ("auto", "vosk"):
        return Choice(name, recognizers.get(name, {}), f"{name}, as the settings say")
    if options.get("model"):
        model = Path(options["model"])
        if not is_model(model):
            raise ConfigError(f"speech.recognizers.vosk.model: there is no Vosk model in {model}")
        return Choice(
            "vosk", options, f"the Vosk model {model.name}, as the settings say", is_demo(model), _hint(language)
        )
    if here := installed(data_dir, language):
        options["model"] = models_dir(data_dir) / here[0].name
        return Choice(
            "vosk", options, f"the Vosk model {here[0].name}: the best for {language} in {models_dir(data_dir)}"
        )
    options["model"] = demo_model(data_dir)
    why = f"no model for {language} is in {models_dir(data_dir)}"
    why = f"the demonstration model, which is no recogniser of people: {why}"
    return Choice("vosk", options, why, demonstration=True, better=_hint(language))


def _hint(language: str) -> str:
    """The smallest real model of a language is the one to begin with."""
    fitting = [entry for entry in catalogue() if entry.language == language]
    if not fitting:
        return f"give a Vosk model for {language} in speech.recognizers.vosk.model"
    return f"dozvon models install {min(fitting, key=lambda entry: entry.size).name}"
