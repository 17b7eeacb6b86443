"""The worker's half of `asr.sherpa_onnx`: a streaming or offline ONNX model and its utterances, in their own process.

streaming: sound ─▶ decoded as it comes ─▶ partials ─▶ text
offline:   sound ─▶ kept ─▶ decoded every `partial_s` of new sound, and at the end
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RATE = 8000
PHRASES = 1000
STREAMING = ("t_one", "transducer")
OFFLINE = ("offline_transducer", "nemo_transducer", "nemo_ctc")
KINDS = (*STREAMING, *OFFLINE)
LEAD_S = {"t_one": 0.3}  # silence that a model wants to hear first
TAIL_S = 0.6  # and last, for the last chunk to be whole


def load(options: dict[str, Any]) -> SherpaModel:
    return SherpaModel(Path(options["model"]), options["kind"], float(options.get("partial_s", 0.0)))


class SherpaModel:
    unknown_words = 0  # it spells words, it has no list of them

    def __init__(self, folder: Path, kind: str, partial_s: float) -> None:
        self._kind = kind
        self._partial = round(partial_s * RATE)
        self._biased = False
        self._recognizer = self._loaded(files(folder), kind)

    def _loaded(self, found: dict[str, Path], kind: str) -> Any:
        import sherpa_onnx  # type: ignore[import-untyped,unused-ignore]

        known: dict[str, Any] = {name: str(file) for name, file in found.items() if name not in ("bpe_vocab", "model")}
        known["num_threads"] = 1  # the pool is the parallelism
        if kind == "t_one":
            return sherpa_onnx.OnlineRecognizer.from_t_one_ctc(model=str(found["model"]), **known)
        if kind == "nemo_ctc":
            return sherpa_onnx.OfflineRecognizer.from_nemo_ctc(model=str(found["model"]), **known)
        if "bpe_vocab" in found and kind != "nemo_transducer":
            self._biased = True
            known |= {"decoding_method": "modified_beam_search", "modeling_unit": "bpe"}
            known["bpe_vocab"] = str(found["bpe_vocab"])
        if kind == "transducer":
            return sherpa_onnx.OnlineRecognizer.from_transducer(**known)
        model_type = "nemo_transducer" if kind == "nemo_transducer" else "transducer"
        return sherpa_onnx.OfflineRecognizer.from_transducer(model_type=model_type, **known)

    def begin(self, language: str, phrases: Sequence[str]) -> StreamingUtterance | OfflineUtterance:
        words = _bias(phrases) if self._biased else ""
        stream = self._recognizer.create_stream(words) if words else self._recognizer.create_stream()
        if self._kind in STREAMING:
            return StreamingUtterance(self._recognizer, stream, LEAD_S.get(self._kind, 0.0))
        return OfflineUtterance(self._recognizer, words, self._partial)


class StreamingUtterance:
    def __init__(self, recognizer: Any, stream: Any, lead_s: float) -> None:
        self._recognizer = recognizer
        self._stream = stream
        self._hear(bytes(2 * round(lead_s * RATE)))

    def push(self, pcm: bytes) -> str:
        self._hear(pcm)
        return _clean(str(self._recognizer.get_result(self._stream)))

    def finish(self) -> tuple[str, float]:
        self._hear(bytes(2 * round(TAIL_S * RATE)))
        self._stream.input_finished()
        self._decode()
        found = self._recognizer.get_result_all(self._stream)
        return _told(found)

    def _hear(self, pcm: bytes) -> None:
        if pcm:
            self._stream.accept_waveform(RATE, _samples(pcm))
            self._decode()

    def _decode(self) -> None:
        while self._recognizer.is_ready(self._stream):
            self._recognizer.decode_stream(self._stream)


class OfflineUtterance:
    def __init__(self, recognizer: Any, words: str, partial: int) -> None:
        self._recognizer = recognizer
        self._words = words
        self._partial = partial  # samples of new sound after which a partial is worth its cost; 0: none
        self._pcm = bytearray()
        self._looked = 0
        self._said = ""

    def push(self, pcm: bytes) -> str:
        self._pcm += pcm
        if self._partial and len(self._pcm) // 2 - self._looked >= self._partial:
            self._looked = len(self._pcm) // 2
            self._said = self._decoded()[0]
        return self._said

    def finish(self) -> tuple[str, float]:
        return self._decoded() if len(self._pcm) >= RATE // 10 else ("", 0.0)

    def _decoded(self) -> tuple[str, float]:
        create = self._recognizer.create_stream
        stream = create(self._words) if self._words else create()
        stream.accept_waveform(RATE, _samples(self._pcm))
        self._recognizer.decode_stream(stream)
        return _told(stream.result)


def _samples(pcm: bytes | bytearray) -> Any:
    import numpy as np

    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768.0


def _bias(phrases: Sequence[str]) -> str:
    """As sherpa wants them: one phrase, a slash, the next one."""
    plain = (" ".join(re.findall(r"[\w'-]+", phrase.lower())) for phrase in phrases[:PHRASES] if "/" not in phrase)
    return "/".join(dict.fromkeys(phrase for phrase in plain if phrase))


def _clean(text: str) -> str:
    """Words only: some models write punctuation and capitals."""
    return " ".join(re.findall(r"[\w'-]+", text.lower()))


def _told(found: Any) -> tuple[str, float]:
    """Text, and the mean probability of its tokens; 1 where the model tells none."""
    text = _clean(str(found.text))
    if not text:
        return "", 0.0
    sure = list(getattr(found, "ys_probs", None) or getattr(found, "ys_log_probs", None) or ())
    mean = sum(map(math.exp, sure)) / len(sure) if sure else 1.0
    return text, round(min(1.0, max(mean, 0.0001)), 4)


# --- what a model's folder says of itself ---------------------------------------------------------------------------


def files(folder: Path) -> dict[str, Path]:
    """What there is of model, encoder, decoder, joiner, tokens and bpe_vocab, the smaller (int8) one where there are
    several; in the folder or in a folder of it."""
    found = {}
    for name, pattern in (
        ("model", r"model(\.int8)?\.onnx"),
        ("encoder", r"(.*[_-])?encoder.*\.onnx"),
        ("decoder", r"(.*[_-])?decoder.*\.onnx"),
        ("joiner", r"(.*[_-])?join(er|t).*\.onnx"),
        ("tokens", r"(.*[_-])?tokens\.txt"),
        ("bpe_vocab", r"bpe\.vocab"),
    ):
        fitting = [file for file in sorted(folder.rglob("*")) if file.is_file() and re.fullmatch(pattern, file.name)]
        if fitting:
            found[name] = min(fitting, key=lambda file: (len(file.parts), file.stat().st_size))
    return found


def kind_of(folder: Path) -> str:
    """By its files and its name; empty: this is no model that is known here."""
    found, name = files(folder), folder.name.lower()
    if "tokens" not in found:
        return ""
    if {"encoder", "decoder", "joiner"} <= found.keys():
        if "nemo" in name or "giga" in name:
            return "nemo_transducer"
        return "transducer" if "streaming" in name else "offline_transducer"
    if "model" not in found:
        return ""
    return "t_one" if "t-one" in name or "t_one" in name or "tone" in name else "nemo_ctc"
