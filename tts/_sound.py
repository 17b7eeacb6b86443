"""From what a voice engine gives to what the telephone carries: 8 kHz, no silence around it, one loudness."""

from __future__ import annotations

import numpy as np

from engine import audio, loudness
from engine.audio import Floats
from engine.model import RATE, Sound

LEAD_S, TAIL_S = 0.01, 0.06  # what is left of the silence around the speech
SILENT = 0.002


def finished(wave: Floats, rate: int) -> Sound:
    """Samples, full scale 1, at this rate, as a Sound; empty if nothing can be heard."""
    wave = audio.resample(np.nan_to_num(wave), rate)
    loud = np.flatnonzero(np.abs(wave) > SILENT)
    if not loud.size:
        return Sound(b"")
    start = max(0, int(loud[0]) - round(LEAD_S * RATE))
    return loudness.telephone(Sound(audio.to_pcm(wave[start : int(loud[-1]) + round(TAIL_S * RATE)])))
