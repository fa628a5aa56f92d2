"""Reading a TOML table strictly: an unknown word is an error that names the nearest known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class MappingError(ValueError):
    """A mapping that does not fit the export or the schema; the message says where and what."""


def nearest(word: str, known: Iterable[str]) -> str:
    """ ", did you mean 'x'?" for the known word most like ``word``, else the list of them."""
    words = sorted(known)
    plain = {w.casefold(): w for w in words}
    found = difflib.get_close_matches(word.casefold(), plain, n=1, cutoff=0.6)
    if found:
        return f"did you mean {plain[found[0]]!r}?"
    return f"there are {', '.join(words)}" if words else "there are none"


def known(word: str, words: Iterable[str], what: str, where: str) -> str:
    """``word`` itself when it is one of ``words``, else an error."""
    options = list(words)
    if word not in options:
        raise MappingError(f"{where}: no {what} {word!r}; {nearest(word, options)}")
    return word


class TomlTable:
    """One TOML table: every key is asked for by name, and ``done`` objects to the others."""

    def __init__(self, raw: Any, where: str) -> None:
        if not isinstance(raw, Mapping):
            raise MappingError(f"{where}: expected a table, got {raw!r}")
        self.raw, self.where = raw, where
        self.asked: set[str] = set()

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        self.asked.add(key)
        return key in self.raw

    def _get(self, key: str, kind: type | tuple[type, ...], what: str, default: Any) -> Any:
        if not self.has(key):
            return default
        value = self.raw[key]
        wrong = isinstance(value, bool) and kind is not bool
        if wrong or not isinstance(value, kind):
            raise MappingError(f"{self.where}.{key}: expected {what}, got {value!r}")
        return value

    def text(self, key: str, default: str = "") -> str:
        """A string."""
        return str(self._get(key, str, "a text", default))

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        return bool(self._get(key, bool, "true or false", default))

    def number(self, key: str, default: float) -> float:
        """A number."""
        return float(self._get(key, (int, float), "a number", default))

    def table(self, key: str) -> Mapping[str, Any]:
        """A table, empty if absent."""
        return dict(self._get(key, Mapping, "a table", {}))

    def items(self, key: str) -> list[Any]:
        """A list, empty if absent."""
        return list(self._get(key, list, "a list", []))

    def words(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """One text or a list of texts."""
        value = self._get(key, (str, list), "a text or a list of texts", list(default))
        return as_words(value, f"{self.where}.{key}")

    def done(self) -> None:
        """Every key was asked for; an unknown one is an error."""
        for key in self.raw:
            if key not in self.asked:
                raise MappingError(f"{self.where}: no key {key!r}; {nearest(key, self.asked)}")


def as_words(value: Any, where: str) -> tuple[str, ...]:
    """A text or a list of texts as a tuple."""
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(w, str) for w in words):
        raise MappingError(f"{where}: expected a text or a list of texts, got {value!r}")
    return tuple(words)
