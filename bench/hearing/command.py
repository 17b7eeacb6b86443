"""`dozvon bench hearing`: corpora through each recogniser, greetings through the rules for machines, the report.

built-in corpora | --corpus DIR ─▶ plan ─▶ each --recognizer ─▶ figures ─▶ table, hearing.json, hearing.html
                                             greetings ─▶ bench.amd ─┘
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import amd
from bench.figures import Figure, machine
from bench.greetings import Clip as Greeting
from bench.hearing import corpus, page, plan, run, studio
from engine.config import Speech
from engine.errors import InputError
from engine.rules.greetings import Kind

HOW = (
    "Each clip is a call in real time through the ear, the recogniser, the scenario and the mouth, up to "
    f"{run.MOST_LINES} at once; voices that no model of ours was trained on, A-law unless said. From the last word to "
    "the first sound of the answer as the engine sends it. Machine or person: 400 each of people, machines, beeps and "
    "clips without one."
)
QUICK_GREETINGS, GREETINGS = 4, 400


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    corpus: Path | None = None
    recognizers: tuple[str, ...] = ()
    quick: bool = False
    seed: int = 1
    out: Path = Path("var/bench")
    language: str = "ru"  # of the page
    speech: Speech = field(default_factory=Speech)
    data_dir: Path = Path("var")
    cache: Path | None = None

    @property
    def whole(self) -> bool:
        """It gives the project's own figures: all of the built-in corpora on what the settings choose."""
        return self.corpus is None and not self.recognizers and not self.quick


async def measure(asked: Asked, console: Console) -> list[Figure]:
    """Everything measured and written. Raises InputError for a corpus that is wrong, ConfigError for a recogniser."""
    own = await asyncio.to_thread(corpus.load, asked.corpus) if asked.corpus is not None else None
    columns = (TextColumn("{task.description:<48}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        work = progress.add_task("making the built-in corpora", total=2)
        async with studio.opened(asked.cache) as made:
            built = await studio.build(made, asked.seed, quick=asked.quick, told=lambda: progress.advance(work))
        progress.remove_task(work)
        planned = (
            plan.of_built(built, asked.seed, quick=asked.quick)
            if own is None
            else plan.of_clips(own, built, asked.seed, quick=asked.quick)
        )
        results = [await _measured(asked, name, planned, progress) for name in asked.recognizers or ("",)]
        heard = await _greetings(asked, own, progress)
    if not any(result.rows for result in results) and not heard:
        raise InputError("the corpus has neither commands nor greetings: give a label to each command")
    judged = own is None and not asked.quick
    found = [
        figure
        for result in results
        for figure in run.figures(result, f"{result.recognizer}: " if len(results) > 1 else "", judged=judged)
    ]
    found += _amd_figures(heard, judged=judged)
    for file in await asyncio.to_thread(_write, asked, results, found, heard):
        console.print(str(file), highlight=False, soft_wrap=True)
    return found


async def _measured(asked: Asked, name: str, planned: plan.Plan, progress: Progress) -> run.Result:
    work = progress.add_task(name or "the recogniser starts", total=None)

    def told(row: str, done: int, of: int) -> None:
        progress.update(work, description=f"{name} {row}".strip()[:48], completed=done, total=of)

    try:
        return await run.measure(asked.speech, asked.data_dir, name, planned, told)
    finally:
        progress.remove_task(work)


async def _greetings(asked: Asked, own: Sequence[corpus.Clip] | None, progress: Progress) -> dict[str, Any]:
    work = progress.add_task("machine or person", total=None)
    try:
        if own is None:
            each = QUICK_GREETINGS if asked.quick else GREETINGS
            return await amd.measured(
                asked.seed, each, lambda done, of: progress.update(work, completed=done, total=of)
            )
        given = [clip for clip in own if clip.greets]
        if not given:
            return {}
        heard = []
        for clip in given:
            kind = Kind(clip.label.removeprefix(corpus.AMD))
            heard.append(amd.listen(Greeting(kind, clip.text, clip.pcm), partials=False))
            await asyncio.sleep(0)
        return {"own_greetings": amd.figures(heard)}
    finally:
        progress.remove_task(work)


def _amd_figures(heard: Mapping[str, Any], *, judged: bool) -> list[Figure]:
    found: list[Figure] = []

    def figure(
        name: str, value: float, unit: str = "%", at_most: float | None = None, at_least: float | None = None
    ) -> None:
        found.append(Figure(name, value, unit, at_most if judged else None, at_least if judged else None))

    for name, row in heard.items():
        if name == "beep":
            figure("beep found", round(100 * row["beep_found"], 2), at_least=98)
            figure("beep found in speech and music that has none", round(100 * row["beep_false"], 2), at_most=0.5)
            continue
        asked = name == "with_partials"
        told = {"with_partials": "with words", "without_partials": "without words"}.get(name, "own")
        figure(f"AMD {told}: person → machine", round(100 * row["person_to_machine"], 2), at_most=2 if asked else None)
        figure(f"AMD {told}: machine → person", round(100 * row["machine_to_person"], 2), at_most=8 if asked else None)
        if row["decision_s"]:
            figure(f"AMD {told}: decision p50", row["decision_s"]["p50"], "s", at_most=2 if asked else None)
            figure(f"AMD {told}: decision p95", row["decision_s"]["p95"], "s")
    return found


def _write(
    asked: Asked, results: Sequence[run.Result], found: Sequence[Figure], heard: Mapping[str, Any]
) -> list[Path]:
    about = machine()
    asked.out.mkdir(parents=True, exist_ok=True)
    told = {
        "seed": asked.seed,
        "quick": asked.quick,
        "corpus": asked.corpus.name if asked.corpus else "built-in",
        "machine": about,
        "figures": [asdict(figure) for figure in found],
        "recognizers": [asdict(result) for result in results],
        "amd": heard,
    }
    files = [asked.out / "hearing.json", asked.out / "hearing.html"]
    html = page.html(
        results, found, language=asked.language, amd=heard, about=about, own=asked.corpus is not None
    )  # fmt: skip
    for file, text in zip(files, (json.dumps(told, ensure_ascii=False, indent=1), html), strict=True):
        aside = file.with_name(f".{file.name}.new")
        aside.write_text(text, "utf-8")
        aside.replace(file)
    return files
