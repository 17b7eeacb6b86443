"""The robot's own voice coming back, tones and people, told apart by sound: no voice but what numpy makes."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from engine import audio
from engine.rules.barge_in import FRAME, BargeIn, Playback, is_echo, is_tone

RATE = 8000
WINDOW = 8  # frames that an onset is judged by
Wave = NDArray[np.float64]


def talker(seed: int, seconds: float = 4.0, dbfs: float = -20.0) -> Wave:
    """Something like a voice: pulses at a gliding pitch through three resonances that change with each syllable."""
    chance = np.random.default_rng(seed)
    out: list[Wave] = []
    while sum(map(len, out)) < seconds * RATE:
        size = int(chance.integers(1200, 2400))
        pitch = np.linspace(chance.uniform(90, 240), chance.uniform(90, 240), size)
        phase = np.cumsum(pitch) / RATE
        pulses = np.diff(np.floor(phase), prepend=0.0) + chance.standard_normal(size) * 0.02
        spectrum = np.fft.rfft(pulses)
        hertz = np.fft.rfftfreq(size, 1 / RATE)
        for centre in (chance.uniform(300, 800), chance.uniform(900, 2000), chance.uniform(2200, 3200)):
            spectrum *= 1 + 12 / (1 + ((hertz - centre) / 90) ** 2)
        syllable = np.fft.irfft(spectrum, size) * np.hanning(size) ** 0.3
        out.append(syllable / np.sqrt((syllable**2).mean()))
    return np.concatenate(out)[: int(seconds * RATE)] * 10 ** (dbfs / 20)


def line(wave: Wave, codec: str = "alaw") -> bytes:
    return audio.decode(audio.encode(audio.to_pcm(wave), codec), codec)


def windows(pcm: bytes, first: int = WINDOW) -> list[tuple[int, bytes]]:
    """What an ear has when it is asked: the frame, and the last ones up to it."""
    size = 2 * FRAME
    return [(n, pcm[(n - WINDOW) * size : n * size]) for n in range(first, len(pcm) // size, 3)]


def share(playback: Playback, pcm: bytes, first: int = WINDOW) -> float:
    """Of the windows with some sound in them, those taken for an echo."""
    asked = [(n, heard) for n, heard in windows(pcm, first) if np.abs(audio.samples(heard)).max() > 0.004]
    return sum(playback.echoes(heard, n) for n, heard in asked) / len(asked)


def playing(prompt: Wave) -> Playback:
    playback = Playback()
    playback.began(audio.to_pcm(prompt), 0)
    return playback


@pytest.mark.parametrize("codec", ["alaw", "ulaw"])
@pytest.mark.parametrize("late_ms", [20, 70, 140, 250])
@pytest.mark.parametrize("db", [-20, -26, -32, -40])
def test_its_own_echo_is_known(db: float, late_ms: int, codec: str) -> None:
    prompt = talker(1)
    late = np.zeros((late_ms + 60) * 8)  # 60 ms is the way through Asterisk
    echo = np.concatenate([late, prompt])[: len(prompt)] * 10 ** (db / 20)
    assert share(playing(prompt), line(echo, codec)) == 1.0


def test_a_room_smears_the_echo_and_it_is_known_still() -> None:
    prompt = talker(1)
    chance = np.random.default_rng(4)
    room = np.zeros(600)
    taps = chance.integers(10, 600, 20)
    room[0], room[taps] = 1.0, chance.standard_normal(20) * np.exp(-taps / 200) * 0.4
    echo = np.convolve(np.concatenate([np.zeros(800), prompt]), room)[: len(prompt)] * 10 ** (-26 / 20)
    assert share(playing(prompt), line(echo)) >= 0.97


@pytest.mark.parametrize("dbfs", [-16, -22, -28, -34])
@pytest.mark.parametrize("echo_db", [None, -26])
def test_a_person_is_a_person(dbfs: float, echo_db: float | None) -> None:
    prompt = talker(1)
    for seed in (11, 12, 13):
        heard = talker(seed, dbfs=dbfs)
        if echo_db is not None:
            heard = heard + np.concatenate([np.zeros(1000), prompt])[: len(heard)] * 10 ** (echo_db / 20)
        assert share(playing(prompt), line(heard)) <= 0.05


def test_without_a_prompt_there_is_no_echo_and_after_it_only_for_half_a_second() -> None:
    prompt = talker(1, seconds=1.0)
    heard = line(prompt * 0.05)[-WINDOW * 2 * FRAME :]
    assert not Playback().echoes(heard, 100)
    playback = playing(prompt)
    assert playback.echoes(heard, 50 + 10)
    assert not playback.echoes(heard, 50 + 40)


def test_the_end_of_one_prompt_may_come_back_under_the_next() -> None:
    first, second = talker(1, 1.0), talker(2, 1.0)
    playback = playing(first)
    playback.began(audio.to_pcm(second), 50)
    heard = line(np.concatenate([np.zeros(1600), first, second]) * 0.05)
    assert share(playback, heard[: 62 * 2 * FRAME], first=51) == 1.0


def test_a_prompt_that_was_cut_is_not_waited_for() -> None:
    first, second = talker(1, 4.0), talker(2, 1.0)
    playback = playing(first)
    playback.began(audio.to_pcm(second), 50)  # a second of the four was said
    heard = line(np.concatenate([first[:8000], second]) * 0.05)
    assert share(playback, heard, first=58) == 1.0
    assert share(playback, line(np.concatenate([np.zeros(8000), first[16000:24000]]) * 0.05), first=60) <= 0.3


def test_what_is_as_loud_as_the_prompt_is_no_echo_of_it() -> None:
    prompt = talker(1)
    assert share(playing(prompt), line(prompt * 0.5)) == 0.0
    loud = Playback(BargeIn(echo_db=0.0))
    loud.began(audio.to_pcm(prompt), 0)
    assert share(loud, line(prompt * 0.5)) >= 0.95


def test_silence_is_no_echo() -> None:
    played = playing(talker(1)).heard_by(50, WINDOW)
    assert played is not None
    assert not is_echo(bytes(WINDOW * 2 * FRAME), played)


@pytest.mark.parametrize("hertz", [400, 425, 440, 950, 1400, 2000])
@pytest.mark.parametrize("dbfs", [-6, -20, -35])
def test_ringing_and_beeps_are_tones(hertz: float, dbfs: float) -> None:
    wave = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE) * 10 ** (dbfs / 20)
    pcm = line(wave)
    assert all(is_tone(heard) for _, heard in windows(pcm))


def test_voices_and_noise_are_no_tones() -> None:
    noise = np.random.default_rng(3).standard_normal(4 * RATE) * 0.05
    for wave in (*(talker(seed) for seed in range(20, 26)), noise):
        assert not any(is_tone(heard) for _, heard in windows(line(wave)))


def test_too_little_is_no_tone() -> None:
    assert not is_tone(line(np.sin(np.arange(480))))
    assert not is_tone(b"")


def test_an_onset_is_judged_in_less_than_the_time_of_a_frame() -> None:
    playback, heard = playing(talker(1)), line(talker(2))[: WINDOW * 2 * FRAME]
    spent = []
    for _ in range(20):
        began = time.thread_time()
        is_tone(heard)
        playback.echoes(heard, 100)
        spent.append(time.thread_time() - began)
    assert min(spent) < 0.003


@pytest.mark.parametrize(("dbfs", "nobody"), [(-62.0, True), (-54.0, False)])
def test_what_is_no_louder_than_a_line_interrupts_no_prompt(dbfs: float, nobody: bool) -> None:
    """What follows a faint echo is noise, which is no copy of the prompt: that alone would make it a person."""
    heard = line(np.random.default_rng(1).standard_normal(FRAME * WINDOW) * 10 ** (dbfs / 20))
    assert playing(talker(1)).echoes(heard, 50) is nobody
    assert not Playback().echoes(heard, 50)  # nothing is played: nothing comes back
