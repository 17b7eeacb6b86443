"""The parts of asr.training that need no PyTorch: who speaks, what is said, the telephone, the features, the files."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asr._graph import Costs, Pronunciation
from asr._phones import SOUNDS, from_espeak
from asr._vosk import VoskModel
from asr.training import channel, corpus, features, judge, kaldi, noise
from asr.training.__main__ import _before_others
from asr.training.channel import Line
from asr.training.layers import OFFSETS, Layer
from asr.training.voices import HELD_OUT, RATE, TRAINED_ON, Speaker

ACCEPTANCE = {"m7", "f4", "Alex", "Annie", "linda", "quincy", "travis", "david"}


def test_nobody_learns_from_the_voices_that_judge() -> None:
    assert set(HELD_OUT) == ACCEPTANCE
    assert not ACCEPTANCE & set(TRAINED_ON)
    chance = np.random.default_rng(3)
    spoken = {corpus.voice(language, chance).partition("+")[2] for language in ("ru", "en") for _ in range(2000)}
    assert spoken <= set(TRAINED_ON)
    assert len(spoken) > 60


@pytest.mark.parametrize("language", ["ru", "en"])
def test_new_words_are_new(language: str) -> None:
    learnt = {word for text in corpus.texts(language).all for word in text.split()}
    for phrase in judge.NEW_WORDS[language]:
        assert phrase not in corpus.texts(language).all
        assert not set(phrase.split()) <= learnt
    assert len(judge.answers_of(language)) == {"ru": 18, "en": 16}[language]


def test_one_seed_one_corpus() -> None:
    """In another process too: the same bytes from the same numbers, others from others."""
    ask = (
        "import hashlib; from asr.training import corpus;"
        "found = list(corpus.round_of({0}, 0, 6));"
        "print(hashlib.sha256(b''.join(a.tobytes() + b.tobytes() for a, b in found)).hexdigest())"
    )
    said = [
        subprocess.run([sys.executable, "-c", ask.format(seed)], capture_output=True, text=True, check=True).stdout
        for seed in (5, 5, 6)
    ]
    assert said[0] == said[1] != said[2]


def test_a_round_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = list(corpus.round_of(5, 1, 12))
    corpus.write(tmp_path / "round.npz", made)
    found = corpus.read(tmp_path / "round.npz")
    assert len(found) == len(made) > 8
    for (frames, labels), (kept, said) in zip(made, found, strict=True):
        np.testing.assert_array_equal(labels, said)
        np.testing.assert_allclose(frames, kept, atol=0.1)
        assert labels.size == 0 or 1 <= labels.min() <= labels.max() <= len(SOUNDS)
        assert corpus.steps(len(frames)) >= len(labels)


def test_words_that_do_not_exist_hold_every_letter() -> None:
    chance = np.random.default_rng(1)
    assert set("абвгдежзийклмнопрстуфхцчшщыьэюя") <= set("".join(corpus.pseudo("ru", chance) for _ in range(500)))
    assert set("abcdefghijklmnoprstuvwxyz") <= set("".join(corpus.pseudo("en", chance) for _ in range(500)))


@pytest.mark.parametrize(
    ("voice", "mnemonics", "sounds"),
    [
        ("ru", "n_;_I I_n_t;_i_r_;_'e_s_n_V", "n' i n t' i r' E s n a"),
        ("ru", "tS;_i_t_'y_r_;_i", "ch i t Y r' i"),
        ("ru", "'ja_m_a#", "j A m a"),
        ("en-us", "l_'eI_t#_3", "e_l e_eI e_t e_@r"),
        ("en", "f_'o@", "e_f e_O:"),
        ("ru", "nonsense_'A", "A"),
        ("ru", "", ""),
    ],
)
def test_espeaks_mnemonics_as_sounds(voice: str, mnemonics: str, sounds: str) -> None:
    assert " ".join(from_espeak(voice, mnemonics)) == sounds


def test_features_are_kaldis() -> None:
    """To four places what kaldi-native-fbank 1.22 gives for these samples with the options of conf/mfcc.conf."""
    sound = (np.arange(400) * 7919 % 2003 - 1000).astype(np.int16)
    kaldis = [101.8217, -27.6814, -11.5871, -13.2665, -15.2847, -19.9386, -22.6757, -29.5526]
    np.testing.assert_allclose(features.mfcc(sound)[1][:8], kaldis, atol=1e-3)


def test_features_follow_the_level() -> None:
    """[frames, 40]; the first coefficient grows with the level by what the logarithm says, the others stay."""
    at = np.arange(RATE) / RATE
    tone = 3000 * np.sin(2 * np.pi * 700 * at) + np.random.default_rng(1).normal(0, 300, RATE)
    quiet, loud = (features.mfcc((tone * level).round().astype(np.int16)) for level in (1.0, 4.0))
    assert quiet.shape == (98, 40)
    assert quiet.dtype == np.float32
    np.testing.assert_allclose((loud - quiet)[:, 0], np.log(16) * np.sqrt(40), rtol=0.01)
    np.testing.assert_allclose((loud - quiet)[:, 1:].mean(0), 0, atol=0.3)
    assert features.mfcc(np.zeros(199, np.int16)).shape == (0, 40)
    assert np.isfinite(features.mfcc(np.zeros(400, np.int16))).all()


@pytest.mark.parametrize("codec", channel.CODECS)
def test_a_codec_keeps_the_length_and_most_of_the_sound(codec: str) -> None:
    voice = Speaker().say("ru+m3", "добрый день").astype(np.float64)
    back = channel.coded(voice, codec)
    assert back.dtype == np.int16
    assert len(back) == len(voice)
    alike = np.corrcoef(back / 32768, voice)[0, 1]
    assert alike > (0.8 if codec == "gsm" else 0.99)


@pytest.mark.parametrize("kind", channel.NOISES)
def test_noise_is_as_loud_as_it_says(kind: str) -> None:
    voice = np.where(np.arange(3 * RATE) // 100 % 2, 0.3, -0.3).astype(np.float32)
    over = Line(codec="none", noise=kind, snr_db=10, level_db=-20, lead_s=0, tail_s=0, band=False)
    clean, noisy = (
        channel.sent(voice, line, np.random.default_rng(2), [voice]).astype(float)
        for line in (Line(codec="none", level_db=-20, lead_s=0, tail_s=0, band=False), over)
    )
    rms = 10 * np.log10(np.mean(clean**2) / np.mean((noisy - clean) ** 2))
    assert rms == pytest.approx(10, abs=0.5)


def test_vosk_loads_what_is_written(tmp_path: Path) -> None:
    """A network that has learnt nothing, in files that the real library reads, answers with the words it was given."""
    chance = np.random.default_rng(4)
    sizes = [features.SIZE, *([8] * 6), 1 + len(SOUNDS)]
    layers = [
        Layer(chance.normal(0, 0.3, (to, len(offsets) * of)).astype(np.float32), np.zeros(to, np.float32))
        for offsets, of, to in zip(OFFSETS, sizes[:-1], sizes[1:], strict=True)
    ]
    words: dict[str, list[Pronunciation]] = {"да": [("d", "A")], "нет": [("n'", "E", "t")]}
    kaldi.write(tmp_path, layers, SOUNDS, words, {"ru": words}, Costs(unknown=20.0))
    assert json.loads((tmp_path / "lexicon.json").read_text())["words"]["ru"]["нет"] == ["n' E t"]
    for own in (True, False):
        if not own:
            (tmp_path / "lexicon.json").unlink()
        model = VoskModel(tmp_path)
        utterance = model.begin("ru", ("да", "нет"))
        utterance.push(chance.normal(0, 3000, RATE).astype("<i2").tobytes())
        text, _ = utterance.finish()
        model.close()
        assert set(text.split()) <= {"да", "нет"}
        assert model.unknown_words == 0


def test_what_is_added_to_features_is_noise_of_that_level() -> None:
    """As if it had been there before: the same sound in real pink noise has features like these."""
    over = Line(codec="none", floor_db=-90, band=False)
    voice = Speaker().say("ru+m3", "добрый день")
    clean, real = (
        features.mfcc(channel.sent(voice, one, np.random.default_rng(1))) for one in (over, replace(over, snr_db=10))
    )
    made = noise.in_noise(clean.astype(np.float16), 500, 1.0, 10.0)
    assert made.shape == clean.shape
    far, near = (np.abs(one.mean(0) - real.mean(0)) for one in (clean, made))
    assert near.mean() < 0.5 * far.mean()
    np.testing.assert_allclose(made[:, 0].mean(), real[:, 0].mean(), atol=4)  # 10 dB are 14.6 of it


def test_the_noise_is_another_one_each_time_and_the_same_for_the_same_seed() -> None:
    found = features.mfcc(np.random.default_rng(1).normal(0, 1000, RATE).astype(np.int16))
    first, again, other = (noise.noisy(found, np.random.default_rng(seed)) for seed in (2, 2, 3))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other, atol=0.1)


def test_energies_come_back_from_features() -> None:
    found = features.mfcc(np.random.default_rng(1).normal(0, 1000, RATE).astype(np.int16))
    np.testing.assert_allclose(features.of_energies(features.energies(found)), found, atol=1e-3)


def test_a_word_is_also_heard_as_it_sounds_before_another() -> None:
    spoken: dict[str, list[Pronunciation]] = {
        "не": [("n'", "E")],
        "интересно": [("i", "n", "t")],
        "не интересно": [("n'", "i", "i", "n", "t")],
        "занят": [("z", "A")],
    }
    assert list(_before_others(spoken)) == [("не", ("n'", "i"))]
