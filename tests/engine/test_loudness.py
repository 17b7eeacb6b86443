"""Loudness against the tones that the recommendations give, and what is brought to it."""

from __future__ import annotations

import numpy as np
import pytest

from engine import audio, loudness
from engine.audio import Floats
from engine.model import RATE, Sound

SECONDS = np.arange(RATE * 8) / RATE
CEILING = 10 ** (loudness.PEAK_DBFS / 20)


def sine(hz: float, dbfs: float, seconds: float = 8.0) -> bytes:
    wave = np.sin(2 * np.pi * hz * SECONDS[: round(seconds * RATE)]) * 10 ** (dbfs / 20)
    return audio.to_pcm(wave)


def noise(dbfs: float, seconds: float = 4.0) -> Floats:
    return np.random.default_rng(1).normal(0, 10 ** (dbfs / 20), round(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize("dbfs", [0.0, -20.0, -23.0, -40.0])
def test_a_997_hz_sine_in_one_channel_measures_three_below_its_peak(dbfs: float) -> None:
    """BS.1770: 0 dBFS in one channel is -3.01; EBU Tech 3341's -23.0 of two channels is this plus 3.01."""
    assert loudness.loudness(sine(997, dbfs)) == pytest.approx(dbfs - 3.01, abs=0.02)


@pytest.mark.parametrize(("hz", "db"), [(100, -1.87), (500, -0.4), (2000, 2.4), (3000, 3.2)])
def test_the_ear_is_weighted(hz: float, db: float) -> None:
    """The published response of the K-weighting, against 997 Hz."""
    assert loudness.loudness(sine(hz, -20)) - loudness.loudness(sine(997, -20)) == pytest.approx(db, abs=0.4)


def test_pauses_do_not_count() -> None:
    """EBU Tech 3341, cases 3 and 4: what is quiet around it changes little, silence nothing."""
    tone = sine(1000, -20, 6.0) * 5
    alone = loudness.loudness(tone)
    assert loudness.loudness(tone + bytes(2 * RATE * 30)) == pytest.approx(alone, abs=0.15)
    quiet = sine(1000, -36, 6.0) * 5
    assert loudness.loudness(quiet + tone + quiet) == pytest.approx(alone, abs=0.2)


def test_silence_has_none() -> None:
    assert loudness.loudness(b"") == loudness.loudness(bytes(16000)) == float("-inf")
    for still in (Sound(b""), audio.silence(1.0)):
        assert loudness.telephone(still) == still


def test_a_short_word_is_measured_whole() -> None:
    assert loudness.loudness(sine(997, -20, 0.2)) == pytest.approx(-23.0, abs=0.3)


@pytest.mark.parametrize("dbfs", [-45.0, -30.0, -10.0])
def test_everything_becomes_equally_loud(dbfs: float) -> None:
    found = loudness.telephone(Sound(audio.to_pcm(noise(dbfs))))
    assert loudness.loudness(found.pcm) == pytest.approx(-23, abs=0.1)


def test_noise_is_not_raised_for_ever() -> None:
    found = loudness.telephone(Sound(audio.to_pcm(noise(-75))), most_db=20)
    assert loudness.loudness(found.pcm) < -45


def test_a_click_is_held_back_alone() -> None:
    wave = noise(-30)
    wave[16000:16004] = 0.9
    found = audio.samples(loudness.telephone(Sound(audio.to_pcm(wave))).pcm)
    assert np.abs(found).max() <= CEILING + 1e-4
    assert loudness.loudness(audio.to_pcm(found)) == pytest.approx(-23, abs=0.5)
    far = loudness.telephone(Sound(audio.to_pcm(noise(-30))))
    assert np.abs(found[:15000] - audio.samples(far.pcm)[:15000]).max() < 0.02  # the rest is as without it


def test_the_telephones_band() -> None:
    def left(hz: float) -> float:
        kept = loudness.telephone(Sound(sine(hz, -20)), lufs=-20, most_db=0.0)
        return audio.rms_dbfs(kept.pcm[RATE:-RATE]) - audio.rms_dbfs(sine(hz, -20)[RATE:-RATE])

    assert left(100) < -40
    assert left(3800) < -40
    assert all(left(hz) > -1.5 for hz in (310, 500, 1000, 2000, 3390))


def test_twice_is_as_once_and_pieces_have_no_seams() -> None:
    long = np.tile(noise(-30), 12)[: loudness.PIECE + 40_000]
    once = loudness.telephone(Sound(audio.to_pcm(long)))
    twice = loudness.telephone(once)
    assert len(once.pcm) == len(twice.pcm) == 2 * long.size
    assert loudness.loudness(twice.pcm) == pytest.approx(loudness.loudness(once.pcm), abs=0.05)
    inside = slice(2 * (loudness.PIECE - 12_000), 2 * (loudness.PIECE + 12_000))
    alone = loudness.telephone(Sound(audio.to_pcm(long[loudness.PIECE - 20_000 : loudness.PIECE + 20_000])))
    gain = 10 ** ((audio.rms_dbfs(once.pcm[inside]) - audio.rms_dbfs(alone.pcm[16_000:-16_000])) / 20)
    difference = audio.samples(once.pcm[inside]) - gain * audio.samples(alone.pcm[16_000:-16_000])
    assert np.abs(difference).max() < 0.003
