"""What `Synthesizer` promises, held over every voice engine and wrapper, and the fake.

RHVoice is held by it where it is installed. Piper's models must be downloaded and cannot be made here, so Piper is not.
A stand-in that speaks as each of the two does is held by it everywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.errors import SpeechError
from engine.model import Sound
from engine.ports import Synthesizer
from tests.fakes import FakeSynthesizer
from tests.speech import standins
from tts import cached, espeak, fallback, http, piper, recorded, rhvoice
from tts._prepared import Prepared


@asynccontextmanager
async def fake(_: Path) -> AsyncGenerator[Synthesizer]:
    yield FakeSynthesizer(takes_s=0.01)


@asynccontextmanager
async def real(folder: Path) -> AsyncGenerator[Synthesizer]:
    async with espeak.open(espeak.Settings(), data_dir=folder) as voice:
        yield voice


@asynccontextmanager
async def kept(folder: Path) -> AsyncGenerator[Synthesizer]:
    async with (
        espeak.open(espeak.Settings(), data_dir=folder) as voice,
        cached.open(cached.Settings(), data_dir=folder, inner=voice, identity=voice.identity) as cache,
    ):
        yield cache


@asynccontextmanager
async def kept_fake(folder: Path) -> AsyncGenerator[Synthesizer]:
    async with cached.open(cached.Settings(), data_dir=folder, inner=FakeSynthesizer(takes_s=0.01)) as cache:
        yield cache


@asynccontextmanager
async def stand_in_rhvoice(folder: Path) -> AsyncGenerator[Synthesizer]:
    program, _ = standins.rhvoice_program(folder)
    async with rhvoice.open(rhvoice.Settings(program=str(program)), data_dir=folder) as voice:
        yield voice


@asynccontextmanager
async def real_rhvoice(folder: Path) -> AsyncGenerator[Synthesizer]:
    async with rhvoice.open(rhvoice.Settings(), data_dir=folder) as voice:
        yield voice


@asynccontextmanager
async def stand_in_piper(folder: Path) -> AsyncGenerator[Synthesizer]:
    with pytest.MonkeyPatch.context() as patch:
        package = str(standins.piper_package(folder / "packages"))
        patch.setenv("PYTHONPATH", package)
        patch.syspath_prepend(package)
        settings = piper.Settings(model=standins.piper_model(folder))
        async with piper.open(settings, data_dir=folder) as voice:
            yield voice


@asynccontextmanager
async def service(folder: Path) -> AsyncGenerator[Synthesizer]:
    async with standins.service(standins.says) as url:
        settings = http.Settings.model_validate({"url": url, "json": {"text": "{text}"}})
        async with http.open(settings, data_dir=folder) as voice:
            yield voice


@asynccontextmanager
async def stood_in(folder: Path) -> AsyncGenerator[Synthesizer]:
    inner = {"a": FakeSynthesizer(takes_s=0.01, failure=SpeechError("away")), "b": FakeSynthesizer(takes_s=0.01)}
    async with fallback.open(fallback.Settings(voices=("a", "b")), data_dir=folder, inner=inner) as voice:
        yield voice


@asynccontextmanager
async def from_a_folder(folder: Path) -> AsyncGenerator[Synthesizer]:
    recordings = folder / "recordings"
    recordings.mkdir()
    (recordings / "да.wav").write_bytes(standins.wav("да"))
    settings = recorded.Settings(folder="recordings", voice="a")
    async with recorded.open(settings, data_dir=folder, inner={"a": FakeSynthesizer(takes_s=0.01)}) as voice:
        yield voice


@asynccontextmanager
async def prepared(_: Path) -> AsyncGenerator[Synthesizer]:
    yield Prepared(FakeSynthesizer(takes_s=0.01))


VOICES = {
    "fake": fake,
    "espeak": real,
    "cached espeak": kept,
    "cached fake": kept_fake,
    "rhvoice stand-in": stand_in_rhvoice,
    "piper stand-in": stand_in_piper,
    "http": service,
    "fallback": stood_in,
    "recorded": from_a_folder,
    "prepared": prepared,
}
if rhvoice.available():
    VOICES["rhvoice"] = real_rhvoice


@pytest.fixture(params=sorted(VOICES))
async def voice(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Synthesizer]:
    async with VOICES[request.param](tmp_path) as voice:
        yield voice


def alike(one: Sound, other: Sound) -> bool:
    """A living voice does not say a thing twice to the sample."""
    return abs(one.seconds - other.seconds) < 0.1 and bool(one.pcm) == bool(other.pcm)


async def test_a_text_becomes_sound(voice: Synthesizer) -> None:
    sound = await voice.render("Здравствуйте, вам удобно говорить?")
    assert len(sound.pcm) % 2 == 0
    assert 0.5 < sound.seconds < 5.0
    assert any(sound.pcm)


async def test_a_longer_text_takes_longer(voice: Synthesizer) -> None:
    short = await voice.render("да")
    long = await voice.render("да, конечно, мне это очень удобно")
    assert long.seconds > short.seconds * 2


async def test_the_same_text_sounds_the_same(voice: Synthesizer) -> None:
    assert alike(await voice.render("один и тот же"), await voice.render("один и тот же"))


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
async def test_nothing_to_say_is_no_sound(voice: Synthesizer, text: str) -> None:
    assert (await voice.render(text)).pcm == b""


async def test_both_languages(voice: Synthesizer) -> None:
    for language in ("ru", "en", "en-GB"):
        assert (await voice.render("call 42", language=language)).seconds > 0.2


async def test_many_at_once(voice: Synthesizer) -> None:
    texts = [f"номер {'один ' * (1 + n % 5)}" for n in range(30)]
    sounds = await asyncio.gather(*(voice.render(text) for text in texts))
    alone = [await voice.render(text) for text in texts]
    assert all(alike(one, other) for one, other in zip(sounds, alone, strict=True))


async def test_who_does_not_wait_for_it_harms_nobody(voice: Synthesizer) -> None:
    waiting = [asyncio.ensure_future(voice.render("не дождались")) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert not isinstance(done[1], BaseException)
    assert not isinstance(done[2], BaseException)
    assert alike(done[1], done[2])
    assert alike(done[1], await voice.render("не дождались"))


async def test_a_failure_is_a_speech_error() -> None:
    broken = FakeSynthesizer(failure=SpeechError("no voice"))
    with pytest.raises(SpeechError):
        await broken.render("а")
