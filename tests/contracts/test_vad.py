"""What `Vad` promises, held over the real ones, with and without gate and second stage, and over the fake."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import numpy as np
import pytest

from asr import vad
from asr._silero import Silero, SileroStream
from engine import audio
from engine.model import FRAME_BYTES, RATE, SILENCE, Sound
from engine.ports import Vad
from tests.fakes import FakeVad, utterance
from tests.speech import frames
from tts import espeak

SILERO = Silero()
MAKERS: dict[str, Callable[[], Vad]] = {
    "fake": FakeVad,
    "two stages": lambda: vad.make(vad.Settings(), SILERO),
    "webrtc": lambda: vad.WebRtcVad(vad.Settings(gate=False)),
    "webrtc and gate": vad.WebRtcVad,
}


@pytest.fixture(params=sorted(MAKERS))
def make(request: pytest.FixtureRequest) -> Callable[[], Vad]:
    return MAKERS[request.param]


@pytest.fixture
async def speech(
    request: pytest.FixtureRequest, make: Callable[[], Vad], tmp_path: Path
) -> AsyncGenerator[list[bytes]]:
    if make is FakeVad:
        yield utterance("здравствуйте это я", 2.0)
        return
    async with espeak.open(espeak.Settings(), data_dir=tmp_path) as voice:
        yield list(frames((await voice.render("Здравствуйте, это я, и я вас хорошо слышу", voice="ru+m3")).pcm))


def noise(dbfs: float, seconds: float, seed: int = 1) -> list[bytes]:
    wave = np.random.default_rng(seed).standard_normal(round(seconds * RATE)) * 10 ** (dbfs / 20)
    return list(frames(audio.to_pcm(wave)))


def longest(flags: list[bool]) -> int:
    """The longest run of voice, in frames."""
    best = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        best = max(best, run)
    return best


def test_silence_is_no_voice(make: Callable[[], Vad]) -> None:
    detector = make()
    assert not any(detector.voiced(SILENCE) for _ in range(200))


async def test_speech_is_voice(make: Callable[[], Vad], speech: list[bytes]) -> None:
    detector = make()
    for _ in range(50):
        detector.voiced(SILENCE)
    flags = [detector.voiced(frame) for frame in speech]
    assert sum(flags) > len(flags) / 2
    assert longest(flags) >= 6  # enough for an utterance to begin


async def test_speech_from_the_first_frame_is_voice(make: Callable[[], Vad], speech: list[bytes]) -> None:
    detector = make()
    assert longest([detector.voiced(frame) for frame in speech]) >= 6


async def test_calls_do_not_share_state(make: Callable[[], Vad], speech: list[bytes]) -> None:
    alone = [flag for detector in [make()] for flag in [detector.voiced(frame) for frame in speech]]
    one, other = make(), make()
    together = []
    for frame in speech:
        together.append(one.voiced(frame))
        other.voiced(SILENCE)
    assert together == alone


# --- what the gate adds ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dbfs", [-62.0, -50.0, -40.0, -32.0])
def test_line_noise_never_starts_an_utterance(dbfs: float) -> None:
    detector = vad.WebRtcVad()
    assert longest([detector.voiced(frame) for frame in noise(dbfs, 20.0)]) < 6


def test_what_is_far_too_quiet_is_no_voice() -> None:
    detector = vad.WebRtcVad()
    assert not any(detector.voiced(frame) for frame in frames(audio.tone(300, 2.0, dbfs=-60).pcm))


async def test_speech_over_line_noise_is_voice(tmp_path: Path) -> None:
    async with espeak.open(espeak.Settings(), data_dir=tmp_path) as voice:
        said = audio.samples((await voice.render("оператор", voice="ru+f2")).pcm)
    mixed = said + np.random.default_rng(2).standard_normal(said.size) * 10 ** (-40 / 20)
    detector = vad.WebRtcVad()
    for frame in noise(-40.0, 3.0):
        detector.voiced(frame)
    assert longest([detector.voiced(frame) for frame in frames(audio.to_pcm(mixed))]) >= 6


@pytest.mark.parametrize("size", [0, 1, 160, FRAME_BYTES - 2, FRAME_BYTES + 2])
def test_half_a_frame_is_no_voice(size: int) -> None:
    assert not vad.WebRtcVad().voiced(b"\x55" * size)


async def test_it_opens_as_every_extension_does(tmp_path: Path) -> None:
    for second, kind in (("auto", vad.TwoStageVad), ("silero", vad.TwoStageVad), ("none", vad.WebRtcVad)):
        settings = vad.Settings.model_validate({"mode": 2, "second": second})
        async with vad.open(settings, data_dir=tmp_path) as new:
            assert isinstance(new(), kind)
            assert not new().voiced(Sound(SILENCE).pcm)


# --- what the second stage adds ---------------------------------------------------------------------------------------


def two_stages() -> Vad:
    return vad.make(vad.Settings(), SILERO)


def breath(seconds: float) -> list[bytes]:
    wave = np.random.default_rng(5).standard_normal(round(seconds * RATE)) * 10 ** (-38 / 20)
    return list(frames(audio.to_pcm(wave * np.clip(np.sin(2 * np.pi * 0.3 * np.arange(len(wave)) / RATE), 0, 1) ** 2)))


def ringing(seconds: float) -> list[bytes]:
    wave = np.sin(2 * np.pi * 425 * np.arange(round(seconds * RATE)) / RATE) * 0.1
    return list(frames(audio.to_pcm(wave * (np.arange(len(wave)) % (5 * RATE) < RATE))))


def clicks(seconds: float) -> list[bytes]:
    return list(frames(audio.to_pcm((np.random.default_rng(6).random(round(seconds * RATE)) < 0.0005) * 0.8)))


@pytest.mark.parametrize("sound", [breath, ringing, clicks, lambda seconds: noise(-30.0, seconds)])
def test_breath_ringing_clicks_and_noise_begin_nothing(sound: Callable[[float], list[bytes]]) -> None:
    detector = two_stages()
    assert longest([detector.voiced(frame) for frame in sound(20.0)]) < 6


class _Counted:
    def __init__(self) -> None:
        self.pushed = 0

    def __call__(self) -> _Counted:
        return self

    def push(self, frame: bytes) -> float:
        self.pushed += 1
        return 0.9


def test_the_second_stage_sleeps_while_the_first_hears_nothing() -> None:
    counted = _Counted()
    detector = vad.TwoStageVad(FakeVad(), counted, vad.Settings())
    for _ in range(500):
        detector.voiced(SILENCE)
    assert counted.pushed == 0
    assert detector.voiced(utterance("да", 0.1)[0])
    assert counted.pushed == 3 + 1  # what came before, and the frame itself


def test_the_second_stage_falls_asleep_again() -> None:
    class Deaf(_Counted):
        def push(self, frame: bytes) -> float:
            super().push(frame)
            return 0.0

    deaf = Deaf()
    detector = vad.TwoStageVad(FakeVad(), deaf, vad.Settings(hold_ms=200))
    said = [detector.voiced(frame) for frame in utterance("да", 0.2)]
    assert said == [True] * 4 + [False] * 6  # the first stage is believed while the second has not made up its mind
    for _ in range(500):
        detector.voiced(SILENCE)
    assert deaf.pushed == 10 + 10


async def test_calls_do_not_share_what_silero_remembers(tmp_path: Path) -> None:
    async with espeak.open(espeak.Settings(), data_dir=tmp_path) as voice:
        said = list(frames((await voice.render("оператор", voice="ru+f2")).pcm))
    alone, beside, other = (SileroStream(SILERO) for _ in range(3))
    once = [alone.push(frame) for frame in said]
    twice = []
    for frame in said:
        twice.append(beside.push(frame))
        other.push(SILENCE)
    assert once == twice
    assert max(once) > 0.8
