"""What is particular to Vosk: grammars, vocabulary, models at another rate, and the demonstration model's own words."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from asr import vosk
from asr._catalogue import demo_model
from asr._vosk import VoskModel, feeding_rate, takes_grammar
from engine.errors import ConfigError, SpeechError
from engine.model import Transcript
from tests.speech import telephoned
from tts import espeak

COMMANDS = ("да", "нет", "не интересно", "позже", "перезвоните", "оператор", "повторить", "стоп")
DIGITS = ("ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять")
UNSEEN = ("ru+m7", "ru+f4", "ru+Alex", "ru+Annie")  # voices that the model was not trained on


@pytest.fixture
async def voice(tmp_path: Path) -> AsyncGenerator[espeak.Espeak]:
    async with espeak.open(espeak.Settings(rate_wpm=140), data_dir=tmp_path) as voice:
        yield voice


@pytest.fixture
async def recognizer(tmp_path: Path) -> AsyncGenerator[vosk.VoskRecognizer]:
    async with vosk.open(vosk.Settings(workers=1), data_dir=tmp_path) as recognizer:
        yield recognizer


async def heard(recognizer: vosk.VoskRecognizer, frames: list[bytes], *phrases: str) -> Transcript:
    hearing = recognizer.listen(phrases=phrases)
    for frame in frames:
        hearing.push(frame)
    return await hearing.finish()


@pytest.mark.parametrize("words", [COMMANDS, DIGITS], ids=["commands", "digits"])
async def test_its_own_words_over_a_telephone_by_voices_it_never_heard(
    recognizer: vosk.VoskRecognizer, voice: espeak.Espeak, words: tuple[str, ...]
) -> None:
    asked = [(word, telephoned(await voice.render(word, voice=name))) for word in words for name in UNSEEN]
    found = await asyncio.gather(*(heard(recognizer, frames, *words) for _, frames in asked))
    right = sum(result.text == word for (word, _), result in zip(asked, found, strict=True))
    assert right / len(asked) >= 0.85


async def test_what_is_not_expected_is_not_heard(recognizer: vosk.VoskRecognizer, voice: espeak.Espeak) -> None:
    foreign = ("колбаса", "переключите на другого", "чемодан", "передайте привет", "холодильник")
    asked = [telephoned(await voice.render(text, voice=name)) for text in foreign for name in UNSEEN]
    found = await asyncio.gather(*(heard(recognizer, frames, "да", "нет") for frames in asked))
    assert sum(bool(result.text) for result in found) <= 1
    assert all(result.confidence == 0.0 for result in found if not result.text)


async def test_the_same_words_without_a_grammar(recognizer: vosk.VoskRecognizer, voice: espeak.Espeak) -> None:
    assert (await heard(recognizer, telephoned(await voice.render("оператор", voice="ru+m3")))).text == "оператор"


async def test_a_pause_in_the_middle_loses_nothing(recognizer: vosk.VoskRecognizer, voice: espeak.Espeak) -> None:
    """Kaldi closes an utterance at a pause of half a second; ours goes on."""
    first, second = [telephoned(await voice.render(text, voice="ru+m3")) for text in ("оператор", "пять")]
    hearing = recognizer.listen(phrases=(*COMMANDS, *DIGITS))
    for frame in [*first, *[bytes(320)] * 60, *second, *[bytes(320)] * 60]:
        hearing.push(frame)
    assert (await hearing.finish()).text == "оператор пять"
    assert hearing.partial == "оператор пять"


async def test_hints_that_are_no_words_do_no_harm(recognizer: vosk.VoskRecognizer, voice: espeak.Espeak) -> None:
    frames = telephoned(await voice.render("да", voice="ru+m3"))
    for phrases in (
        ("да", "синхрофазотрон", "да, синхрофазотрон"),
        ("/да|нет/",),
        ("ДА!", "", "  ", '"],["', "\0", "[unk]", "да" * 500),
        ("да",) * 5000,
    ):
        assert (await heard(recognizer, frames, *phrases)).text == "да"


def plain(folder: Path) -> Path:
    """The demonstration model as any other with a look-ahead graph: without the means to make a graph of its own."""
    model = shutil.copytree(demo_model(folder), folder / "plain")
    (model / "lexicon.json").unlink()
    return model


async def test_a_model_with_a_vocabulary_hears_its_own_words(tmp_path: Path, voice: espeak.Espeak) -> None:
    async with vosk.open(vosk.Settings(model=plain(tmp_path), workers=1), data_dir=tmp_path) as recognizer:
        asked = [(word, telephoned(await voice.render(word, voice=name))) for word in COMMANDS for name in UNSEEN]
        found = await asyncio.gather(*(heard(recognizer, frames, *COMMANDS, "велосипед") for _, frames in asked))
        right = sum(result.text == word for (word, _), result in zip(asked, found, strict=True))
        assert right / len(asked) >= 0.85
        assert (await heard(recognizer, asked[0][1], "синхрофазотрон")).text == "да"  # no word of its own: no grammar


def test_the_grammar_speaks_the_models_spelling(tmp_path: Path) -> None:
    model = VoskModel(plain(tmp_path))
    assert model._grammar(["Да!", "не интересно", "ещё", "да, синхрофазотрон"]) == '["да", "не интересно", "[unk]"]'
    assert model._grammar(["чётырё"]) == '["четыре", "[unk]"]'
    assert model._grammar(["синхрофазотрон"]) is None
    assert model._grammar([]) is None
    assert model._grammar(["да", "/н.*т/"]) is None
    assert model.unknown_words == 4  # ещё, еще, синхрофазотрон, чётырё


async def test_a_model_at_another_rate_is_fed_at_its_own(tmp_path: Path) -> None:
    """Kaldi aborts the process at a rate that is not the model's: that it lives is the proof."""
    wide = tmp_path / "wide"
    shutil.copytree(demo_model(tmp_path), wide)
    conf = wide / "conf" / "mfcc.conf"
    conf.write_text(conf.read_text().replace("--sample-frequency=8000", "--sample-frequency=16000"))
    assert (feeding_rate(demo_model(tmp_path)), feeding_rate(wide)) == (8000, 16000)
    async with vosk.open(vosk.Settings(model=wide, workers=1), data_dir=tmp_path) as recognizer:
        await heard(recognizer, [bytes([n, 1] * 160) for n in range(20)], "да")
        assert recognizer.load().restarts == 0
    conf.write_text(conf.read_text() + "\n--allow-upsample=true\n")
    assert feeding_rate(wide) == 8000


def test_what_a_models_folder_says(tmp_path: Path) -> None:
    static = tmp_path / "static"
    shutil.copytree(demo_model(tmp_path), static)
    assert takes_grammar(static)
    (static / "graph" / "HCLG.fst").touch()
    assert not takes_grammar(static)


async def test_a_broken_model_is_named_and_nothing_hangs(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(demo_model(tmp_path), broken)
    (broken / "am" / "final.mdl").write_bytes(b"no model")
    with pytest.raises(SpeechError, match="did not start"):
        async with vosk.open(vosk.Settings(model=broken, workers=1), data_dir=tmp_path):
            raise AssertionError
    with pytest.raises(ConfigError, match="no Vosk model"):
        async with vosk.open(vosk.Settings(model=tmp_path / "gone"), data_dir=tmp_path):
            raise AssertionError


async def test_it_says_that_it_is_a_demonstration(recognizer: vosk.VoskRecognizer) -> None:
    assert recognizer.demonstration
    assert recognizer.load().capacity >= 20
