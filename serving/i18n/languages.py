"""The languages of sentences: message catalogues, and how each writes numbers and dates.

The catalogues are gettext files, ``serving/i18n/locale/<language>/LC_MESSAGES/messages.po``,
compiled in memory when first asked for: what is reviewed is what is served. Separators and dates
come from CLDR (babel), but thousands are always separated, in Spanish from 1.000 on.
"""

from __future__ import annotations

import gettext
import io
import re
from functools import cache
from pathlib import Path

from babel import Locale
from babel.dates import format_date
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from serving.i18n.display_zone import shown_day

LANGUAGES = ("en", "es", "it")
"""The first is spoken where nobody asks for another."""

FOLDER = Path(__file__).parent / "locale"


def place(lang: str) -> Path:
    """The file of a language's messages."""
    return FOLDER / lang / "LC_MESSAGES" / "messages.po"


def read_messages(lang: str) -> Catalog:
    """A language's messages as babel reads them; English is what the code itself says."""
    if lang not in LANGUAGES[1:]:
        raise ValueError(f"no messages in {lang!r}; there are {', '.join(LANGUAGES[1:])}")
    with place(lang).open("rb") as file:
        return read_po(file, locale=lang, abort_invalid=True)


@cache
def translations(lang: str) -> gettext.NullTranslations:
    """A language's messages, ready to use; an unknown language is a ValueError."""
    if lang == LANGUAGES[0]:
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, read_messages(lang))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@cache
def message_ids() -> frozenset[str]:
    """The ids that have a message (of one without a plural)."""
    return frozenset(m.id for m in read_messages(LANGUAGES[1]) if isinstance(m.id, str))


@cache
def _separators(lang: str) -> dict[int, str]:
    symbols = Locale.parse(lang).number_symbols["latn"]
    return str.maketrans({",": symbols["group"], ".": symbols["decimal"]})


def number(value: float, lang: str = "en") -> str:
    """A number as people write it: thousands apart, three digits where it is not whole."""
    return _plain(value).translate(_separators(lang))


def _plain(value: float) -> str:
    if value == 0:
        return "0"
    if value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if abs(value) >= 10 else f"{value:.3g}"


def fixed(value: float, decimals: int, lang: str) -> str:
    """A number with so many decimals."""
    return f"{value:,.{decimals}f}".translate(_separators(lang))


def date(at: int, lang: str = "en") -> str:
    """The day of an instant where the company is, in words: 3 March 2026."""
    # the world's English, with the day before the month, as the others have it
    locale = "en_GB" if lang == "en" else lang
    return format_date(shown_day(at), "long", locale)


def mark(said: str) -> str:
    """A word that is translated where it is shown: extraction finds it by this call."""
    return said


_RANGE = re.compile(r"\s*([A-Za-z]{2,3})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")


def negotiate(header: str) -> str:
    """The language of an Accept-Language header that we speak best liked; else the first.

    Equal weights go by the header's order (RFC 9110, 12.5.4); what cannot be read is passed over.
    """
    liked: list[tuple[float, str]] = []
    for part in header.split(","):
        found = _RANGE.fullmatch(part)
        if found and found[1].lower() in LANGUAGES:
            liked.append((float(found[2] or 1), found[1].lower()))
    best = max(liked, key=lambda pair: pair[0], default=(0.0, LANGUAGES[0]))
    return best[1] if best[0] > 0 else LANGUAGES[0]
