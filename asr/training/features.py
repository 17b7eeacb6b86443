"""Kaldi's MFCC as vosk computes them from conf/mfcc.conf: 40 coefficients of a telephone's sound, each 10 ms."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from asr.training.voices import RATE

Floats = npt.NDArray[np.float32]

SIZE = 40  # bins and coefficients
WINDOW, SHIFT, PADDED = 200, 80, 256  # samples: 25 ms, 10 ms
LOW_HZ, HIGH_HZ = 100.0, RATE / 2 - 200.0
PREEMPHASIS, LIFTER = 0.97, 22.0
SMALLEST = float(np.finfo(np.float32).eps)
CONF = f"""--use-energy=false
--sample-frequency={RATE}
--num-mel-bins={SIZE}
--num-ceps={SIZE}
--low-freq=100
--high-freq=-200
--dither=0
"""


def mfcc(pcm: npt.NDArray[np.int16]) -> Floats:
    """[frames, 40]; sound of less than a window has none."""
    count = 1 + (len(pcm) - WINDOW) // SHIFT if len(pcm) >= WINDOW else 0
    if count == 0:
        return np.zeros((0, SIZE), np.float32)
    x = np.lib.stride_tricks.sliding_window_view(pcm.astype(np.float32), WINDOW)[::SHIFT][:count]
    x = x - x.mean(1, keepdims=True)
    x = np.concatenate([x[:, :1] * np.float32(1 - PREEMPHASIS), x[:, 1:] - np.float32(PREEMPHASIS) * x[:, :-1]], 1)
    power = np.abs(np.fft.rfft(x * _window(), PADDED, axis=1)[:, : PADDED // 2]) ** 2
    return of_energies(power @ _banks().T)


def of_energies(found: npt.NDArray[np.floating]) -> Floats:
    """The features of these energies, [frames, SIZE], of the mel bins."""
    return np.asarray(np.log(np.maximum(found, SMALLEST)) @ _cosines().T, np.float32)


def energies(found: npt.NDArray[np.floating]) -> Floats:
    """The energies that have these features."""
    return np.asarray(np.exp(found.astype(np.float32) @ _bins().T), np.float32)


def mel_hz() -> Floats:
    """The middle of each mel bin."""
    low, high = _mel(LOW_HZ), _mel(HIGH_HZ)
    mel = low + (high - low) / (SIZE + 1) * np.arange(1, SIZE + 1)
    return np.asarray(700.0 * np.expm1(mel / 1127.0), np.float32)


@cache
def _window() -> Floats:
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / (WINDOW - 1))
    return np.asarray(hann**0.85, np.float32)


@cache
def _banks() -> Floats:
    """Triangles on the mel scale, [bins, FFT bins]."""
    low, high = _mel(LOW_HZ), _mel(HIGH_HZ)
    step = (high - low) / (SIZE + 1)
    at = _mel(np.arange(PADDED // 2) * RATE / PADDED)
    left = low + step * np.arange(SIZE)[:, None]
    rising, falling = (at - left) / step, (left + 2 * step - at) / step
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)), np.float32)


def _mel(hz: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1127.0 * np.log1p(np.asarray(hz) / 700.0))


@cache
def _cosines() -> Floats:
    """The DCT with the lifter in it."""
    k, n = np.arange(SIZE)[:, None], np.arange(SIZE)[None, :]
    dct = np.sqrt(2 / SIZE) * np.cos(np.pi / SIZE * (n + 0.5) * k)
    dct[0] = np.sqrt(1 / SIZE)
    return np.asarray(dct * (1 + 0.5 * LIFTER * np.sin(np.pi * k / LIFTER)), np.float32)


@cache
def _bins() -> Floats:
    """From features back to the logarithms of energies: there are as many of the ones as of the others."""
    return np.asarray(np.linalg.inv(_cosines().astype(np.float64)), np.float32)
