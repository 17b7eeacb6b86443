"""Forms: what was typed, kept as it was typed, and what is wrong with it, at its field.

schedule.windows.0.from=10:00 ─▶ nested ─▶ pydantic ─▶ /schedule/windows/0/from ─▶ the field's message
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from engine.errors import InputError, Problem
from web.problems import invalid
from web.words import below

Model = TypeVar("Model", bound=BaseModel)
Typed = Mapping[str, list[str]]  # a field's name in dots, and its values


class Form:
    """What a form shows. Values are texts; `errors` are by the field's name, `general` belong to none."""

    def __init__(self, values: Mapping[str, object] | None = None, problems: Iterable[tuple[str, str]] = ()) -> None:
        self._values = {name: _texts(value) for name, value in (values or {}).items()}
        self.errors: dict[str, str] = {}
        for path, message in problems:
            self.errors.setdefault(path.strip("/").replace("/", "."), message)
        self._told: set[str] = set()
        self.mark = ""

    def within(self, mark: str) -> Form:
        """The same form, told from others of its page: fields of both may have one name."""
        self.mark = mark
        return self

    def __call__(self, name: str, default: str = "") -> str:
        values = self._values.get(name)
        return values[0] if values else default

    def all(self, name: str) -> list[str]:
        return list(self._values.get(name, ()))

    def has(self, name: str, value: object) -> bool:
        return str(value) in self._values.get(name, ())

    def error(self, *names: str) -> str:
        """The messages of these fields, and of what is under them (`numbers` has those of `numbers.0`)."""
        found = []
        for path, message in self.errors.items():
            if any(path == name or path.startswith(name + ".") for name in names):
                self._told.add(path)
                if message not in found:
                    found.append(message)
        return " ".join(found)

    def rest(self) -> list[str]:
        """What no field has shown: to be asked for when the fields have been drawn."""
        return list(dict.fromkeys(message for path, message in self.errors.items() if path not in self._told))

    def count(self, prefix: str) -> int:
        """How many rows `prefix.0.…`, `prefix.1.…` were typed."""
        rows = {name[len(prefix) + 1 :].partition(".")[0] for name in self._values if name.startswith(prefix + ".")}
        return max((int(row) + 1 for row in rows if row.isascii() and row.isdigit()), default=0)


def _texts(value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [str(each) for each in value]
    return [str(value)]


def rows(typed: Typed, prefix: str, needs: tuple[str, ...]) -> list[dict[str, list[str]]]:
    """The repeated groups `prefix.N.…` in their order, without those where none of `needs` was filled."""
    found: dict[int, dict[str, list[str]]] = {}
    for name, values in typed.items():
        if name.startswith(prefix + "."):
            index, _, rest = name[len(prefix) + 1 :].partition(".")
            if index.isascii() and index.isdigit() and len(index) < 4:
                found.setdefault(int(index), {})[rest] = values
    ordered = [found[index] for index in sorted(found)]
    return [row for row in ordered if any(text.strip() for name in needs for text in row.get(name, ()))]


def nested(typed: Typed, lists: Iterable[str] = ()) -> dict[str, Any]:
    """Dotted names as objects. A field left empty is absent; those of `lists` have all their values."""
    several = set(lists)
    body: dict[str, Any] = {}
    for name, values in typed.items():
        filled = [value for value in values if value.strip()]
        if name not in several and not filled:
            continue
        *folders, last = name.split(".")
        at = body
        for folder in folders:
            at = at.setdefault(folder, {})
        at[last] = filled if name in several else filled[0]
    return body


def validated(model: type[Model], body: Mapping[str, Any], language: str) -> Model:
    """Raises InputError with every fault at its path."""
    try:
        return model.model_validate(dict(body))
    except ValidationError as error:
        raise invalid(error, language) from None


def problems(error: InputError, language: str) -> list[tuple[str, str]]:
    """(path, message) of each, or the error itself at no path."""
    found: list[Problem] = list(error.problems)
    if not found:
        return [("", below(language, str(error)))]
    return [(each.path, below(language, each.message)) for each in found]
