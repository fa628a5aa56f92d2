"""The pages' own words, in the languages of ``serving.languages``; domain "pages" of the locale."""

from __future__ import annotations

import gettext
import io
from functools import cache

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from serving.languages import FOLDER, LANGUAGES

NAMES = {"en": "English", "es": "Español", "it": "Italiano"}


def read_catalog(lang: str) -> Catalog:
    """The pages' messages in a language; English is what the templates themselves say."""
    with (FOLDER / lang / "LC_MESSAGES" / "pages.po").open("rb") as file:
        return read_po(file, locale=lang, abort_invalid=True)


@cache
def translations(lang: str) -> gettext.NullTranslations:
    """The pages' words in a language."""
    if lang == LANGUAGES[0]:
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, read_catalog(lang))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def mark(said: str) -> str:
    """A word that a template translates later: extraction finds it by this call."""
    return said
