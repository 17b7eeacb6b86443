"""The worker's half of `asr.vosk`: a Kaldi model and its utterances, in a process of their own.

a model with a look-ahead graph ─▶ the phrases whose words it knows become the grammar
the embedded model              ─▶ any phrases become a graph of their own (`asr._lexicon`), each phrase one word
any other                       ─▶ the phrases are not looked at
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from asr import _lexicon
from asr._doubt import CERTAIN, Doubt, Sure, heard, words

RATE = 8000
UNKNOWN = "[unk]"
PHRASES = 1000
WORDS_IN_PHRASE = 12


def load(options: dict[str, Any]) -> VoskModel:
    return VoskModel(Path(options["model"]))


class VoskModel:
    def __init__(self, folder: Path) -> None:
        import vosk  # type: ignore[import-untyped]

        vosk.SetLogLevel(-1)
        self._vosk = vosk
        self._grammars = takes_grammar(folder)
        self._rate = feeding_rate(folder)
        self._graphs = _lexicon.Graphs(folder, self._load) if _lexicon.has(folder) else None
        self._model: Any = None if self._graphs else self._load(str(folder))
        self._knows: dict[str, bool] = {}
        self._unknown = 0

    @property
    def unknown_words(self) -> int:
        return self._graphs.unknown if self._graphs else self._unknown

    def begin(self, language: str, phrases: Sequence[str]) -> VoskUtterance:
        """A fresh recogniser each time (0.3 ms): one that is used again keeps what it learnt of the last voice, and
        grows."""
        if self._graphs is not None:
            return self._own(self._graphs, language, phrases)
        grammar = self._grammar(phrases) if self._grammars else None
        given = () if grammar is None else (grammar,)
        return VoskUtterance(self._fresh(self._model, *given), self._rate)

    def _own(self, graphs: _lexicon.Graphs, language: str, phrases: Sequence[str]) -> VoskUtterance:
        """A phrase that is a pattern can be anything: the common words are listened to then. Among so many to doubt a
        partial would take longer than it stands."""
        wanted = phrases[:PHRASES]
        plain = {_lexicon.cleaned(phrase, WORDS_IN_PHRASE) for phrase in wanted if "/" not in phrase} - {""}
        free = not plain or any("/" in phrase for phrase in wanted)
        model = graphs.model(sorted(plain), language, free=free)
        doubt = None if free else Doubt(partial(self._fresh, model), graphs.sure)
        return VoskUtterance(self._fresh(model), self._rate, graphs.sure, doubt)

    def _fresh(self, model: Any, *grammar: str) -> Any:
        recognizer = self._vosk.KaldiRecognizer(model, self._rate, *grammar)
        recognizer.SetWords(True)
        return recognizer

    def close(self) -> None:
        """Ends what it has started."""
        if self._graphs:
            self._graphs.lexicon.close()

    def _load(self, folder: str) -> Any:
        return self._vosk.Model(model_path=folder)  # by path only: an unknown name would end the process

    def _grammar(self, phrases: Sequence[str]) -> str | None:
        """The phrases in the model's own spelling and vocabulary; None where they would leave nothing to be heard, or
        one of them is no phrase but a pattern."""
        if any("/" in phrase for phrase in phrases):
            return None
        known: dict[str, None] = {}
        for phrase in phrases[:PHRASES]:
            words = [self._spelt(word) for word in re.findall(r"[\w'-]+", phrase.lower())[:WORDS_IN_PHRASE]]
            if words and all(words):
                known[" ".join(word for word in words if word)] = None
        if not known:
            return None
        rest = [UNKNOWN] if self._knows_word(UNKNOWN) else []
        return json.dumps([*known, *rest], ensure_ascii=False)

    def _spelt(self, word: str) -> str | None:
        for spelling in (word, word.replace("ё", "е"), word.replace("-", " ")):
            if all(self._knows_word(part) for part in spelling.split()):
                return spelling
        return None

    def _knows_word(self, word: str) -> bool:
        if word not in self._knows:
            if len(self._knows) > 100_000:
                self._knows.clear()
            self._knows[word] = self._model.vosk_model_find_word(word) >= 0
            self._unknown += not self._knows[word]
        return self._knows[word]


class VoskUtterance:
    """An utterance may hold several of Kaldi's: it closes one at each pause. What is less than `sure` is not heard."""

    def __init__(self, recognizer: Any, rate: int, sure: Sure = CERTAIN, doubt: Doubt | None = None) -> None:
        self._recognizer = recognizer
        self._least = sure
        self._doubt = doubt
        self._stream = None
        if rate != RATE:
            import soxr  # type: ignore[import-untyped,unused-ignore]

            self._stream = soxr.ResampleStream(RATE, rate, 1, dtype="int16", quality="MQ")
        self._said: list[str] = []
        self._sure: list[float] = []

    def push(self, pcm: bytes) -> str:
        self._accept(pcm, last=False)
        found = json.loads(self._recognizer.PartialResult()).get("partial", "")
        return " ".join([*self._said, *(self._doubt.held(found) if self._doubt else words(found))])

    def finish(self) -> tuple[str, float]:
        if self._stream is not None:
            self._accept(b"", last=True)
        self._take(self._recognizer.FinalResult())
        confidence = sum(self._sure) / len(self._sure) if self._sure else 0.0
        return " ".join(self._said), round(min(1.0, confidence), 4)

    def _accept(self, pcm: bytes, *, last: bool) -> None:
        if self._stream is not None:
            import numpy as np

            pcm = self._stream.resample_chunk(np.frombuffer(pcm, "<i2"), last=last).tobytes()
        if not pcm:
            return
        if self._doubt:
            self._doubt.take(pcm)
        if self._recognizer.AcceptWaveform(pcm):
            self._take(self._recognizer.Result())
            if self._doubt:
                self._doubt.begin()

    def _take(self, result: str) -> None:
        for said, sure in heard(result, self._least):
            self._said += said
            self._sure.append(sure)


# --- what a model's folder says of itself ---------------------------------------------------------------------------


def graph_folder(folder: Path) -> Path:
    return folder / "graph" if (folder / "graph").is_dir() else folder


def takes_grammar(folder: Path) -> bool:
    """Only look-ahead graphs can be given a grammar at run time."""
    graph = graph_folder(folder)
    return (graph / "HCLr.fst").is_file() and not (graph / "HCLG.fst").is_file()


def feeding_rate(folder: Path) -> int:
    """The rate to feed the model with. A 16 kHz model that does not resample by itself aborts its process at 8 kHz."""
    for file in (folder / "conf" / "mfcc.conf", folder / "mfcc.conf"):
        if file.is_file():
            conf = file.read_text("utf-8", "replace")
            wanted = re.search(r"^\s*--sample-frequency=(\d+)", conf, re.MULTILINE)
            rate = int(wanted.group(1)) if wanted else 16_000  # Kaldi's own default
            return RATE if rate == RATE or "--allow-upsample=true" in conf else rate
    return RATE
