"""Sound helpers: what comes out of good files, and what is said of bad ones."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from engine import audio
from engine.errors import InputError
from engine.model import FRAME_BYTES, RATE


def wave(seconds: float = 0.5, rate: int = RATE, hz: float = 440.0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def packed(data: object, rate: int, **options: str) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, data, rate, **options)
    return out.getvalue()


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_every_rate_keeps_its_length_and_pitch(rate: int) -> None:
    sound = audio.read(packed(wave(1.0, rate), rate, format="WAV"))
    assert sound.seconds == pytest.approx(1.0, abs=0.01)
    spectrum = np.abs(np.fft.rfft(audio.samples(sound.pcm)))
    assert np.argmax(spectrum) * RATE / len(audio.samples(sound.pcm)) == pytest.approx(440, abs=3)


@pytest.mark.parametrize(
    "options",
    [
        {"format": "FLAC"},
        {"format": "OGG", "subtype": "VORBIS"},
        {"format": "MP3"},
        {"format": "WAV", "subtype": "ALAW"},
    ],
)
def test_every_format_is_read(options: dict[str, str]) -> None:
    sound = audio.read(packed(wave(1.0), RATE, **options))
    assert sound.seconds == pytest.approx(1.0, abs=0.15)
    assert audio.rms_dbfs(sound.pcm) == pytest.approx(-9, abs=1.5)


def test_stereo_is_mixed() -> None:
    both = np.stack([wave(), np.zeros(RATE // 2)], axis=1)
    assert audio.rms_dbfs(audio.read(packed(both, RATE, format="WAV")).pcm) == pytest.approx(-15, abs=0.5)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "no sound")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (zipped(), "ZIP"),
        (b"%PDF-1.4 no sound", "PDF"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", "broken"),
        (b"hello" * 100, "no sound file"),
        (packed(wave(), 1000, format="WAV"), "1000 Hz"),
        (packed(np.zeros((100, 12)), RATE, format="WAV"), "12 channels"),
        (packed(np.zeros(0), RATE, format="WAV"), "no sound"),
        (packed(wave(), RATE, format="AIFF"), "give a wav"),
    ],
)
def test_a_bad_file_is_named(data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        audio.read(data)


def test_a_file_of_two_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    huge = tmp_path / "huge.wav"
    with huge.open("wb") as file:
        file.truncate(2 * 1024**3)
    with pytest.raises(InputError, match="2147 MB"):
        audio.read(huge)


def test_hours_of_silence_in_a_small_file_are_refused() -> None:
    small = packed(np.zeros(RATE * 120), RATE, format="FLAC")
    assert len(small) < 100_000
    with pytest.raises(InputError, match="longer than 60 s"):
        audio.read(small, longest_s=60)


def test_an_mp3_is_counted_while_it_is_read() -> None:
    with pytest.raises(InputError, match="longer than 60 s"):  # what it says of its own length is a guess
        audio.read(packed(np.zeros(RATE * 70), RATE, format="MP3"), longest_s=60)


def test_a_header_that_lies_about_its_length_is_read_as_far_as_it_goes() -> None:
    data = bytearray(packed(wave(), RATE, format="WAV"))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    assert audio.read(bytes(data)).seconds == pytest.approx(0.5, abs=0.01)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.wav cannot be read"):
        audio.read(tmp_path / "gone.wav")


def test_wav_and_back() -> None:
    sound = audio.tone(300, 0.2)
    assert audio.read(audio.to_wav(sound)).pcm == sound.pcm


@given(st.binary(max_size=400))
def test_anything_is_either_sound_or_an_error_in_words(data: bytes) -> None:
    try:
        sound = audio.read(data)
    except InputError as error:
        assert str(error)
    else:
        assert sound.pcm


def test_peaks() -> None:
    pcm = audio.silence(1.0).pcm + audio.tone(400, 1.0, dbfs=-6.0).pcm
    found = audio.peaks(pcm, 400)
    assert len(found) == 400
    assert max(found[:200]) == 0
    assert min(found[202:398]) >= 45
    assert audio.peaks(b"") == []
    assert len(audio.peaks(b"\0\1" * 7)) == 7


def test_frames() -> None:
    assert len(audio.padded(b"ab")) == FRAME_BYTES
    assert audio.padded(bytes(FRAME_BYTES)) == bytes(FRAME_BYTES)
    assert audio.beep().seconds == 0.25


# --- G.711 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", ["alaw", "ulaw"])
def test_g711_codes_survive(law: str) -> None:
    every = bytes(range(256))
    back = audio.encode(audio.decode(every, law), law)
    assert sum(a != b for a, b in zip(every, back, strict=True)) <= (law == "ulaw")  # µ-law has two zeros


@pytest.mark.parametrize(("law", "subtype"), [("alaw", "ALAW"), ("ulaw", "ULAW")])
def test_g711_agrees_with_libsndfile(law: str, subtype: str) -> None:
    every = bytes(range(256))
    raw, _ = soundfile.read(
        io.BytesIO(every), dtype="int16", format="RAW", subtype=subtype, samplerate=RATE, channels=1
    )
    assert audio.decode(every, law) == raw.astype("<i2").tobytes()


@given(st.lists(st.integers(-32768, 32767), max_size=50))
def test_g711_error_is_small(values: list[int]) -> None:
    pcm = np.array(values, "<i2").tobytes()
    for law in ("alaw", "ulaw"):
        back = np.frombuffer(audio.decode(audio.encode(pcm, law), law), "<i2").astype(int)
        assert all(abs(a - b) <= max(16, abs(a) * 0.05) for a, b in zip(values, back, strict=True))
