"""The demonstration's table: one line for each subscriber, live, then as it came out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from engine.model import CallEvent

STATES = {"dialing": "набор", "ringing": "гудки", "answered": "разговор", "ended": "окончен"}
MOST_ROWS = 40  # more than fit on a screen help nobody


class Board:
    """A rich renderable that follows the journal. `people`: number -> (name, what they do)."""

    def __init__(self, people: Mapping[str, tuple[str, str]]) -> None:
        self._people = people
        self._phones: dict[int, str] = {}
        self._states: dict[str, str] = {}
        self._words: dict[str, str] = {}

    def note(self, event: CallEvent) -> None:
        if event.kind == "dialing":
            self._phones[event.call_id] = str(event.data.get("phone", ""))
        number = self._phones.get(event.call_id)
        if number is None:
            return
        if event.kind in STATES:
            self._states[number] = STATES[event.kind]
        if event.kind == "ended":
            self._words[number] = " ".join(str(event.data.get(k) or "") for k in ("status", "result"))
        if event.kind in ("said", "heard", "partial"):
            who = "🤖" if event.kind == "said" else "👤"
            self._words[number] = f"{who} {str(event.data.get('text', ''))[:60]}"

    def __rich__(self) -> Table:
        table = self._table("сейчас")
        for number, (name, does) in list(self._people.items())[:MOST_ROWS]:
            table.add_row(name, does, number, self._states.get(number, "ждёт"), self._words.get(number, ""))
        return table

    def final(self, rows: Mapping[str, Mapping[str, Any]], verdicts: Mapping[str, str]) -> Table:
        table = self._table("что вышло")
        for number, (name, does) in list(self._people.items())[:MOST_ROWS]:
            row = rows.get(number, {})
            seconds = (row.get("duration_ms") or 0) / 1000
            heard = ", ".join(dict.fromkeys(s["heard"] for s in row.get("steps", ()) if s.get("heard")))
            outcome = " ".join(filter(None, (row.get("status"), row.get("result"), *row.get("tags", ()))))
            mark = f"[red]✗ {verdicts[number]}[/]" if verdicts[number] else "[green]✓[/]"
            table.add_row(name, does, number, f"{seconds:.1f} с" if seconds else "", f"{mark} {outcome} {heard}")
        return table

    def _table(self, last: str) -> Table:
        table = Table(title="Дозвон: демонстрация", expand=True)
        for column in ("абонент", "что делает", "номер", "ход"):
            table.add_column(column, overflow="ellipsis", no_wrap=True)
        table.add_column(last, overflow="ellipsis", no_wrap=True, ratio=1)  # what room there is
        return table
