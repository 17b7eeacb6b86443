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


async def test_a_likelihood_is_one_at_any_time_and_no_less_than_even_while_somebody_speaks(
    make: Callable[[], Vad], speech: list[bytes]
) -> None:
    detector = make()
    assert 0 <= detector.likely <= 1
    told = []
    for frame in [SILENCE] * 20 + speech + [SILENCE] * 50:
        detector.voiced(frame)
        told.append(detector.likely)
    assert all(0 <= likely <= 1 for likely in told)
    assert max(told) >= 0.5


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


class _First(FakeVad):
    """A line that is far from clear."""

    clear = False

    def audible(self, frame: bytes) -> bool:
        return frame != SILENCE


def test_the_second_stage_sleeps_while_the_first_hears_nothing() -> None:
    counted = _Counted()
    detector = vad.TwoStageVad(_First(), counted, vad.Settings())
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
    detector = vad.TwoStageVad(_First(), deaf, vad.Settings(hold_ms=200))
    said = [detector.voiced(frame) for frame in utterance("да", 0.2)]
    assert said == [True] * 5 + [False] * 5  # the first stage is believed while the second has not made up its mind
    for _ in range(500):
        detector.voiced(SILENCE)
    assert deaf.pushed == 10 + 10


def test_what_has_lasted_does_not_go_on_in_the_memory_of_the_second_stage_alone() -> None:
    """Silero takes the silence after a sound for a voice: a short word may need that, a long one would end late."""
    for seconds, frames_of_voice in ((0.1, 10), (0.4, 20)):
        detector = vad.TwoStageVad(_First(), _Counted(), vad.Settings(hold_ms=200))
        flags = [detector.voiced(frame) for frame in [*utterance("да", seconds), *[SILENCE] * 50]]
        assert sum(flags) == frames_of_voice


async def test_the_robots_own_echo_leaves_no_voice_in_its_pauses(tmp_path: Path) -> None:
    """An onset is judged by its last 160 ms: were a pause of the echo voiced, it would be no echo, and so a person."""
    async with espeak.open(espeak.Settings(), data_dir=tmp_path) as voice:
        said = (await voice.render("Пожалуйста, возьмите с собой паспорт", voice="ru+f3")).pcm
    silent = round(0.4 * RATE)
    wave = np.concatenate([audio.samples(said), np.zeros(silent, np.float32)]) * 10 ** (-26 / 20)
    wave = wave + np.random.default_rng(3).standard_normal(wave.size) * 10 ** (-62 / 20)
    detector = two_stages()
    flags = [detector.voiced(frame) for frame in frames(audio.to_pcm(wave))]
    assert sum(flags[: -silent // 160]) > 20
    assert sum(flags[-silent // 160 :]) < 6


async def test_a_clear_line_lets_a_word_be_noticed_soon(tmp_path: Path) -> None:
    async with espeak.open(espeak.Settings(rate_wpm=140), data_dir=tmp_path) as voice:
        for variant in ("david", "Alex", "Annie", "quincy"):
            for word in ("два", "шесть", "позже", "стоп"):
                said = audio.samples((await voice.render(word, voice=f"ru+{variant}")).pcm)
                wave = np.concatenate([np.zeros(RATE, np.float32), said])
                wave = wave + np.random.default_rng(4).standard_normal(wave.size) * 10 ** (-62 / 20)
                detector = two_stages()
                flags = [detector.voiced(frame) for frame in frames(audio.to_pcm(wave))]
                assert sum(flags[50 : 50 + 13]) >= 6, (variant, word)


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
