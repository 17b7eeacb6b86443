from __future__ import annotations

import numpy as np
import pytest

from bench.hearing.tunes import INSTRUMENTS, tune
from engine.model import RATE


@pytest.mark.parametrize("kind", INSTRUMENTS)
def test_a_tune_sounds_throughout_in_the_telephones_band_and_is_the_same_again(kind: str) -> None:
    wave = tune(kind, 4 * RATE, np.random.default_rng(1))
    assert wave.size == 4 * RATE
    assert np.sqrt(np.mean(wave**2)) == pytest.approx(1.0, abs=0.01)
    assert np.isfinite(wave).all()
    seconds = np.sqrt(np.mean(wave.reshape(4, RATE) ** 2, axis=1))
    assert np.median(seconds) > 0.5  # a melody has rests
    power = np.abs(np.fft.rfft(wave)) ** 2
    assert power[4 * 3500 :].sum() < 1e-6 * power.sum()
    assert np.array_equal(wave, tune(kind, 4 * RATE, np.random.default_rng(1)))
    assert not np.array_equal(wave, tune(kind, 4 * RATE, np.random.default_rng(2)))
