"""Who answers a telephone, made to measure from a seed: people, voicemail, announcements, assistants, fax.

    phrases ─▶ espeak-ng (many voices) ─▶ a timeline with pauses and tones ─▶ noise ─▶ A-law ─▶ Clip: PCM and its words

It is synthetic: the voices are no people, and the wording was chosen. The same seed gives the same clips.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine import audio
from engine.model import RATE
from engine.ports import Synthesizer
from engine.rules.greetings import Kind
from tts import espeak

Floats = npt.NDArray[np.float32]

RU_VOICES = tuple(f"ru+{v}" for v in ("f1", "f2", "f3", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "Annie", "linda"))
EN_VOICES = tuple(f"en-us+{v}" for v in ("f1", "f2", "f4", "m1", "m3", "m5", "m7"))
RATES = (130, 150, 175)

PEOPLE = {
    "ru": "алло|алло|алло|да|да|слушаю|да слушаю|алло да|алло слушаю вас|говорите|алло кто это|да да|алло здравствуйте|"
    "добрый день|привет|алло вас не слышно|да, я слушаю вас|кто это",
    "en": "hello|hello|yes|hi|hello, who is this|yes speaking|hey|hello hello",
}
BUSINESS = {
    "ru": "компания ромашка здравствуйте|автосервис, слушаю вас|приёмная, добрый день|"
    "стоматология улыбка, здравствуйте|алло, отдел продаж, слушаю вас|здравствуйте, магазин мебели, слушаю",
    "en": "good morning, front desk|sales department, hello|hello, this is Mary speaking",
}
LATER = {
    "ru": "алло|да|да удобно|нет|нет спасибо|не интересно|кто это|алло вас не слышно|да конечно удобно|"
    "нет мне это не интересно|я сейчас занят, перезвоните позже|какая компания|а откуда у вас мой номер",
    "en": "hello|yes|no thank you|who is calling|yes that is fine|I am not interested|not now please",
}
MACHINES = {
    "ru": "здравствуйте, вы позвонили на автоответчик, оставьте сообщение после сигнала|"
    "вас приветствует автоответчик, пожалуйста оставьте ваше сообщение после звукового сигнала|"
    "привет, это Иван, сейчас не могу ответить, оставьте сообщение|"
    "абонент не может ответить на ваш звонок, оставьте голосовое сообщение после сигнала|"
    "здравствуйте, вы позвонили в компанию Вектор, к сожалению сейчас нерабочее время, перезвоните нам завтра с девяти "
    "до восемнадцати часов|"
    "вызываемый абонент не отвечает, вы можете оставить сообщение в голосовом почтовом ящике|"
    "здравствуйте, это голосовая почта, говорите после гудка|"
    "добрый день, ваш звонок очень важен для нас, оставайтесь на линии, вам ответит первый освободившийся оператор|"
    "здравствуйте, это Марина, я не могу подойти к телефону, продиктуйте сообщение, и я вам перезвоню|"
    "вы позвонили в поликлинику номер пять, для записи на приём нажмите один, для вызова врача на дом нажмите два",
    "en": "hi, you have reached John, I can't come to the phone right now, please leave a message after the beep|"
    "the person you are calling is not available, please leave your message after the tone|"
    "hello, this is the voicemail of Anna, please leave a message and I will get back to you|"
    "thank you for calling our office, our business hours are nine to five, please call again tomorrow|"
    "your call has been forwarded to an automatic voice message system, record your message at the tone",
}
SCREENS = {
    "ru": "здравствуйте, это виртуальный секретарь Олег, представьтесь пожалуйста и скажите по какому "
    "вопросу вы звоните|"
    "вам отвечает голосовой ассистент абонента, назовите цель звонка, я передам|"
    "абонент занят, с вами говорит виртуальный помощник, что ему передать",
    "en": "hi, the person you are calling is using a screening service, please state your name and the reason "
    "for calling|"
    "hello, this is a virtual assistant, please say who is calling and why you're calling",
}
ANNOUNCED = (
    ("unreachable", "ru", "абонент временно недоступен, перезвоните позже"),
    ("unreachable", "ru", "аппарат абонента выключен или находится вне зоны действия сети"),
    ("unreachable", "ru", "телефон абонента выключен"),
    ("unreachable", "en", "the subscriber you are calling is temporarily unavailable"),
    ("invalid_number", "ru", "набранный вами номер не существует, проверьте правильность набора"),
    ("invalid_number", "ru", "неправильно набран номер"),
    ("invalid_number", "en", "the number you have dialed is not in service"),
    ("busy", "ru", "вызываемый абонент занят, перезвоните позднее"),
    ("busy", "ru", "абонент разговаривает, пожалуйста перезвоните позже"),
    ("busy", "en", "the line is busy, please try again later"),
)


@dataclass(frozen=True, slots=True)
class Clip:
    """What is heard from the answer on. `words`: (when it has been said, the utterance as far as it has come)."""

    kind: Kind
    what: str
    pcm: bytes
    words: tuple[tuple[int, str], ...] = ()
    beeps_ms: tuple[int, ...] = ()  # when each beep ends
    means: str = ""


@dataclass
class _Timeline:
    """Sounds one after another; what was said when."""

    parts: list[Floats] = field(default_factory=list[Floats])
    words: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    beeps: list[int] = field(default_factory=list[int])
    samples: int = 0

    @property
    def ms(self) -> int:
        return self.samples * 1000 // RATE

    def put(self, wave: Floats) -> None:
        self.parts.append(wave)
        self.samples += wave.size

    def pause(self, ms: float) -> None:
        self.put(np.zeros(round(ms * RATE / 1000), np.float32))

    def say(self, wave: Floats, text: str) -> None:
        began, length = self.ms, wave.size * 1000 // RATE
        self.put(wave)
        so_far = ""
        for word in text.replace(",", "").split():
            so_far = f"{so_far} {word}".strip()
            self.words.append((began + length * len(so_far) // max(1, len(text)), so_far))

    def beep(self, hz: float, ms: float, dbfs: float) -> None:
        self.put(sine(hz, ms, dbfs))
        self.beeps.append(self.ms)

    def wave(self) -> Floats:
        return np.concatenate(self.parts) if self.parts else np.zeros(0, np.float32)


class Voices:
    """Phrases as sound, each voice and phrase made once."""

    def __init__(self, speakers: Sequence[Synthesizer]) -> None:
        self._speakers = speakers
        self._made: dict[tuple[int, str, str], Floats] = {}

    async def say(self, text: str, voice: str, rate: int) -> Floats:
        key = (rate, voice, text)
        if key not in self._made:
            sound = await self._speakers[rate].render(text, voice=voice, language=voice.split("+")[0])
            self._made[key] = audio.samples(sound.pcm)
        return self._made[key]


async def corpus(seed: int = 1, *, each: int = 400, folder: Path = Path()) -> list[Clip]:
    """`each` people and `each` machines, a quarter as many assistants, announcements and others."""
    settings = [espeak.Settings(rate_wpm=rate, workers=1) for rate in RATES]
    async with (
        espeak.open(settings[0], data_dir=folder) as slow,
        espeak.open(settings[1], data_dir=folder) as usual,
        espeak.open(settings[2], data_dir=folder) as quick,
    ):
        voices = Voices((slow, usual, quick))
        clips: list[Clip] = []
        for make, count in (
            (_person, each),
            (_machine, each),
            (_screening, each // 4),
            (_announcement, each // 4),
            (_network, each // 4),
            (_fax, each // 8),
        ):
            for number in range(count):
                chance = random.Random(f"{seed} {make.__name__} {number}")
                clips.append(await make(chance, voices))
        return clips


# --- who answers ------------------------------------------------------------------------------------------------------


class _Speaker:
    """One voice of one language, for one clip."""

    def __init__(self, chance: random.Random, voices: Voices) -> None:
        self.language = "en" if chance.random() < 0.25 else "ru"
        self._voice = chance.choice(EN_VOICES if self.language == "en" else RU_VOICES)
        self._rate = chance.randrange(len(RATES))
        self._voices = voices

    def among(self, chance: random.Random, phrases: dict[str, str]) -> str:
        return chance.choice(phrases[self.language].split("|"))

    async def say(self, line: _Timeline, text: str) -> None:
        line.say(await self._voices.say(text, self._voice, self._rate), text)


async def _person(chance: random.Random, voices: Voices) -> Clip:
    line, who = _Timeline(), _Speaker(chance, voices)
    line.pause(chance.uniform(100, 1200))
    kind = chance.random()
    if kind < 0.04:
        what = "silent"
        line.pause(2500)
    elif kind < 0.14:
        what = "business"
        await who.say(line, who.among(chance, BUSINESS))
    else:
        what = "short"
        await who.say(line, who.among(chance, PEOPLE))
    while line.ms < 8000:
        line.pause(chance.uniform(700, 3500))
        if chance.random() < 0.8:
            await who.say(line, who.among(chance, LATER))
    return _clip(Kind.PERSON, what, line, chance)


async def _machine(chance: random.Random, voices: Voices) -> Clip:
    line, who = _Timeline(), _Speaker(chance, voices)
    line.pause(chance.uniform(100, 1500))
    what = "greeting"
    if chance.random() < 0.03:
        what = "beep only"
        line.pause(800)
    else:
        if chance.random() < 0.2:
            what = "greeting with a pause"
            await who.say(line, "здравствуйте" if who.language == "ru" else "hello")
            line.pause(chance.uniform(250, 900))
        await who.say(line, who.among(chance, MACHINES))
    line.pause(chance.uniform(200, 1200))
    if what == "beep only" or chance.random() < 0.85:
        _beep(line, chance)
    line.pause(2500)
    return _clip(Kind.MACHINE, what, line, chance)


async def _screening(chance: random.Random, voices: Voices) -> Clip:
    line, who = _Timeline(), _Speaker(chance, voices)
    line.pause(chance.uniform(100, 1000))
    await who.say(line, who.among(chance, SCREENS))
    line.pause(3000)
    return _clip(Kind.SCREENING, "assistant", line, chance)


async def _announcement(chance: random.Random, voices: Voices) -> Clip:
    line = _Timeline()
    means, language, text = chance.choice(ANNOUNCED)
    voice = chance.choice(EN_VOICES if language == "en" else RU_VOICES)
    wave = await voices.say(text, voice, chance.randrange(len(RATES)))
    line.pause(chance.uniform(100, 1000))
    if chance.random() < 0.3:
        special_information(line, chance)
    for _ in range(2):
        line.say(wave, text)
        line.pause(chance.uniform(500, 1500))
    return _clip(Kind.ANNOUNCEMENT, means, line, chance, means)


async def _network(chance: random.Random, voices: Voices) -> Clip:
    line = _Timeline()
    line.pause(chance.uniform(0, 400))
    busy = chance.random() < 0.6
    ms = chance.uniform(320, 380) if busy else chance.uniform(160, 230)
    for _ in range(8):
        line.put(sine(425, ms, chance.uniform(-24, -12)))
        line.pause(ms)
    means = "busy" if busy else "congestion"
    return _clip(Kind.ANNOUNCEMENT, f"{means} tone", line, chance, means)


async def _fax(chance: random.Random, voices: Voices) -> Clip:
    line = _Timeline()
    line.pause(chance.uniform(200, 1500))
    if chance.random() < 0.7:
        line.put(sine(2100 + chance.uniform(-12, 12), chance.uniform(2600, 4000), -14))
        line.pause(1000)
    else:
        for _ in range(3):
            line.put(sine(1100 + chance.uniform(-15, 15), 500, -14))
            line.pause(3000)
    return _clip(Kind.FAX, "fax", line, chance)


# --- tones ------------------------------------------------------------------------------------------------------------


def sine(hz: float, ms: float, dbfs: float) -> Floats:
    return audio.samples(audio.tone(hz, ms / 1000, dbfs=dbfs).pcm)


def special_information(line: _Timeline, chance: random.Random) -> None:
    for hz in (950, 1400, 1800):
        line.put(sine(hz + chance.uniform(-20, 20), 330, -16))
    line.pause(chance.uniform(100, 600))


def _beep(line: _Timeline, chance: random.Random) -> None:
    hz, dbfs = chance.uniform(400, 2000), chance.uniform(-28, -8)
    if chance.random() < 0.15:
        ms = chance.uniform(120, 350)
        line.beep(hz, ms, dbfs)
        line.pause(chance.uniform(100, 250))
        line.beep(hz, ms, dbfs)
    else:
        line.beep(hz, chance.choice((120, 150, 200, 250, 300, 400, 500, 800, 1000, 1500)), dbfs)


async def beeps(seed: int = 2, *, count: int = 400, folder: Path = Path()) -> list[Clip]:
    """Beeps after a few words, single and double."""
    async with espeak.open(espeak.Settings(workers=1), data_dir=folder) as speaker:
        voices = Voices((speaker, speaker, speaker))
        made = []
        for number in range(count):
            chance = random.Random(f"{seed} beep {number}")
            line, who = _Timeline(), _Speaker(chance, voices)
            await who.say(line, who.among(chance, MACHINES))
            line.pause(chance.uniform(100, 1000))
            _beep(line, chance)
            line.pause(2000)
            made.append(_clip(Kind.MACHINE, "beep", line, chance))
        return made


async def beepless(seed: int = 3, *, count: int = 400, folder: Path = Path()) -> list[Clip]:
    """Ten seconds each of speech, and of music: scales, chords and melodies of tones with and without overtones."""
    async with espeak.open(espeak.Settings(workers=1), data_dir=folder) as speaker:
        voices = Voices((speaker, speaker, speaker))
        made = []
        for number in range(count):
            chance = random.Random(f"{seed} none {number}")
            line, who = _Timeline(), _Speaker(chance, voices)
            while line.ms < 10_000:
                if number % 2:
                    _melody(line, chance)
                else:
                    await who.say(line, who.among(chance, chance.choice((MACHINES, SCREENS, LATER, PEOPLE))))
                    line.pause(chance.uniform(100, 900))
            made.append(_clip(Kind.UNKNOWN, "music" if number % 2 else "speech", line, chance))
        return made


def _melody(line: _Timeline, chance: random.Random) -> None:
    """Some notes as an instrument plays them: they swell, fade, tremble and overlap."""
    overtones = [0.6 ** chance.uniform(0.6, 2.5) ** k for k in range(1, chance.randint(2, 6))]
    depth, speed = chance.uniform(0.0, 0.012), chance.uniform(4.5, 6.5)
    beat_ms = chance.choice((150, 200, 300, 400, 600))
    for _ in range(chance.randint(4, 12)):
        length_ms = beat_ms * chance.choice((1, 1, 1, 2))
        n = round(length_ms * RATE / 1000)
        at = np.arange(n) / RATE
        wave = np.zeros(n)
        for _ in range(chance.choice((1, 1, 2, 3))):
            base = 110 * 2 ** (chance.randint(0, 40) / 12)
            phase = 2 * np.pi * base * (at + depth / speed * np.sin(2 * np.pi * speed * at) / (2 * np.pi))
            for k, strength in enumerate((1.0, *overtones), start=1):
                if base * k < 3700:
                    wave += strength * np.sin(k * phase)
        decay = np.exp(-at * chance.uniform(1.0, 6.0)) * np.minimum(1, at / 0.01)
        wave *= decay / max(1e-6, float(np.abs(wave).max())) * 10 ** (chance.uniform(-20, -8) / 20)
        line.put(wave.astype(np.float32))
        if chance.random() < 0.15:
            line.pause(chance.uniform(50, 400))


# --- the line ---------------------------------------------------------------------------------------------------------


def _clip(kind: Kind, what: str, line: _Timeline, chance: random.Random, means: str = "") -> Clip:
    wave = line.wave()
    wave *= np.float32(10 ** (chance.uniform(-9, 3) / 20))
    noise = np.random.default_rng(chance.randrange(2**32))
    surrounding = chance.choice(("clean", "clean", "line", "pink", "street"))
    wave = wave + _noise(surrounding, wave, noise, snr_db=chance.uniform(10, 25))
    pcm = audio.padded(audio.decode(audio.encode(audio.to_pcm(wave), "alaw"), "alaw"))
    return Clip(kind, f"{what}, {surrounding}", pcm, tuple(line.words), tuple(line.beeps), means)


def _noise(which: str, wave: Floats, chance: np.random.Generator, *, snr_db: float) -> Floats:
    n = wave.size
    if which == "clean":
        return np.zeros(n, np.float32)
    if which == "line":
        return (chance.standard_normal(n) * 10 ** (-58 / 20)).astype(np.float32)
    spectrum = np.fft.rfft(chance.standard_normal(n))
    hz = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 20.0)
    noise = np.fft.irfft(spectrum / np.sqrt(hz) * (hz > 150), n)
    if which == "street":  # cars pass: it swells over seconds, and rumbles
        swell = np.interp(np.arange(n), np.arange(n // RATE + 2) * RATE, chance.uniform(0.3, 1.6, n // RATE + 2))
        noise = np.fft.irfft(np.fft.rfft(noise) / np.maximum(hz / 400, 0.5), n) * swell
    loud = np.abs(wave) > 0.005
    signal = float(np.sqrt(np.mean(wave[loud] ** 2))) if loud.any() else 0.05
    scale = signal * 10 ** (-snr_db / 20) / float(np.sqrt(np.mean(noise**2)) + 1e-9)
    return (noise * scale).astype(np.float32)
