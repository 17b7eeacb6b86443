"""Hold music: a tune of one instrument or a small band, the same for the same chance, in the telephone's band.

    strings | organ | guitar | piano | flute | lead | drums ─ notes of four chords, a melody ─▶ band ─▶ 300–3500 Hz

Made of what tells instruments apart to an ear: how a note begins and dies away, its overtones, whether it trembles.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.model import RATE

Wave = NDArray[np.float64]
Chance = np.random.Generator
Note = Callable[[float, int], Wave]  # Hz, samples

MAJOR = (0, 2, 4, 5, 7, 9, 11)
CHORDS = ((0, 2, 4), (5, 7, 9), (3, 5, 7), (4, 6, 8))  # steps of the scale
HIGHEST_HZ = 3700


def tune(kind: str, n: int, chance: Chance) -> Wave:
    """`n` samples of an INSTRUMENT, of level 1 (rms)."""
    beat = int(RATE * 60 / chance.integers(70, 140))
    wave = INSTRUMENTS[kind](n, beat, int(chance.integers(48, 60)), chance)
    spectrum = np.fft.rfft(wave)
    hz = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 1.0)
    return _level(np.fft.irfft(spectrum / (1 + (250 / hz) ** 4) * (hz < 3500), n))


def _level(wave: Wave) -> Wave:
    return np.asarray(wave / np.sqrt(np.mean(wave**2) + 1e-9), np.float64)


def _hz(root: int, step: int) -> float:
    return float(440 * 2 ** ((root + 12 * (step // 7) + MAJOR[step % 7] - 69) / 12))


def _blown(tilt: float, tremble: float, begins_s: float, ends_s: float, chance: Chance) -> Note:
    """A note that is held: strings, pipes, a synthesizer."""

    def note(hz: float, size: int) -> Wave:
        at = np.arange(size) / RATE
        sway = tremble * np.sin(2 * np.pi * chance.uniform(4.5, 6.5) * at) * np.minimum(1, at / 0.2)
        phase = 2 * np.pi * np.cumsum(hz * chance.uniform(0.999, 1.001) * (1 + sway)) / RATE
        wave = np.zeros(size)
        for k in range(1, max(2, int(HIGHEST_HZ / hz))):
            wave += np.sin(k * phase + chance.uniform(0, 6)) / k**tilt
        left = (size - np.arange(size)) / RATE
        return np.asarray(wave * np.minimum(1, at / begins_s) * np.minimum(1, left / ends_s), np.float64)

    return note


def _struck(hz: float, size: int) -> Wave:
    """A string under a hammer: its overtones are a little sharp and die first."""
    at = np.arange(size) / RATE
    tones = [
        np.sin(2 * np.pi * hz * k * np.sqrt(1 + 0.0004 * k * k) * at) * 0.6 ** (k - 1) * np.exp(-at * (2 + 0.8 * k))
        for k in range(1, 8)
        if hz * k < HIGHEST_HZ
    ]
    return np.asarray(np.sum(tones, axis=0) * np.minimum(1, at / 0.004), np.float64)


def _plucked(chance: Chance) -> Note:
    """A string that is let go: noise that goes round and is worn smooth (Karplus and Strong)."""

    def note(hz: float, size: int) -> Wave:
        period = int(RATE / hz)
        turn = chance.standard_normal(period)
        turns = []
        for _ in range(size // period + 1):
            turns.append(turn)
            turn = 0.498 * (turn + np.roll(turn, 1))
        return np.concatenate(turns)[:size]

    return note


def _add(wave: Wave, at: int, sound: Wave) -> None:
    part = wave[at : at + sound.size]
    part += sound[: part.size]


def _chords(n: int, each: int, root: int, note: Note) -> Wave:
    wave = np.zeros(n)
    for number, at in enumerate(range(0, n, each)):
        for step in CHORDS[number % 4]:
            _add(wave, at, note(_hz(root, step), each))
    return wave


def _melody(n: int, beat: int, root: int, note: Note, chance: Chance, ring: int = 0) -> Wave:
    """`ring`: samples for which a note sounds on under the next."""
    wave, at, step = np.zeros(n), 0, int(chance.integers(4, 10))
    while at < n:
        size = int(beat * chance.choice([0.5, 0.5, 1, 1, 1.5, 2]))
        step = int(np.clip(step + chance.integers(-2, 3), 2, 13))
        if chance.random() < 0.9:
            _add(wave, at, note(_hz(root, step), size + ring))
        at += size
    return wave


def _picked(n: int, beat: int, root: int, chance: Chance) -> Wave:
    wave, note = np.zeros(n), _plucked(chance)
    for number, at in enumerate(range(0, n, beat // 2)):
        step = CHORDS[number // 8 % 4][(0, 1, 2, 1)[number % 4]] + 7 * (number % 4 == 3)
        _add(wave, at, note(_hz(root, step), 2 * RATE))
    return wave


def _drums(n: int, beat: int, chance: Chance) -> Wave:
    wave, at = np.zeros(n), np.arange(RATE // 4) / RATE
    kick = np.sin(2 * np.pi * (55 * at + 5 * (1 - np.exp(-12 * at)))) * np.exp(-14 * at)
    for number, start in enumerate(range(0, n, beat // 2)):
        _add(wave, start, np.diff(chance.standard_normal(at.size), prepend=0.0) * np.exp(-60 * at) * 0.35)
        if number % 4 == 0:
            _add(wave, start, 1.5 * kick)
        if number % 4 == 2:
            snare = 0.8 * chance.standard_normal(at.size) * np.exp(-22 * at)
            _add(wave, start, snare + 0.5 * np.sin(2 * np.pi * 190 * at) * np.exp(-20 * at))
    return wave


def _band(n: int, beat: int, root: int, chance: Chance) -> Wave:
    chords = _chords(n, 4 * beat, root, _blown(1.1, 0.003, 0.02, 0.1, chance))
    bass = _chords(n, beat, root - 12, _plucked(chance))
    lead = _melody(n, beat, root + 12, _blown(1.2, 0.008, 0.02, 0.05, chance), chance)
    return _level(chords) + 0.7 * _level(lead) + 0.8 * _level(_drums(n, beat, chance)) + 0.6 * _level(bass)


def _piano(n: int, beat: int, root: int, chance: Chance) -> Wave:
    melody = _melody(n, beat, root + 7, _struck, chance, ring=RATE // 2)
    return melody + 0.7 * _chords(n, 2 * beat, root - 5, _struck)


INSTRUMENTS: dict[str, Callable[[int, int, int, Chance], Wave]] = {
    "strings": lambda n, beat, root, c: _chords(n, 4 * beat, root, _blown(1.2, 0.006, 0.15, 0.15, c)),
    "organ": lambda n, beat, root, c: _chords(n, 2 * beat, root, _blown(1.6, 0.0, 0.02, 0.03, c)),
    "guitar": _picked,
    "piano": _piano,
    "flute": lambda n, beat, root, c: _melody(n, beat, root + 12, _blown(2.0, 0.008, 0.04, 0.05, c), c),
    "lead": lambda n, beat, root, c: _melody(n, beat, root, _blown(0.9, 0.01, 0.01, 0.03, c), c),
    "band": _band,
    "drums": lambda n, beat, root, c: _drums(n, beat, c),
}
