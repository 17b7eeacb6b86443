"""The panel's languages. English is what the sources say; the others are catalogues, compiled when first needed.

locales/<language>/*.po ─▶ babel ─▶ gettext, once for each language
"""

from __future__ import annotations

import io
from functools import cache
from gettext import NullTranslations
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

FOLDER = Path(__file__).resolve().parent.parent / "locales"
LANGUAGES = {"ru": "Русский", "en": "English"}
SOURCE = "en"


def catalog(language: str) -> Catalog:
    """All of a language's files as one catalogue. Raises ValueError if two of them translate a message differently."""
    whole = Catalog(locale=language)
    for file in sorted((FOLDER / language).glob("*.po")):
        with file.open("rb") as source:
            part = read_po(source, locale=language, abort_invalid=True)
        for message in part:
            if not message.id:
                continue
            known = whole.get(message.id, message.context)
            if known is not None and known.string != message.string:
                raise ValueError(f"{file.name}: {message.id!r} is translated twice, and differently")
            whole[message.id] = message
    return whole


@cache
def words(language: str) -> NullTranslations:
    """The translations into `language`; an unknown one is English."""
    if language == SOURCE or language not in LANGUAGES:
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, catalog(language))
    compiled.seek(0)
    return Translations(compiled)
