"""espeak-ng in a process of its own: the library is GPL, keeps global state and may crash.

    {"voice", "rate", "pitch", "text"} ─▶ espeak ─▶ 8 kHz, trimmed, one loudness ─▶ PCM

`python -m tts._espeak_worker`; see `tts._serve`.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
from pathlib import Path
from typing import Any

from engine import audio
from tts._serve import Speak, serve
from tts._sound import finished

SYNCHRONOUS, UTF8, RATE_PARAMETER, PITCH_PARAMETER = 2, 1, 1, 3

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
        return finished(audio.samples(bytes(self._pcm)), self._rate).pcm

    def _take(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._pcm += ctypes.string_at(samples, count * 2)
        return 0


def load() -> Speak:
    espeak = Espeak()
    return lambda asked: espeak.say(asked["voice"], asked["rate"], asked["pitch"], asked["text"])


if __name__ == "__main__":
    serve(load)
