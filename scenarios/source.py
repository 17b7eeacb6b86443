"""Text in, JSON-like values out: YAML and JSON read by one strict reader whose work is bounded.

    text ─▶ YAML events (or json) ─▶ dict, list, str, int, float, bool, None; never a date, never an alias

YAML is read by the rules of JSON: `yes`, `no` and `on` are words, `2026-12-01` and `10:00` are text, `007` keeps its
zeros.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from math import isinf
from typing import Any

import yaml

from scenarios.problems import Problem, ScenarioError, problem

MOST_CARDS = 2000
MOST_BYTES = 1_000_000
MOST_VALUES = 200_000
MOST_DEPTH = 24

_INT = re.compile(r"-?(0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,25})([eE][-+]?[0-9]{1,3})?\Z")  # any that Python writes
_WORDS: dict[str, bool | None] = {"true": True, "True": True, "false": False, "False": False}
_WORDS |= dict.fromkeys(("", "~", "null"))

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # pragma: no cover - PyYAML built without libyaml: slower, the same
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]


def read(source: str | bytes | Mapping[Any, Any]) -> dict[str, Any]:
    """The document as plain values, whichever form it came in. Raises ScenarioError: too large, deep or unreadable."""
    if isinstance(source, Mapping):
        value = _plain(source)
    else:
        text = _decoded(source)
        value = _json(text) if text.lstrip().startswith("{") else _NOTHING
        if value is _NOTHING:
            value = _yaml(text)
    if not isinstance(value, dict):
        raise ScenarioError([problem("", "wrong_type", what="{dozvon: 1, …}")])
    nodes = value.get("nodes")
    if isinstance(nodes, dict) and len(nodes) > MOST_CARDS:
        raise ScenarioError([problem("/nodes", "too_large", what=f"{len(nodes)} > {MOST_CARDS}")])
    return value


_NOTHING = object()


def _decoded(source: str | bytes) -> str:
    if len(source) > MOST_BYTES:
        raise _too_large(f"{len(source)} > {MOST_BYTES}")
    if isinstance(source, str):
        return source
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unread(f"UTF-8: {error.start}") from None


def _json(text: str) -> Any:
    try:
        return _plain(json.loads(text, parse_constant=_no_constant))
    except RecursionError:
        raise _too_large(f"> {MOST_DEPTH} levels") from None
    except ValueError:
        return _NOTHING  # YAML in braces


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _too_large(what: str) -> ScenarioError:
    return ScenarioError([problem("", "too_large", what=what)])


def _unread(what: str) -> ScenarioError:
    return ScenarioError([problem("", "not_parsed", what=what)])


def _yaml(text: str) -> Any:
    try:
        return _Builder(yaml.parse(text, Loader=_Loader)).value
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" ({mark.line + 1}:{mark.column + 1})" if mark else ""
        raise _unread(f"{error.problem or error.context}{where}") from None
    except yaml.YAMLError as error:
        raise _unread(str(error).splitlines()[0][:200]) from None
    except RecursionError:
        raise _too_large(f"> {MOST_DEPTH} levels") from None


class _Builder:
    """Builds the value from YAML events, bounded as it goes."""

    def __init__(self, events: Any) -> None:
        self._stack: list[tuple[Any, str | None]] = []  # an open container and the key that waits for its value
        self._count = 0
        self.value: Any = _NOTHING
        for event in events:
            self._take(event)
        if self.value is _NOTHING:
            self.value = None

    def _take(self, event: Any) -> None:
        match event:
            case yaml.AliasEvent():
                raise _unread(f"YAML alias ({_line(event)})")
            case yaml.ScalarEvent():
                self._put(event.value if event.style else _scalar(event.value), event)
            case yaml.MappingStartEvent():
                self._open({}, event)
            case yaml.SequenceStartEvent():
                self._open([], event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._stack.pop()
            case yaml.DocumentStartEvent() if self.value is not _NOTHING:
                raise _unread("more than one document")

    def _open(self, container: Any, event: Any) -> None:
        if len(self._stack) >= MOST_DEPTH:
            raise _too_large(f"> {MOST_DEPTH} levels ({_line(event)})")
        self._put(container, event)
        self._stack.append((container, None))

    def _put(self, value: Any, event: Any) -> None:
        self._count += 1
        if self._count > MOST_VALUES:
            raise _too_large(f"> {MOST_VALUES} values")
        if event.anchor is not None or (event.tag is not None and event.tag != "!"):
            raise _unread(f"YAML anchor or tag ({_line(event)})")
        if not self._stack:
            self.value = value
            return
        container, key = self._stack[-1]
        if isinstance(container, list):
            container.append(value)
        elif key is None:
            if not isinstance(event, yaml.ScalarEvent):
                raise _unread(f"a key must be a word ({_line(event)})")
            if event.value in container:
                raise _unread(f"{event.value!r} twice ({_line(event)})")
            self._stack[-1] = (container, event.value)
        else:
            container[key] = value
            self._stack[-1] = (container, None)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        value = float(text)
        return text if isinf(value) else value
    return text


def _plain(value: Any) -> Any:
    """Values of somebody else's making brought to ours: keys are text, dates are ISO 8601."""
    budget = MOST_VALUES

    def walk(value: Any, depth: int) -> Any:
        nonlocal budget
        budget -= 1
        if budget < 0 or depth > MOST_DEPTH:
            raise _too_large(f"> {MOST_DEPTH} levels" if depth > MOST_DEPTH else f"> {MOST_VALUES} values")
        if isinstance(value, str):
            if len(value) > MOST_BYTES:
                raise _too_large(f"{len(value)} > {MOST_BYTES}")
            return value
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            if abs(value) >= 10**18:
                raise _too_large("a number of more than 18 digits")
            return value
        if isinstance(value, float):
            if value != value or abs(value) == float("inf"):
                raise _unread("a number that is none")
            return value
        if isinstance(value, Mapping):
            return {_key(k): walk(v, depth + 1) for k, v in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
            return [walk(v, depth + 1) for v in value]
        if isinstance(value, date | datetime):
            return value.isoformat()
        raise _unread(f"a value of type {type(value).__name__}")

    return walk(value, 0)


def _key(key: Any) -> str:
    if isinstance(key, bool) or key is None:
        return json.dumps(key)
    return key if isinstance(key, str) else str(key)


def dump(document: Mapping[str, Any]) -> str:
    """The document as YAML that `read` reads back to the same values."""
    return yaml.dump(dict(document), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _written(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Rare line breaks would come back as spaces from a plain or a single-quoted text."""
    style = '"' if re.search("[\\x85\u2028\u2029]", text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _written)


def problems_of(source: str | bytes | Mapping[Any, Any]) -> tuple[dict[str, Any] | None, list[Problem]]:
    """`read`, with its refusal as a list."""
    try:
        return read(source), []
    except ScenarioError as error:
        return None, list(error.problems)
