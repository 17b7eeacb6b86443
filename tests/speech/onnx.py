"""Small ONNX models written byte by byte, which sherpa-onnx takes for its own: they hear words spelt in tones.

t_one:        spelt("да") ─▶ 90 ms of one tone for each letter ─▶ DFT by one matrix ─▶ the letter of the strongest line
nemo_ctc:     sung("да") ─▶ tones further apart ─▶ the library's mel filters ─▶ the letter of the loudest
transducer:   the same; its decoder forbids the letter that was the last, so that each is told once
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine import audio
from engine.model import SILENCE
from tests.speech import frames

LETTERS = " абвгдежзийклмнопрстуфхцчшщъыьэюя"
RATE, CHUNK, STEPS, STEP = 8000, 2400, 10, 240  # T-one: 300 ms at once, ten results of 30 ms each
LETTER_S = 0.09
FLOAT, INT32, INT64, HALF = 1, 6, 7, 10  # ONNX's numbers for them
Array = NDArray[np.generic]
WIDE = dict(zip("аднеопрт", (700.0, 900.0, 1150.0, 1450.0, 1800.0, 2200.0, 2700.0, 3200.0), strict=True))
FILTERS, WIDE_RATE = 80, 16_000  # of the library, which resamples to that
SILENT = -2.0  # the logarithm of a filter below which nothing sounds


def hertz(letter: str) -> float:
    return (10 + 2 * LETTERS.index(letter)) * RATE / STEP


def spelt(text: str) -> list[bytes]:
    """As frames, with silence before and behind."""
    return _tones(text, hertz)


def sung(text: str) -> list[bytes]:
    """The same in the tones of WIDE, and no other letters."""
    return _tones(text, WIDE.__getitem__)


def _tones(text: str, hertz: Callable[[str], float]) -> list[bytes]:
    time = np.arange(round(LETTER_S * RATE)) / RATE
    wave = np.concatenate([0.3 * np.sin(2 * np.pi * hertz(letter) * time) for letter in text])
    return [*[SILENCE] * 15, *frames(audio.to_pcm(wave)), *[SILENCE] * 15]


def t_one(folder: Path) -> Path:
    """A model of T-one's form in a folder of its name."""
    folder = folder / "tiny-t-one"
    folder.mkdir()
    count = len(LETTERS)
    angle = 2 * np.pi * np.outer(np.arange(STEP), [hertz(letter) / RATE for letter in LETTERS])
    lines = np.concatenate([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32) / 32768
    sums = np.zeros((2 * count, count + 1), np.float32)
    for n in range(count):
        sums[n, n] = sums[count + n, n] = 0.05
    blank = np.zeros(count + 1, np.float32)
    blank[count] = 3.0
    graph = (
        _node("Cast", ["signal"], ["cast"], to=FLOAT)
        + _node("Reshape", ["cast", "shape"], ["steps"])
        + _node("MatMul", ["steps", "lines"], ["parts"])
        + _node("Mul", ["parts", "parts"], ["powers"])
        + _node("MatMul", ["powers", "sums"], ["letters"])
        + _node("Add", ["letters", "blank"], ["scores"])
        + _node("LogSoftmax", ["scores"], ["logprobs"], axis=-1)
        + _node("Identity", ["state"], ["state_next"])
        + _text(2, "t-one")
        + _tensor("shape", np.array([-1, STEPS, STEP], np.int64), INT64)
        + _tensor("lines", lines, FLOAT)
        + _tensor("sums", sums, FLOAT)
        + _tensor("blank", blank, FLOAT)
        + _value(11, "signal", INT32, ["N", CHUNK, 1])
        + _value(11, "state", HALF, ["N", 4])
        + _value(12, "logprobs", FLOAT, ["N", STEPS, count + 1])
        + _value(12, "state_next", HALF, ["N", 4])
    )
    about = {"frame_length_ms": CHUNK * 1000 // RATE, "state_dim": 4, "sample_rate": RATE}
    (folder / "model.onnx").write_bytes(_model(graph, about))
    names = ["▁" if letter == " " else letter for letter in LETTERS]
    tokens = "".join(f"{name} {n}\n" for n, name in enumerate([*names, "<blk>"]))
    (folder / "tokens.txt").write_text(tokens, "utf-8")
    return folder


# --- models that are given the library's mel filters ------------------------------------------------------------------


def nemo_ctc(folder: Path) -> Path:
    """A model of NeMo's CTC form (GigaAM's is one of them) in a folder of its name."""
    folder = folder / "tiny-nemo-ctc"
    folder.mkdir()
    weights, floor = _filters(_slaney)
    graph = (
        _node("Transpose", ["audio_signal"], ["frames"], perm=[0, 2, 1])
        + _node("MatMul", ["frames", "weights"], ["letters"])
        + _node("Add", ["letters", "floor"], ["scores"])
        + _node("LogSoftmax", ["scores"], ["logprobs"], axis=-1)
        + _text(2, "nemo-ctc")
        + _tensor("weights", np.roll(weights, -1, axis=1), FLOAT)  # blank is the last one here
        + _tensor("floor", np.roll(floor, -1), FLOAT)
        + _value(11, "audio_signal", FLOAT, ["N", FILTERS, "T"])
        + _value(11, "length", INT64, ["N"])
        + _value(12, "logprobs", FLOAT, ["N", "T", len(floor)])
    )
    about: Mapping[str, int | str] = {"vocab_size": len(WIDE), "subsampling_factor": 1, "normalize_type": ""}
    (folder / "model.onnx").write_bytes(_model(graph, about))
    _listed(folder, [*WIDE, "<blk>"])
    return folder


def transducer(folder: Path, *, streaming: bool) -> Path:
    """A transducer of icefall's form, streaming (an LSTM's states) or offline, in a folder of its name."""
    folder = folder / ("tiny-streaming-transducer" if streaming else "tiny-transducer")
    folder.mkdir()
    weights, floor = _filters(_htk)
    count = len(floor)
    graph = (
        _node("MatMul", ["x", "weights"], ["letters"])
        + _node("Add", ["letters", "floor"], ["scores"])
        + _node("ReduceMax", ["scores"], ["loudest"], axes=[-1], keepdims=1)
        + _node("Sub", ["scores", "loudest"], ["below"])
        + _node("Add", ["below", "near"], ["nearly"])
        + _node("Relu", ["nearly"], ["winner"])
        + _node("Mul", ["winner", "sure"], ["encoder_out"])
        + _text(2, "encoder")
        + _tensor("weights", weights, FLOAT)
        + _tensor("floor", floor, FLOAT)
        + _tensor("near", np.array([0.2], np.float32), FLOAT)
        + _tensor("sure", np.array([50.0], np.float32), FLOAT)
        + _value(11, "x", FLOAT, ["N", "T", FILTERS])
        + _value(12, "encoder_out", FLOAT, ["N", "T", count])
    )
    about: Mapping[str, int | str] = {}
    if streaming:
        about = {"model_type": "lstm", "num_encoder_layers": 1, "T": STEPS, "decode_chunk_len": STEPS,
                 "rnn_hidden_size": 4, "d_model": 4}  # fmt: skip
        for state in ("h", "c"):
            graph += _node("Identity", [state], [f"next_{state}"])
            graph += _value(11, state, FLOAT, [1, "N", 4]) + _value(12, f"next_{state}", FLOAT, [1, "N", 4])
    else:
        graph += _node("Identity", ["x_lens"], ["encoder_out_lens"])
        graph += _value(11, "x_lens", INT64, ["N"]) + _value(12, "encoder_out_lens", INT64, ["N"])
    (folder / "encoder.onnx").write_bytes(_model(graph, about))
    forbids = np.diag([0.0, *[-1000.0] * len(WIDE)]).astype(np.float32)
    forbids[:, 0] = 5.0  # blank, unless another is sure
    graph = (
        _node("Gather", ["y", "last"], ["said"], axis=1)
        + _node("Gather", ["forbids", "said"], ["decoder_out"], axis=0)
        + _text(2, "decoder")
        + _tensor("last", np.array(1, np.int64), INT64)
        + _tensor("forbids", forbids, FLOAT)
        + _value(11, "y", INT64, ["N", 2])
        + _value(12, "decoder_out", FLOAT, ["N", count])
    )
    (folder / "decoder.onnx").write_bytes(_model(graph, {"vocab_size": count, "context_size": 2}))
    graph = (
        _node("Add", ["encoder_out", "decoder_out"], ["logit"])
        + _text(2, "joiner")
        + _value(11, "encoder_out", FLOAT, ["N", count])
        + _value(11, "decoder_out", FLOAT, ["N", count])
        + _value(12, "logit", FLOAT, ["N", count])
    )
    (folder / "joiner.onnx").write_bytes(_model(graph, {"joiner_dim": count}))
    _listed(folder, ["<blk>", *WIDE])
    return folder


def _filters(nearest: Callable[[float], int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Blank, then the letters of WIDE: each one's filter, and what is added."""
    weights = np.zeros((FILTERS, len(WIDE) + 1), np.float32)
    for n, hz in enumerate(WIDE.values(), start=1):
        weights[nearest(hz), n] = 1.0
    floor = np.zeros(len(WIDE) + 1, np.float32)
    floor[0] = SILENT
    return weights, floor


def _htk(hz: float) -> int:
    """The filter whose middle is the nearest, of those from 20 Hz to 400 Hz below half the rate."""
    low, high, here = (1127 * log(1 + each / 700) for each in (20.0, WIDE_RATE / 2 - 400, hz))
    return round((here - low) / (high - low) * (FILTERS + 1)) - 1


def _slaney(hz: float) -> int:
    """The same for those from 0 Hz to half the rate, in the scale that is straight up to 1 kHz."""
    high, here = (
        each * 3 / 200 if each < 1000 else 15 + 27 * log(each / 1000) / log(6.4) for each in (WIDE_RATE / 2, hz)
    )
    return round(here / high * (FILTERS + 1)) - 1


def _listed(folder: Path, names: list[str]) -> None:
    (folder / "tokens.txt").write_text("".join(f"{name} {n}\n" for n, name in enumerate(names)), "utf-8")


# --- protobuf, as much of it as ONNX needs ----------------------------------------------------------------------------


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _model(graph: bytes, about: Mapping[str, int | str]) -> bytes:
    model = _number(1, 8) + _bytes(7, graph) + _bytes(8, _text(1, "") + _number(2, 17))
    for name, value in about.items():
        model += _bytes(14, _text(1, name) + _text(2, str(value)))
    return model


def _node(op: str, inputs: list[str], outputs: list[str], **numbers: int | list[int]) -> bytes:
    node = b"".join(_text(1, name) for name in inputs) + b"".join(_text(2, name) for name in outputs) + _text(4, op)
    for name, value in numbers.items():
        if isinstance(value, int):
            node += _bytes(5, _text(1, name) + _number(3, value) + _number(20, 2))
        else:
            node += _bytes(5, _text(1, name) + b"".join(_number(8, each) for each in value) + _number(20, 7))
    return _bytes(1, node)


def _tensor(name: str, values: Array, kind: int) -> bytes:
    dims = b"".join(_number(1, size) for size in values.shape)
    return _bytes(5, dims + _number(2, kind) + _text(8, name) + _bytes(9, values.tobytes()))


def _value(field: int, name: str, kind: int, shape: list[str | int]) -> bytes:
    dims = b"".join(_bytes(1, _text(2, size) if isinstance(size, str) else _number(1, size)) for size in shape)
    return _bytes(field, _text(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dims))))
