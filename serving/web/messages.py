"""Every text that people read, in one catalogue a language, kept in step by Babel.

Babel extracts what the templates say and what the code marks (``mark``, ``lazy``); what is declared
elsewhere, such as the titles of features, is added to it. English is what the code itself says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from features.definitions.activity import ONE
from features.definitions.glossary import named
from serving.analytics.health.actions import TO_DO
from serving.analytics.kpis.catalog import chosen
from serving.analytics.kpis.definition import WARNINGS
from serving.analytics.quality.impossible import RULES
from serving.i18n import sentences
from serving.i18n.languages import LANGUAGES, place, read_messages
from serving.web.render import HERE

METHODS = [("web/templates/**.html", "jinja2"), ("**.py", "python")]
KEYWORDS = {"mark": None, "lazy": None, "_": None, "gettext": None, "ngettext": (1, 2)}
_BLANK = re.compile(r"\{\w+\}")
"""A blank and nothing else: a company's own label, or a bare value."""

Text = str | tuple[str, str]
"""A message's id; of one with a plural both forms."""


def required() -> Catalog:
    """Every message, with the file or the part of the product that says it."""
    found = Catalog()
    for file, _, text, _, context in extract_from_dir(HERE.parent, METHODS, keywords=KEYWORDS):
        if isinstance(text, tuple) or not _BLANK.fullmatch(text):
            found.add(text, locations=[(file, None)], context=context)  # type: ignore[list-item]
    for text, place_ in _declared():
        found.add(text, locations=[(place_, None)])  # type: ignore[list-item]
    for kind in ONE.values():
        found.add(kind, locations=[("features", None)], context=sentences.KIND)  # type: ignore[list-item]
    return found


def _declared() -> Iterator[tuple[Text, str]]:
    """Texts that stand in declarations."""
    for spec in named():
        for phrase in (spec.title, spec.fills.get("field", ""), spec.absent):
            if phrase and not _BLANK.fullmatch(phrase):
                yield phrase, "features"
    for text in sentences.TEXTS:
        yield text, "i18n/sentences.py"
    for text in (*(figure.title for figure in chosen([])), *WARNINGS, *TO_DO.values()):
        yield text.strip(), "figures"
    for rule in RULES:
        yield rule.says, "quality/impossible.py"


def missing(lang: str) -> list[str]:
    """Texts that a language has no words for."""
    known = read_messages(lang)
    return [str(m.id) for m in required() if m.id and not _complete(known.get(m.id, m.context))]


def _complete(message: Message | None) -> bool:
    if message is None or not message.string:
        return False
    return isinstance(message.string, str) or all(message.string)


def update(lang: str) -> list[str]:
    """Bring a language's catalogue in step; the texts that it has no words for."""
    known = read_messages(lang)
    known.update(required(), no_fuzzy_matching=True)
    with place(lang).open("wb") as file:
        file.write(_HEAD.format(lang=lang).encode())
        write_po(file, known, width=0, omit_header=True, sort_output=True, ignore_obsolete=True)
    return missing(lang)


def update_all() -> dict[str, list[str]]:
    """``update`` every language; what is missing by language, where anything is."""
    found = {lang: update(lang) for lang in LANGUAGES[1:]}
    return {lang: gaps for lang, gaps in found.items() if gaps}


_HEAD = """# What Embudo says ({lang}). `make messages` keeps the ids in step; the words are ours.
msgid ""
msgstr ""
"Language: {lang}\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
