"""What is said in training: texts by chance, spoken by chance voices over chance telephones, as features and sounds.

[seed, round, n] ─▶ random numbers ─▶ text, voice, line ─▶ 8 kHz sound ─▶ MFCC ┐
                                          └─▶ espeak's phonemes ─▶ sounds ─────┴▶ round-1.npz
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr._phones import SOUNDS
from asr.training import channel, features
from asr.training.channel import Chance, Samples
from asr.training.voices import BASES, RATE, TRAINED_ON, Floats, Speaker

HERE = Path(__file__).parent
RUSSIAN_SHARE = 0.62
SUBSAMPLING = 3  # frames of features for one of the network
NO_SPEECH = 0.05  # of the utterances
LABELS = {sound: number for number, sound in enumerate(SOUNDS, 1)}  # 0 is the blank
BABBLE = {
    "ru": "сегодня хорошая погода и мы долго говорим о ремонте но так ничего и не решили",
    "en": "the train will leave in ten minutes please take your belongings and wait on the platform",
}
_VOWELS = {"ru": "аеёиоуыэюя", "en": "aeiouy"}


@dataclass(frozen=True, slots=True)
class Texts:
    """A language's words and phrases. The first line of its file are the answers, which are said more often."""

    answers: tuple[str, ...]
    all: tuple[str, ...]
    syllables: tuple[str, ...]


@cache
def texts(language: str) -> Texts:
    lines = (HERE / f"words.{language}.txt").read_text("utf-8").splitlines()
    rows = [tuple(row.split("|")) for row in lines if row and not row.startswith("#")]
    phrases = tuple(dict.fromkeys(phrase for row in rows for phrase in row))
    vowels = _VOWELS[language]
    found = re.findall(rf"[^\W\d_{vowels}]*[{vowels}]+(?:[^\W\d_{vowels}]+\b)?", " ".join(phrases))
    return Texts(rows[0], phrases, tuple(dict.fromkeys(found)))


def text(language: str, chance: Chance) -> str:
    """An answer, a word or phrase, a few of them, digits, or words that do not exist: any sound beside any other."""
    known = texts(language)
    kind = chance.random()
    if kind < 0.22:
        return _one(known.answers, chance)
    if kind < 0.5:
        return _one(known.all, chance)
    if kind < 0.68:
        return " ".join(_one(known.all, chance) for _ in range(chance.integers(2, 4)))
    if kind < 0.74:
        return str(chance.integers(0, 10 ** int(chance.integers(1, 5))))
    return " ".join(pseudo(language, chance) for _ in range(chance.integers(1, 4)))


def pseudo(language: str, chance: Chance) -> str:
    """A word of one to four syllables that real words begin, go on and end with."""
    return "".join(_one(texts(language).syllables, chance) for _ in range(chance.integers(1, 5)))


def _one(among: Sequence[str], chance: Chance) -> str:
    return among[int(chance.integers(len(among)))]


def voice(language: str, chance: Chance) -> str:
    base, variant = _one(BASES[language], chance), _one(TRAINED_ON, chance)
    return f"{base}+{variant}" if variant else base


def utterance(speaker: Speaker, crowd: Sequence[Floats], chance: Chance) -> tuple[Samples, tuple[int, ...]]:
    """8 kHz sound as a telephone brings it, and the numbers of its sounds."""
    if chance.random() < NO_SPEECH:
        return nothing(chance), ()
    language = "ru" if chance.random() < RUSSIAN_SHARE else "en"
    who = voice(language, chance)
    manner = {
        "rate": int(chance.integers(110, 200)),
        "pitch": int(chance.integers(20, 85)),
        "spread": int(chance.integers(20, 80)),
    }
    pieces = [text(language, chance)]
    while len(pieces) < 4 and chance.random() < 0.3:
        pieces.append(text(language, chance))
    waves: list[Floats] = []
    said: list[int] = []
    for piece in pieces:
        wave = speaker.say(who, piece, **manner)
        waves += [
            wave * np.float32(chance.uniform(0.6, 1.0)),
            np.zeros(int(RATE * chance.uniform(0.05, 0.5)), np.float32),
        ]
        said += [LABELS[sound] for sound in speaker.sounds(who, piece)]
    whole = channel.varied(np.concatenate(waves[:-1]), chance)
    return channel.sent(whole, channel.line(chance), chance, crowd), tuple(said)


def nothing(chance: Chance) -> Samples:
    """A line on which nobody speaks: noise, a click, a tone, next to nothing."""
    count = int(RATE * chance.uniform(0.5, 2.5))
    kind = chance.integers(4)
    if kind == 0:
        x = channel.noise(count, _one(channel.NOISES[:3], chance), chance) * chance.uniform(1e-4, 0.05)
    elif kind == 1:
        x, length = np.zeros(count), min(1200, count // 2)
        fading = np.exp(-np.arange(length) / chance.uniform(50, 400))
        x[count // 3 : count // 3 + length] = fading * chance.standard_normal(length) * chance.uniform(0.02, 0.3)
    elif kind == 2:
        at = np.arange(count) / RATE
        x = chance.uniform(0.01, 0.2) * np.sin(2 * np.pi * chance.uniform(300, 1500) * at) * (at % 0.7 < 0.35)
    else:
        x = chance.standard_normal(count) * chance.uniform(0, 1e-4)
    return channel.coded(x, "alaw")


def crowd(speaker: Speaker) -> list[Floats]:
    return [
        speaker.say(f"{BASES[language][0]}+{who}", said)
        for language, said in BABBLE.items()
        for who in ("m2", "f2", "m8")
    ]


def round_of(seed: int, number: int, count: int) -> Iterator[tuple[Floats, npt.NDArray[np.int16]]]:
    """Features and sounds of `count` utterances; the same for the same numbers. Too short ones are left out."""
    speaker = Speaker()
    around = crowd(speaker)
    for n in range(count):
        sound, said = utterance(speaker, around, np.random.default_rng([seed, number, n]))
        found, labels = features.mfcc(sound), np.array(said, np.int16)
        if len(found) >= 20 and steps(len(found)) >= len(labels) + int((np.diff(labels) == 0).sum()):
            yield found, labels


def steps(frames: int) -> int:
    """The network's outputs for so many frames of features."""
    return (frames + SUBSAMPLING - 1) // SUBSAMPLING


def speak(file: Path, seed: int, number: int, count: int) -> None:
    """A round into a file. The bytes are the same in a process that has said nothing before."""
    write(file, list(round_of(seed, number, count)))


def write(file: Path, found: Sequence[tuple[Floats, npt.NDArray[np.int16]]]) -> None:
    """The file appears when it is complete."""
    aside = file.with_suffix(".part.npz")
    np.savez(
        aside,
        frames=np.concatenate([one for one, _ in found]).astype(np.float16),
        lengths=np.array([len(one) for one, _ in found], np.int32),
        labels=np.concatenate([said for _, said in found]),
        spoken=np.array([len(said) for _, said in found], np.int32),
    )
    aside.rename(file)


def read(file: Path) -> list[tuple[npt.NDArray[np.float16], npt.NDArray[np.int16]]]:
    kept = np.load(file)
    frames, labels = kept["frames"], kept["labels"]
    ends, said = np.cumsum(kept["lengths"]), np.cumsum(kept["spoken"])
    return [
        (frames[end - length : end], labels[last - count : last])
        for end, length, last, count in zip(ends, kept["lengths"], said, kept["spoken"], strict=True)
    ]
