"""Sound as numbers: files in, telephone PCM out; tones, G.711 and the peaks that a waveform is drawn from.

    wav mp3 ogg flac ─▶ read ─▶ mono, 8 kHz, 16 bit ─▶ Sound ─▶ peaks, alaw…

Pure numpy, no loop of Python over samples, nothing asynchronous: call the heavy ones (`read`, `peaks`) in a thread.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped,unused-ignore]

from engine.errors import InputError
from engine.model import FRAME_BYTES, RATE, Sound

Samples = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float32]

PCM = np.dtype("<i2")
FULL = 32768.0
FILE_BYTES = 64 * 1024 * 1024  # the largest file that `read` takes
LONGEST_S = 1800.0
LOWEST_RATE, HIGHEST_RATE = 4000, 192_000
MOST_CHANNELS = 8
BLOCK_FRAMES = 65_536
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
FORMATS = frozenset({"WAV", "WAVEX", "RF64", "MP3", "OGG", "FLAC"})


# --- files ----------------------------------------------------------------------------------------------------------


def read(source: Path | bytes, *, longest_s: float = LONGEST_S, most_bytes: int = FILE_BYTES) -> Sound:
    """A wav, mp3, ogg or flac file as a Sound; channels are mixed, the rate is converted.

    Raises InputError, whose text says what is wrong with the file: empty, too large, too long, no sound file, broken.
    Memory stays within a few times the length that is allowed, whatever the file says of itself.
    """
    data = _bytes(source, most_bytes)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            _acceptable(file, longest_s)
            mono = _mono(file, longest_s)
    except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError):
        raise InputError(f"{_guess(data)}: give a wav, mp3, ogg or flac file") from None
    if not mono.size:
        raise InputError("the file holds no sound: give one with at least a moment of it")
    return Sound(to_pcm(mono))


def _bytes(source: Path | bytes, most_bytes: int) -> bytes:
    if isinstance(source, Path):
        try:
            size = source.stat().st_size
            data = source.read_bytes() if size <= most_bytes else b""
        except OSError as error:
            raise InputError(f"{source.name} cannot be read: {error.strerror}") from None
    else:
        size, data = len(source), source
    if size > most_bytes:
        raise InputError(f"the file has {size // 1_000_000} MB: at most {most_bytes // 1_000_000} MB are taken")
    if not size:
        raise InputError("the file is empty (0 bytes)")
    return data


def _acceptable(file: Any, longest_s: float) -> None:
    if file.format not in FORMATS:
        raise InputError(f"this is {file.format_info}: give a wav, mp3, ogg or flac file")
    if not LOWEST_RATE <= file.samplerate <= HIGHEST_RATE:
        raise InputError(f"a sample rate of {file.samplerate} Hz is not taken: {LOWEST_RATE} to {HIGHEST_RATE} Hz are")
    if file.channels > MOST_CHANNELS:
        raise InputError(f"{file.channels} channels are too many: at most {MOST_CHANNELS}")
    if file.frames > longest_s * file.samplerate and file.format != "MP3":  # an mp3's own count is a guess
        raise InputError(f"the sound is longer than {longest_s:g} s")


def _mono(file: Any, longest_s: float) -> Floats:
    """Mixed and brought to RATE block by block, so that a small file that unpacks to hours costs no memory."""
    stream = None if file.samplerate == RATE else soxr.ResampleStream(file.samplerate, RATE, 1, dtype="float32")
    parts: list[Floats] = []
    frames = 0
    last = False
    while not last:
        block = file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)
        last = not len(block)
        frames += len(block)
        if frames > longest_s * file.samplerate:
            raise InputError(f"the sound is longer than {longest_s:g} s")
        mono = np.nan_to_num(block.mean(axis=1, dtype=np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
        parts.append(mono if stream is None else stream.resample_chunk(mono, last=last))
    return np.concatenate(parts) if frames else np.zeros(0, np.float32)


def _guess(data: bytes) -> str:
    for magic, name in (
        (b"PK\x03\x04", "this is a ZIP archive"),
        (b"%PDF", "this is a PDF"),
        (b"\x1f\x8b", "this is a gzip archive"),
        (b"\x00\x00\x00", "this is an MP4 or another container"),
        (b"RIFF", "this WAV file is broken"),
    ):
        if data.startswith(magic):
            return name
    return "this is no sound file"


def wav_header(channels: int, samples: int) -> bytes:
    """Of a WAV file of 16 bits at RATE with so many samples on each channel."""
    frame, data = 2 * channels, 2 * channels * samples
    return _HEADER.pack(
        b"RIFF", 36 + data, b"WAVE", b"fmt ", 16, 1, channels, RATE, RATE * frame, frame, 16, b"data", data
    )


def to_wav(sound: Sound) -> bytes:
    """The Sound as a mono WAV file."""
    out = io.BytesIO()
    soundfile.write(out, np.frombuffer(sound.pcm, PCM), RATE, format="WAV", subtype="PCM_16")
    return out.getvalue()


# --- samples --------------------------------------------------------------------------------------------------------


def samples(pcm: bytes) -> Floats:
    """16-bit PCM as floats, full scale ±1. A half sample at the end is dropped."""
    return np.frombuffer(pcm, PCM, count=len(pcm) // 2).astype(np.float32) / np.float32(FULL)


def to_pcm(wave: npt.ArrayLike) -> bytes:
    """Floats, full scale ±1, as 16-bit PCM; beyond it they are clipped."""
    scaled = np.rint(np.asarray(wave, np.float32) * FULL)
    clipped: Samples = np.clip(scaled, -FULL, FULL - 1).astype(PCM)
    return clipped.tobytes()


def resample(wave: Floats, rate: int, to: int = RATE) -> Floats:
    if rate == to:
        return wave
    converted: Floats = soxr.resample(wave, rate, to).astype(np.float32, copy=False)
    return converted


def padded(pcm: bytes) -> bytes:
    """PCM with silence to the end of its last frame."""
    return pcm + bytes(-len(pcm) % FRAME_BYTES)


def silence(seconds: float) -> Sound:
    return Sound(bytes(round(max(0.0, seconds) * RATE) * 2))


def tone(hz: float, seconds: float, *, dbfs: float = -12.0, fade_s: float = 0.005) -> Sound:
    """A sine with this peak, faded at both ends so that it does not click."""
    n = round(max(0.0, seconds) * RATE)
    wave = np.sin(2 * np.pi * hz * np.arange(n) / RATE) * 10 ** (dbfs / 20)
    edge = min(n // 2, round(fade_s * RATE))
    if edge:
        ramp = np.linspace(0.0, 1.0, edge, endpoint=False)
        wave[:edge] *= ramp
        wave[n - edge :] *= ramp[::-1]
    return Sound(to_pcm(wave))


def beep() -> Sound:
    """What is heard before a message is recorded."""
    return tone(1000.0, 0.25)


# --- level ----------------------------------------------------------------------------------------------------------


def rms_dbfs(pcm: bytes) -> float:
    """Mean level against full scale; -inf for digital silence."""
    wave = samples(pcm)
    power = float(np.mean(wave * wave)) if wave.size else 0.0
    return 10 * float(np.log10(power)) if power > 0 else float("-inf")


def peak(pcm: bytes) -> int:
    """The loudest sample, 0 to 32768."""
    wave = np.frombuffer(pcm, PCM, count=len(pcm) // 2)
    return max(int(wave.max()), -int(wave.min())) if wave.size else 0


def onset_s(pcm: bytes, loud: int = 500) -> float:
    """When the first sound louder than that begins; 0 if there is none."""
    wave = np.frombuffer(pcm, PCM, count=len(pcm) // 2)
    above = (wave > loud) | (wave < -loud)
    return float(above.argmax()) / RATE if wave.size else 0.0


def peaks(pcm: bytes, buckets: int = 400) -> list[int]:
    """The loudest moment of each of `buckets` equal stretches, 0 to 100; fewer if there are fewer samples."""
    wave = np.abs(np.frombuffer(pcm, PCM, count=len(pcm) // 2).astype(np.int32))
    buckets = min(buckets, wave.size)
    if buckets < 1:
        return []
    starts = np.arange(buckets) * wave.size // buckets
    found: list[int] = (np.maximum.reduceat(wave, starts) * 100 // 32768).tolist()
    return found


# --- G.711 ----------------------------------------------------------------------------------------------------------


def _alaw_table() -> Samples:
    """ITU-T G.711: the linear value of each A-law byte."""
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code & 0x70) >> 4, code & 0x0F
    value = np.where(exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, value, -value).astype(np.int16)


def _ulaw_table() -> Samples:
    """ITU-T G.711: the linear value of each µ-law byte."""
    code = ~np.arange(256) & 0xFF
    exponent, mantissa = (code & 0x70) >> 4, code & 0x0F
    value = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -value, value).astype(np.int16)


def _inverse(table: Samples) -> npt.NDArray[np.uint8]:
    """The nearest code for every 16-bit value."""
    order = np.argsort(table, kind="stable")
    levels = table[order].astype(np.int32)
    edges = (levels[:-1] + levels[1:]) / 2
    return order.astype(np.uint8)[np.searchsorted(edges, np.arange(-32768, 32768))]


_DECODE = {"alaw": _alaw_table(), "ulaw": _ulaw_table()}
_ENCODE = {law: _inverse(table) for law, table in _DECODE.items()}


def encode(pcm: bytes, law: str) -> bytes:
    """16-bit PCM as G.711; `law` is `alaw` or `ulaw`."""
    codes: npt.NDArray[np.uint8] = _ENCODE[law][np.frombuffer(pcm, PCM, count=len(pcm) // 2).astype(np.int32) + 32768]
    return codes.tobytes()


def decode(data: bytes, law: str) -> bytes:
    """G.711 as 16-bit PCM."""
    return _DECODE[law][np.frombuffer(data, np.uint8)].astype(PCM).tobytes()
