"""What is tried: rows of calls, each row one kind of trial under one condition.

base (A-law, clean) and pink noise of 10 dB in full ─▶ one thing at a time, on a sample: codec, noise, loss, echo
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bench.hearing import talks, texts
from bench.hearing.calls import Order
from bench.hearing.channel import CLEAN, Echo, Way, surroundings, through
from bench.hearing.corpus import Clip, Span, commands, span
from bench.hearing.studio import Built
from engine.audio import padded
from engine.model import FRAME_MS, Sound

LEAD_MS, TAIL_MS = 700, 2200
PINK = Way(noise="pink", snr_db=10)
ONE_AT_A_TIME = (
    *(Way(codec=codec) for codec in ("ulaw", "gsm", "opus")),
    *(Way(noise=noise, snr_db=db) for noise in ("pink", "street", "babble") for db in (20, 10, 5)),
    *(Way(loss=loss) for loss in (0.01, 0.03, 0.05)),
)
ECHO = Echo(-26, 120)
ECHOES = tuple(Echo(db, ms) for db in (-20, -26, -32, -40) for ms in (20, 120, 250))
SAMPLE = 54
PROMPTS = 100
AFTER_PROMPT_MS = 400
QUICK_S = 4.0  # of a prompt
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trial:
    wanted: str
    span: Span | None
    order: Order


@dataclass(frozen=True, slots=True)
class Row:
    """`kind`: commands, digits, paused, prompt (nobody speaks) or interruption. `trials` are made when asked for."""

    kind: str
    language: str
    condition: str
    trials: Callable[[], list[Trial]]
    full: bool = False  # the figures that targets are about

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.language}, {self.condition}"


@dataclass(frozen=True, slots=True)
class Plan:
    rows: Sequence[Row]
    sounds: Mapping[str, Sound] = field(default_factory=dict[str, Sound])
    together: bool = False  # all rows at once: quick, and what each costs is not known

    def batches(self) -> Sequence[Sequence[Row]]:
        return [self.rows] if self.together else [[row] for row in self.rows]


def sample(items: Sequence[T], count: int, seed: str) -> list[T]:
    """So many of them, the same for the same seed; all if there are no more."""
    if len(items) <= count:
        return list(items)
    return random.Random(f"sample {seed}").sample(items, count)


def of_built(built: Built, seed: int, *, quick: bool = False) -> Plan:
    """The built-in corpora; `quick`: some rows, a few calls each."""
    sounds = {talks.ANSWER: Sound(bytes(640)), **{texts.PROMPTS[lang]: sound for lang, sound in built.prompts.items()}}
    if quick:
        return Plan(list(_quick(built, seed)), sounds, together=True)
    rows: list[Row] = []
    for language in built.commands:
        said = [*built.commands[language], *built.foreign[language]]
        rows.append(_menu(said, texts.COMMANDS[language], language, CLEAN, seed, built, full=True))
        rows.append(_menu(said, texts.COMMANDS[language], language, PINK, seed, built, full=True))
        rows.append(_digits(built.digits[language], language, seed))
    few = [*sample(built.commands["ru"], SAMPLE, f"{seed}"), *sample(built.foreign["ru"], SAMPLE // 2, f"{seed}")]
    rows += [_menu(few, texts.COMMANDS["ru"], "ru", way, seed, built) for way in ONE_AT_A_TIME if way != PINK]
    rows.append(_paused(built.paused["ru"] + built.paused["en"], "ru", seed))
    rows += _prompts(built, seed, PROMPTS)
    rows += [_prompt(built, "ru", CLEAN, echo, seed, 4) for echo in ECHOES if echo != ECHO]
    rows += _interruptions(built, seed, len(built.commands["ru"]), SAMPLE)
    return Plan(rows, sounds)


def _quick(built: Built, seed: int) -> Iterator[Row]:
    few = [*sample(built.commands["ru"], 12, f"{seed}"), *sample(built.foreign["ru"], 6, f"{seed}")]
    for way in (CLEAN, PINK, Way(codec="gsm"), Way(codec="opus", loss=0.03)):
        yield _menu(few, texts.COMMANDS["ru"], "ru", way, seed, built)
    yield _digits(built.digits["ru"], "ru", seed)
    yield _paused(built.paused["ru"], "ru", seed)
    yield _prompt(built, "ru", CLEAN, None, seed, 2, most_s=QUICK_S)
    yield _prompt(built, "ru", CLEAN, ECHO, seed, 2, most_s=QUICK_S)
    yield _interruption(built, sample(built.commands["ru"], 6, f"{seed} i"), CLEAN, None, seed, within_s=QUICK_S / 2)


def of_clips(clips: Sequence[Clip], babble: Built, seed: int, *, quick: bool = False) -> Plan:
    """Somebody's own recordings: as they are, in pink noise, and one thing at a time on a sample."""
    rows: list[Row] = []
    for language, labels in commands(clips).items():
        said = [clip for clip in clips if clip.language == language and not clip.greets]
        rows.append(_menu(said, labels, language, CLEAN, seed, babble, full=True))
        if not quick:
            rows.append(_menu(said, labels, language, PINK, seed, babble, full=True))
            few = sample(said, SAMPLE, f"{seed}")
            rows += [_menu(few, labels, language, way, seed, babble) for way in ONE_AT_A_TIME if way != PINK]
    return Plan(rows, {talks.ANSWER: Sound(bytes(640))})


