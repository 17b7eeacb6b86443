"""What is on a line without anybody speaking, through the real detector and ear: none of it is speech.

comfort noise, clicks, breath, exchange tones, keys, music ─▶ codec ─▶ Vad (two stages) ─▶ Ear ─▶ nothing
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from asr import vad
from asr._silero import Silero
from bench.hearing import channel
from engine import audio
from engine.ear import Ear, Started
from engine.model import RATE
from scenarios.talk import Listen
from tests.fakes import FakeRecognizer
from tests.speech import frames
from tts import espeak

Wave = NDArray[np.float64]
SILERO = Silero()
SECONDS = 12.0
AT = np.arange(round(SECONDS * RATE)) / RATE


def dbfs(level: float) -> float:
    return float(10 ** (level / 20))


def white(seed: int) -> Wave:
    return np.random.default_rng(seed).standard_normal(AT.size)


def tones(*hertz: float, on_s: float, off_s: float, level: float = -16.0) -> Wave:
    """In a cadence; `level` of each."""
    wave = np.sum([np.sin(2 * np.pi * one * AT) for one in hertz], axis=0) * dbfs(level)
    return np.asarray(wave * (AT % (on_s + off_s) < on_s), np.float64)


def comfort_noise() -> Wave:
    """As a gateway makes it in pauses: of one colour, and another level with each second."""
    noise = np.convolve(white(1), np.ones(4) / 2, "same")
    levels = np.random.default_rng(2).uniform(-62, -42, AT.size // RATE + 1)
    return np.asarray(noise * 10 ** (np.repeat(levels, RATE)[: AT.size] / 20), np.float64)


def clicks() -> Wave:
    wave = np.zeros(AT.size)
    chance = np.random.default_rng(3)
    for at in chance.integers(0, AT.size - 80, 60):
        wave[at : at + 80] += chance.uniform(0.1, 0.8) * np.exp(-np.arange(80) / 12) * chance.standard_normal(80)
    return wave


def breath() -> Wave:
    """A microphone at the mouth: noise of 0.8 s every 3 s, as loud as −34 dBFS."""
    noise = np.convolve(white(4), [0.25, 0.5, 0.25], "same")
    return np.asarray(noise * dbfs(-30) * np.clip(np.sin(2 * np.pi * AT / 3), 0, 1) ** 3, np.float64)


def keys() -> Wave:
    """Somebody's key presses, 120 ms each, that leak into the voice."""
    rows, columns = (697, 770, 852, 941), (1209, 1336, 1477)
    chance = np.random.default_rng(5)
    wave = np.zeros(AT.size)
    for start in range(RATE // 2, AT.size - RATE, RATE // 2):
        pair = (chance.choice(rows), chance.choice(columns))
        span = slice(start, start + 960)
        wave[span] = sum(np.sin(2 * np.pi * hertz * AT[span]) for hertz in pair) * dbfs(chance.uniform(-30, -12))
    return wave


def music(seed: int, level: float) -> Wave:
    return channel.around("music", AT.size, np.random.default_rng(seed)).astype(np.float64) * dbfs(level)


NOBODY: dict[str, Callable[[], Wave]] = {
    "comfort noise": comfort_noise,
    "clicks": clicks,
    "breath": breath,
    "ringback": lambda: tones(425, on_s=1.0, off_s=4.0),
    "ringback, two tones": lambda: tones(440, 480, on_s=2.0, off_s=4.0),
    "busy": lambda: tones(425, on_s=0.35, off_s=0.35),
    "busy, two tones": lambda: tones(480, 620, on_s=0.5, off_s=0.5),
    "dial tone": lambda: tones(350, 440, on_s=SECONDS, off_s=0.0),
    "keys": keys,
    **{f"music {seed} at {level}": lambda seed=seed, level=level: music(seed, level) for seed, level in  # type: ignore[misc]
       ((1, -32), (2, -32), (3, -24), (4, -24), (5, -18), (6, -18))},
}  # fmt: skip


def started(pcm: bytes, *, speaking: bool) -> list[int]:
    """The frames with which somebody was taken to begin."""
    ear = Ear(vad.make(vad.Settings(), SILERO), lambda _: FakeRecognizer(), "ru")
    ear.listen(Listen(timeout_s=60))
    signals = (ear.push(frame, speaking=speaking, interruptible=True) for frame in frames(pcm))
    return [n for n, signal in enumerate(signals) if isinstance(signal, Started)]


def line(wave: Wave, codec: str) -> bytes:
    return audio.padded(channel.coded(audio.to_pcm(wave + white(9) * dbfs(channel.LINE_DBFS)), codec))


@pytest.mark.parametrize("speaking", [True, False], ids=["while the robot speaks", "while it waits"])
@pytest.mark.parametrize("codec", ["alaw", "gsm"])
@pytest.mark.parametrize("sound", NOBODY)
def test_it_is_no_speech(sound: str, codec: str, speaking: bool) -> None:
    assert started(line(NOBODY[sound](), codec), speaking=speaking) == []


@pytest.mark.parametrize("sound", ["comfort noise", "breath", "ringback", "music 1 at -32"])
async def test_and_a_person_who_speaks_into_it_is_noticed(sound: str, tmp_path: Path) -> None:
    async with espeak.open(espeak.Settings(), data_dir=tmp_path) as voice:
        said = audio.samples((await voice.render("Подождите, я хочу спросить", voice="ru+m3")).pcm)
    wave = NOBODY[sound]()
    first = 5 * RATE
    wave[first : first + said.size] += said
    found = started(line(wave, "alaw"), speaking=True)
    assert len(found) == 1
    assert 250 <= found[0] <= 250 + 25  # within half a second, were it in music
