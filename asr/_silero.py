"""The silero voice detector: its ONNX model straight out of the `silero-vad` wheel, whose own code would want torch.

frames of 20 ms ─▶ windows of 32 ms, each with the 4 ms before it ─▶ one small recurrent network ─▶ how likely a voice
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from engine.model import RATE

WINDOW, BEFORE = 256, 32  # samples at 8 kHz; the model was trained on no others
MODEL = "silero_vad_op18_ifless.onnx"  # 75 µs a window; `silero_vad.onnx`, with both rates in one, takes 85
PCM = np.dtype("<i2")


@cache
def model_file() -> Path | None:
    """The model, found without importing the package it lies in. None: it is not installed."""
    if find_spec("onnxruntime") is None or (found := find_spec("silero_vad")) is None:
        return None
    files = (Path(place) / "data" / MODEL for place in found.submodule_search_locations or ())
    return next((file for file in files if file.is_file()), None)


def installed() -> bool:
    return model_file() is not None


class Silero:
    """The loaded model, shared by every call. 25 ms to load, 10 MB of memory."""

    def __init__(self) -> None:
        import onnxruntime  # type: ignore[import-untyped,unused-ignore]

        file = model_file()
        assert file is not None, "ask `installed` first"
        onnxruntime.set_default_logger_severity(3)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # threads would cost more than they do
        self._run = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"]).run
        self._rate = np.array(RATE, np.int64)

    def stream(self) -> SileroStream:
        return SileroStream(self)

    def likely(self, samples: np.ndarray[Any, Any], state: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
        """Of BEFORE + WINDOW samples, and the state for the next window."""
        found, after = self._run(None, {"input": samples, "state": state, "sr": self._rate})
        return float(found[0, 0]), after


class SileroStream:
    """One stretch of sound."""

    def __init__(self, model: Silero) -> None:
        self._model = model
        self._state = np.zeros((2, 1, 128), np.float32)
        self._kept = bytes(2 * BEFORE)
        self._likely = 0.0

    def push(self, frame: bytes) -> float:
        """How likely the newest whole window was a voice; 0 before there is one."""
        kept = self._kept = self._kept + frame
        whole = 2 * (BEFORE + WINDOW)
        if len(kept) >= whole:
            samples = np.frombuffer(kept, PCM, BEFORE + WINDOW).astype(np.float32)[np.newaxis] / 32768.0
            self._likely, self._state = self._model.likely(samples, self._state)
            self._kept = kept[2 * WINDOW :]
        return self._likely
