"""Any phrases for the embedded model: their sounds, a graph of them, and vosk's model with that graph in it.

phrases ─▶ each known already? ─▶ espeak-ng's phonemes, else letters ─▶ graph ─▶ vosk.Model ─▶ kept for the next call
            (lexicon.json, or asked before)                            HCLG.fst   (some 10 ms)
"""

from __future__ import annotations

import itertools
import json
import re
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from num2words import num2words  # type: ignore[import-untyped,unused-ignore]

from asr import _letters
from asr._doubt import Sure
from asr._espeak import Phonemes
from asr._graph import Costs, Phones, Pronunciation, Vocabulary, loop
from asr._phones import VOICES, from_espeak

FILE = "lexicon.json"
KEPT_MODELS = 48  # a megabyte or two each
KEPT_WORDS = 20_000
LETTERS = 160  # of a phrase
SOUNDS = 150  # of a pronunciation
VARIANTS = 8  # of a phrase
ROOM = 8000  # sounds of all phrases of a card: some 150 ms, once
DIGITS = 9  # of a number that is read as one

_CYRILLIC = re.compile(r"[а-яё]")
_LATIN = re.compile(r"[a-z]")
_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")  # either apostrophe


def has(folder: Path) -> bool:
    """Can this model be given any phrase?"""
    return (folder / FILE).is_file()


def cleaned(phrase: str, most_words: int) -> str:
    """A phrase as it is heard: words in small letters with single blanks; empty if it holds none, or too much."""
    words = _WORD.findall(phrase.lower().replace("_", " "))
    text = " ".join(words[:most_words])
    return text if len(text) <= LETTERS else ""


def language_of(word: str, default: str) -> str:
    """By the letters; a number is of the language around it."""
    if _CYRILLIC.search(word):
        return "ru"
    return "en" if _LATIN.search(word) else default


def _number(language: str, digits: re.Match[str]) -> str:
    return str(num2words(int(digits[0]), lang=language)) if len(digits[0]) <= DIGITS else ""


class Lexicon:
    """How phrases sound, in the sounds of one model."""

    def __init__(self, sounds: Sequence[str], words: Mapping[str, Mapping[str, Sequence[Pronunciation]]]) -> None:
        self.phones = Phones(sounds)
        self.common = words
        self._found: dict[tuple[str, str], tuple[Pronunciation, ...]] = {}
        self._espeak = Phonemes()

    def start(self) -> None:
        """Makes ready for words that are not known yet."""
        self._espeak.start()

    def close(self) -> None:
        self._espeak.close()

    def sounds(self, phrase: str, language: str) -> tuple[Pronunciation, ...]:
        """The pronunciations of a clean phrase, the phrase as a whole; none where its letters are unknown."""
        key = (phrase, language)
        if key not in self._found:
            if len(self._found) >= KEPT_WORDS:
                self._found.clear()
            self._found[key] = tuple(self._pronounced(phrase, language))
        return self._found[key]

    def _pronounced(self, phrase: str, language: str) -> Iterable[Pronunciation]:
        known = self.common.get(language_of(phrase, language), {}).get(phrase)
        if known:
            return known
        runs = [
            (name, " ".join(words))
            for name, words in itertools.groupby(phrase.split(), lambda word: language_of(word, language))
        ]
        ways = [self._run(name, text) for name, text in runs]
        whole = (tuple(itertools.chain(*parts)) for parts in itertools.islice(itertools.product(*ways), VARIANTS))
        return dict.fromkeys(sounds for sounds in whole if 0 < len(sounds) <= SOUNDS)

    def _run(self, language: str, text: str) -> list[Pronunciation]:
        """Words of one language."""
        said = [(voice, self._espeak.of(voice, text)) for voice in VOICES.get(language, VOICES["ru"])]
        found = [from_espeak(voice, mnemonics) for voice, mnemonics in said if mnemonics]
        if not found:
            by_letters = _letters.english if language == "en" else _letters.russian
            ways = [by_letters(word) for word in _DIGITS.sub(partial(_number, language), text).split()]
            found = [tuple(itertools.chain(*parts)) for parts in itertools.islice(itertools.product(*ways), VARIANTS)]
        known = (tuple(sound for sound in sounds if sound in self.phones) for sounds in found)
        return list(dict.fromkeys(sounds for sounds in known if sounds))


class Graphs:
    """vosk's models of one network, each with the graph of some phrases; those of late are kept."""

    def __init__(self, folder: Path, load: Callable[[str], Any]) -> None:
        """`load` makes a vosk.Model of a folder's name."""
        told = json.loads((folder / FILE).read_text("utf-8"))
        self.lexicon = Lexicon(
            told["sounds"],
            {
                language: {word: [tuple(sounds.split()) for sounds in ways] for word, ways in words.items()}
                for language, words in told.get("words", {}).items()
            },
        )
        self.lexicon.start()
        self.unknown = 0  # phrases, so far, that have no sound
        self.sure = Sure(*told["sure"])
        self._costs = Costs(**told["costs"])
        self._folder = folder.resolve()
        self._load = load
        self._models: OrderedDict[tuple[str, ...], Any] = OrderedDict()

    def model(self, phrases: Sequence[str], language: str, *, free: bool) -> Any:
        """A vosk.Model that hears these clean phrases; `free`: the language's common words too."""
        language = language.split("-")[0].lower()
        language = language if language in VOICES else "ru"
        key = (language, str(free), *sorted(phrases))
        if key in self._models:
            self._models.move_to_end(key)
            return self._models[key]
        words: dict[str, Sequence[Pronunciation]] = {}
        room = ROOM
        for phrase in phrases:
            ways = self.lexicon.sounds(phrase, language) if room > 0 else ()
            room -= sum(map(len, ways))
            if ways and room >= 0:
                words[phrase] = ways
            else:
                self.unknown += 1
        if free or not words:
            words = {**self.lexicon.common.get(language, {}), **words}
        self._models[key] = self._made(words, language)
        while len(self._models) > KEPT_MODELS:
            self._models.popitem(last=False)
        return self._models[key]

    def _made(self, words: Mapping[str, Sequence[Pronunciation]], language: str) -> Any:
        phones, vocabulary = self.lexicon.phones, Vocabulary(words)
        used = {sound.startswith("e_") for ways in words.values() for sounds in ways for sound in sounds}
        used.add(language == "en")
        foreign = [sound for sound in phones.sounds if sound.startswith("e_") in used]
        with tempfile.TemporaryDirectory(prefix="dozvon-words-") as name:
            folder = Path(name)
            for part in ("am", "conf"):
                (folder / part).symlink_to(self._folder / part)
            (folder / "graph" / "phones").mkdir(parents=True)
            (folder / "graph" / "phones" / "word_boundary.int").write_text(phones.boundaries(), "ascii")
            (folder / "graph" / "words.txt").write_text(vocabulary.table(), "utf-8")
            graph = loop(phones, vocabulary, self._costs, foreign)
            (folder / "graph" / "HCLG.fst").write_bytes(graph.const())
            return self._load(name)
