"""espeak-ng in a process of its own: the library is GPL, keeps global state and may crash.

    stdin: JSON {"voice", "rate", "pitch", "text"} ─▶ espeak ─▶ trim, 8 kHz, one loudness ─▶ stdout: status, PCM

It ends when its stdin does. `python -m tts._espeak_worker`.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import json
import os
import signal
import struct
from pathlib import Path
from typing import Any

import numpy as np

from engine import audio
from engine.model import RATE, Sound

REQUEST = struct.Struct("<I")
ANSWER = struct.Struct("<BI")
LONGEST = 1 << 16
SYNCHRONOUS, UTF8, RATE_PARAMETER, PITCH_PARAMETER = 2, 1, 1, 3
LEAD_S, TAIL_S = 0.01, 0.06  # what is left of the silence around the speech

Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def find_library() -> tuple[str, str | None] | None:
    """The espeak-ng library and its data folder (None: its own): the wheel's, else the system's, else none at all."""
    wheel = importlib.util.find_spec("espeakng_loader")  # found, not imported: this is asked in the engine too
    if wheel is not None and wheel.origin:
        folder = Path(wheel.origin).parent
        for name in ("libespeak-ng.so", "libespeak-ng.so.1", "libespeak-ng.dylib"):
            if (folder / name).is_file() and (folder / "espeak-ng-data").is_dir():
                return str(folder / name), str(folder)
    system = ctypes.util.find_library("espeak-ng")
    return (system, None) if system else None


class Espeak:
    def __init__(self) -> None:
        found = find_library()
        if found is None:
            raise RuntimeError("there is no espeak-ng library")
        library, data = found
        self._lib = ctypes.CDLL(library)
        self._rate = self._lib.espeak_Initialize(SYNCHRONOUS, 0, data.encode() if data else None, 0)
        if self._rate <= 0:
            raise RuntimeError("espeak-ng does not start: its data is not there")
        self._pcm = bytearray()
        self._callback = Callback(self._take)
        self._lib.espeak_SetSynthCallback(self._callback)
        self._lib.espeak_Synth.argtypes = [
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint),
            *(ctypes.c_void_p, ctypes.c_void_p),
        ]
        self._voice = ""

    def say(self, voice: str, rate: int, pitch: int, text: str) -> bytes:
        if voice != self._voice:
            if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
                self._voice = ""
                raise ValueError(f"espeak-ng has no voice {voice}")
            self._voice = voice
        self._lib.espeak_SetParameter(RATE_PARAMETER, rate, 0)
        self._lib.espeak_SetParameter(PITCH_PARAMETER, pitch, 0)
        self._pcm.clear()
        data = text.encode() + b"\0"
        if self._lib.espeak_Synth(data, len(data), 0, 1, 0, UTF8, None, None) != 0:
            raise RuntimeError("espeak-ng did not speak")
        self._lib.espeak_Synchronize()
        return self._telephone(bytes(self._pcm))

    def _take(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._pcm += ctypes.string_at(samples, count * 2)
        return 0

    def _telephone(self, pcm: bytes) -> bytes:
        wave = audio.resample(audio.samples(pcm), self._rate)
        loud = np.flatnonzero(np.abs(wave) > 0.002)
        if not loud.size:
            return b""
        start = max(0, int(loud[0]) - round(LEAD_S * RATE))
        return audio.level(Sound(audio.to_pcm(wave[start : int(loud[-1]) + round(TAIL_S * RATE)]))).pcm


def main() -> None:
    out = os.dup(1)
    os.dup2(2, 1)
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    os.nice(5)
    espeak = Espeak()
    source = os.fdopen(0, "rb")
    _answer(out, 0, b"ready")
    while len(head := source.read(REQUEST.size)) == REQUEST.size:
        (length,) = REQUEST.unpack(head)
        if length > LONGEST:
            return
        asked = json.loads(source.read(length))
        try:
            _answer(out, 0, espeak.say(asked["voice"], asked["rate"], asked["pitch"], asked["text"]))
        except (ValueError, RuntimeError) as error:
            _answer(out, 1, str(error).encode())


def _answer(fd: int, status: int, payload: bytes) -> None:
    data = ANSWER.pack(status, len(payload)) + payload
    while data:
        data = data[os.write(fd, data) :]


if __name__ == "__main__":
    main()
