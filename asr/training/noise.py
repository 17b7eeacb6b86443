"""Noise for sound that is features already: an utterance is learnt many times, each time in another noise.

MFCC ─▶ energies of the mel bins ─▶ + a moment of noise; its colour and its level are chance ─▶ MFCC
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from asr.training.channel import Chance
from asr.training.features import Floats, energies, mel_hz, mfcc, of_energies
from asr.training.voices import RATE

SNR_DB = (1.0, 22.0)  # below the voice
COLOUR = (0.0, 2.2)  # energy falls with this power of the frequency: white is 0, pink 1, traffic 2
SPOKEN = 0.01  # of the greatest energy: what has less is a pause
LENGTH_S = 60


def noisy(found: npt.NDArray[np.floating], chance: Chance) -> Floats:
    """[frames, 40] in a noise by chance."""
    start = int(chance.integers(len(_white()) - len(found)))
    colour = chance.uniform(*COLOUR)
    return in_noise(found, start, colour, chance.uniform(*SNR_DB))


def in_noise(found: npt.NDArray[np.floating], start: int, colour: float, snr_db: float) -> Floats:
    """[frames, 40] as they would be of the same sound in noise that goes on from before it until after it; `start`: the
    frame of the minute of noise with which it begins."""
    heard = energies(found)
    whole = heard.sum(1)
    level = whole[whole >= SPOKEN * whole.max()].mean()
    noise = _white()[start : start + len(found)] * (mel_hz() / 1000) ** -colour
    loud = level / noise.sum(1).mean() * 10 ** (-snr_db / 10)
    return of_energies(heard + np.float32(loud) * noise)


@cache
def _white() -> Floats:
    """A minute of it: the energies of neighbouring moments and bins are as alike as they are in any noise."""
    sound = np.random.default_rng(1).normal(0, 3000, LENGTH_S * RATE)
    return energies(mfcc(np.clip(sound, -32768, 32767).astype(np.int16)))
