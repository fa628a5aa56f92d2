"""A sentence that is put into a language when it is read: its pattern and its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from serving.i18n.languages import date as long_date
from serving.i18n.languages import fixed, number

Translate = Callable[[str], str]


@dataclass(frozen=True)
class LazyText:
    """``pattern`` holds names in braces. What a value is, its name tells by its end:

    ``_share`` a share (12 %), ``_money`` an amount, ``_at`` an instant in microseconds, ``_word`` a
    word that is translated itself; other numbers are numbers, other texts are texts.
    """

    pattern: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.in_language("en", str)

    def in_language(self, lang: str, translate: Translate) -> str:
        """The sentence in a language; ``translate`` knows the pattern's words in it."""
        return translated(self.to_json(), lang, translate)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"pattern": self.pattern, "values": dict(self.values)}


def lazy(pattern: str, **values: Any) -> LazyText:
    """A sentence; extraction finds its pattern by this call."""
    return LazyText(pattern, values)


def translated(state: Mapping[str, Any], lang: str, translate: Translate) -> str:
    """The sentence of ``Said.to_json`` in a language."""
    written = {k: _written(k, v, lang, translate) for k, v in state["values"].items()}
    return translate(str(state["pattern"])).format(**written)


def _written(name: str, value: Any, lang: str, translate: Translate) -> str:
    if value is None:
        return "–"
    if name.endswith("_share"):
        return f"{fixed(100 * value, 0, lang)} %"
    if name.endswith("_money"):
        return fixed(value, 0, lang)
    if name.endswith("_at"):
        return long_date(int(value), lang)
    if name.endswith("_word"):
        return translate(str(value))
    return number(value, lang) if isinstance(value, int | float) else str(value)
