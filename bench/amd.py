"""Machine or person, measured on the generated corpus: who was taken for whom, how soon, and the beep.

    Clip ─▶ frames, the VAD of calls, partials as late as a recogniser's (or none) ─▶ engine.rules.amd ─▶ figures

`run()` gives them as plain values; it takes some minutes and needs espeak-ng. The thresholds were chosen on the seeds
101 and 102: figures are to be told of others. The VAD is what a call has by default: two stages where silero is
installed. The partials hold every word that was said, which no recogniser hears; they come later than the embedded
model's, of which half come within 0.18 s of a phrase's end and 95 % within 0.75 s.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from asr import vad
from asr._silero import Silero, installed
from bench import greetings
from bench.greetings import Clip
from engine.model import FRAME_BYTES, FRAME_MS
from engine.ports import Vad
from engine.rules.amd import USUAL, Amd, Kind, Settings

PARTIAL_MS = (250, 550)  # so late a partial comes after its word
BEEP_NEAR_MS = 120  # of the end of a beep
PROMPT_MS = 1_000  # of a machine's end: after the greeting and the beep


@dataclass(frozen=True, slots=True)
class Heard:
    """What the rules made of one clip."""

    clip: Clip
    kinds: tuple[tuple[int, Kind], ...]  # each verdict, and when
    means: str
    beeps_ms: tuple[int, ...]
    evidence: tuple[str, ...]
    cpu_s: float
    first_ms: int  # the first sound of a voice or a tone

    @property
    def final(self) -> Kind:
        return self.kinds[-1][1] if self.kinds else Kind.UNKNOWN

    @property
    def decided_ms(self) -> int | None:
        return self.kinds[-1][0] if self.kinds else None

    @property
    def taken_for(self) -> Kind:
        """A person who was ever taken for a machine was hung up on: that counts, whatever came later."""
        if self.clip.kind is Kind.PERSON:
            for _, kind in self.kinds:
                if kind is not Kind.PERSON:
                    return kind
        return self.final

    @property
    def first(self) -> Kind:
        return self.kinds[0][1] if self.kinds else Kind.UNKNOWN


@cache
def _silero() -> Silero | None:
    return Silero() if installed() else None


def detector() -> Vad:
    """As a call has it by default."""
    return vad.make(vad.Settings(), _silero())


def voices(clip: Clip) -> tuple[bool, ...]:
    """Of each frame, whether there is a voice in it."""
    hears = detector().voiced
    pcm = clip.pcm
    return tuple(hears(pcm[at : at + FRAME_BYTES]) for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES))


def listen(clip: Clip, *, partials: bool, voiced: Sequence[bool] = (), seed: int = 0, rules: Settings = USUAL) -> Heard:
    """The clip through the rules, frame by frame. `voiced`: what `voices` gave for it, where that is known."""
    began = time.process_time()
    amd, voiced = Amd(rules), voiced or voices(clip)
    chance = random.Random(f"{seed} {clip.words} {len(clip.pcm)}")
    waiting = [(at + chance.uniform(*PARTIAL_MS), text) for at, text in clip.words] if partials else []
    kinds: list[tuple[int, Kind]] = []
    found: list[int] = []
    first_ms = -1
    for at in range(0, len(clip.pcm) - FRAME_BYTES + 1, FRAME_BYTES):
        frame = clip.pcm[at : at + FRAME_BYTES]
        now_ms = (at // FRAME_BYTES + 1) * FRAME_MS
        if first_ms < 0 and (amd.spoke or amd.beeped_ms >= 0):
            first_ms = max(0, now_ms - rules.onset_ms)
        verdicts = [amd.push(frame, voiced[at // FRAME_BYTES])]
        while waiting and waiting[0][0] <= now_ms:
            verdicts.append(amd.text(waiting.pop(0)[1]))
        kinds.extend((now_ms, verdict.kind) for verdict in verdicts if verdict is not None)
        if amd.beeped_ms >= 0 and (not found or amd.beeped_ms != found[-1]):
            found.append(amd.beeped_ms)
    told = tuple(f"{e.at_ms} {e.what} {e.kind.value} {e.weight}" for e in amd.verdict.evidence)
    return Heard(
        clip, tuple(kinds), amd.verdict.means, tuple(found), told, time.process_time() - began, max(0, first_ms)
    )


def _matrix(heard: Iterable[Heard]) -> dict[str, dict[str, int]]:
    rows: dict[str, Counter[str]] = {}
    for each in heard:
        rows.setdefault(each.clip.kind.value, Counter())[each.taken_for.value] += 1
    return {kind: dict(row) for kind, row in rows.items()}


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _quantiles(times: Sequence[int]) -> dict[str, float]:
    if len(times) < 2:
        return {}
    cuts = statistics.quantiles(times, n=20)
    return {"p50": round(statistics.median(times) / 1000, 2), "p95": round(cuts[-1] / 1000, 2)}


def figures(heard: Sequence[Heard]) -> dict[str, Any]:
    people = [h for h in heard if h.clip.kind is Kind.PERSON]
    machines = [h for h in heard if h.clip.kind is Kind.MACHINE]
    both = [(h.decided_ms, h.first_ms) for h in (*people, *machines) if h.decided_ms is not None]
    announced = [h for h in heard if h.clip.kind is Kind.ANNOUNCEMENT]
    assistants = [h for h in heard if h.clip.kind is Kind.SCREENING]
    classes = {"person": people, "machine": machines, "screening": assistants}
    frames = sum(len(h.clip.pcm) for h in heard) // FRAME_BYTES
    return {
        "clips": len(heard),
        "confusion": _matrix(heard),
        "person_to_machine": _share(sum(h.taken_for not in (Kind.PERSON, Kind.UNKNOWN) for h in people), len(people)),
        "machine_to_person": _share(sum(h.taken_for is Kind.PERSON for h in machines), len(machines)),
        "machine_undecided": _share(sum(h.taken_for is Kind.UNKNOWN for h in machines), len(machines)),
        "decision_s": _quantiles([at for at, _ in both]),  # from the answer
        "decision_from_first_sound_s": _quantiles([at - first for at, first in both]),
        **{
            f"decision_{name}_s": _quantiles([h.decided_ms for h in those if h.decided_ms is not None])
            for name, those in classes.items()
        },
        **{
            f"decision_{name}_from_first_sound_s": _quantiles(
                [h.decided_ms - h.first_ms for h in those if h.decided_ms is not None]
            )
            for name, those in classes.items()
        },
        # nothing is done to a person: a machine that was one for a moment costs nothing
        "machine_first_a_person": _share(sum(h.first is Kind.PERSON for h in machines), len(machines)),
        "assistant_first_a_machine": _share(sum(h.first is Kind.MACHINE for h in assistants), len(assistants)),
        "vad": "two stages" if installed() else "one stage",
        "announcement_meaning_right": _share(
            sum(h.final is Kind.ANNOUNCEMENT and h.means == h.clip.means for h in announced), len(announced)
        ),
        # of the rules and the tones; the VAD's is apart
        "cpu_us_per_frame": round(sum(h.cpu_s for h in heard) / max(1, frames) * 1e6, 1),
    }


def beep_figures(with_beeps: Sequence[Heard], without: Sequence[Heard]) -> dict[str, Any]:
    """Each beep is to be found where it ends; of a double one the second counts too."""
    wanted = [(each, at) for each in with_beeps for at in each.clip.beeps_ms]
    found = sum(any(abs(at - heard) <= BEEP_NEAR_MS for heard in each.beeps_ms) for each, at in wanted)
    false = sum(bool(each.beeps_ms) for each in without)
    wrong = sum(
        not any(abs(at - beep) <= BEEP_NEAR_MS for beep in each.clip.beeps_ms)
        for each in with_beeps
        for at in each.beeps_ms
    )
    return {
        "beeps": len(wanted),
        "beep_found": _share(found, len(wanted)),
        "clips_without": len(without),
        "beep_false": _share(false, len(without)),
        "beep_false_in_greetings": _share(wrong, len(with_beeps)),
    }


async def measured(
    seed: int = 1, each: int = 400, told: Callable[[int, int], None] = lambda done, of: None
) -> dict[str, Any]:
    """Every figure; `each`: so many people, machines, beeps and clips without one. `told`: clips done, clips in all."""
    clips = await greetings.corpus(seed, each=each)
    with_beeps = await greetings.beeps(seed + 1, count=each)
    without = await greetings.beepless(seed + 2, count=each)
    every = [*clips, *with_beeps, *without]
    worded: list[Heard] = []
    wordless: list[Heard] = []
    for done, clip in enumerate(every, 1):
        voiced = voices(clip)
        if done <= len(clips):
            worded.append(listen(clip, partials=True, voiced=voiced))
        wordless.append(listen(clip, partials=False, voiced=voiced))
        told(done, len(every))
        await asyncio.sleep(0)  # whoever wants to stop it can
    n, beeps = len(clips), len(with_beeps)
    return {
        "with_partials": figures(worded),
        "without_partials": figures(wordless[:n]),
        "beep": beep_figures(wordless[n : n + beeps], wordless[n + beeps :]),
    }


def run(seed: int = 1, each: int = 400) -> dict[str, Any]:
    """The same, for who has no loop."""
    return asyncio.run(measured(seed, each))
