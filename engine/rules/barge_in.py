"""Is what is heard while the robot speaks a person, or the robot's own voice coming back, a tone, music, breath?

    what is being played ─▶ Playback ┐
                                     ├─▶ echo: one delayed, fainter copy explains most of it?    tone: one steady line?
    an onset: the last frames heard ─┘                                                       music: lines that stay?
                                                                                             breath: no pitch at all?

Asked once for an onset (some 300 µs), never for a frame. Lines send 1/10 to 1/100 of what is played back (−20 to
−40 dB), 20 to 250 ms late; the way through Asterisk adds up to 150 ms that nobody tells of, so all delays are tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 8000
FRAME = 160  # samples of 20 ms
LATEST = 24  # frames: the longest delay that is tried
EARLIEST = 2  # frames: the far end may be ahead of our count
STRUCK = 6 * FRAME * 2  # bytes
LASTING = 512  # samples of each look at what stays
HANN = np.hanning(LASTING).astype(np.float32)
LOWEST, HIGHEST = 18, 435  # of 2 * LASTING lines: the telephone's band
PITCHED = 3 * FRAME  # samples in which a pitch is looked for
LAGS = np.arange(20, 130)  # of 60 to 400 Hz
PCM = np.dtype("<i2")
Wave = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BargeIn:
    """What tells an echo from a person."""

    echo_db: float = -12.0  # an echo is at least so much fainter than what was played
    alike: float = 0.5  # correlation with what was played, from which it is an echo
    alike_faint: float = 0.35  # the same for what is `faint_db` fainter: a room or a headset smears it
    faint_db: float = -16.0
    music: float = 0.25  # share of the sound in lines that stay, from which it is music if it is hardly a voice,
    music_likely: float = 0.6  # and if it is most likely one
    struck: float = 0.55  # the same of the last 120 ms: before a piano's string is struck, it sounds otherwise
    struck_likely: float = 0.85
    pitched: float = 0.28  # what has no more of a pitch anywhere is breath or noise, if it may be
    unsure: float = 0.5  # no more than so likely a voice
    voice: float = 0.95  # so likely a voice is one, however long a vowel it holds
    words: bool = False  # a voice interrupts no sooner than a word is recognised in it: among other people's voices
    faintest_dbfs: float = -58.0  # what is not even so loud is the line, in which an echo has just faded


USUAL = BargeIn()


class Playback:
    """The last of what the subscriber is being played, and how far it has come, counted in frames of 20 ms."""

    __slots__ = ("_before", "_began", "_pcm", "_rules")

    def __init__(self, rules: BargeIn = USUAL) -> None:
        self._rules = rules
        self._pcm = b""
        self._before = b""  # what was played just before it: its echo may still be on its way
        self._began = 0  # the frame at which it began

    def began(self, pcm: bytes, frame: int) -> None:
        at = (frame - self._began) * FRAME * 2
        self._before = (self._before + self._pcm[:at])[-LATEST * FRAME * 2 :]
        self._pcm, self._began = pcm, frame

    def echoes(self, heard: bytes, frame: int) -> bool:
        """Is `heard`, whole frames up to and with `frame`, what was played, coming back, or the line after it?"""
        played = self.heard_by(frame, len(heard) // (2 * FRAME))
        if played is None:
            return False
        return _level_dbfs(heard) < self._rules.faintest_dbfs or is_echo(heard, played, self._rules)

    def _cut(self, first: int, last: int) -> bytes:
        """Of `_before` and `_pcm`, one behind the other, by samples; no more is copied than is asked for."""
        split = len(self._before)
        first, last = 2 * max(0, first), 2 * max(0, last)
        return self._before[first:last] + self._pcm[max(0, first - split) : max(0, last - split)]

    def heard_by(self, frame: int, frames: int) -> Wave | None:
        """What can have come back within the last `frames` before `frame`; None: nothing can."""
        at = len(self._before) // 2 + (frame - self._began) * FRAME
        first = at - (frames + LATEST) * FRAME
        if not self._pcm or first >= (len(self._before) + len(self._pcm)) // 2:
            return None
        wave = np.zeros((frames + LATEST + EARLIEST) * FRAME, np.float32)
        part = np.frombuffer(self._cut(first, at + EARLIEST * FRAME), PCM)
        wave[max(0, -first) : max(0, -first) + part.size] = part
        return wave


def _level_dbfs(heard: bytes) -> float:
    sound = np.frombuffer(heard, PCM).astype(np.float32)
    return 10 * float(np.log10(max(1e-3, float(sound @ sound) / max(1, sound.size)))) - 90.3


def is_echo(heard: bytes, played: Wave, rules: BargeIn = USUAL) -> bool:
    """Is `heard` (whole frames, as long as `played` was asked for) a delayed, fainter copy of `played`?"""
    sound = np.frombuffer(heard, PCM).astype(np.float32)
    sound -= sound.mean()
    own = float(sound @ sound)
    size = 1 << (played.size + sound.size - 1).bit_length()
    found = np.fft.irfft(np.fft.rfft(played, size) * np.conj(np.fft.rfft(sound, size)), size)
    found = found[: played.size - sound.size + 1]
    energy = np.concatenate(([0.0], np.cumsum(played.astype(np.float64) ** 2)))
    energies = energy[sound.size :] - energy[: -sound.size]
    audible = energies > own  # an echo is never louder than what it comes from
    if not own or not audible.any():
        return False
    alike = np.where(audible, np.abs(found) / np.sqrt(np.maximum(energies, 1.0) * own), 0.0)
    at = int(alike.argmax())
    fainter_db = 10 * np.log10(own / energies[at])
    if fainter_db > rules.echo_db:
        return False
    return bool(alike[at] >= (rules.alike_faint if fainter_db <= rules.faint_db else rules.alike))


def is_tone(heard: bytes) -> bool:
    """Is this ringing, a beep or a whistle: one or two steady lines and nothing else? Needs 80 ms or more."""
    sound = np.frombuffer(heard, PCM).astype(np.float32)
    if sound.size < 4 * FRAME:
        return False
    half = sound.size // 2
    lines = [_line(sound[:half]), _line(sound[half : 2 * half])]
    (first, purity), (second, other) = lines
    return min(purity, other) >= 0.985 and abs(first - second) <= 8.0


def is_music(heard: bytes, likely: float, rules: BargeIn = USUAL) -> bool:
    """Do notes sound in this that stay as they are, where a voice glides? Needs 80 ms or more.

    `likely` a voice it is, from 0 to 1: the surer that is, the more of the sound must stay for it to be music.
    """
    if likely >= rules.voice:
        return False
    if lasting(heard) >= rules.music + (rules.music_likely - rules.music) * likely:
        return True
    return lasting(heard[-STRUCK:]) >= rules.struck + (rules.struck_likely - rules.struck) * likely


def lasting(heard: bytes) -> float:
    """From 0 to 1: how much of the spectrum, in lines of 16 Hz from 140 to 3400, is there in every 64 ms alike.

    Of voices 0.1 is usual, and one in a hundred has 0.5; held chords have from 0.4 to 1, a struck one and drums 0.2.
    """
    sound = np.frombuffer(heard, PCM).astype(np.float32)
    if sound.size < 4 * FRAME:
        return 0.0
    starts = np.arange(0, sound.size - LASTING + 1, FRAME)
    pieces = sound[starts[:, np.newaxis] + np.arange(LASTING)] * HANN
    lines = np.abs(np.fft.rfft(pieces, 2 * LASTING))[:, LOWEST:HIGHEST]
    levels = np.sqrt((lines * lines).sum(axis=1, keepdims=True))
    least = (lines / np.maximum(levels, 1e-3)).min(axis=0)
    return float(least @ least)


def is_breath(heard: bytes, likely: float, rules: BargeIn = USUAL) -> bool:
    """Is this breath, a rustle, a drum: loud, and no pitch in any of it? A word has one, if not in its first 100 ms."""
    return likely <= rules.unsure and pitch(heard) < rules.pitched


def pitch(heard: bytes) -> float:
    """From 0 to 1: how well some 60 ms repeat themselves after 2.5 to 16 ms.

    Of noise 0.2, of words 0.3 while there are but consonants and 0.7 to 0.9 from the vowel on; 0 where it is too short.
    """
    sound = np.frombuffer(heard, PCM).astype(np.float32)
    if sound.size < PITCHED:
        return 0.0
    pieces = sound[np.arange(0, sound.size - PITCHED + 1, FRAME)[:, np.newaxis] + np.arange(PITCHED)]
    pieces -= pieces.mean(axis=1, keepdims=True)
    alike = np.fft.irfft(np.abs(np.fft.rfft(pieces, 1024)) ** 2)[:, LAGS]
    energy = np.pad(np.cumsum(pieces.astype(np.float64) ** 2, axis=1), ((0, 0), (1, 0)))
    both = energy[:, PITCHED - LAGS] * (energy[:, -1:] - energy[:, LAGS])
    return min(1.0, max(0.0, float((alike / np.sqrt(np.maximum(both, 1.0))).max())))


def _line(sound: Wave) -> tuple[float, float]:
    """The strongest frequency, Hz, and the share of all energy within 2 bins of it."""
    size = 1024
    power = np.abs(np.fft.rfft(sound * np.hanning(sound.size), size)) ** 2
    wide = -(-2 * size // sound.size) + 1  # the window's main lobe
    at = int(power.argmax())
    total = float(power.sum())
    near = float(power[max(0, at - wide) : at + wide + 1].sum())
    return at * RATE / size, near / total if total else 0.0
