"""What can be wrong with a scenario, in both languages, each with the card, the field and a code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Label:
    """The same words in both languages of the product."""

    ru: str
    en: str

    def say(self, language: str) -> str:
        return self.ru if language.startswith("ru") else self.en


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong. `path` is a JSON pointer into the document, `card` and `field` say the same to a person."""

    path: str
    code: str
    message: Label
    severity: Severity = "error"
    card: str = ""
    field: str = ""

    @property
    def is_error(self) -> bool:
        return self.severity == "error"


class ScenarioError(Exception):
    """The document cannot be run. `problems` lists everything that is wrong with it, warnings included."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        errors = [p for p in self.problems if p.is_error]
        super().__init__("; ".join(f"{p.path or '/'}: {p.message.en}" for p in errors[:5]) or "the scenario is wrong")


class CardError(Exception):
    """A card cannot do its work in this talk: the talk ends as failed, with this reason."""


WARNINGS = frozenset(
    {"unreachable", "no_silence", "no_other", "indistinguishable", "never_used", "no_fallback", "not_a_field"}
)

WORDS: dict[str, Label] = {
    "too_large": Label("документ слишком велик: {what}", "the document is too large: {what}"),
    "not_parsed": Label("документ не читается: {what}", "the document cannot be read: {what}"),
    "wrong_type": Label("здесь ожидается другое: {what}", "something else is expected here: {what}"),
    "required": Label("нужно заполнить поле «{what}»", "the field {what!r} is required"),
    "unknown_field": Label("неизвестное поле «{what}»{near}", "unknown field {what!r}{near}"),
    "unknown_kind": Label("нет такой карточки: «{what}»{near}", "there is no such card: {what!r}{near}"),
    "bad_value": Label("недопустимое значение: {what}", "this value is not allowed: {what}"),
    "no_start": Label("не указана карточка, с которой начинать", "there is no card to start with"),
    "no_arrow": Label("из карточки не ведёт стрелка «{what}»", "the card has no arrow {what!r}"),
    "nowhere": Label(
        "стрелка ведёт в никуда: карточки «{what}» нет", "the arrow leads nowhere: there is no card {what!r}"
    ),
    "unreachable": Label("до карточки никак не дойти", "this card cannot be reached"),
    "endless": Label(
        "отсюда разговор никогда не кончится сам: {what}. Ограничьте повторы (max_visits) или ведите к завершению",
        "from here the talk never ends by itself: {what}. Limit the visits (max_visits) or lead to a hang-up",
    ),
    "no_material": Label(
        "нечего сказать: заполните одно из say, audio, material", "nothing to say: fill one of say, audio, material"
    ),
    "one_of": Label("нужно ровно одно из: {what}", "exactly one of these is needed: {what}"),
    "bad_template": Label("шаблон не читается: {what}", "the template does not parse: {what}"),
    "bad_expression": Label("выражение не читается: {what}", "the expression does not parse: {what}"),
    "unknown_name": Label(
        "нет такого поля или переменной: «{what}»{near}", "no such field or variable: {what!r}{near}"
    ),
    "not_a_field": Label(
        "в тесте есть поле, которого нет в сценарии: «{what}»", "the test fills an unknown field {what!r}"
    ),
    "indistinguishable": Label(
        "этот ответ не отличить от ответа {other}: {what}", "this answer cannot be told from answer {other}: {what}"
    ),
    "same_port": Label("две разные стрелки названы «{what}»", "two arrows to different cards are named {what!r}"),
    "never_used": Label("это ничего не меняет: {what}", "this changes nothing: {what}"),
    "no_silence": Label(
        "не сказано, что делать, если абонент молчит: {what}", "nothing is said of a silent subscriber: {what}"
    ),
    "no_other": Label(
        "не сказано, что делать с непонятным ответом: {what}", "nothing is said of an answer not understood: {what}"
    ),
    "no_fallback": Label("не сказано, что делать при исходе «{what}»", "nothing is said of the outcome {what!r}"),
    "bad_pattern": Label("такой образец не годится: {what}", "this pattern will not do: {what}"),
    "bad_path": Label("путь JSONPath не годится: {what}", "this JSONPath will not do: {what}"),
    "not_available": Label("карточка «{what}» пока не работает", "the card {what!r} is not available yet"),
}


def problem(path: str, code: str, *, card: str = "", field: str = "", **params: object) -> Problem:
    words = WORDS[code]
    given = {"what": "", "near": "", "other": "", **params}
    near = str(given["near"])
    ru = words.ru.format(**{**given, "near": f", возможно, «{near}»" if near else ""})
    en = words.en.format(**{**given, "near": f", perhaps {near!r}" if near else ""})
    return Problem(path, code, Label(ru, en), "warning" if code in WARNINGS else "error", card, field)


def pointer(*parts: object) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
