"""Templates: one environment for each language, and what all of them may use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from web.pages import labels, locale, wording

FOLDER = Path(__file__).resolve().parent.parent / "templates"


@cache
def environment(language: str) -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    made.install_gettext_translations(locale.words(language), newstyle=True)  # type: ignore[attr-defined]
    made.filters |= wording.filters(language)
    made.filters |= {"zip_with": _zip_with, "label_of": _label_of(language)}
    made.globals |= {
        "same": _same,
        "choices_of": _segments,
        "phones_of": _numbers,
        "retry_options": _retry,
        "paste_hint": _hint,
        "label": labels.labels(language),
        "tone": labels.tone,
        "languages": locale.LANGUAGES,
    }
    return made


# --- what a list of things to choose from is made of: (value, text) or (value, text, note) ----------------------------


def _same(values: Iterable[str]) -> list[tuple[str, str]]:
    return [(value, value) for value in values]


def _zip_with(values: Iterable[Any], texts: Iterable[str]) -> list[tuple[Any, str]]:
    return list(zip(values, texts, strict=True))


def _label_of(language: str) -> Callable[[str, str], str]:
    """`label` as a filter: the value comes first."""
    label = labels.labels(language)
    return lambda value, group: label(group, value)


def _segments(found: Iterable[Any]) -> list[tuple[int, str, str]]:
    return [(each.id, each.name, str(each.size)) for each in found]


def _numbers(found: Iterable[Any]) -> list[tuple[str, str, str]]:
    return [(n.number, wording.phone("", n.number), ", ".join(filter(None, (n.operator, n.region)))) for n in found]


def _retry(outcomes: Iterable[str], label: Callable[[str, object], str]) -> list[tuple[str, str, str]]:
    return [(one, label("result" if one == "answering_machine" else "status", one), "") for one in outcomes]


def _hint(keys: list[str], before: str, after: str) -> str:
    return f"{before} {'; '.join(keys)}. {after}" if keys else after


def draw(language: str, template: str, given: dict[str, Any], part: str = "") -> str:
    """The template as text; with `part` only `parts/<template>_<part>.html`, which it includes."""
    drawn = environment(language)
    name = f"parts/{template.removesuffix('.html')}_{part}.html"
    wanted = name if part and (FOLDER / name).is_file() else template
    return drawn.get_template(wanted).render(given)
