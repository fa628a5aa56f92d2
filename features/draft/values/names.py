"""What a heading or file name means: its words as concepts, whatever their language or spelling."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache
from pathlib import Path

Concepts = frozenset[str]

_LEXICON = Path(__file__).with_name("lexicon.toml")
CODES = (
    *("EUR", "USD", "GBP", "CHF", "BRL", "MXN", "CAD", "AUD", "JPY", "SEK", "NOK", "DKK", "PLN"),
    *("INR", "ARS", "CLP", "COP", "PEN", "CZK", "HUF", "RON", "TRY", "ZAR", "NZD", "SGD", "CNY"),
)
"""ISO 4217 codes that stand beside amounts and in headings."""

CURRENCIES = frozenset(c.lower() for c in CODES) - {"try", "cop", "ron", "pen"}
"""Of these the ones that are no other word: an amount in EUR is an amount."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GLUE = ("", "s", "n", "es", "en", "e")
"""Letters that German puts between the parts of a word: Abschluss-datum, Kunde-n-nummer."""


@cache
def lexicon() -> dict[str, dict[str, str]]:
    """Word -> concept (``words``), concept -> table (``tables``)."""
    raw = tomllib.loads(_LEXICON.read_text(encoding="utf-8"))
    words = {w: concept for concept, listed in raw["words"].items() for w in listed.split()}
    tables = {c: table for table, listed in raw["tables"].items() for c in listed.split()}
    return {"words": words, "tables": tables}


@cache
def headings() -> dict[str, dict[str, tuple[Concepts, ...]]]:
    """Table -> canonical column -> the headings it goes by, the most usual first."""
    raw = tomllib.loads(_LEXICON.read_text(encoding="utf-8"))["columns"]
    return {
        table: {column: tuple(concepts(p) for p in listed) for column, listed in columns.items()}
        for table, columns in raw.items()
    }


@cache
def countries() -> frozenset[str]:
    """Names of countries, as ``" ".join(tokens(name))``."""
    return frozenset(tomllib.loads(_LEXICON.read_text(encoding="utf-8"))["values"]["country"])


@cache
def concepts(text: str) -> Concepts:
    """The concepts of a heading; a word of no known meaning stands for itself.

    ``concepts("Abschlussdatum")`` and ``concepts("CloseDate")`` are both {"close", "date"}.
    """
    found: set[str] = set()
    parts = tokens(text)
    for token in parts:
        if token != "to" or len(parts) == 1 or "valid" in parts:  # "assigned to" is no end
            found.update(_meaning(token))
    return frozenset(found - {"noise"} - CURRENCIES)


def tokens(text: str) -> list[str]:
    """The words of a text in small letters, without accents, humps of camelCase apart."""
    spaced = _HUMP.sub(" ", text.replace("ß", "ss"))
    plain = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode()
    return re.findall(r"[a-z]+|[0-9]+", plain.lower())


def _meaning(token: str) -> tuple[str, ...]:
    words = lexicon()["words"]
    singular = token[:-1] if token.endswith("s") and len(token) > 4 else token
    for spelled in (token, _without_e(token), singular):
        if spelled in words:
            return (words[spelled],)
    cut = _cut(token) or _cut(_without_e(token))
    return cut or (token,)


def _without_e(token: str) -> str:
    return re.sub(r"([aou])e", r"\1", token)


@cache
def _cut(token: str) -> tuple[str, ...]:
    """A glued word as the concepts of its parts, () where some part means nothing."""
    words = lexicon()["words"]
    for i in range(len(token) - 2, 2, -1):
        head, tail = token[:i], token[i:]
        begin = next(
            (words[head[: len(head) - len(g)]] for g in _GLUE
             if head.endswith(g) and head[: len(head) - len(g)] in words
             and len(head) - len(g) > 2),
            "",
        )  # fmt: skip
        if not begin:
            continue
        if tail in words:
            return (begin, words[tail])
        if rest := (_cut(tail) if len(tail) > 5 else ()):
            return (begin, *rest)
    return ()


def likeness(heading: Concepts, pattern: Concepts, ignored: Concepts = frozenset()) -> float:
    """How well a heading fits a pattern, 0 to 1: all of the pattern is there, and little else.

    ``ignored`` concepts of the heading count for nothing, such as "deal" in a file of deals.
    """
    if not pattern or not pattern <= heading:
        return 0.0
    extra = len(heading - pattern - ignored)
    return len(pattern) / (len(pattern) + extra)


def slug(heading: str) -> str:
    """A heading as the name of a custom field: lower-case letters, digits and ``_``."""
    spaced = _HUMP.sub(" ", heading.replace("ß", "ss"))
    plain = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_").removeprefix("property_")
    return name if name[:1].isalpha() else f"field_{name}".rstrip("_")
