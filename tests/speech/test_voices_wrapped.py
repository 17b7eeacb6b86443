"""Stand-ins, recorded prompts, and voices composed by the settings."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from engine import audio, loudness
from engine.config import Speech
from engine.errors import ConfigError, Overloaded, SpeechError
from engine.model import RATE, Sound
from engine.voices import open_voice
from tests.fakes import FakeSynthesizer
from tests.speech import standins
from tests.virtual_time import virtually
from tts import cached, fallback, recorded
from tts._auto import choose, known
from tts._prepared import Prepared


def kept(data_dir: Path, names: str = "*.pcm") -> list[Path]:
    return list(data_dir.glob(f"prompts/??/{names}"))


# --- stand-ins ------------------------------------------------------------------------------------------------------


def pair(**settings: float) -> tuple[FakeSynthesizer, FakeSynthesizer, fallback.Fallback]:
    first, second = FakeSynthesizer(takes_s=0.1), FakeSynthesizer(takes_s=0.1, char_ms=80)
    chosen = fallback.Settings.model_validate({"voices": ("a", "b"), **settings})
    return first, second, fallback.Fallback(chosen, {"a": first, "b": second})


def test_the_second_speaks_for_the_first_and_only_then() -> None:
    async def play() -> None:
        first, second, voice = pair()
        assert not (await voice.render("раз")).makeshift
        first.failure = SpeechError("away")
        assert (await voice.render("два")).makeshift
        first.failure = Overloaded("busy")
        assert (await voice.render("три")).makeshift
        assert (first.said, second.said) == (["раз", "два", "три"], ["два", "три"])

    virtually(play)


def test_a_slow_voice_is_not_waited_for() -> None:
    async def play() -> None:
        first, _, voice = pair(patience_s=1.0)
        first.takes_s = 30.0
        began = asyncio.get_running_loop().time()
        assert (await voice.render("раз")).makeshift
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.1)

    virtually(play)


def test_a_voice_that_fails_rests_and_is_tried_again_by_one_text() -> None:
    async def play() -> None:
        first, second, voice = pair(failures=3, pause_s=30)
        first.failure = SpeechError("away")
        for n in range(5):
            await voice.render(f"{n}")
        assert first.said == ["0", "1", "2"]
        assert voice.resting == ["a"]
        await asyncio.sleep(30)
        await asyncio.gather(*(voice.render(f"again {n}") for n in range(5)))
        assert [text for text in first.said if "again" in text] == ["again 0"]
        first.failure = None
        await asyncio.sleep(30)
        await voice.render("back")
        assert voice.resting == []
        second.said.clear()
        assert not (await voice.render("well")).makeshift
        assert second.said == []

    virtually(play)


def test_who_is_only_busy_does_not_rest() -> None:
    async def play() -> None:
        first, _, voice = pair(failures=1)
        first.failure = Overloaded("busy")
        await voice.render("раз")
        assert voice.resting == []

    virtually(play)


def test_when_all_rest_all_are_asked_and_the_last_failure_is_told() -> None:
    async def play() -> None:
        first, second, voice = pair(failures=1)
        first.failure, second.failure = SpeechError("one"), SpeechError("two")
        for _ in range(3):
            with pytest.raises(SpeechError, match="two"):
                await voice.render("раз")
        first.failure = None
        assert (await voice.render("раз")).pcm

    virtually(play)


async def test_a_makeshift_is_not_kept(tmp_path: Path) -> None:
    first, _, voice = pair()
    first.failure = SpeechError("away")
    async with cached.open(cached.Settings(), data_dir=tmp_path, inner=voice) as cache:
        makeshift = await cache.render("раз")
        first.failure = None
        assert await cache.render("раз") != makeshift
    assert len(kept(tmp_path)) == 1


# --- recorded -------------------------------------------------------------------------------------------------------

TONES = {"Ваш долг": 300, "рублей": 500, "спасибо": 700, "ваш": 900}


def tone(hz: float, seconds: float = 0.5) -> Sound:
    return loudness.telephone(audio.tone(hz, seconds))


def pitches(sound: Sound) -> list[int]:
    """The tones that are heard one after another, to 20 Hz."""
    found: list[int] = []
    wave = audio.samples(sound.pcm)
    for at in range(0, wave.size - 400, 400):
        frame = wave[at : at + 400]
        if np.sqrt(np.mean(frame * frame)) < 0.02:
            continue
        hz = round(int(np.argmax(np.abs(np.fft.rfft(frame * np.hanning(400))))) * RATE / 400 / 20) * 20
        if not found or found[-1] != hz:
            found.append(hz)
    return found


class Tone(FakeSynthesizer):
    """Says everything at 1500 Hz."""

    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        self.said.append(text)
        return tone(1500, 0.3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "voice"
    place.mkdir()
    for text, hz in TONES.items():
        (place / f"{text.replace(' ', '_')}.wav").write_bytes(audio.to_wav(tone(hz)))
    return tmp_path


Opened = Callable[..., Awaitable[tuple[Tone, recorded.Recorded]]]


async def opened(data_dir: Path, **settings: object) -> tuple[Tone, recorded.Recorded]:
    inner = Tone()
    chosen = recorded.Settings.model_validate({"folder": "voice", "voice": "x", **settings})
    async with recorded.open(chosen, data_dir=data_dir, inner={"x": inner}) as voice:
        return inner, voice


async def test_a_whole_prompt_is_played_as_recorded(folder: Path) -> None:
    inner, voice = await opened(folder)
    assert pitches(await voice.render("Спасибо!")) == [700]
    assert inner.said == []


async def test_fragments_are_joined_and_the_rest_is_said(folder: Path) -> None:
    inner, voice = await opened(folder)
    sound = await Prepared(voice).render("Ваш долг 2 000 рублей, спасибо.")
    assert pitches(sound) == [300, 1500, 500, 700]  # the longest fragment, not `ваш`
    assert inner.said == ["две тысячи"]


async def test_a_joint_does_not_click(folder: Path) -> None:
    _, voice = await opened(folder)
    wave = audio.samples((await voice.render("ваш долг рублей спасибо")).pcm)
    steepest = max(2 * np.pi * hz / RATE for hz in TONES.values()) * np.abs(wave).max()
    assert np.abs(np.diff(wave)).max() <= steepest * 1.05


def test_cuts_are_at_zero_crossings() -> None:
    n = np.arange(RATE // 4) / RATE
    loud = np.cos(2 * np.pi * 300 * n).astype(np.float32) * 0.5  # begins and ends at its loudest
    wave = audio.samples(recorded.joined([loud, loud], [0.0, 0.05]))
    gap = round(0.05 * RATE)
    still = np.flatnonzero(np.convolve(np.abs(wave) < 1e-6, np.ones(gap), "valid") == gap)
    assert still.size
    assert np.abs(wave[still[0] - 1]) < 0.15  # one sample before the crossing, at most a step of this tone
    assert np.abs(wave[0]) < 0.15


async def test_punctuation_is_a_pause(folder: Path) -> None:
    _, voice = await opened(folder)
    together = await voice.render("рублей спасибо")
    apart = await voice.render("рублей. Спасибо")
    assert apart.seconds - together.seconds == pytest.approx(recorded.PAUSES_S["."] - recorded.BREATH_S, abs=0.01)


async def test_whole_prompts_only_if_so_wished(folder: Path) -> None:
    inner, voice = await opened(folder, fragments=False)
    await voice.render("Спасибо, рублей")
    assert inner.said == ["Спасибо, рублей"]
    assert pitches(await voice.render("спасибо")) == [700]


async def test_a_list_tells_what_the_files_say_and_in_whose_voice(folder: Path) -> None:
    (folder / "voice" / "texts.csv").write_text(
        "audio,text,voice\nспасибо.wav,До свидания,\nрублей.wav,Да 1,anna\n", "utf-8"
    )
    inner, voice = await opened(folder)
    assert pitches(await voice.render("до свидания")) == [700]
    assert pitches(await Prepared(voice).render("да 1", voice="anna")) == [500]
    await Prepared(voice).render("да 1", voice="ivan")
    assert inner.said == ["да один"]


async def test_a_file_that_cannot_be_read_is_said(folder: Path) -> None:
    (folder / "voice" / "спасибо.wav").write_bytes(b"PK\x03\x04")
    inner, voice = await opened(folder)
    assert pitches(await voice.render("рублей спасибо")) == [500, 1500]
    assert inner.said == ["спасибо"]


@pytest.mark.parametrize("line", ["../../etc/passwd,да", ",да", "x.wav,"])
async def test_a_list_that_is_wrong_is_told(folder: Path, line: str) -> None:
    (folder / "voice" / "texts.csv").write_text(f"audio,text\n{line}\n", "utf-8")
    with pytest.raises(ConfigError, match=r"texts\.csv"):
        await opened(folder)
    with pytest.raises(ConfigError, match="cannot be read"):
        await opened(folder, folder="absent")


# --- the cache between processes ------------------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from pathlib import Path
from tests.fakes import FakeSynthesizer
from tts import cached

async def main():
    inner = FakeSynthesizer(takes_s=0)
    async with cached.open(cached.Settings(memory_mb=0), data_dir=Path(sys.argv[1]), inner=inner) as c:
        for _ in range(3):
            print(sum([len((await c.render(f"prompt {n}")).pcm) for n in range(40)]))

asyncio.run(main())
"""


