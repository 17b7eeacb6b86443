from __future__ import annotations

import numpy as np
import pytest

from engine import audio
from engine.model import FRAME_BYTES, RATE
from engine.rules.tones import Sign, Tones


def tone(hz: float, ms: float, dbfs: float = -15.0) -> bytes:
    return audio.tone(hz, ms / 1000, dbfs=dbfs).pcm


def quiet(ms: float) -> bytes:
    return audio.silence(ms / 1000).pcm


def found(*parts: bytes) -> list[tuple[Sign, int]]:
    pcm = audio.padded(b"".join(parts) + quiet(200))
    tones = Tones()
    signals = (tones.push(pcm[at : at + FRAME_BYTES]) for at in range(0, len(pcm), FRAME_BYTES))
    return [(signal.sign, signal.at_ms) for signal in signals if signal is not None]


@pytest.mark.parametrize("hz", [405, 440, 697, 1000, 1400, 1703, 1995])
@pytest.mark.parametrize("ms", [120, 250, 500, 1500])
def test_a_beep_is_found_where_it_ends(hz: float, ms: int) -> None:
    ((sign, at_ms),) = found(quiet(500), tone(hz, ms), quiet(500))
    assert sign is Sign.BEEP
    assert abs(at_ms - (500 + ms)) <= 40


@pytest.mark.parametrize("offset", range(0, 20, 5))
def test_a_beep_is_found_wherever_the_frames_begin(offset: int) -> None:
    ((sign, _),) = found(quiet(300 + offset), tone(950, 180), quiet(500))
    assert sign is Sign.BEEP


def test_both_beeps_of_two_are_told() -> None:
    signs = found(quiet(300), tone(1200, 200), quiet(150), tone(1200, 200), quiet(500))
    assert [sign for sign, _ in signs] == [Sign.BEEP, Sign.BEEP]


def test_a_lost_packet_does_not_cut_a_beep() -> None:
    assert len(found(quiet(300), tone(1000, 200), quiet(20), tone(1000, 200), quiet(300))) == 1


@pytest.mark.parametrize(
    "sound",
    [
        tone(1000, 60),  # a click
        tone(1000, 2500),  # stays
        tone(250, 400),  # too low
        tone(2500, 400),  # too high
        tone(1000, 400, dbfs=-55),  # too quiet
    ],
)
def test_what_is_outside_of_the_limits_is_no_beep(sound: bytes) -> None:
    assert found(quiet(300), sound, quiet(500)) == []


def test_a_tone_with_overtones_is_an_instrument() -> None:
    at = np.arange(RATE // 2) / RATE
    wave = sum(0.2 / k * np.sin(2 * np.pi * 600 * k * at) for k in (1, 2, 3))
    assert found(quiet(300), audio.to_pcm(wave), quiet(500)) == []


def test_a_glide_is_no_beep() -> None:
    at = np.arange(RATE // 2) / RATE
    wave = 0.2 * np.sin(2 * np.pi * (600 * at + 200 * at * at))
    assert found(quiet(300), audio.to_pcm(wave), quiet(500)) == []


def test_a_melody_is_no_beep() -> None:
    notes = [tone(hz, 250) for hz in (523, 587, 659, 698, 784, 880, 988, 1046)]
    assert [sign for sign, _ in found(*notes, tone(1046, 2500))] == []


def test_busy_is_known_by_its_second_burst() -> None:
    signs = found(*[tone(425, 350), quiet(350)] * 4)
    assert signs[0][0] is Sign.BUSY
    assert signs[0][1] <= 1100
    assert {sign for sign, _ in signs} == {Sign.BUSY}


def test_congestion_is_quicker_than_busy() -> None:
    assert {sign for sign, _ in found(*[tone(425, 175), quiet(175)] * 6)} == {Sign.CONGESTION}


def test_ringback_is_neither_a_beep_nor_busy() -> None:
    assert {sign for sign, _ in found(*[tone(425, 1000), quiet(4000)] * 2)} == {Sign.RINGBACK}


def test_one_burst_at_the_network_s_frequency_is_a_beep_after_all() -> None:
    assert [sign for sign, _ in found(quiet(300), tone(425, 300), quiet(1500))] == [Sign.BEEP]


def test_special_information_tones() -> None:
    assert [sign for sign, _ in found(tone(950, 330), tone(1400, 330), tone(1800, 330), quiet(1000))] == [Sign.SIT]


def test_fax_that_answers_is_known_before_its_tone_ends() -> None:
    ((sign, at_ms),) = found(quiet(200), tone(2100, 3000))
    assert sign is Sign.CED
    assert at_ms <= 1300


def test_fax_that_calls() -> None:
    signs = found(tone(1100, 500), quiet(3000), tone(1100, 500), quiet(500))
    assert [sign for sign, _ in signs] == [Sign.CNG, Sign.CNG]


def test_frames_of_nothing_and_of_full_scale_do_no_harm() -> None:
    tones = Tones()
    for frame in (bytes(FRAME_BYTES), b"\xff\x7f" * 160, b"\x00\x80" * 160, b"\xff\x7f\x00\x80" * 80) * 20:
        tones.push(frame)
    assert tones.dbfs <= 0.1
