"""Tones on a telephone line: beeps of voicemail, busy, congestion, ringback, special information, fax.

    frame ─▶ Meter: the strongest frequency of 40 ms, its level, its share of all energy
               └▶ bursts: one frequency that stands ─▶ Tones: cadences and beeps ─▶ Signal

Frequencies are those of ITU-T E.180 and Q.35 as used in Russia (425 Hz), special information tones of E.180, fax tones
of T.30. Speech and music hold no single frequency, or more than one, or do not end in silence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

FRAME_MS = 20
RATE = 8000
SAMPLES = RATE * FRAME_MS // 1000
PCM = np.dtype("<i2")


class Sign(StrEnum):
    BEEP = "beep"
    BUSY = "busy"
    CONGESTION = "congestion"
    RINGBACK = "ringback"
    SIT = "special_information"
    CNG = "fax_calling"
    CED = "fax_answering"


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as which tone. Levels are dB against full scale, lengths are of one burst."""

    lowest_hz: float = 400.0
    highest_hz: float = 2000.0
    shortest_ms: int = 120
    longest_ms: int = 1500
    quietest_dbfs: float = -45.0
    purity: float = 0.60  # share of the energy in the tone's lobe, for a frame to belong to a burst
    beep_purity: float = 0.66  # the mean of a beep's frames: what is left is the line's noise
    brief_ms: int = 200  # of a shorter beep more is asked: speech holds a tone for so long, too
    brief_purity: float = 0.80
    overtones: float = 0.015  # twice and three times the frequency, against it: an instrument or a voice has them
    overtones_of_noise: float = 0.09  # of what is not the tone, so much may fall there
    steady: float = 0.85  # purity of three frames in a row that are no speech any more
    pure: float = 0.95  # what is less pure has noise in it, which goes on after the tone
    residue_db: float = 9.0  # noise after the tone is at most so much weaker than under it
    drift_hz: float = 14.0  # a frame further from the burst's mean is not of it
    spread_hz: float = 2.0  # standard deviation over a beep's inner frames
    swell_db: float = 1.0  # level's standard deviation over a beep's inner frames
    hush_db: float = 3.0  # a beep is followed by so much less
    network_hz: float = 425.0
    network_width_hz: float = 9.0
    cng_width_hz: float = 25.0
    sit_width_hz: float = 45.0


USUAL = Limits()
HUSH_FRAMES = 3  # after a burst, before it is known to have ended
SIT_HZ = (950.0, 1400.0, 1800.0)
CNG_HZ, CED_HZ = 1100.0, 2100.0
TOP_HZ = 2160.0  # what is scanned at all: fax answers above the beeps


@dataclass(frozen=True, slots=True)
class Signal:
    """`at_ms`: when it ended (a beep), or was recognised (a cadence)."""

    sign: Sign
    at_ms: int
    ms: int
    hz: float


@dataclass(frozen=True, slots=True)
class Burst:
    """One frequency that stood. `clean`: what came after it was less, `after_dbfs`."""

    start_ms: int
    ms: int
    hz: float
    dbfs: float
    purity: float
    overtones: float
    spread_hz: float
    swell_db: float
    clean: bool
    after_dbfs: float


SIZE = 512
_WINDOW = np.hanning(2 * SAMPLES).astype(np.float32)
_BIN_HZ = RATE / SIZE
_LOBE = math.ceil(2 * RATE / (2 * SAMPLES) / _BIN_HZ)  # half the main lobe of the window, in bins
_FLOOR, _CEILING = round(200 / _BIN_HZ), round(3600 / _BIN_HZ)  # the telephone's band
_FULL_DB = 20 * math.log10(32768.0)


