"""Which models there are, which of them are here, and which is taken.

asr/models.yaml ─▶ catalogue ─▶ installed in data_dir/models? ─▶ choose: the best for a language, else the demonstration
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from asr._sherpa import kind_of
from asr._unpack import unpack
from asr._vosk import graph_folder
from engine.errors import ConfigError, InstallError

HERE = Path(__file__).resolve().parent
DEMO = "vosk-demo"
STAMP = "archive.sha256"  # in its folder: what it was unpacked from
DEMO_ARCHIVE = HERE / "demo_model" / f"{DEMO}.tar.gz"
LIBRARIES = {"vosk": "vosk", "sherpa_onnx": "sherpa_onnx", "pocketsphinx": "pocketsphinx"}  # extension -> its library
TO_BEGIN_WITH = 200_000_000  # bytes that a first model may have
DESCRIBED = ("fallback", "vosk_server")  # the settings would not describe these for nothing


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
    kind: str = ""  # of a sherpa_onnx model: see asr.sherpa_onnx
    wer: float | None = None  # per cent of words wrong on telephone speech, as published
    source: str = ""  # who published it


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


def fits(entry: Entry, folder: Path) -> bool:
    """Looks like a model that this entry's engine can load."""
    return bool(kind_of(folder)) if entry.engine == "sherpa_onnx" else is_model(folder)


def usable(engine: str) -> bool:
    """Its library is installed."""
    return find_spec(LIBRARIES.get(engine, engine)) is not None


def remove(name: str, data_dir: Path) -> Path:
    """The folder that was removed, with what was fetched of it. Raises InstallError if there was neither."""
    folder = models_dir(data_dir) / find(name).name
    part = folder.with_name(f"{name}.part")
    if not folder.is_dir() and not part.is_file():
        raise InstallError(f"{name} is not in {folder.parent}")
    try:
        part.unlink(missing_ok=True)
        if folder.is_dir():
            shutil.rmtree(folder)
    except OSError as error:
        raise InstallError(f"{folder} cannot be removed ({error.strerror or error})") from None
    return folder


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
        if (not language or entry.language == language) and fits(entry, models_dir(data_dir) / entry.name)
    ]


def is_demo(model: Path) -> bool:
    return model.name == DEMO


def demo_model(data_dir: Path) -> Path:
    """The folder of the demonstration model, unpacked at first use, and when another one has come with the program.
    Raises InstallError."""
    folder = models_dir(data_dir) / DEMO
    stamp = folder / STAMP
    ours = hashlib.sha256(DEMO_ARCHIVE.read_bytes()).hexdigest()
    if not is_model(folder) or not stamp.is_file() or stamp.read_text("ascii", "replace") != ours:
        unpack(DEMO_ARCHIVE, folder, is_model=is_model)
        stamp.write_text(ours, "ascii")
    return folder


def choose(
    name: str, recognizers: Mapping[str, Mapping[str, Any]], *, language: str, data_dir: Path, workers: int = 0
) -> Choice:
    """The recogniser for `speech.recognizer: auto`, or for one that is named without a model.

    What the settings describe comes first, then the best model of this language in data_dir/models whose library is
    here, then pocketsphinx for English, then the demonstration model. Raises ConfigError if the settings name a model
    that is not there.
    """
    language = language.split("-")[0].lower()
    if name == "auto":
        name = next((one for one in DESCRIBED if one in recognizers), "auto")
    if name == "auto" and "model" in recognizers.get("sherpa_onnx", {}):
        name = "sherpa_onnx"
    if name == "sherpa_onnx" and not recognizers.get(name, {}).get("model"):
        return _sherpa(recognizers.get(name, {}), language, data_dir, workers)
    if name not in ("auto", "vosk"):
        given = recognizers.get(name, {})
        more = {"workers": workers} if name in LIBRARIES else {}
        return Choice(name, {**more, **given}, f"{name}, as the settings say")
    options = {"workers": workers, **recognizers.get("vosk", {})}
    if options.get("model"):
        model = Path(options["model"])
        if not is_model(model):
            raise ConfigError(f"speech.recognizers.vosk.model: there is no Vosk model in {model}")
        return Choice(
            "vosk", options, f"the Vosk model {model.name}, as the settings say", is_demo(model), _hint(language)
        )
    here = [entry for entry in installed(data_dir, language) if usable(entry.engine) and name in ("auto", entry.engine)]
    if here and here[0].engine == "sherpa_onnx":
        return _sherpa(recognizers.get("sherpa_onnx", {}), language, data_dir, workers)
    if here:
        options["model"] = models_dir(data_dir) / here[0].name
        return Choice(
            "vosk", options, f"the Vosk model {here[0].name}: the best for {language} in {models_dir(data_dir)}"
        )
    if name == "auto" and language == "en" and usable("pocketsphinx"):
        given = {"workers": workers, **recognizers.get("pocketsphinx", {})}
        return Choice("pocketsphinx", given, "pocketsphinx, for menus: no better model is here", better=_hint(language))
    options["model"] = demo_model(data_dir)
    why = f"no model for {language} is in {models_dir(data_dir)}"
    why = f"the demonstration model, which is no recogniser of people: {why}"
    return Choice("vosk", options, why, demonstration=True, better=_hint(language))


def _sherpa(given: Mapping[str, Any], language: str, data_dir: Path, workers: int) -> Choice:
    here = [entry for entry in installed(data_dir, language) if entry.engine == "sherpa_onnx"]
    if not here:
        raise ConfigError(f"speech.recognizers.sherpa_onnx.model is not set, and none is here: {_hint(language)}")
    best, kind = here[0], {"kind": here[0].kind} if here[0].kind else {}
    options = {"workers": workers, **kind, **given, "model": models_dir(data_dir) / best.name}
    return Choice("sherpa_onnx", options, f"{best.name} by sherpa-onnx: the best for {language} that is here")


def _hint(language: str) -> str:
    """The best model of a language that is not too large to begin with."""
    fitting = [entry for entry in catalogue() if entry.language == language and usable(entry.engine)]
    if not fitting:
        return f"give a Vosk model for {language} in speech.recognizers.vosk.model"
    first = next((entry for entry in fitting if entry.size <= TO_BEGIN_WITH), fitting[-1])
    return f"dozvon models install {first.name}"
