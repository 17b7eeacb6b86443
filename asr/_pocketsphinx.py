"""The worker's half of `asr.pocketsphinx`: the English model that comes with it, its grammars and its utterances.

phrases ─▶ graph:  start ─▶ phrase | phrase | … ─▶ end          8 kHz ─▶ 16 kHz, some mirror image left ─▶ decoder
                      └─▶ phone ─▶ phone ─▶ … (reject) ─▶ end
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RATE = 8000
PHRASES = 200
WORDS_IN_PHRASE = 12
_PHONES = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
PHONES = tuple(_PHONES.split())
REJECT = "phone_"  # the words of the loop that takes what is none of the phrases
# Single phones fit any sound better than words do, so they must be dear. On synthetic voices: 21 of 24 commands right,
# none taken for another, 0 of 24 foreign phrases accepted; with 1e-17 it is 20 and 4, with 1e-8 16 and 0.
REJECT_LIKELY = 1e-14  # of entering the loop, against a phrase
PHONE_LIKELY = 1e-13  # of each phone after the first
# What speech over A-law looks like on the average: a first word need not teach it, nor one caller the decoder for the
# next. Without it 14 of those 24 are right.
CEPSTRA = "50.03,4.67,0.77,1.32,-2.08,-18.40,-0.13,-9.83,-15.96,10.37,-15.24,4.37,-6.49"
MIRROR = 0.15  # of the image above 4 kHz that is left in: the model was trained on sound that has something there


def load(options: dict[str, Any]) -> SphinxModel:
    folder = options.get("model")
    return SphinxModel(Path(folder) if folder else None)


class SphinxModel:
    def __init__(self, folder: Path | None) -> None:
        import pocketsphinx  # type: ignore[import-untyped,unused-ignore]

        self._library = pocketsphinx
        self._place = folder or Path(pocketsphinx.get_model_path()) / "en-us"
        self._dictionary = _dictionary(self._place / "cmudict-en-us.dict")
        self._idle: list[Any] = []  # a decoder takes 0.3 s to load: they are used again
        self.unknown_words = 0

    def begin(self, language: str, phrases: Sequence[str]) -> SphinxUtterance:
        decoder = self._idle.pop() if self._idle else self._decoder()
        self._listen_for(decoder, self._known(phrases))
        decoder.set_cmn(CEPSTRA)
        decoder.start_utt()
        return SphinxUtterance(decoder, self._idle)

    def _decoder(self) -> Any:
        library = self._library
        decoder = library.Decoder(
            hmm=str(self._place / "en-us"), dict=str(self._place / "cmudict-en-us.dict"), loglevel="FATAL"
        )
        for phone in PHONES:
            decoder.add_word(REJECT + phone.lower(), phone, False)
        decoder.add_lm_file("free", str(self._place / "en-us.lm.bin"))
        return decoder

    def _known(self, phrases: Sequence[str]) -> list[list[str]]:
        """Those whose words the model knows; none where a pattern is among them."""
        if any("/" in phrase for phrase in phrases):
            return []
        known = []
        for phrase in dict.fromkeys(phrases[:PHRASES]):
            words = re.findall(r"[a-z']+", phrase.lower())[:WORDS_IN_PHRASE]
            unknown = [word for word in words if word not in self._dictionary]
            self.unknown_words += len(unknown)
            if words and not unknown:
                known.append(words)
        return known

    def _listen_for(self, decoder: Any, phrases: list[list[str]]) -> None:
        if not phrases:
            decoder.activate_search("free")
            return
        states = 2 + sum(len(words) - 1 for words in phrases) + 1
        logs = decoder.logmath
        graph = self._library.FsgModel("card", logs, 1.0, states)
        start, end, loop, free = 0, 1, 2, 3
        each = logs.log(1.0 / len(phrases))
        for words in phrases:
            at = start
            for n, word in enumerate(words):
                to, free = (end, free) if n + 1 == len(words) else (free, free + 1)
                graph.trans_add(at, to, each if n == 0 else 0, graph.word_add(word))
                at = to
        enter, on = logs.log(REJECT_LIKELY / len(PHONES)), logs.log(PHONE_LIKELY / len(PHONES))
        for phone in PHONES:
            word = graph.word_add(REJECT + phone.lower())
            graph.trans_add(start, loop, enter, word)
            graph.trans_add(loop, loop, on, word)
        graph.null_trans_add(loop, end, logs.log(1.0 - PHONE_LIKELY))
        graph.set_start_state(start)
        graph.set_final_state(end)
        graph.add_silence("<sil>", -1, 0.005)
        decoder.add_fsg("card", graph)
        decoder.activate_search("card")


class SphinxUtterance:
    def __init__(self, decoder: Any, idle: list[Any]) -> None:
        self._decoder = decoder
        self._idle = idle
        self._before = 0.0
        self._some = False

    def push(self, pcm: bytes) -> str:
        self._some = self._some or bool(pcm)
        self._decoder.process_raw(self._wider(pcm), False, False)
        found = self._decoder.hyp()
        return _told(found.hypstr) if found else ""

    def finish(self) -> tuple[str, float]:
        decoder = self._decoder
        decoder.end_utt()
        found = decoder.hyp() if self._some else None
        text = _told(found.hypstr) if found else ""
        self._idle.append(decoder)
        return text, (_sure(found.prob) if found and text else 0.0)

    def _wider(self, pcm: bytes) -> bytes:
        """Twice as many samples: between two the mean, less some, which leaves a faint mirror image above 4 kHz."""
        import numpy as np

        sound = np.frombuffer(pcm, "<i2").astype(np.float32)
        if not sound.size:
            return b""
        before = np.concatenate(([self._before], sound[:-1]))
        self._before = float(sound[-1])
        wide = np.empty(2 * sound.size, np.float32)
        wide[0::2] = (before + sound) / 2 * (1 - MIRROR)
        wide[1::2] = sound
        return wide.clip(-32768, 32767).astype("<i2").tobytes()


def _told(text: str) -> str:
    words = text.lower().split()
    if any(word.startswith(REJECT) for word in words):
        return ""
    return " ".join(re.sub(r"\(\d+\)$", "", word) for word in words if word[0] not in "<[")


def _sure(prob: float) -> float:
    """pocketsphinx gives a probability, or its logarithm where there is a lattice; with a grammar it is seldom told."""
    value = float(prob)
    if value < 0:
        value = math.exp(max(-50.0, value / 1000))
    return round(min(1.0, max(value, 0.01)), 4)


def _dictionary(file: Path) -> frozenset[str]:
    return frozenset(line.split(maxsplit=1)[0] for line in file.read_text("utf-8").splitlines() if line)
