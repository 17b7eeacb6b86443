"""A telephone's channel: room, line, noise and codec, each drawn by chance from one generator of random numbers.

voice ─▶ length, tilt, echo ─▶ silence around it ─▶ band ─▶ level ─▶ + noise ─▶ clipping ─▶ codec ─▶ int16
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped,unused-ignore]
import soxr  # type: ignore[import-untyped,unused-ignore]

from asr.training.voices import RATE, Floats

Samples = npt.NDArray[np.int16]
Chance = np.random.Generator

NOISES = ("pink", "white", "street", "babble")
CODECS = ("alaw", "ulaw", "gsm", "none")
_SUBTYPES = {"alaw": ("RAW", "ALAW"), "ulaw": ("RAW", "ULAW"), "gsm": ("WAV", "GSM610")}


@dataclass(frozen=True, slots=True)
class Line:
    """One call's channel. Levels are dB of full scale, of what is spoken; `snr_db` None: no noise but the line's."""

    codec: str = "alaw"
    noise: str = "pink"
    snr_db: float | None = None
    level_db: float = -22.0
    floor_db: float = -62.0
    lead_s: float = 0.3
    tail_s: float = 0.5
    band: bool = True
    clip: float = 1.0  # of the peak: what is above is cut off


def line(chance: Chance) -> Line:
    """Such as telephones have, more of the bad ones."""
    rare = chance.random() < 0.5
    codec = str(chance.choice(["alaw", "ulaw", "gsm", "gsm", "none"] if rare else ["alaw", "ulaw"]))
    return Line(
        codec=codec,
        noise=str(chance.choice(["pink", "pink", "white", "street", "babble"])),
        snr_db=None if chance.random() < 0.35 else float(chance.uniform(3, 28)),
        level_db=float(chance.uniform(-36, -10)),
        floor_db=-95.0 if chance.random() < 0.4 else float(chance.uniform(-75, -50)),
        lead_s=float(chance.uniform(0.02, 0.7)),
        tail_s=float(chance.uniform(0.2, 0.8)),
        band=bool(chance.random() < 0.7),
        clip=float(chance.uniform(0.3, 0.8)) if chance.random() < 0.07 else 1.0,
    )


def sent(wave: Floats, over: Line, chance: Chance, babble: Sequence[Floats] = ()) -> Samples:
    """What the other end of the line gets. `babble` are voices to make a crowd of."""
    x = np.concatenate([np.zeros(int(over.lead_s * RATE)), wave, np.zeros(int(over.tail_s * RATE))]).astype(np.float64)
    if over.band:
        x = filtered(x, telephone_band)
    active = x[np.abs(x) > 0.006]
    if len(active):
        x = x * (decibels(over.level_db) / np.sqrt(np.mean(active**2)))
    if over.clip < 1.0:
        most = over.clip * np.abs(x).max()
        x = np.clip(x, -most, most)
    x = x + noise(len(x), "white", chance) * decibels(over.floor_db)
    if over.snr_db is not None:
        around = filtered(noise(len(x), over.noise, chance, babble), noise_band)
        x = x + around * (decibels(over.level_db - over.snr_db) / (around.std() + 1e-9))
    return coded(x, over.codec)


def varied(wave: Floats, chance: Chance) -> Floats:
    """The same voice with another throat, another tilt, now and then in a room."""
    x = wave.astype(np.float64)
    rate = float(chance.choice([0.84, 0.9, 0.95, 1.0, 1.0, 1.05, 1.1, 1.16]))
    if rate != 1.0:
        x = soxr.resample(x, RATE * 100, round(RATE * 100 * rate), quality="LQ")
    if chance.random() < 0.7:
        x[1:] += chance.uniform(-0.6, 0.6) * x[:-1].copy()
    if chance.random() < 0.3:
        x = echoed(x, chance)
    return np.asarray(x * (0.5 / (np.abs(x).max() + 1e-9)), np.float32)


def echoed(x: npt.NDArray[np.float64], chance: Chance) -> npt.NDArray[np.float64]:
    """A small room, or the line's own echo."""
    seconds = chance.uniform(0.08, 0.3)
    length = int(seconds * RATE)
    response = chance.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    response[0] = 0
    response *= chance.uniform(0.1, 0.5) / np.sqrt((response**2).sum())
    response[0] = 1
    size = fast(len(x) + length)
    return np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(response, size), size)[: len(x) + length // 2]


def noise(count: int, kind: str, chance: Chance, babble: Sequence[Floats] = ()) -> npt.NDArray[np.float64]:
    """`count` samples of one of NOISES, of RMS 1. Without voices babble is pink."""
    if kind == "babble" and babble:
        y = np.zeros(count)
        for _ in range(6):
            voice = babble[int(chance.integers(len(babble)))]
            start = int(chance.integers(len(voice)))
            y += np.resize(np.roll(voice, -start), count)
    else:
        y = np.asarray(chance.standard_normal(count), np.float64)
        if kind in ("pink", "babble"):
            y = filtered(y, lambda hz: 1 / np.sqrt(np.maximum(hz, 8.0)))
        elif kind == "street":
            y = filtered(y, lambda hz: 1 / (1 + (hz / 250) ** 1.2))
            knots = np.arange(0, count + RATE, RATE // 2)
            y = y * np.interp(np.arange(count), knots, 0.4 + chance.random(len(knots)))
    return np.asarray(y / (y.std() + 1e-9))


def filtered(
    x: npt.NDArray[np.float64], gain: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
) -> npt.NDArray[np.float64]:
    size = fast(len(x) + RATE // 20)
    return np.fft.irfft(np.fft.rfft(x, size) * gain(np.asarray(np.fft.rfftfreq(size, 1 / RATE), np.float64)), size)[
        : len(x)
    ]


def telephone_band(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return _butterworth(hz, 300, 3400, 4)


def noise_band(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return _butterworth(hz, 200, 3600, 2)


def _butterworth(hz: npt.NDArray[np.float64], low: float, high: float, order: int) -> npt.NDArray[np.float64]:
    steep = 2 * order
    return 1 / np.sqrt((1 + (low / np.maximum(hz, 1.0)) ** steep) * (1 + (hz / high) ** steep))


def coded(x: npt.NDArray[np.float64], codec: str) -> Samples:
    """Through G.711 or GSM full rate and back; `none` is 16 bit linear."""
    pcm = np.clip(np.round(x * 32768), -32768, 32767).astype(np.int16)
    if codec == "none":
        return pcm
    container, subtype = _SUBTYPES[codec]
    kept = io.BytesIO()
    soundfile.write(kept, pcm, RATE, format=container, subtype=subtype)
    kept.seek(0)
    raw = {"samplerate": RATE, "channels": 1, "subtype": subtype, "format": container} if container == "RAW" else {}
    back, _ = soundfile.read(kept, dtype="int16", **raw)
    return np.asarray(coded_again(back) if codec == "gsm" else back, np.int16)[: len(pcm)]


def coded_again(pcm: Samples) -> Samples:
    """A mobile's voice reaches us as A-law."""
    return coded(pcm / 32768, "alaw")


def decibels(db: float) -> float:
    return float(10 ** (db / 20))


def fast(count: int) -> int:
    """A length that the Fourier transform is quick at, not below `count`."""
    size = 1 << max(0, (count - 1).bit_length())
    return next(n for n in (size * 5 // 8, size * 3 // 4, size) if n >= count)
