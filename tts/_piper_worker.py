"""Piper in a process of its own: piper-tts is GPL, and a model takes memory and cores.

    {"model", "speaker", "length", "text"} ─▶ the model, loaded once ─▶ 8 kHz, trimmed, one loudness ─▶ PCM

`python -m tts._piper_worker`; see `tts._serve`.
"""

from __future__ import annotations

from collections import OrderedDict
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tts._serve import Speak, serve
from tts._sound import finished

MOST_MODELS = 4  # in memory; 60 to 120 MB each


class Piper:
    def __init__(self) -> None:
        self._piper = import_module("piper")
        self._models: OrderedDict[str, Any] = OrderedDict()

    def say(self, asked: dict[str, Any]) -> bytes:
        model = self._model(asked["model"])
        settings = self._piper.SynthesisConfig(speaker_id=asked["speaker"], length_scale=asked["length"])
        chunks = list(model.synthesize(asked["text"], syn_config=settings))
        if not chunks:
            return b""
        wave = np.concatenate([np.asarray(chunk.audio_float_array, np.float32).reshape(-1) for chunk in chunks])
        return finished(wave, chunks[0].sample_rate).pcm

    def _model(self, path: str) -> Any:
        if path in self._models:
            self._models.move_to_end(path)
            return self._models[path]
        try:
            model = self._piper.PiperVoice.load(path)
        except Exception as error:  # noqa: BLE001 - whatever a broken model brings about, it is this text's answer
            raise ValueError(f"{Path(path).name} is no Piper model: {type(error).__name__}") from None
        self._models[path] = model
        while len(self._models) > MOST_MODELS:
            self._models.popitem(last=False)
        return model


def load() -> Speak:
    return Piper().say


if __name__ == "__main__":
    serve(load)
