"""Everything that was measured as one HTML page that can be sent by mail: tables, plots, what the figures mean.

Russian or English; nothing is fetched from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from bench.figures import Figure
from bench.hearing import plots
from bench.hearing.run import Result
from bench.hearing.words import WORDS, said

STYLE = """
:root{color-scheme:light dark;--c0:#1a7f4b;--c1:#c0392b;--c2:#b7791f;--c3:#2b6cb0;--grid:#8884}
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:1rem}
h1{line-height:1.2}h2{margin-top:2.2rem}table{border-collapse:collapse;width:100%}
td,th{padding:.3rem .6rem;border-bottom:1px solid var(--grid);text-align:left;font-weight:400}
thead th{font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.pass{color:var(--c0)}.miss{color:var(--c1);font-weight:600}.note{opacity:.75}
svg{width:100%;min-width:44rem;height:auto;font:12px system-ui,sans-serif;fill:currentColor}
.c0{fill:var(--c0)}.c1{fill:var(--c1)}.c2{fill:var(--c2)}.c3{fill:var(--c3)}
.l0,.l1,.l2,.l3{fill:none;stroke-width:2}.l0{stroke:var(--c0)}.l1{stroke:var(--c1)}.l2{stroke:var(--c2)}
.l3{stroke:var(--c3)}.grid{stroke:var(--grid)}.mark{stroke:var(--c1);stroke-dasharray:4 4}
.matrix td{text-align:center}.cell{background:color-mix(in srgb,var(--c1) calc(var(--share)*100%),transparent)}
.right{background:color-mix(in srgb,var(--c0) calc(var(--share)*100%),transparent)}.wide{overflow-x:auto}
"""


def html(
    results: Sequence[Result],
    figures: Sequence[Figure],
    *,
    language: str = "ru",
    amd: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
    own: bool = False,
) -> str:
    """The page. `figures`: what is asked; `amd`: `bench.amd.run`; `own`: recordings of the user's, not ours."""
    say = WORDS.get(language, WORDS["en"])
    parts = [f"<h1>{say['title']}</h1>", f"<p>{say['lead']} {say['own'] if own else say['synthetic']}</p>"]
    parts.append(f"<p class='note'>{_machine(about or {}, say)}</p>")
    asked = [figure for figure in figures if figure.passes is not None]
    parts.append(_figures(asked, say, say["asked"], language) if asked else "")
    for result in results:
        parts += _result(result, say, language)
    if amd:
        parts += _amd(amd, say)
    parts.append(_figures([figure for figure in figures if figure.passes is None], say, say["all"], language))
    return (
        f"<!doctype html><html lang='{escape(language)}'><head><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'><title>{say['title']}</title>"
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _machine(about: Mapping[str, Any], say: Mapping[str, str]) -> str:
    told = ", ".join(f"{name} {value}" for name, value in about.items())
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC. {say['machine']}: {escape(told)}"


def _figures(figures: Sequence[Figure], say: Mapping[str, str], title: str, language: str) -> str:
    rows = []
    for figure in figures:
        verdict = {
            None: "",
            True: f"<td class='pass'>{say['pass']}</td>",
            False: f"<td class='miss'>{say['miss']}</td>",
        }
        rows.append(
            f"<tr><td>{escape(said(figure.name, language))}</td>"
            f"<td class='n'>{figure.value:g} {escape(said(figure.unit, language))}</td>"
            f"<td class='n'>{escape(figure.target)}</td>{verdict[figure.passes]}</tr>"
        )
    head = f"<th>{say['figure']}</th><th>{say['measured']}</th><th>{say['target']}</th><th></th>"
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f"<h2>{title}</h2><div class='wide'><table>{body}</table></div>"


def _result(result: Result, say: Mapping[str, str], language: str) -> list[str]:
    parts = [f"<h2>{escape(result.recognizer)}</h2>", f"<p class='note'>{escape(result.why)}. "]
    parts.append(f"{say['demo'] if result.demonstration else ''}</p>")
    used = result.used
    cpu, memory = used.get("recogniser_cpu_per_speech_s"), used.get("workers_memory_mb")
    parts.append(f"<p>{say['cpu']}: {cpu}; {say['memory']}: {memory}</p>")
    rows = [row for row in result.rows if row["kind"] == "commands"]
    shown = [
        (f"{row['language']}, {said(row['condition'], language)}", (row["right"], row["wrong"], row["accepted"]))
        for row in rows
    ]
    legend = (say["right"], say["wrong"], say["accepted"])
    if shown:
        parts.append(f"<h3>{say['commands']}</h3>{_wide(plots.bars(shown, legend))}")
        parts.append(_confusions(rows[0], say))
    turns = _turns(result, say, language)
    if turns:
        parts.append(f"<h3>{say['turns']}</h3>{_wide(plots.bars(turns, ()))}")
    curves = plots.curves({say["partial"]: result.partial_ms, say["final"]: result.final_ms}, marks=(350, 900))
    if curves:
        parts.append(f"<h3>{say['delay']}</h3>{_wide(curves)}")
    return parts


def _wide(plot: str) -> str:
    return f"<div class='wide'>{plot}</div>"


def _confusions(row: Mapping[str, Any], say: Mapping[str, str]) -> str:
    told = "".join(f"<li>{escape(name)}: {count}</li>" for name, count in list(row["confusions"].items())[:8])
    return f"<h4>{say['confusions']}</h4><ul>{told}</ul>" if told else ""


def _turns(result: Result, say: Mapping[str, str], language: str) -> list[tuple[str, Sequence[float]]]:
    found: list[tuple[str, Sequence[float]]] = []
    for row in result.rows:
        if row["kind"] == "paused":
            found += [(say["cut"], (row["cut_off"],)), (say["unheard"], (row["unheard"],))]
        elif row["kind"] == "prompt":
            found.append((f"{say['interrupted']}: {said(row['condition'], language)}", (row["interrupted"],)))
        elif row["kind"] == "interruption":
            found.append((f"{say['noticed']}: {said(row['condition'], language)}", (row["noticed_in_time"],)))
    return found


def _amd(amd: Mapping[str, Any], say: Mapping[str, str]) -> list[str]:
    names = {**say, "machine": say["machine_kind"]}
    parts = [f"<h2>{say['amd']}</h2><p class='note'>{say['amd_how']}</p>"]
    shown = [name for name in ("with_partials", "without_partials", "own_greetings") if name in amd]
    return parts + [f"<h3>{say[name]}</h3>{plots.matrix(amd[name]['confusion'], names)}" for name in shown]
