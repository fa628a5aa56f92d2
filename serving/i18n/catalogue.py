"""What must be said in every language: the messages, and keeping the catalogues in step with them.

``python -m serving messages`` writes what is new into the catalogues (without a translation) and
takes out what is gone; it fails while a message is missing somewhere. So does a test.
"""

from __future__ import annotations

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import write_po

from features.glossary import meanings
from features.schema import ACTIVITY_KINDS
from serving.i18n import sentences, titles
from serving.i18n.languages import LANGUAGES, place, read_messages

Key = tuple[str | None, str | tuple[str, str]]
"""Context and id of a message; the id of one with a plural is both forms."""


def required() -> dict[Key, str]:
    """Every message with where it is said: from the definitions, the patterns and the frames."""
    found: dict[Key, str] = {}
    for meaning in meanings():
        said = titles.own_part(meaning)
        if "{" not in said:  # a custom field's own label stands for itself
            found[None, titles.opened(said)] = "features"
    for pattern in titles.PATTERNS:
        found[None, pattern] = "serving/i18n/titles.py"
    for absent in titles.ABSENT.values():
        found[None, absent] = "serving/i18n/titles.py"
    for kind in ACTIVITY_KINDS:
        found[titles.KIND, kind] = "serving/i18n/titles.py"
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
    """Ids that a language has no words for; English may leave a message as it is."""
    said = {key_of(m): m.string for m in read_messages(lang) if m.id}
    silent = [key for key in required() if not _spoken(said.get(key), lang != "en")]
    return [str(key[1]) for key in silent]


def _spoken(string: str | tuple[str, ...] | list[str] | None, translated: bool) -> bool:
    if string is None or not translated:
        return string is not None
    return all([string] if isinstance(string, str) else string)


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
    found = {lang: update(lang) for lang in LANGUAGES}
    return {lang: gaps for lang, gaps in found.items() if gaps}
