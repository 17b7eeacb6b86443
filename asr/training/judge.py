"""How good a model is, through vosk itself: answers, others' phrases, by voices it was never trained on.

held-out voice ─▶ channel ─▶ 20 ms at a time ─▶ asr._vosk ─▶ a partial that has stood, or the end
                                                    as a card decides └▶ right | taken for another | passed over
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from asr._vosk import VoskModel
from asr.training import channel, corpus
from asr.training.channel import Line, Samples
from asr.training.voices import BASES, HELD_OUT, RATE, Floats, Speaker

CHUNK = 160  # samples: 20 ms
STOOD = 10  # chunks for which a partial must stand: a card's `settle_ms`
NEW_WORDS = {  # never trained on
    "ru": ("велосипед", "черепаха", "синхрофазотрон", "подсолнечник", "гражданство", "не получится", "бесплатно"),
    "en": ("umbrella", "keyboard", "subscription", "dinosaur", "not working", "guarantee", "chocolate"),
}
FOREIGN = {  # nobody expects these; the first line was never trained on
    "ru": (
        *(
            "колбаса",
            "мне некогда",
            "какая разница",
            "переключите на другого",
            "вы меня слышите",
            "у нас всё в порядке",
        ),
        *("собака", "двести граммов конфет", "а можно подробнее", "вы ошиблись номером", "её нет дома", "чемодан"),
        *("он будет позднее вечером", "лестница", "холодильник", "передайте привет", "мы переехали", "это запись"),
        *("алло", "кто это", "что", "может быть", "я не знаю", "до свидания", "сколько это стоит", "я сейчас за рулём"),
        *("зачем вы мне звоните", "хорошо", "извините", "пожалуйста", "зелёный", "стол", "сто", "мама"),
    ),
    "en": (
        *("sausage", "bicycle", "what a difference", "can you hear me", "everything is fine", "pumpkin", "suitcase"),
        *("give me more details", "you have the wrong number", "she is not at home", "he will be back soon", "ladder"),
        *("refrigerator", "say hi to everyone", "we have moved", "is this a recording", "hello", "who is this", "what"),
        *("maybe", "i do not know", "goodbye", "how much is it", "sorry", "fine", "please", "green", "table", "mother"),
    ),
}
CONDITIONS = {
    "A-law": Line(),
    "GSM": Line(codec="gsm"),
    "pink 20 dB": Line(snr_db=20),
    "pink 10 dB": Line(snr_db=10),
    "street 10 dB": Line(noise="street", snr_db=10),
    "babble 15 dB": Line(noise="babble", snr_db=15),
}


@dataclass(slots=True)
class Score:
    """Shares of what was said."""

    said: int = 0
    right: int = 0
    wrong: int = 0  # taken for another
    foreign: int = 0
    accepted: int = 0  # foreign, taken for an answer
    mistakes: Counter[tuple[str, str]] = field(default_factory=Counter)
    heard_s: float = 0.0
    spent_s: float = 0.0

    def __str__(self) -> str:
        right, wrong = self.right / max(1, self.said), self.wrong / max(1, self.said)
        accepted = self.accepted / max(1, self.foreign)
        return (
            f"{self.said:4d} said: right {right:6.1%}, wrong {wrong:5.1%}; {self.foreign:4d} foreign: "
            f"accepted {accepted:5.1%}; {self.spent_s / max(1e-9, self.heard_s):.4f} s of CPU a second"
        )


def judge(
    model: VoskModel,
    speaker: Speaker,
    language: str,
    answers: Sequence[str],
    foreign: Sequence[str],
    over: Line,
    *,
    sure: float = 0.0,
) -> Score:
    """Each answer and each foreign phrase by each held-out voice. Below `sure` what was heard is passed over."""
    score = Score()
    around = corpus.crowd(speaker)
    for number, (voice, text) in enumerate(_said(language, [*answers, *foreign])):
        chance = np.random.default_rng([7, number])
        sound = channel.sent(speaker.say(voice, text, rate=140), over, chance, around)
        heard, confidence, spent = hear(model, sound, language, answers)
        heard = heard if confidence >= sure else ""
        score.heard_s += len(sound) / RATE
        score.spent_s += spent
        if text in answers:
            score.said += 1
            score.right += heard == text
            score.wrong += heard not in ("", text)
        else:
            score.foreign += 1
            score.accepted += heard != ""
        if heard != (text if text in answers else ""):
            score.mistakes[text, heard] += 1
    return score


def _said(language: str, what: Sequence[str]) -> Iterator[tuple[str, str]]:
    for variant in HELD_OUT:
        for text in what:
            yield f"{BASES[language][0]}+{variant}", text


def hear(model: VoskModel, sound: Samples, language: str, answers: Sequence[str]) -> tuple[str, float, float]:
    """Text, confidence and seconds of CPU."""
    began = time.process_time()
    utterance = model.begin(language, answers)
    partial, stood = "", 0
    for at in range(0, len(sound), CHUNK):
        now = utterance.push(sound[at : at + CHUNK].astype("<i2").tobytes())
        partial, stood = now, stood + 1 if now == partial else 1
        if stood == STOOD and partial in answers:
            return partial, 1.0, time.process_time() - began
    text, confidence = utterance.finish()
    return text, confidence, time.process_time() - began


def report(folder: Path) -> Mapping[str, Score]:
    """All figures, the answers of both languages under every condition."""
    model, speaker = VoskModel(folder), Speaker()
    found: dict[str, Score] = {}
    for language in ("ru", "en"):
        answers = answers_of(language)
        for name, over in CONDITIONS.items():
            found[f"{language} {len(answers)} answers, {name}"] = judge(
                model, speaker, language, answers, FOREIGN[language], over
            )
        few = answers[:2]
        found[f"{language} {'/'.join(few)}, A-law"] = judge(model, speaker, language, few, FOREIGN[language], Line())
        new = NEW_WORDS[language]
        found[f"{language} {len(new)} words never trained on, A-law"] = judge(
            model, speaker, language, new, FOREIGN[language], Line()
        )
    model.close()
    return found


def answers_of(language: str) -> tuple[str, ...]:
    """18 Russian ones, 17 English ones."""
    known = corpus.texts(language).answers
    return tuple(word for word in known if word not in ("интересно", "не", "oh"))


def endings(model: VoskModel, speaker: Speaker, language: str) -> list[float]:
    """Seconds from the end of each answer until vosk ends the phrase by itself."""
    found = []
    answers = answers_of(language)
    for number, (voice, text) in enumerate(_said(language, answers)):
        wave: Floats = speaker.say(voice, text, rate=140)
        sound = channel.sent(wave, Line(lead_s=0.5, tail_s=2.5), np.random.default_rng([8, number]))
        recognizer = model.begin(language, answers)._recognizer
        for at in range(0, len(sound), 160):
            if recognizer.AcceptWaveform(sound[at : at + 160].astype("<i2").tobytes()):
                found.append(at / RATE - 0.5 - len(wave) / RATE)
                break
    return found


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
