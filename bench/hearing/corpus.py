"""Clips of speech and what each of them means: a folder of one's own with a manifest, checked line by line.

    manifest.csv | manifest.jsonl ─▶ Line ─▶ audio read, brought to the telephone band ─▶ Clip

A line has `audio, text, label, language, source, license`. `label` is the command that was said; empty: none, and
nothing may be taken for one; `amd:person`, `amd:machine`, … : what answers a call, from the answer on.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine import audio
from engine.errors import InputError
from engine.model import FRAME_BYTES, FRAME_MS
from engine.rules.greetings import Kind

FIELDS = ("audio", "text", "label", "language", "source", "license")
MANIFESTS = ("manifest.csv", "manifest.jsonl")
MOST_LINES = 20_000
MANIFEST_BYTES = 32 << 20
LONGEST_S = 60.0
MOST_TOLD = 20  # faults of a manifest
LOUD_DB = 34.0  # below its loudest 20 ms a clip is taken for silence
QUIETEST_DBFS = -50.0
AMD = "amd:"


@dataclass(frozen=True, slots=True)
class Span:
    """From the first loud frame to the end of the last, ms."""

    start_ms: int
    end_ms: int

    @property
    def seconds(self) -> float:
        return (self.end_ms - self.start_ms) / 1000


@dataclass(frozen=True, slots=True)
class Clip:
    """Something said: 16-bit PCM at 8 kHz."""

    pcm: bytes
    text: str
    label: str = ""
    language: str = "ru"
    source: str = ""
    license: str = ""

    @property
    def greets(self) -> bool:
        """It is what answers a call, not an answer to a question."""
        return self.label.startswith(AMD)


def span(pcm: bytes) -> Span:
    """Where the speech is. All of it where nothing stands out."""
    frames = np.frombuffer(pcm[: len(pcm) // FRAME_BYTES * FRAME_BYTES], "<i2").astype(np.float32)
    levels = 10 * np.log10(np.mean((frames / 32768).reshape(-1, FRAME_BYTES // 2) ** 2, axis=1) + 1e-12)
    if not levels.size:
        return Span(0, 0)
    loud = np.flatnonzero(levels >= max(float(levels.max()) - LOUD_DB, QUIETEST_DBFS))
    if not loud.size:
        return Span(0, levels.size * FRAME_MS)
    return Span(int(loud[0]) * FRAME_MS, (int(loud[-1]) + 1) * FRAME_MS)


def commands(clips: Sequence[Clip]) -> dict[str, tuple[str, ...]]:
    """Language -> what may be commanded in it, in the order of its coming."""
    found: dict[str, dict[str, None]] = {}
    for clip in clips:
        if clip.label and not clip.greets:
            found.setdefault(clip.language, {})[clip.label] = None
    return {language: tuple(labels) for language, labels in found.items()}


def load(folder: Path) -> list[Clip]:
    """A corpus of one's own. Raises InputError that names each line that is wrong, and what to do about it."""
    manifest = next((file for name in MANIFESTS if (file := folder / name).is_file()), None)
    if manifest is None:
        raise InputError(
            f"{folder} holds no corpus: put {' or '.join(MANIFESTS)} there, each line with {', '.join(FIELDS)}"
        )
    clips: list[Clip] = []
    faults: list[str] = []
    for number, line in _lines(manifest):
        try:
            clips.append(_clip(folder, line))
        except InputError as error:
            faults.append(f"{manifest.name}, line {number}: {error}")
            if len(faults) >= MOST_TOLD:
                faults.append("… and perhaps more: mend these first")
                break
    if faults:
        raise InputError("\n".join(faults))
    if not clips:
        raise InputError(f"{manifest} lists no clips: add a line for each recording")
    return clips


def _lines(manifest: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(the line's number in the file, its fields)"""
    try:
        if manifest.stat().st_size > MANIFEST_BYTES:
            raise InputError(f"{manifest.name} is larger than {MANIFEST_BYTES >> 20} MB: split the corpus")
        text = manifest.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"{manifest} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{manifest} is not UTF-8: save it as UTF-8") from None
    rows = _csv(text, manifest.name) if manifest.suffix == ".csv" else _jsonl(text, manifest.name)
    for count, row in enumerate(rows, 1):
        if count > MOST_LINES:
            raise InputError(f"{manifest.name} has more than {MOST_LINES} lines: split the corpus")
        yield row


def _csv(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    head = text.partition("\n")[0]
    reader = csv.DictReader(text.splitlines(), delimiter=";" if head.count(";") > head.count(",") else ",")
    missing = [field for field in ("audio", "text", "label") if field not in (reader.fieldnames or ())]
    if missing:
        raise InputError(f"{name}, line 1: there is no column {', '.join(missing)}: begin with {','.join(FIELDS)}")
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"{name}, line {reader.line_num}: {error}: save it as plain CSV") from None


def _jsonl(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(f"{name}, line {number}: this is no JSON: one object a line") from None
        if not isinstance(row, dict):
            raise InputError(f'{name}, line {number}: give an object: {{"audio": …, "text": …, "label": …}}')
        yield number, row


def _clip(folder: Path, line: Mapping[str, Any]) -> Clip:
    values = {}
    for field in FIELDS:
        value = line.get(field)
        if value is not None and not isinstance(value, str):
            raise InputError(f"{field} must be text")
        values[field] = (value or "").strip()[:1000]
    if None in line:
        raise InputError(f"more columns than the {len(FIELDS)}: put quotes around texts with commas")
    file = (folder / values["audio"]).resolve()
    if not values["audio"]:
        raise InputError("audio is empty: name the file, relative to the manifest")
    if not file.is_relative_to(folder.resolve()):
        raise InputError(f"audio {values['audio']!r} lies outside of the corpus: copy it into {folder}")
    if not file.is_file():
        raise InputError(f"there is no file {values['audio']}: mend the name, which is relative to the manifest")
    label = values["label"].lower()
    kinds = [kind.value for kind in Kind if kind is not Kind.UNKNOWN]
    if label.startswith(AMD) and label.removeprefix(AMD) not in kinds:
        raise InputError(f"label {label!r}: choose from {', '.join(AMD + kind for kind in kinds)}")
    language = (values["language"] or "ru").split("-")[0].lower()
    if language not in ("ru", "en"):
        raise InputError(f"language {values['language']!r}: ru and en can be measured")
    sound = audio.read(file, longest_s=LONGEST_S)
    return Clip(sound.pcm, values["text"], label, language, values["source"] or folder.name, values["license"])