class Meter:
    """Two frames at a time under one window: the strongest frequency between `lowest` and TOP_HZ."""

    __slots__ = ("_before", "_first", "_last", "_quietest", "dbfs", "hz", "overtones", "purity")

    def __init__(self, limits: Limits) -> None:
        self._before: npt.NDArray[np.float32] = np.zeros(SAMPLES, np.float32)
        self._first = max(_LOBE, round((limits.lowest_hz - 20) / _BIN_HZ))
        self._last = round(TOP_HZ / _BIN_HZ) + 1
        self._quietest = limits.quietest_dbfs
        self.hz = self.purity = self.overtones = 0.0
        self.dbfs = -100.0  # of this frame alone

    def push(self, frame: bytes) -> None:
        samples = np.frombuffer(frame, PCM).astype(np.float32)
        power = float(samples.dot(samples)) / SAMPLES
        self.dbfs = 10 * math.log10(power) - _FULL_DB if power > 0.1 else -100.0
        before, self._before = self._before, samples
        self.hz = self.purity = self.overtones = 0.0
        if self.dbfs < self._quietest:
            return
        spectrum = np.fft.rfft(np.concatenate((before, samples)) * _WINDOW, SIZE)
        energy = (spectrum.real**2 + spectrum.imag**2)[: _CEILING + 1]
        peak = self._first + int(energy[self._first : self._last].argmax())
        total = float(energy[_FLOOR:].sum())
        if total <= 0 or energy[peak - 1] > energy[peak]:  # the slope of something lower
            return
        lobe = float(energy[peak - _LOBE : peak + _LOBE + 1].sum())
        self.purity = lobe / total
        if self.purity > 0.5:
            left, top, right = (math.log(float(e) + 1e-9) for e in energy[peak - 1 : peak + 2])
            bend = left - 2 * top + right
            self.hz = (peak + (0.5 * (left - right) / bend if bend < 0 else 0.0)) * _BIN_HZ
            above = (energy[k * peak - _LOBE : k * peak + _LOBE + 1].sum() for k in (2, 3))
            self.overtones = float(sum(above)) / lobe