# --- rows -------------------------------------------------------------------------------------------------------------


def _carried(clip: Clip, way: Way, seed: str, built: Built, lead_ms: int = LEAD_MS) -> tuple[bytes, Span]:
    """The clip through the line, and when the voice is in it."""
    voice = span(clip.pcm)
    pcm = through(clip.pcm, way, seed, lead_ms=lead_ms, tail_ms=TAIL_MS, babble=built.babble)
    return pcm, Span(voice.start_ms + lead_ms, voice.end_ms + lead_ms)


def _menu(
    clips: Sequence[Clip],
    labels: Sequence[str],
    language: str,
    way: Way,
    seed: int,
    built: Built,
    *,
    full: bool = False,
) -> Row:
    def trials() -> list[Trial]:
        scenario = talks.menu(language, labels)
        made = []
        for number, clip in enumerate(clips):
            chance = random.Random(f"{seed} {number} {clip.text}")
            pcm, when = _carried(clip, way, f"{seed} {number}", built, LEAD_MS + 20 * chance.randrange(20))
            made.append(Trial(clip.label, when, Order(pcm, scenario, language)))
        return made

    return Row("commands", language, way.name, trials, full)


def _digits(clips: Sequence[Clip], language: str, seed: int) -> Row:
    def trials() -> list[Trial]:
        scenario = talks.number(language)
        carried = [_carried(clip, CLEAN, f"{seed} digits {n}", Built()) for n, clip in enumerate(clips)]
        return [
            Trial(clip.label, when, Order(pcm, scenario, language))
            for clip, (pcm, when) in zip(clips, carried, strict=True)
        ]

    return Row("digits", language, CLEAN.name, trials)


def _paused(clips: Sequence[Clip], language: str, seed: int) -> Row:
    def trials() -> list[Trial]:
        scenario = talks.free(language)
        carried = [_carried(clip, CLEAN, f"{seed} paused {n}", Built()) for n, clip in enumerate(clips)]
        return [Trial("", when, Order(pcm, scenario, language)) for pcm, when in carried]

    return Row("paused", language, CLEAN.name, trials, full=True)


def _prompts(built: Built, seed: int, count: int) -> Iterator[Row]:
    yield _prompt(built, "ru", CLEAN, None, seed, count)
    for noise in ("street", "babble", "music", "instruments"):
        yield _prompt(built, "ru", Way(noise=noise, snr_db=10), None, seed, count)
    yield _prompt(built, "ru", CLEAN, ECHO, seed, count)


def _prompt(
    built: Built, language: str, way: Way, echo: Echo | None, seed: int, count: int, *, most_s: float = 60.0
) -> Row:
    """The robot speaks for ten seconds, and nobody else does; who calls hangs up after `most_s`."""
    name = echo.name if echo else way.name

    def trials() -> list[Trial]:
        say = texts.PROMPTS[language]
        scenario = talks.menu(language, texts.COMMANDS[language], say=say, timeout_s=1)
        seconds = min(most_s, built.prompts[language].seconds + AFTER_PROMPT_MS / 1000)
        return [
            Trial("", None, Order(surroundings(way, seconds, f"{seed} {n}", built.babble), scenario, language, echo))
            for n in range(count)
        ]

    return Row("prompt", language, name, trials, full=True)


def _interruptions(built: Built, seed: int, full: int, some: int) -> Iterator[Row]:
    said = built.commands["ru"]
    yield _interruption(built, sample(said, full, f"{seed} i"), CLEAN, None, seed)
    yield _interruption(built, sample(said, some, f"{seed} i"), CLEAN, ECHO, seed)
    yield _interruption(built, sample(said, some, f"{seed} i"), Way(noise="street", snr_db=20), None, seed)


def _interruption(
    built: Built, clips: Sequence[Clip], way: Way, echo: Echo | None, seed: int, *, within_s: float = 8.0
) -> Row:
    """Somebody says a command while the robot speaks, from 1 s after it has begun."""
    name = f"{way.name}, {echo.name}" if echo else way.name

    def trials() -> list[Trial]:
        scenario = talks.menu("ru", texts.COMMANDS["ru"], say=texts.PROMPTS["ru"])
        made = []
        for number, clip in enumerate(clips):
            lead_ms = FRAME_MS * random.Random(f"{seed} when {number}").randrange(
                50, round(within_s * 1000) // FRAME_MS
            )
            pcm, when = _carried(clip, way, f"{seed} barge {number}", built, lead_ms)
            made.append(Trial(clip.label, when, Order(padded(pcm), scenario, "ru", echo)))
        return made

    return Row("interruption", "ru", name, trials, full=True)
