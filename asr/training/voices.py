"""The synthetic voices that the model learns from, and those that are kept to judge it by.

espeak-ng only: it installs from PyPI, speaks the same bytes on every machine, and its sound may be used as one likes.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import soxr  # type: ignore[import-untyped,unused-ignore]

from asr._espeak import UTF8, Espeak
from asr._phones import from_espeak

Floats = npt.NDArray[np.float32]

RATE = 8000
RATE_PARAMETER, PITCH_PARAMETER, RANGE_PARAMETER = 1, 3, 4
CHARACTERS = 1  # of espeak_Synth: positions are counted in them
QUIET = 0.002  # of full scale: below it a synthesizer is silent

# Never trained on.
HELD_OUT: Final = ("m7", "f4", "Alex", "Annie", "linda", "quincy", "travis", "david")
TRAINED_ON: Final = (
    *("", "m1", "m2", "m3", "m4", "m5", "m6", "m8", "f1", "f2", "f3", "f5", "Andy", "Denis", "Mario", "max", "Michael"),
    *("norbert", "pedro", "rob", "steph", "sandro", "victor", "zac", "adam", "caleb", "ed", "Gene", "Jacky", "Lee"),
    *("anika", "belinda", "benjamin", "boris", "edward", "edward2", "grandma", "grandpa", "iven", "iven2", "iven3"),
    *("kaukovalta", "marcelo", "michel", "miguel", "mike2", "antonio", "Hugo", "Marco", "Tweaky", "shelby", "john"),
    *("paul", "robert", "aunty", "announcer", "gustave", "ian", "pablo", "Diogo", "Alicia", "Andrea", "Henrique"),
    *("Nguyen", "Reed", "Storm", "serious", "steph2", "steph3", "Gene2"),
)
BASES: Final = {"ru": ("ru",), "en": ("en-us", "en-us", "en", "en-gb-x-rp")}  # how often each accent is taken

_KEPT: list[Any] = []  # the library may call them as long as it lives
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@cache
def _library() -> Espeak:
    """It may be initialised once in a process."""
    return Espeak()


class Speaker:
    """espeak-ng in this process: training is run by hand, and speaks a hundred thousand times. The last one made is the
    one to be used: the library speaks to it."""

    def __init__(self) -> None:
        self._espeak = _library()
        self._pcm = bytearray()
        self._callback = _Callback(self._take)
        _KEPT.append(self._callback)
        self._espeak.lib.espeak_Synth.argtypes = [
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint),
            *(ctypes.c_void_p, ctypes.c_void_p),
        ]

    def has(self, voice: str) -> bool:
        try:
            self._espeak.use(voice)
        except ValueError:
            return False
        return True

    def say(self, voice: str, text: str, *, rate: int = 150, pitch: int = 50, spread: int = 50) -> Floats:
        """8 kHz, trimmed of the silence around it, its peak at 0.5. The same in every process that says the same things
        in the same order: a voice goes on where the last one ended."""
        espeak = self._espeak
        espeak.lib.espeak_SetSynthCallback(self._callback)  # the library has one for all: not that of who is gone
        espeak.use(voice)
        for parameter, value in ((RATE_PARAMETER, rate), (PITCH_PARAMETER, pitch), (RANGE_PARAMETER, spread)):
            espeak.lib.espeak_SetParameter(parameter, value, 0)
        if hasattr(espeak.lib, "espeak_ng_SetRandSeed"):
            espeak.lib.espeak_ng_SetRandSeed(ctypes.c_long(1))  # of breath and jitter; else by the time of day
        self._pcm.clear()
        data = text.encode() + b"\0"
        if espeak.lib.espeak_Synth(data, len(data), 0, CHARACTERS, 0, UTF8, None, None) != 0:
            raise RuntimeError("espeak-ng did not speak")
        espeak.lib.espeak_Synchronize()
        wave = np.frombuffer(bytes(self._pcm), "<i2").astype(np.float32) / 32768
        return trimmed(soxr.resample(wave, espeak.rate, RATE).astype(np.float32))

    def sounds(self, voice: str, text: str) -> tuple[str, ...]:
        """What it says, as the model's sounds. Variants pronounce as their base does."""
        base = voice.split("+")[0]
        return from_espeak(base, self._espeak.phonemes(base, text))

    def _take(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._pcm += ctypes.string_at(samples, count * 2)
        return 0


def trimmed(wave: Floats) -> Floats:
    loud = np.flatnonzero(np.abs(wave) > QUIET)
    if not len(loud):
        return wave[:0]
    pad = RATE // 33
    kept = wave[max(0, loud[0] - pad) : loud[-1] + pad]
    return kept * np.float32(0.5 / np.abs(kept).max())
