"""Asks another system over HTTP and keeps what it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import jsonpath
from pydantic import BeforeValidator, Field

from scenarios.card import (
    NAME,
    Arrow,
    Card,
    Fault,
    Here,
    Speech,
    Template,
    Turn,
    about,
    fault,
    leave,
    prompt,
    prompt_faults,
    stay,
    textual,
)
from scenarios.problems import CardError, Label
from scenarios.talk import Event, Fetch, Fetched, Value
from scenarios.template import MOST_VALUE

Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
Templates = Annotated[Mapping[str, Template], Field(max_length=50)]
_MOST_BODY = 2000  # values in a body


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Запрос", "Web request")
    does = Label(
        "Обращается к другой системе по HTTP и сохраняет части ответа в переменные.",
        "Asks another system over HTTP and keeps parts of the answer in variables.",
    )
    icon = "globe"
    group = "data"
    waits = True

    integration: Annotated[str, BeforeValidator(textual), Field(max_length=100)] = about(
        "Интеграция", "Integration", default=""
    )
    url: Template = about("Адрес", "Address", default="")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = about("Метод", "Method", default="POST")
    type: Literal["json", "form"] = about("Вид тела", "Body as", default="json")
    headers: Annotated[Mapping[Header, Template], Field(max_length=50)] = about(
        "Заголовки", "Headers", default_factory=dict
    )
    params: Templates = about("Параметры адреса", "Query", default_factory=dict)
    body: Any = about("Тело", "Body", default=None)
    auth: Annotated[
        Mapping[Literal["basic", "bearer"], Annotated[str, Field(max_length=4000, pattern=r"^[^\r\n\x00]*$")]],
        Field(max_length=1),
    ] = about("Вход", "Authorization", default_factory=dict)
    save: Annotated[
        Mapping[Annotated[str, Field(pattern=NAME)], Annotated[str, Field(max_length=200)]], Field(max_length=50)
    ] = about("Сохранить (JSONPath)", "Save (JSONPath)", default_factory=dict)
    timeout_s: Annotated[float, Field(ge=0.5, le=60)] = about("Ждать, с", "Wait, s", default=5.0)
    fill: Speech | None = about("Что звучит, пока ждём", "Played meanwhile", default=None)
    ok: Arrow = about("получилось", "ok")
    failed: Arrow = about("не удалось", "failed", default="")

    def faults(self) -> Iterator[Fault]:
        if not (self.integration or self.url):
            yield fault("one_of", "url", what="integration, url")
        if self.url and "{" not in self.url.split("://")[0] and not _is_http(self.url):
            yield fault("bad_value", "url", what=self.url[:100])
        if sum(1 for _ in _texts(self.body)) > _MOST_BODY:
            yield fault("too_large", "body", what=f"> {_MOST_BODY}")
        for name, path in self.save.items():
            if trouble := _wrong(path):
                yield fault("bad_path", "save", name, what=trouble)
        if not self.failed:
            yield fault("no_fallback", "failed", what="failed")
        if self.fill is not None:
            yield from prompt_faults(self.fill, "fill")

    def templates(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield ("url",), self.url
        for name, group in (("headers", self.headers), ("params", self.params)):
            for key, text in group.items():
                yield (name, key), text
        for path, text in _texts(self.body):
            yield ("body", *path), text
        if self.fill is not None:
            yield ("fill", "say"), self.fill.say

    def sayings(self) -> Iterator[Any]:
        if self.fill is not None:
            yield self.fill

    def saves(self) -> Iterator[str]:
        return iter(self.save)

    def enter(self, here: Here) -> Turn:
        return stay(
            Fetch(
                integration=self.integration,
                url=here.render(self.url).strip(),
                method=self.method,
                type=self.type,
                headers={name: " ".join(here.render(text).split()) for name, text in self.headers.items()},
                params={name: here.render(text) for name, text in self.params.items()},
                body=_rendered(self.body, here),
                auth={str(kind): secret for kind, secret in self.auth.items()},
                timeout_s=self.timeout_s,
                fill=None if self.fill is None else prompt(self.fill, here),
            )
        )

    def on(self, event: Event, here: Here) -> Turn:
        if not isinstance(event, Fetched):
            return Turn()
        if not 200 <= event.status < 300:
            return leave("failed", detail=(event.error or f"HTTP {event.status}")[:200])
        sets: dict[str, Value] = {}
        for name, path in self.save.items():
            found = _found(path, event.body)
            if found is not None:
                sets[name] = found
        return leave("ok", detail=f"HTTP {event.status}", sets=sets)


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url.replace("{", "").replace("}", ""))
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and url.isprintable()


def _texts(value: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield (), value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            for path, text in _texts(inner):
                yield (key, *path), text
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            for path, text in _texts(inner):
                yield (i, *path), text


def _rendered(value: Any, here: Here) -> Any:
    """A text that is one expression keeps its type, so that numbers stay numbers in JSON."""
    if isinstance(value, str):
        return here.value(value)
    if isinstance(value, Mapping):
        return {str(key): _rendered(inner, here) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rendered(inner, here) for inner in value]
    return value


@lru_cache(maxsize=1024)
def _wrong(path: str) -> str:
    """Why this JSONPath will not do; empty if it will. Filters and repeated `..` could take long on a large answer."""
    if path.count("..") > 1 or any(mark in path for mark in "?^|&()~#"):
        return f"{path[:60]}: names, indices, * and one .. only"
    if path.count("*") + path.count(":") + path.count("..") > 3:
        return f"{path[:60]}: too many wildcards"
    try:
        jsonpath.compile(path)
    except (jsonpath.JSONPathError, RecursionError, ValueError) as error:
        return str(error).splitlines()[0][:100]
    return ""


def _found(path: str, body: object) -> Value:
    if not isinstance(body, dict | list):
        return None
    try:
        match = jsonpath.match(path, body)
    except (jsonpath.JSONPathError, RecursionError, ValueError) as error:
        raise CardError(f"JSONPath: {error}"[:200]) from None
    if match is None:
        return None
    value: Any = match.obj
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return str(text)[:MOST_VALUE]
