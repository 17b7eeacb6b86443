"""English menus: the contract of a recogniser, and how well commands are told from each other and from other speech."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from asr import pocketsphinx
from asr._pocketsphinx import SphinxModel
from engine.errors import ConfigError, SpeechError
from engine.model import SILENCE, Transcript
from tests.speech import telephoned
from tts import espeak

WORDS = ("yes", "no", "stop", "operator", "call me later", "repeat")
FOREIGN = ("elephant", "good weather", "banana", "what is that", "umbrella", "tuesday")
VOICES = ("en-us+m3", "en-us+f2", "en-us+m1")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], list[bytes]]:
    async def say() -> dict[tuple[str, str], list[bytes]]:
        folder = tmp_path_factory.mktemp("voice")
        async with espeak.open(espeak.Settings(rate_wpm=140), data_dir=folder) as voice:
            return {
                (text, name): telephoned(await voice.render(text, voice=name, language="en"))
                for text in (*WORDS, *FOREIGN)
                for name in VOICES
            }

    return asyncio.run(say())


@pytest.fixture
async def recognizer(tmp_path: Path) -> AsyncGenerator[pocketsphinx.SphinxRecognizer]:
    settings = pocketsphinx.Settings(workers=1, streams=4, finish_s=20.0, queue_s=5.0)
    async with pocketsphinx.open(settings, data_dir=tmp_path) as recognizer:
        yield recognizer


async def heard(
    recognizer: pocketsphinx.SphinxRecognizer, frames: list[bytes], phrases: tuple[str, ...] = WORDS
) -> Transcript:
    hearing = recognizer.listen(phrases=phrases)
    for frame in frames:
        hearing.push(frame)
    return await hearing.finish()


async def test_commands_are_told_apart_and_from_other_speech(
    recognizer: pocketsphinx.SphinxRecognizer, spoken: dict[tuple[str, str], list[bytes]]
) -> None:
    right = wrong = accepted = 0
    for (text, _), frames in spoken.items():
        found = await heard(recognizer, frames)
        right += found.text == text
        wrong += bool(found.text) and text in WORDS and found.text != text
        accepted += bool(found.text) and text in FOREIGN
        assert bool(found.text) == (found.confidence > 0)
    assert right >= len(WORDS) * len(VOICES) * 0.7
    assert wrong <= 1
    assert accepted <= len(FOREIGN) * len(VOICES) * 0.1


async def test_silence_nothing_and_what_is_over(recognizer: pocketsphinx.SphinxRecognizer) -> None:
    assert await heard(recognizer, [SILENCE] * 50) == Transcript("", 0.0)
    assert await heard(recognizer, []) == Transcript("", 0.0)
    hearing = recognizer.listen(phrases=WORDS)
    hearing.drop()
    with pytest.raises(SpeechError):
        await hearing.finish()


async def test_hints_that_are_no_words_do_no_harm(
    recognizer: pocketsphinx.SphinxRecognizer, spoken: dict[tuple[str, str], list[bytes]]
) -> None:
    frames = spoken["yes", VOICES[0]]
    known: tuple[tuple[str, ...], ...] = (("yes", "qwrtz", "да"), ("YES!", "", "no"), ("yes", "yes", "no"))
    free: tuple[tuple[str, ...], ...] = (("/y.s/",), (), ("да", "нет"))
    for phrases in known:
        assert (await heard(recognizer, frames, phrases)).text == "yes"
    for phrases in free:  # nothing to build a graph of: it hears freely
        await heard(recognizer, frames, phrases)
    assert recognizer.load().restarts == 0


async def test_partials_come_while_it_is_said(
    recognizer: pocketsphinx.SphinxRecognizer, spoken: dict[tuple[str, str], list[bytes]]
) -> None:
    hearing = recognizer.listen(phrases=WORDS)
    for frame in [*spoken["operator", VOICES[0]], *[SILENCE] * 20]:
        hearing.push(frame)
    for _ in range(2000):
        if hearing.partial:
            break
        await asyncio.sleep(0.005)
    assert hearing.partial == "operator"
    hearing.drop()


def test_it_counts_the_words_that_it_does_not_know() -> None:
    model = SphinxModel(None)
    assert model._known(["yes", "call me later", "qwrtz yes", "да"]) == [["yes"], ["call", "me", "later"]]
    assert model.unknown_words == 1


async def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no pocketsphinx model"):
        async with pocketsphinx.open(pocketsphinx.Settings(model=tmp_path), data_dir=tmp_path):
            raise AssertionError
