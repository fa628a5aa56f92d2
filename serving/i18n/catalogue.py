"""What must be said in every language: the messages, and keeping the catalogues in step with them.

``python -m serving messages`` writes what is new into the catalogues (without a translation) and
takes out what is gone; it fails while a message is missing somewhere. So does a test.
"""

from __future__ import annotations

import re

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import write_po

from features.definitions.activity import ONE
from features.definitions.fields import DAYS_AGO, UNLABELLED
from features.glossary import named
from serving.i18n import sentences
from serving.i18n.languages import LANGUAGES, place, read_messages

Key = tuple[str | None, str | tuple[str, str]]
"""Context and id of a message; the id of one with a plural is both forms."""

_OWN = re.compile(r"\{\w+\}")
"""A blank and nothing else: a company's own label stands for itself."""


def required() -> dict[Key, str]:
    """Every message with where it is said: from the definitions, the patterns and the frames."""
    found: dict[Key, str] = {}
    for spec in named():
        for phrase in (spec.title, spec.fills.get("field", ""), spec.absent):
            if phrase and not _OWN.fullmatch(phrase):
                found[None, phrase] = "features"
    found[None, UNLABELLED] = found[None, UNLABELLED + DAYS_AGO] = "features"
    for kind in ONE.values():
        found[sentences.KIND, kind] = "serving/i18n/sentences.py"
    s = sentences
    frames = [*s.SLIGHTLY.values(), *s.MONTHS, s.SHARE, s.PER_MONTH, s.YES, s.NO, s.UNKNOWN]
    for said in [*frames, s.PRIOR, s.SUMMARY, *s.PARTS.values()]:
        found[None, said] = "serving/i18n/sentences.py"
    for pair in [*s.BY_POINTS.values(), *s.UNITS.values()]:
        found[None, pair] = "serving/i18n/sentences.py"
    return found


def key_of(message: Message) -> Key:
    """The key of a catalogue's message."""
    said = message.id
    return message.context, said if isinstance(said, str) else (said[0], said[1])


def missing(lang: str) -> list[str]:
    """Ids that a language has no words for."""
    said = {key_of(m): m.string for m in read_messages(lang) if m.id}
    return [str(key[1]) for key in required() if not _complete(said.get(key))]


def _complete(string: str | tuple[str, ...] | list[str] | None) -> bool:
    return string is not None and all([string] if isinstance(string, str) else string)


def update(lang: str) -> list[str]:
    """Bring a language's catalogue in step and return what it has no words for."""
    kept = {key_of(m): m.string for m in read_messages(lang) if m.id}
    new = Catalog(lang)
    for (context, said), where in required().items():
        string = kept.get((context, said), "" if isinstance(said, str) else ("", ""))
        new.add(said, string, locations=[(where, None)], context=context)  # type: ignore[list-item]
    with place(lang).open("wb") as file:
        file.write(_HEAD.format(lang=lang).encode())
        write_po(file, new, width=0, omit_header=True)
    return missing(lang)


_HEAD = """# Embudo's sentences ({lang}). `make messages` keeps the ids in step; the words are ours.
msgid ""
msgstr ""
"Language: {lang}\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def update_all() -> dict[str, list[str]]:
    """``update`` every language; what is missing by language, where anything is."""
    found = {lang: update(lang) for lang in LANGUAGES[1:]}
    return {lang: gaps for lang, gaps in found.items() if gaps}
