"""Features under the short names that people read, in their language.

A title is declared with its feature (``FeatureSpec.title``) and is the id of its message: it is
translated first, its blanks are filled then. What has no message is the company's own word.
"""

from __future__ import annotations

from collections.abc import Mapping

from features.spine import FeatureSpec, capitalized
from serving.i18n.languages import message_ids, translations


def title(spec: FeatureSpec, lang: str = "en") -> str:
    """A feature's short name in a language."""
    return titled(spec.title, spec.fills, lang) if spec.title else spec.short


def titled(phrase: str, fills: Mapping[str, str], lang: str = "en") -> str:
    """A phrase in a language, its blanks filled: "Last known {field}" is "Last known country"."""
    first = phrase.startswith("{")
    said = translations(lang).gettext(phrase)
    return capitalized(said.format(**{k: _word(v, first, lang) for k, v in fills.items()}))


def _word(word: str, first: bool, lang: str) -> str:
    """A blank's word: a field of ours has a message, and small letters inside a phrase."""
    if word not in message_ids():
        return word
    said = translations(lang).gettext(word)
    return said if first else said[:1].lower() + said[1:]


def absence(spec: FeatureSpec, lang: str = "en") -> str:
    """What a missing value states as a fact ("No call yet"); "" where it only means not known."""
    return translations(lang).gettext(spec.absent) if spec.absent else ""
