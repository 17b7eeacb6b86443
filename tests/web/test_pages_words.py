"""The catalogues: everything that the panel says can be said in both languages."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_file

from web.pages import locale, wording
from web.pages.labels import LABELS, labels

WEB = Path(locale.__file__).resolve().parent.parent
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
HOLES = re.compile(r"%\((\w+)\)s")
Id = str | tuple[str, ...]


@cache
def said() -> frozenset[Id]:
    """Every message of the templates and of the code."""
    found: set[Id] = set()
    for file in sorted((WEB / "templates").rglob("*.html")):
        rows = extract_from_file("jinja2.ext:babel_extract", file, KEYWORDS, options={"silent": "false"})
        found |= {row[1] for row in rows}
    for file in sorted((WEB / "pages").glob("*.py")):
        found |= {row[1] for row in extract_from_file("python", file, {"N_": None, "gettext": None})}
    return frozenset(found)


@cache
def known() -> dict[Id, Message]:
    return {m.id if isinstance(m.id, str) else tuple(m.id): m for m in locale.catalog("ru") if m.id}


def test_nothing_is_untranslated() -> None:
    assert len(said()) > 400
    assert said() - known().keys() == set()
    empty = [m.id for m in known().values() if not m.string or (not isinstance(m.string, str) and not all(m.string))]
    assert empty == [] and not any(m.fuzzy for m in known().values())


def test_nothing_is_translated_that_nobody_says() -> None:
    assert known().keys() - said() == set()


def test_the_sources_are_english() -> None:
    cyrillic = re.compile("[А-Яа-яЁё]")
    assert [id for id in said() if cyrillic.search("".join(id))] == []
    templates = {f.name: f.read_text("utf-8") for f in (WEB / "templates").rglob("*.html") if f.name != "language.html"}
    assert [name for name, text in templates.items() if cyrillic.search(text)] == []


def test_translations_have_the_same_holes() -> None:
    for message in known().values():
        wanted = set(HOLES.findall("".join(message.id)))
        for text in [message.string] if isinstance(message.string, str) else message.string or ():
            assert set(HOLES.findall(text)) == wanted, message.id


def test_russian_counts_as_russian_does() -> None:
    count = locale.words("ru").ngettext
    told = [count("%(num)s card", "%(num)s cards", n) % {"num": n} for n in (1, 2, 5, 21)]
    assert told == ["1 карточка", "2 карточки", "5 карточек", "21 карточка"]


def test_templates_say_nothing_past_the_catalogues() -> None:
    """Words between tags that no `_()` gives."""
    for file in (WEB / "templates").rglob("*.html"):
        text = re.sub(r"\{[{%#].*?[}%#]\}", " ", file.read_text("utf-8"), flags=re.S)
        loose = [words.strip() for words in re.sub(r"<[^>]*>", "\n", text).splitlines()]
        assert [
            words for words in loose if re.search("[A-Za-z]{3,}", words) and "=" not in words and words != "CSV"
        ] == [], file.name


@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_word_that_is_not_known_stays_as_it_is(language: str) -> None:
    label = labels(language)
    assert label("status", "answered") == {"ru": "отвечено", "en": "answered"}[language]
    assert label("status", "unheard_of") == "unheard_of" and label("cause", 999) == "999"


def test_every_status_and_result_has_a_word() -> None:
    from engine.model import Result, Status

    assert {s.value for s in Status} <= LABELS["status"].keys()
    assert {r.value for r in Result} == LABELS["result"].keys()


def test_numbers_and_moments_as_people_write_them() -> None:
    assert wording.lasting("ru", 18_240) == "0:18" and wording.lasting("ru", 3_725_000) == "1:02:05"
    assert wording.moment("ru", 62_140) == "1:02.1"
    assert wording.phone("ru", "+79001234567") == "+7\u00a0900\u00a0123\u201145\u201167"
    assert wording.phone("ru", "sip:x") == "sip:x"
    assert wording.money("ru", 7300) == "73,00\u00a0₽" and wording.money("en", None) == "—"
    assert wording.percent("en", 0.5) == "50%" and wording.percent("en", 0.012) == "1.2%"