class Tones:
    """Frames in, one by one; a Signal where a tone or a cadence became certain."""

    __slots__ = ("_burst", "_ced", "_limits", "_meter", "_network", "_now_ms", "_pending", "_run", "_sit", "_waits")

    def __init__(self, limits: Limits = USUAL) -> None:
        self._limits = limits
        self._meter = Meter(limits)
        self._now_ms = 0
        self._run: list[
            tuple[float, float, float, float]
        ] = []  # hz, dbfs, purity, overtones of each frame of the burst
        self._pending: list[float] = []  # levels after it
        self._burst: Burst | None = None  # a network tone that may be the first of a cadence, or a beep
        self._network: list[Burst] = []
        self._sit = 0
        self._ced = False
        self._waits = 0

    @property
    def tonal(self) -> bool:
        """This frame is, or may be, a tone: it is no speech."""
        run = self._run
        return len(run) >= 4 and not self._pending and min(run[-1][2], run[-2][2], run[-3][2]) >= self._limits.steady

    @property
    def dbfs(self) -> float:
        """How loud the last frame was."""
        return self._meter.dbfs

    def push(self, frame: bytes) -> Signal | None:
        self._now_ms += FRAME_MS
        meter, limits, run = self._meter, self._limits, self._run
        meter.push(frame)
        tonal = meter.purity >= limits.purity and meter.hz >= limits.lowest_hz - 15
        if run:
            mean = run[-1][0] if len(run) < 3 else sum(each[0] for each in run[1:]) / (len(run) - 1)
            same = tonal and abs(meter.hz - mean) <= limits.drift_hz
            if same:
                run.extend([run[-1]] * len(self._pending))  # a gap of a lost packet
                self._pending.clear()
                run.append((meter.hz, meter.dbfs, meter.purity, meter.overtones))
                return self._lasting()
            self._pending.append(meter.dbfs)
            tonal = tonal and meter.dbfs >= run[-1][1] - 2 * limits.hush_db  # else it is noise that has a peak
            if len(self._pending) < HUSH_FRAMES and not tonal:
                return None
            ended = self._close()
            if tonal:
                self._run = [(meter.hz, meter.dbfs, meter.purity, meter.overtones)]
            return self._judge(ended) if ended is not None else None
        if tonal:
            self._run = [(meter.hz, meter.dbfs, meter.purity, meter.overtones)]
            return None
        return self._alone()

    def _close(self) -> Burst | None:
        """The burst that lasted is over."""
        run, after = self._run, self._pending
        self._run, self._pending = [], []
        if len(run) * FRAME_MS < self._limits.shortest_ms - 2 * FRAME_MS:
            return None
        inner = run[1:-2] if len(run) > 5 else run[1:-1]  # windows at the edges hold half a tone
        hz, dbfs, purity, overtones = (sum(values) / len(inner) for values in zip(*inner, strict=True))
        spread = math.sqrt(sum((each[0] - hz) ** 2 for each in inner) / len(inner))
        swell = math.sqrt(sum((each[1] - dbfs) ** 2 for each in inner) / len(inner))
        end_ms = self._now_ms - len(after) * FRAME_MS
        # the window straddles two frames: the last of them is half tone, half silence
        after_dbfs = min(after[1:], default=dbfs)
        clean = len(after) >= HUSH_FRAMES and after_dbfs <= dbfs - self._limits.hush_db
        length = len(run) * FRAME_MS
        return Burst(end_ms - length, length, hz, dbfs, purity, overtones, spread, swell, clean, after_dbfs)

    def _lasting(self) -> Signal | None:
        run = self._run
        if not self._ced and len(run) == 50 and abs(run[-1][0] - CED_HZ) <= 20:
            self._ced = True
            return Signal(Sign.CED, self._now_ms, len(run) * FRAME_MS, run[-1][0])
        return None

    def _judge(self, burst: Burst) -> Signal | None:
        """What a burst that has just ended is, by itself or with those before it."""
        sign = self._special(burst)
        if sign is not None:
            return sign
        limits = self._limits
        if abs(burst.hz - limits.network_hz) <= limits.network_width_hz:
            return self._cadence(burst)
        if not self._beeps(burst):
            return None
        end_ms = burst.start_ms + burst.ms
        if abs(burst.hz - CNG_HZ) <= limits.cng_width_hz and 400 <= burst.ms <= 620:
            return Signal(Sign.CNG, end_ms, burst.ms, burst.hz)
        return Signal(Sign.BEEP, end_ms, burst.ms, burst.hz)

    def _beeps(self, burst: Burst) -> bool:
        limits = self._limits
        rest = max(1e-6, 1 - burst.purity)
        noisy = burst.purity >= limits.pure or burst.after_dbfs >= (
            burst.dbfs + 10 * math.log10(rest) - limits.residue_db
        )
        return (
            burst.clean
            and noisy
            and limits.shortest_ms - FRAME_MS <= burst.ms <= limits.longest_ms + 2 * FRAME_MS
            and limits.lowest_hz - 8 <= burst.hz <= limits.highest_hz + 8
            and burst.purity >= (limits.beep_purity if burst.ms >= limits.brief_ms else limits.brief_purity)
            and burst.overtones <= limits.overtones + limits.overtones_of_noise * rest
            and burst.spread_hz <= limits.spread_hz
            and burst.swell_db <= limits.swell_db
        )

    def _special(self, burst: Burst) -> Signal | None:
        """950, 1400, 1800 Hz, each a third of a second, one after another."""
        width = self._limits.sit_width_hz
        if not 200 <= burst.ms <= 450:
            self._sit = 0
            return None
        if abs(burst.hz - SIT_HZ[self._sit]) <= width:
            self._sit += 1
        else:
            self._sit = int(abs(burst.hz - SIT_HZ[0]) <= width)
        if self._sit < len(SIT_HZ):
            return None
        self._sit = 0
        return Signal(Sign.SIT, burst.start_ms + burst.ms, burst.ms, burst.hz)

    def _cadence(self, burst: Burst) -> Signal | None:
        """Busy is 0.35 s on and off, congestion half of that, ringback 1 s on and 4 s off."""
        self._burst, self._waits = burst, 0
        row = self._network
        if row and burst.start_ms - (row[-1].start_ms + row[-1].ms) > 5000:
            row.clear()
        row.append(burst)
        del row[:-4]
        end_ms = burst.start_ms + burst.ms
        if 700 <= burst.ms <= 1300:
            return Signal(Sign.RINGBACK, end_ms, burst.ms, burst.hz)
        gaps = [b.start_ms - (a.start_ms + a.ms) for a, b in zip(row, row[1:], strict=False)]
        for sign, least, most, times in ((Sign.BUSY, 270, 560, 2), (Sign.CONGESTION, 110, 270, 3)):
            last = row[-times:]
            if len(last) == times and all(least <= each.ms < most for each in last):
                between = gaps[-(times - 1) :]
                if all(least <= gap < most for gap in between):
                    return Signal(sign, end_ms, burst.ms, burst.hz)
        return None

    def _alone(self) -> Signal | None:
        """A single burst at the network's own frequency, with nothing after it, was a beep after all."""
        burst = self._burst
        if burst is None:
            return None
        self._waits += 1
        if self._waits < 35:
            return None
        self._burst = None
        lonely = len(self._network) == 1 and not 700 <= burst.ms <= 1300 and self._beeps(burst)
        return Signal(Sign.BEEP, burst.start_ms + burst.ms, burst.ms, burst.hz) if lonely else None