async def test_processes_share_the_kept_prompts(tmp_path: Path) -> None:
    async def writer() -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WRITER, str(tmp_path)), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        return said.decode()

    said = await asyncio.gather(writer(), writer(), writer())
    assert len(set("".join(said).split())) == 1
    assert len(kept(tmp_path)) == 40
    assert not kept(tmp_path, ".*")
    inner = FakeSynthesizer()
    async with cached.open(cached.Settings(), data_dir=tmp_path, inner=inner) as cache:
        await cache.render("prompt 7")
    assert inner.said == []


# --- by the settings ------------------------------------------------------------------------------------------------


async def test_the_settings_compose_a_voice_with_its_stand_in(tmp_path: Path) -> None:
    async with standins.service(standins.says) as url:
        speech = Speech(
            synthesizer="fallback",
            synthesizers={
                "fallback": {"voices": ["cloud", "espeak"], "patience_s": 1.0},
                "cloud": {
                    "engine": "http",
                    "url": url,
                    "json": {"text": "{text}"},
                    "voices": {"zoya": "z"},
                    "retries": 0,
                },
            },
        )
        async with open_voice(speech, tmp_path) as voice:
            assert voice.voices()[0] == ("zoya", "ru")
            assert ("anna", "en") in voice.voices()
            said = await voice.render("Долг 5 руб.")
            assert said.seconds == pytest.approx(standins.CHARACTER_S * len("Долг пять рублей."), abs=0.1)
            assert not said.makeshift
            assert (await voice.preview("да", voice="", language="ru")).pcm
    # its prompts are kept, and what is new is said by the stand-in, the service being away
    async with open_voice(speech, tmp_path) as voice:
        assert await voice.render("Долг 5 руб.") == said
        assert (await voice.render("Новое")).makeshift


