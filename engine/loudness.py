"""One loudness and one band for everything the robot says: EBU R128 measured as ITU-R BS.1770, peaks, 300 to 3400 Hz.

    Sound ─▶ telephone band ─▶ integrated loudness (K-weighted, gated) ─▶ gain ─▶ peaks held ─▶ Sound

A telephone has one channel, which is weighted as one: a 997 Hz sine whose peak is at full scale measures -3.01 LUFS,
as the recommendation says of a sine in one channel (and not 0, as it would if the ear were given it twice).
The arithmetic is numpy's; ten minutes take about a second: call these in a thread.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from engine.audio import Floats, samples, to_pcm
from engine.model import RATE, Sound

Doubles = npt.NDArray[np.float64]
Response = Callable[[Doubles], npt.NDArray[np.complex128] | Doubles]

LUFS = -23.0
PEAK_DBFS = -3.0
MOST_DB = 30.0  # nothing is raised by more: what is only noise stays quiet

BLOCK, HOP = RATE * 4 // 10, RATE // 10  # gating blocks of 400 ms, a new one every 100 ms
SILENT_LUFS, BELOW_LU = -70.0, -10.0  # the absolute and the relative gate

CONTEXT = RATE // 2  # longer than any filter here rings
PIECE = (1 << 18) - 2 * CONTEXT

# ITU-R BS.1770-5, tables 1 and 2: the shelf of the head and the high-pass, at 48 kHz. Their response is taken from
# there as it is, so that nothing is bent towards the upper end of the telephone's band.
_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
_HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
_TABLES_RATE = 48_000

_LOW_EDGE, _HIGH_EDGE = (150.0, 300.0), (3400.0, 3700.0)  # from nothing to all, from all to nothing
_MS = RATE // 1000
_HOLD = 5  # ms that a peak is held back before and after


def loudness(pcm: bytes) -> float:
    """Integrated loudness in LUFS, one channel; -inf for silence.

    What is shorter than a gating block (400 ms) is measured as one block.
    """
    return _integrated(samples(pcm))


def telephone(sound: Sound, *, lufs: float = LUFS, peak_dbfs: float = PEAK_DBFS, most_db: float = MOST_DB) -> Sound:
    """The sound as the telephone is to carry it: band-limited, at this loudness, no sample above the peak.

    The length stays. Silence stays silence; a peak that would be too high is held back alone, for some milliseconds,
    so that one click does not make a whole prompt quiet. Twice is as once.
    """
    wave = samples(sound.pcm)
    if not wave.size or not np.any(wave):
        return sound
    wave = _filtered(wave, _band)
    now = _integrated(wave)
    if not np.isfinite(now):
        return Sound(to_pcm(wave))
    wave = wave * np.float32(10 ** (min(lufs - now, most_db) / 20))
    return Sound(to_pcm(_held(wave, 10 ** (peak_dbfs / 20))))


def _integrated(wave: Floats) -> float:
    if not wave.size:
        return float("-inf")
    heard = _filtered(wave, _k_weighting).astype(np.float64)
    energy = np.concatenate(([0.0], np.cumsum(heard * heard)))
    if wave.size < BLOCK:
        powers = energy[-1:] / wave.size
    else:
        starts = np.arange(0, wave.size - BLOCK + 1, HOP)
        powers = np.maximum(energy[starts + BLOCK] - energy[starts], 0.0) / BLOCK
    powers = powers[powers > _power(SILENT_LUFS)]
    if not powers.size:
        return float("-inf")
    gate = powers.mean() * 10 ** (BELOW_LU / 10)
    return float(_lufs(powers[powers > gate].mean()))


def _lufs(power: float) -> float:
    return -0.691 + 10 * float(np.log10(power))


def _power(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))


def _k_weighting(hz: Doubles) -> npt.NDArray[np.complex128]:
    z = np.exp(-2j * np.pi * hz / _TABLES_RATE)
    found: npt.NDArray[np.complex128] = np.ones_like(z)
    for above, below in (_SHELF, _HIGH_PASS):
        found *= (above[0] + above[1] * z + above[2] * z**2) / (below[0] + below[1] * z + below[2] * z**2)
    return found


def _band(hz: Doubles) -> Doubles:
    rise = np.clip((hz - _LOW_EDGE[0]) / (_LOW_EDGE[1] - _LOW_EDGE[0]), 0.0, 1.0)
    fall = np.clip((_HIGH_EDGE[1] - hz) / (_HIGH_EDGE[1] - _HIGH_EDGE[0]), 0.0, 1.0)
    edges: Doubles = np.sin(np.pi / 2 * rise) ** 2 * np.sin(np.pi / 2 * fall) ** 2
    return edges


def _filtered(wave: Floats, response: Response) -> Floats:
    """Piece by piece in the frequency domain, each with what stands around it: they meet without seams."""
    out = np.empty_like(wave)
    padded = np.pad(wave, CONTEXT)
    for start in range(0, wave.size, PIECE):
        piece = padded[start : start + PIECE + 2 * CONTEXT]
        size = 1 << (piece.size - 1).bit_length()
        spectrum = np.fft.rfft(piece, size) * response(np.fft.rfftfreq(size, 1 / RATE).astype(np.float64))
        took = min(PIECE, wave.size - start)
        out[start : start + took] = np.fft.irfft(spectrum, size)[CONTEXT : CONTEXT + took]
    return out


def _held(wave: Floats, ceiling: float) -> Floats:
    """No sample above the ceiling: the gain comes down for each peak, some milliseconds around it."""
    if float(np.abs(wave).max()) <= ceiling:
        return wave
    blocks = np.pad(np.abs(wave), (0, -wave.size % _MS)).reshape(-1, _MS).max(axis=1)
    wanted = np.minimum(1.0, ceiling / np.maximum(blocks, 1e-9))
    around = np.lib.stride_tricks.sliding_window_view
    least = around(np.pad(wanted, 2 * _HOLD, mode="edge"), 2 * _HOLD + 1).min(axis=1)
    smooth = around(least, 2 * _HOLD - 1).mean(axis=1)[1:-1]  # each of the averaged minima covers this block
    centres = (np.arange(smooth.size) + 0.5) * _MS - 0.5
    gain = np.interp(np.arange(wave.size), centres, smooth)
    held: Floats = np.clip(wave * gain, -ceiling, ceiling).astype(np.float32)
    return held
