"""Music, and what else is on a line without anybody speaking, told from a voice: notes that numpy makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.rules.barge_in import FRAME, RATE, BargeIn, is_breath, is_music, is_tone, lasting, pitch
from tests.rules.test_barge_in import WINDOW, Wave, line, talker, windows

CHORD = (0, 4, 7)
UNKNOWN = 0.5  # how likely a voice something is, where the detector does not know


def note(semitone: float, seconds: float, harmonics: int = 6) -> Wave:
    hertz = 220 * 2 ** (semitone / 12)
    at = np.arange(round(seconds * RATE)) / RATE
    tones = [np.sin(2 * np.pi * hertz * k * at + k) / k for k in range(1, harmonics + 1) if hertz * k < 3700]
    return np.asarray(np.sum(tones, axis=0), np.float64)


def chord(root: float, seconds: float, dbfs: float = -20.0) -> Wave:
    wave = np.sum([note(root + step, seconds) for step in CHORD], axis=0)
    return np.asarray(wave / np.sqrt(np.mean(wave**2)) * 10 ** (dbfs / 20), np.float64)


def taken_for_music(wave: Wave, likely: float, codec: str = "alaw") -> float:
    """Share of the windows by which an onset may be judged."""
    asked = [heard for _, heard in windows(line(wave, codec)) if np.frombuffer(heard, "<i2").any()]
    return sum(is_music(heard, likely) for heard in asked) / len(asked)


@pytest.mark.parametrize("codec", ["alaw", "ulaw"])
@pytest.mark.parametrize("dbfs", [-14, -22, -32, -40])
@pytest.mark.parametrize("likely", [0.0, UNKNOWN, 0.9])
def test_a_held_chord_is_music(likely: float, dbfs: float, codec: str) -> None:
    assert taken_for_music(chord(3, 2.0, dbfs), likely, codec) == 1.0


@pytest.mark.parametrize("likely", [0.0, 0.3])
def test_chords_struck_on_each_beat_are_music_where_it_is_hardly_a_voice(likely: float) -> None:
    beat = np.exp(-3 * np.arange(RATE // 2) / RATE)
    tune = np.concatenate([chord(root, 0.5) * beat for root in (0, 0, 5, 5, 7, 7, 0, 0)])
    assert taken_for_music(tune, likely) >= 0.9


def test_the_next_chord_of_a_piano_is_music_120_ms_after_it_was_struck() -> None:
    struck = chord(0, 0.12) * np.exp(-3 * np.arange(6 * FRAME) / RATE)
    heard = line(np.concatenate([chord(6.5, 0.04, -14), struck]))
    assert is_music(heard, 0.8)
    assert not is_music(heard, 0.8, BargeIn(struck=1.1, struck_likely=1.1))


def test_a_drum_is_music_where_it_is_hardly_a_voice() -> None:
    at = np.arange(RATE // 2) / RATE
    drum = np.sin(2 * np.pi * 190 * at) * np.exp(-at * 14) * 0.2
    assert taken_for_music(np.tile(drum, 6), 0.1) >= 0.6


@pytest.mark.parametrize("dbfs", [-16, -28])
@pytest.mark.parametrize("likely", [UNKNOWN, 0.8, 1.0])
def test_a_gliding_voice_is_none(likely: float, dbfs: float) -> None:
    taken = [taken_for_music(talker(seed, dbfs=dbfs), likely) for seed in range(20, 26)]
    assert float(np.mean(taken)) <= 0.1


def test_noise_is_none() -> None:
    noise = np.random.default_rng(3).standard_normal(4 * RATE) * 0.05
    assert taken_for_music(noise, UNKNOWN) == 0.0


@pytest.mark.parametrize("dbfs", [-14, -40])
@pytest.mark.parametrize("colour", [(1.0,), (1.0, -0.6), (0.25, 0.5, 0.25)], ids=["white", "hiss", "breath"])
def test_noise_is_breath_unless_it_is_likely_a_voice(colour: tuple[float, ...], dbfs: float) -> None:
    noise = np.convolve(np.random.default_rng(3).standard_normal(4 * RATE), colour, "same") * 10 ** (dbfs / 20)
    asked = [heard for _, heard in windows(line(noise))]
    assert sum(is_breath(heard, UNKNOWN) for heard in asked) >= 0.95 * len(asked)
    assert not any(is_breath(heard, 0.6) for heard in asked)


def test_a_voice_is_no_breath_even_if_it_is_unlikely() -> None:
    asked = [is_breath(heard, 0.1) for seed in range(20, 26) for _, heard in windows(line(talker(seed)))]
    assert sum(asked) <= 0.02 * len(asked)


def test_a_voice_behind_a_hiss_is_no_breath() -> None:
    hiss = np.random.default_rng(3).standard_normal(5 * FRAME) * 0.03
    assert is_breath(line(np.concatenate([hiss, hiss[: 3 * FRAME]])), 0.1)
    assert not is_breath(line(np.concatenate([hiss, talker(3, 0.06)])), 0.1)


def test_a_certain_voice_may_hold_a_vowel() -> None:
    heard = line(note(-5, 0.16, 12) * 0.1)
    assert is_music(heard, 0.9)
    assert not is_music(heard, 0.95)


@given(st.floats(-6, 12), st.floats(0, 1), st.floats(0, 1), st.integers(-30, 0), st.integers(0, 50))
@settings(max_examples=60, deadline=None)
def test_it_depends_on_neither_loudness_nor_order_of_doubt(
    root: float, likely: float, surer: float, db: int, seed: int
) -> None:
    """Louder is no more and no less music; the surer a voice is, the less is."""
    wave = (chord(root, 0.16) + talker(seed, 0.16, dbfs=-20.0))[: WINDOW * FRAME] * 0.3
    heard = (np.rint(wave * 32000)).astype("<i2")
    fainter = np.rint(heard * 10 ** (db / 20)).astype("<i2")
    assert 0.0 <= lasting(heard.tobytes()) <= 1.0 + 1e-6
    assert abs(lasting(heard.tobytes()) - lasting(fainter.tobytes())) <= 0.02
    low, high = sorted((likely, surer))
    assert is_music(heard.tobytes(), low) or not is_music(heard.tobytes(), high)


@given(st.binary(max_size=4000))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_judged(heard: bytes) -> None:
    whole = heard[: len(heard) // 2 * 2]
    assert 0.0 <= lasting(whole) <= 1.0 + 1e-6
    assert 0.0 <= pitch(whole) <= 1.0
    assert isinstance(is_music(whole, UNKNOWN), bool)
    assert isinstance(is_breath(whole, UNKNOWN), bool)


def test_too_little_and_silence_are_no_music() -> None:
    assert not is_music(b"", 0.0)
    assert not is_music(line(chord(0, 0.06)), 0.0)
    assert not is_music(bytes(WINDOW * 2 * FRAME), 0.0)


TONES = ((425,), (440, 480), (350, 440), (480, 620), (950,), (1400,), (1800,), (697, 1209), (770, 1336), (941, 1633))


@pytest.mark.parametrize("hertz", TONES, ids=str)
@pytest.mark.parametrize("dbfs", [-10, -30])
def test_what_an_exchange_and_keys_sound_like_is_nobody(hertz: tuple[float, ...], dbfs: float) -> None:
    """Ringing, busy, dial tone and keys, of one tone or two: whatever the detector thinks of them."""
    at = np.arange(RATE) / RATE
    wave = np.mean([np.sin(2 * np.pi * f * at) for f in hertz], axis=0) * 10 ** (dbfs / 20)
    assert all(is_tone(heard) or is_music(heard, 0.9) for _, heard in windows(line(wave)))