@pytest.mark.parametrize(
    ("speech", "why"),
    [
        ({"synthesizer": "fallbak"}, "did you mean 'fallback'"),
        ({"synthesizer": "cached"}, "no voice engine 'cached'"),
        ({"synthesizer": "fallback"}, "voices"),
        ({"synthesizer": "fallback", "synthesizers": {"fallback": {"voices": ["espeak", "fallback"]}}}, "itself"),
        ({"synthesizer": "fallback", "synthesizers": {"fallback": {"voices": ["espeak", "nobody"]}}}, "nobody"),
        ({"synthesizer": "x", "synthesizers": {"x": {"engine": "cached"}}}, "cached by itself"),
        ({"synthesizer": "espeak", "synthesizers": {"espeak": {"speed": 3}}}, "speed"),
    ],
)
async def test_settings_that_compose_nothing_are_told(tmp_path: Path, speech: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        async with open_voice(Speech.model_validate(speech), tmp_path):
            pass


def test_engines_and_wrappers_are_known_the_cache_is_not() -> None:
    assert {"espeak", "fallback", "http", "piper", "recorded", "rhvoice"} <= set(known())
    assert "cached" not in known()


def test_auto_takes_what_the_settings_describe() -> None:
    assert choose("auto", {"http": {"url": "http://h/"}, "espeak": {}}).name == "http"
    assert choose("auto", {"rhvoice": {"program": "no-such-program"}}).name == "espeak"
