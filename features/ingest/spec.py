"""What a mapping says of one column: where its words are and how they become values."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from typing import Any

from features.ingest.outcomes import PARTS
from features.ingest.strict import MappingError, TomlTable, as_words, nearest
from features.ingest.values.clean import EPOCHS

Names = tuple[str, ...]
"""Alternative names of one source column; the first that the file has is meant."""


@dataclass(frozen=True)
class Condition:
    """A test of one source column's word; words are compared without regard to case.

    among    the words that pass (``negate``: that do not)
    present  True: any value passes; False: only a missing one
    """

    column: Names
    among: tuple[str, ...] = ()
    negate: bool = False
    present: bool | None = None
    optional: bool = False


@dataclass(frozen=True)
class ColumnSpec:
    """One way to fill a column; of several the first with a value in the row counts.

    source    alternative source columns; ``together``: several, their words joined by "/"
    const     the same word for every row
    values    source words -> words, with * and ? as in file names; ``default`` for all others
    missing   words that mean nothing is known; None: those of the export
    starts    only words that begin so count
    when      only rows that pass count
    named     for histories: the source's names of the field
    times     a source column whose number the value is multiplied by: quantity times price
    unit      of time, in which the numbers stand and durations (1h30) are read
    inverse   the number is one over what stands there: a rate stated the other way round
    weigh     what an outcome is told from (``outcomes.PARTS``, and ``of``): part -> columns, of
              which the first with a value in the row counts; those that are absent say nothing
    """

    source: Names = ()
    together: tuple[Names, ...] = ()
    const: str = ""
    formats: tuple[str, ...] = ()
    zone: str = ""
    values: tuple[tuple[str, str], ...] = ()
    default: str | None = None
    missing: tuple[str, ...] | None = None
    scale: float = 1.0
    decimal: str = ""
    thousands: str | None = None
    starts: str = ""
    when: tuple[Condition, ...] = ()
    named: tuple[str, ...] = ()
    optional: bool = False
    times: Names = ()
    unit: str = ""
    inverse: bool = False
    weigh: tuple[tuple[str, Names], ...] = ()

    def names(self) -> list[Names]:
        """Every source column the spec needs to be there."""
        found = [self.source, *self.together, self.times]
        return [names for names in found if names]


def zone_name(name: str, where: str) -> str:
    """A time zone's name, checked."""
    if name not in zoneinfo.available_timezones():
        raise MappingError(
            f"{where}: no time zone {name!r}; {nearest(name, zoneinfo.available_timezones())}"
            if len(name) > 3
            else f"{where}: no time zone {name!r}; write it as Continent/City"
        )
    return name


def column_specs(raw: Any, where: str) -> tuple[ColumnSpec, ...]:
    """The ways to fill one column, from a name, a list of names, a table or a list of tables."""
    if isinstance(raw, str) or (isinstance(raw, list) and all(isinstance(r, str) for r in raw)):
        return (ColumnSpec(source=as_words(raw, where)),)
    return tuple(_spec(r, where) for r in (raw if isinstance(raw, list) else [raw]))


def _spec(raw: Any, where: str) -> ColumnSpec:
    keys = TomlTable(raw, where)
    decimal = keys.text("decimal")
    spec = ColumnSpec(
        source=keys.words("from"),
        together=tuple(as_words(w, f"{where}.together") for w in keys.items("together")),
        const=keys.text("const"),
        formats=_formats(keys),
        zone=zone_name(keys.text("zone"), f"{where}.zone") if keys.has("zone") else "",
        values=_values(keys),
        default=keys.text("default") if keys.has("default") else None,
        missing=keys.words("missing") if keys.has("missing") else None,
        scale=keys.number("scale", 1.0),
        decimal=decimal,
        thousands=keys.text("thousands") if keys.has("thousands") else None,
        starts=keys.text("starts"),
        when=conditions(raw["when"], f"{where}.when") if keys.has("when") else (),
        named=keys.words("is"),
        optional=keys.flag("optional"),
        times=keys.words("times"),
        unit=keys.text("unit"),
        inverse=keys.flag("inverse"),
        weigh=_weigh(keys),
    )
    keys.done()
    origins = (spec.source, spec.together, spec.const, spec.named, spec.weigh)
    if sum(map(bool, origins)) != 1:
        raise MappingError(
            f"{where}: needs exactly one of `from`, `together`, `const`, `is`, `weigh`"
        )
    return spec


def _weigh(keys: TomlTable) -> tuple[tuple[str, Names], ...]:
    if not keys.has("weigh"):
        return ()
    parts = TomlTable(keys.raw["weigh"], f"{keys.where}.weigh")
    found = tuple((p, names) for p in (*PARTS, "of") if (names := parts.words(p)))
    parts.done()
    return found


def _formats(keys: TomlTable) -> tuple[str, ...]:
    formats = keys.words("format")
    for pattern in formats:
        check_format(pattern, f"{keys.where}.format")
    return formats


def check_format(pattern: str, where: str) -> None:
    """A date format is ``iso``, a count since 1970, or strptime's with at least one directive."""
    if pattern != "iso" and pattern not in EPOCHS and "%" not in pattern:
        raise MappingError(
            f"{where}: no date format {pattern!r}; write iso, {', '.join(EPOCHS)}, "
            f"or a pattern such as %d.%m.%Y"
        )


def _values(keys: TomlTable) -> tuple[tuple[str, str], ...]:
    """The value map, folded; two entries for one word are an error."""
    pairs: dict[str, str] = {}
    for word, meaning in keys.table("values").items():
        folded = word.strip().lower()
        if not isinstance(meaning, str):
            raise MappingError(f"{keys.where}.values.{word}: expected a text, got {meaning!r}")
        if folded in pairs and pairs[folded] != meaning:
            raise MappingError(f"{keys.where}.values: {word!r} is there twice, case apart")
        pairs[folded] = meaning
    return tuple(pairs.items())


def conditions(raw: Any, where: str) -> tuple[Condition, ...]:
    """Tests from ``{ column = word | [words] | true | false }`` or a list of tables."""
    if isinstance(raw, list):
        return tuple(_condition(r, where) for r in raw)
    return tuple(_short(c, test, where) for c, test in TomlTable(raw, where).raw.items())


def _short(column: str, test: Any, where: str) -> Condition:
    if isinstance(test, bool):
        return Condition((column,), present=test)
    return Condition((column,), among=_folded(as_words(test, f"{where}.{column}")))


def _condition(raw: Any, where: str) -> Condition:
    keys = TomlTable(raw, where)
    tests = [keys.has("is"), keys.has("not"), keys.has("present")]
    result = Condition(
        column=keys.words("from"),
        among=_folded(keys.words("is") + keys.words("not")),
        negate=keys.has("not"),
        present=keys.flag("present") if keys.has("present") else None,
        optional=keys.flag("optional"),
    )
    keys.done()
    if sum(tests) != 1 or not result.column:
        raise MappingError(f"{where}: a condition is `from` and one of `is`, `not`, `present`")
    return result


def _folded(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(w.strip().lower() for w in words)
