"""Small ONNX models written byte by byte, and one that sherpa-onnx takes for T-one: it hears words spelt in tones.

spelt("да") ─▶ 90 ms of one tone for each letter ─▶ DFT by one matrix ─▶ the letter of the strongest line
"""

from __future__ import annotations

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


def hertz(letter: str) -> float:
    return (10 + 2 * LETTERS.index(letter)) * RATE / STEP


def spelt(text: str) -> list[bytes]:
    """As frames, with silence before and behind."""
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
    model = _number(1, 8) + _bytes(7, graph) + _bytes(8, _text(1, "") + _number(2, 17))
    for name, value in about.items():
        model += _bytes(14, _text(1, name) + _text(2, str(value)))
    (folder / "model.onnx").write_bytes(model)
    names = ["▁" if letter == " " else letter for letter in LETTERS]
    tokens = "".join(f"{name} {n}\n" for n, name in enumerate([*names, "<blk>"]))
    (folder / "tokens.txt").write_text(tokens, "utf-8")
    return folder


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


def _node(op: str, inputs: list[str], outputs: list[str], **numbers: int) -> bytes:
    node = b"".join(_text(1, name) for name in inputs) + b"".join(_text(2, name) for name in outputs) + _text(4, op)
    for name, value in numbers.items():
        node += _bytes(5, _text(1, name) + _number(3, value) + _number(20, 2))
    return _bytes(1, node)


def _tensor(name: str, values: Array, kind: int) -> bytes:
    dims = b"".join(_number(1, size) for size in values.shape)
    return _bytes(5, dims + _number(2, kind) + _text(8, name) + _bytes(9, values.tobytes()))


def _value(field: int, name: str, kind: int, shape: list[str | int]) -> bytes:
    dims = b"".join(_bytes(1, _text(2, size) if isinstance(size, str) else _number(1, size)) for size in shape)
    return _bytes(field, _text(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dims))))
