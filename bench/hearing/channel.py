"""The way from a mouth to the robot: surroundings, codec, lost packets. The same seed gives the same sound.

clip ─▶ silence around it ─▶ noise ─▶ A-law | µ-law | GSM | Opus ─▶ packets lost and concealed ─▶ PCM of whole frames
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile  # type: ignore[import-untyped]

from bench.hearing.tunes import INSTRUMENTS, tune
from engine import audio
from engine.audio import Floats
from engine.model import FRAME_BYTES, RATE

SPEECH_DBFS = -22.0  # of a voice at the telephone's usual level: what noise without a voice is measured by
LINE_DBFS = -62.0  # of the line itself
AUDIBLE = 0.005
CODECS = ("alaw", "ulaw", "gsm", "opus")
NOISES = ("pink", "street", "babble", "music", "instruments")


@dataclass(frozen=True, slots=True)
class Way:
    """One condition. `snr_db` is against the voice; `loss` is the share of packets of 20 ms."""

    codec: str = "alaw"
    noise: str = ""
    snr_db: float = 0.0
    loss: float = 0.0

    @property
    def name(self) -> str:
        parts = [self.codec]
        if self.noise:
            parts.append(f"{self.noise} {self.snr_db:g} dB")
        if self.loss:
            parts.append(f"{self.loss:.0%} lost")
        return ", ".join(parts)


CLEAN = Way()


@dataclass(frozen=True, slots=True)
class Echo:
    """What the robot says comes back so much fainter, so much later."""

    db: float
    ms: int

    @property
    def name(self) -> str:
        return f"echo {self.db:g} dB, {self.ms} ms"


def through(pcm: bytes, way: Way, seed: str, *, lead_ms: int, tail_ms: int, babble: Floats | None = None) -> bytes:
    """The clip as it comes out of the line, in whole frames; `lead_ms` and `tail_ms` of the line around it."""
    chance = random.Random(f"way {seed}")
    wave = np.concatenate([_quiet(lead_ms), audio.samples(pcm), _quiet(tail_ms)])
    wave *= np.float32(10 ** (chance.uniform(-6, 3) / 20))
    return carried(wave, way, chance, babble)


def surroundings(way: Way, seconds: float, seed: str, babble: Floats | None = None) -> bytes:
    """The line with nobody speaking into it, only what is around."""
    return carried(_quiet(round(seconds * 1000)), way, random.Random(f"around {seed}"), babble)


def carried(wave: Floats, way: Way, chance: random.Random, babble: Floats | None = None) -> bytes:
    noise = np.random.default_rng(chance.randrange(2**32))
    sound = wave + noise.standard_normal(wave.size).astype(np.float32) * np.float32(10 ** (LINE_DBFS / 20))
    if way.noise:
        level = np.float32(_level(wave) * 10 ** (-way.snr_db / 20))
        sound = sound + around(way.noise, wave.size, noise, babble) * level
    return lossy(audio.padded(coded(audio.to_pcm(sound), way.codec)), way.loss, chance)


def _level(wave: Floats) -> float:
    """Of the voice, where it speaks."""
    loud = wave[np.abs(wave) > AUDIBLE]
    return float(np.sqrt(np.mean(loud**2))) if loud.size else 10 ** (SPEECH_DBFS / 20)


def _quiet(ms: int) -> Floats:
    return np.zeros(ms * RATE // 1000, np.float32)


# --- codecs and packets -----------------------------------------------------------------------------------------------


def coded(pcm: bytes, codec: str) -> bytes:
    """Encoded and decoded again, the same length. GSM and Opus end in A-law, as behind a gateway."""
    if codec in ("alaw", "ulaw"):
        return audio.decode(audio.encode(pcm, codec), codec)
    kind = {"gsm": ("WAV", "GSM610"), "opus": ("OGG", "OPUS")}[codec]
    file = io.BytesIO()
    soundfile.write(file, np.frombuffer(pcm, "<i2"), RATE, format=kind[0], subtype=kind[1])
    file.seek(0)
    heard = soundfile.read(file, dtype="int16")[0].astype("<i2").tobytes()[: len(pcm)]
    return coded(heard + bytes(len(pcm) - len(heard)), "alaw")


def lossy(pcm: bytes, loss: float, chance: random.Random) -> bytes:
    """Of frames that are lost the first is the one before at half its level, further ones are silence."""
    if not loss:
        return pcm
    out = bytearray(pcm)
    missing = 0
    for at in range(FRAME_BYTES, len(out), FRAME_BYTES):
        missing = missing + 1 if chance.random() < loss else 0
        if missing == 1:
            out[at : at + FRAME_BYTES] = (np.frombuffer(bytes(out[at - FRAME_BYTES : at]), "<i2") // 2).tobytes()
        elif missing:
            out[at : at + FRAME_BYTES] = bytes(FRAME_BYTES)
    return bytes(out)


# --- noise ------------------------------------------------------------------------------------------------------------


def around(kind: str, n: int, chance: np.random.Generator, babble: Floats | None = None) -> Floats:
    """`n` samples of a surrounding, of level 1 (rms)."""
    noise: np.ndarray[Any, Any]
    if kind == "babble":
        if babble is None or not babble.size:
            raise ValueError("babble is made of voices, and there are none")
        start = int(chance.integers(babble.size))
        noise = np.take(babble, np.arange(start, start + n), mode="wrap")
    elif kind == "music":
        noise = _music(n, chance)
    elif kind == "instruments":  # one of them
        noise = tune(str(chance.choice(sorted(INSTRUMENTS))), n, chance)
    else:
        hz = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 20.0)
        spectrum = np.fft.rfft(chance.standard_normal(n)) / np.sqrt(hz) * (hz > 150)
        if kind == "street":  # traffic rumbles, and swells as it passes
            spectrum /= np.maximum(hz / 400, 0.5)
        noise = np.fft.irfft(spectrum, n)
        if kind == "street":
            seconds = np.arange(n // RATE + 2) * RATE
            noise *= np.interp(np.arange(n), seconds, chance.uniform(0.3, 1.6, seconds.size))
    scaled: Floats = (noise / (np.sqrt(np.mean(noise**2)) + 1e-9)).astype(np.float32)
    return scaled


def murmur(voices: list[Floats], chance: random.Random, *, seconds: int = 40, speakers: int = 6) -> Floats:
    """Several people at once, from phrases: each speaker says them one after the other, from somewhere on."""
    n = seconds * RATE
    out = np.zeros(n, np.float32)
    for _ in range(speakers):
        said = np.concatenate(chance.sample(voices, len(voices)))
        out += np.take(said, np.arange(n) + chance.randrange(said.size), mode="wrap")
    return out


def _music(n: int, chance: np.random.Generator) -> Floats:
    """Four chords in turn, struck on each beat, over a drum."""
    beat = int(RATE * 60 / chance.integers(80, 140))
    root = float(chance.uniform(130, 220))
    out = np.zeros(n + beat, np.float64)
    at = np.arange(beat) / RATE
    drum = np.sin(2 * np.pi * 70 * at * np.exp(-at * 8)) * np.exp(-at * 18)
    for number, start in enumerate(range(0, n, beat)):
        steps = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))[number // 4 % 4]
        chord = sum(
            np.sin(2 * np.pi * root * 2 ** (step / 12) * k * at) * 0.5 ** (k - 1) for step in steps for k in (1, 2, 3)
        )
        out[start : start + beat] += chord * np.exp(-at * 3) * np.minimum(1, at / 0.005) / 6 + drum
    return out[:n].astype(np.float32)
