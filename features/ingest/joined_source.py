"""One source with its joins: the mapping's names found among real columns, and their words."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.ingest.outcomes import PARTS
from features.ingest.spec import ColumnSpec, Condition, Names
from features.ingest.strict import MappingError
from features.ingest.table import JoinSpec, TableSpec
from features.ingest.values.currencies import CURRENCY_COLUMN
from features.ingest.values.ids import plain_of
from features.schema import TABLES
from features.sources.words import Codes, Header, Source, WordColumn
from features.tables import Bools, Ints

Specs = tuple[ColumnSpec, ...]

OWN_OUTCOME = ("@outcome",)
"""As the column of a condition: the row's own outcome, as the mapping reads it."""


@dataclass(frozen=True)
class Finder:
    """Looks a source column up in the file and its joins (``prefix.column``)."""

    header: Header
    joins: Dict[str, Header]

    def find(self, names: Names) -> str | None:
        """The first of ``names`` that is there, as its unique name."""
        for name in names:
            prefix, _, rest = name.partition(".")
            if rest and prefix in self.joins:
                found = self.joins[prefix].find(rest)
                found = f"{prefix}.{found}" if found is not None else None
            else:
                found = self.header.find(name)
            if found is not None:
                return found
        return None

    def need(self, names: Names, where: str) -> str:
        """Like ``find``; absent is an error that names the nearest column there is."""
        found = self.find(names)
        if found is not None:
            return found
        first = names[0]
        prefix, _, rest = first.partition(".")
        header, wanted = self.header, first
        if rest and prefix in self.joins:
            header, wanted = self.joins[prefix], rest
        sought = " or ".join(repr(n) for n in names)
        raise MappingError(
            f"{where}: {header.path.name} has no column {sought}; the nearest is "
            f"{header.nearest(wanted)!r}; it has {', '.join(header.names)}"
        )


@dataclass(frozen=True)
class ReadPlan:
    """One block against one file: every name resolved, nothing read yet."""

    spec: TableSpec
    header: Header
    joins: tuple[tuple[JoinSpec, Header], ...]
    columns: dict[str, Specs]
    fields: dict[str, Specs]
    where: tuple[Condition, ...]
    newest: Specs
    absent: list[str]
    fill_down: tuple[str, ...] = ()
    each: str = ""
    beside: str = ""

    def needed(self) -> dict[str, list[str]]:
        """Prefix ("" the file itself) -> the columns to read."""
        names = {
            name
            for specs in (*self.columns.values(), *self.fields.values(), self.newest)
            for spec in specs
            for name in _all_names(spec)
        }
        names |= {c.column[0] for c in self.where} | set(self.fill_down) | {self.each, self.beside}
        result: dict[str, list[str]] = {"": []}
        for join, header in self.joins:
            own = result.setdefault(join.prefix, [])
            for left, right in join.on[0]:
                names.add(left)
                own.append(right)
            own += join.newest
            own += [n for n in header.names if f"{join.prefix}.{n}" in names]
        result[""] = [n for n in self.header.names if n in names]
        return {prefix: list(dict.fromkeys(found)) for prefix, found in result.items()}


def _all_names(spec: ColumnSpec) -> list[str]:
    weighed = [name for _, names in spec.weigh for name in names]
    return [names[0] for names in spec.names()] + [c.column[0] for c in spec.when] + weighed


def plan(spec: TableSpec, header: Header, joins: Sequence[tuple[JoinSpec, Header]]) -> ReadPlan:
    """Resolve every name of a block; what is absent and not optional is an error."""
    where = f"[tables.{spec.name}]"
    tried = [(_join(j, header, h, where), h) for j, h in joins]
    joined = tuple((j, h) for j, h in tried if j is not None)
    finder = Finder(header, {j.prefix: h for j, h in joined})
    columns = {
        c: _resolved(specs, finder, f"{where} {c}")
        for c, specs in {**spec.columns, **spec.custom}.items()
    }
    fields = {c: _resolved(specs, finder, f"{where} {c}") for c, specs in spec.fields.items()}
    tests = [_condition(c, finder, f"{where} where") for c in spec.where]
    return ReadPlan(
        spec=spec,
        header=header,
        joins=joined,
        columns={c: specs for c, specs in columns.items() if specs},
        fields={c: specs for c, specs in fields.items() if specs},
        where=tuple(c for c in tests if c is not None),
        newest=_resolved(spec.newest, finder, f"{where} newest"),
        absent=[c for c, specs in {**columns, **fields}.items() if not specs],
        fill_down=tuple(
            Finder(header, {}).need((c,), f"{where} fill_down") for c in spec.fill_down
        ),
        each=Finder(header, {}).need(spec.each, f"{where} each") if spec.each else "",
        beside=_currency_column(spec, header),
    )


def _currency_column(spec: TableSpec, header: Header) -> str:
    """The one column that is called a currency, where the mapping has amounts and names none."""
    if not amounts_without_currency(spec.to, spec.columns):
        return ""
    found = [name for name in header.names if CURRENCY_COLUMN.search(name)]
    return found[0] if len(found) == 1 else ""


def amounts_without_currency(table: str, columns: Dict[str, Specs]) -> list[str]:
    """The mapped columns of money of a table whose currency is not mapped."""
    schema = TABLES[table]
    if schema.column("currency") is None or "currency" in columns:
        return []
    return [c.name for c in schema.columns if c.unit.startswith("money") and c.name in columns]


def _resolved(specs: Specs, finder: Finder, where: str) -> Specs:
    """The ways whose columns are all there, each name made unique."""
    found = (_resolve(spec, finder, where) for spec in specs)
    return tuple(spec for spec in found if spec is not None)


def _resolve(spec: ColumnSpec, finder: Finder, where: str) -> ColumnSpec | None:
    conditions = [replace(c, optional=c.optional or spec.optional) for c in spec.when]
    wanted = spec.names() + [c.column for c in conditions if c.column != OWN_OUTCOME]
    weigh = _there(spec, finder, where) if spec.weigh else ()
    if spec.optional and (
        any(finder.find(names) is None for names in wanted) or bool(spec.weigh) > bool(weigh)
    ):
        return None
    return replace(
        spec,
        source=(finder.need(spec.source, where),) if spec.source else (),
        together=tuple((finder.need(names, where),) for names in spec.together),
        when=tuple(
            c if c.column == OWN_OUTCOME else replace(c, column=(finder.need(c.column, where),))
            for c in conditions
        ),
        weigh=weigh,
        times=(finder.need(spec.times, where),) if spec.times else (),
    )


def _there(spec: ColumnSpec, finder: Finder, where: str) -> tuple[tuple[str, Names], ...]:
    """What is weighed and there; one that is nowhere at all is an error unless optional."""
    found = tuple(
        (part, tuple(at for name in names if (at := finder.find((name,))) is not None))
        for part, names in spec.weigh
    )
    found = tuple((part, names) for part, names in found if names)
    if not any(part in PARTS for part, _ in found):
        if not spec.optional:
            finder.need(spec.weigh[0][1], where)
        return ()
    return found


def _condition(condition: Condition, finder: Finder, where: str) -> Condition | None:
    if condition.optional and finder.find(condition.column) is None:
        return None
    return replace(condition, column=(finder.need(condition.column, where),))


def _join(join: JoinSpec, left: Header, right: Header, where: str) -> JoinSpec | None:
    """The join by the first pairs of columns that both files have."""
    here, there = Finder(left, {}), Finder(right, {})
    for pairs in join.on:
        if all(here.find((a,)) and there.find((b,)) for a, b in pairs):
            newest = (there.need(join.newest, f"{where} join newest"),) if join.newest else ()
            return replace(join, on=(pairs,), newest=newest)
    if join.optional:
        return None
    for a, b in join.on[0]:
        here.need((a,), f"{where} join")
        there.need((b,), f"{where} join")
    return None


@dataclass(frozen=True)
class JoinedSource:
    """Columns of words over the same ``n`` records; ``row`` is each record's number."""

    words: dict[str, WordColumn]
    row: Ints

    def __len__(self) -> int:
        return len(self.row)

    def select(self, keep: Bools) -> JoinedSource:
        """The records where ``keep`` holds."""
        if keep.all():
            return self
        return JoinedSource({c: w.take(keep) for c, w in self.words.items()}, self.row[keep])

    def beside(self, name: str, values: object) -> JoinedSource:
        """With one more column of words."""
        assert isinstance(values, WordColumn)
        return JoinedSource({**self.words, name: values}, self.row)

    def passes(self, condition: Condition) -> Bools:
        """The records for which the condition holds."""
        words = self.words.get(condition.column[0]) or WordColumn(
            np.full(len(self), -1, np.int32), pa.array([], pa.string())
        )
        lower = pc.utf8_lower(pc.utf8_trim_whitespace(words.values))
        if condition.present is not None:
            of_word = pc.not_equal(lower, "").to_numpy(zero_copy_only=False)
            return np.asarray(np.append(of_word, False)[words.codes] == condition.present)
        among = pc.is_in(lower, pa.array(condition.among, pa.string()))
        blank = "" in condition.among
        found = np.append(among.to_numpy(zero_copy_only=False), blank)[words.codes]
        return np.asarray(found != condition.negate)


def together(parts: Sequence[WordColumn]) -> WordColumn:
    """The columns' words joined by "/"; a missing one is the empty word."""
    codes, values = parts[0].codes, pa.concat_arrays([parts[0].values, pa.array([""])])
    codes = np.where(codes >= 0, codes, len(values) - 1).astype(np.int32)
    for part in parts[1:]:
        second = pa.concat_arrays([part.values, pa.array([""])])
        others = np.where(part.codes >= 0, part.codes, len(second) - 1).astype(np.int64)
        pairs, inverse = np.unique(
            codes.astype(np.int64) * len(second) + others, return_inverse=True
        )
        values = pc.binary_join_element_wise(
            values.take(pa.array(pairs // len(second))),
            second.take(pa.array(pairs % len(second))),
            "/",
        )
        codes = inverse.astype(np.int32)
    return WordColumn(codes, values).recoded(values, np.zeros(len(values), bool))


def trimmed(words: WordColumn) -> WordColumn:
    """The words without outer spaces; what is then empty is missing."""
    values = pc.utf8_trim_whitespace(words.values)
    if values.equals(words.values):  # nothing to trim: only the empty word goes
        empty = pc.index(values, "").as_py()
        return WordColumn(np.where(words.codes == empty, np.int32(-1), words.codes), values)
    return words.recoded(values, pc.equal(values, "").to_numpy(zero_copy_only=False))


def read_sheet(
    plan: ReadPlan, main: Source, others: Dict[str, Source], newest: Dict[str, Ints]
) -> tuple[JoinedSource, dict[str, dict[str, int]]]:
    """The file's words with those of its joins, and how each join went.

    newest: prefix -> (rows there,) by which the greatest of several rows with one key is taken
    """
    words, counts = dict(main.words), {}
    for join, _ in plan.joins:
        right = others[join.prefix]
        left_key = _key([words[a] for a, _ in join.on[0]])
        right_key = _key([right.words[b] for _, b in join.on[0]])
        order = newest.get(join.prefix)
        place, repeated = _last_place(right_key, left_key, order)
        if ((place < 0) & (left_key.codes >= 0)).any():  # "A@X.com" is a@x.com, 71.0 is 71
            alike, _ = _last_place(_plain(right_key), _plain(left_key), order)
            place = np.where(place < 0, alike, place)
        if (place < 0).any() and len(join.on[0]) == 1:  # "GTXPro", which is read as "GTX Pro"
            meant = _corrected(left_key, join.on[0][0][0], plan)
            corrected, _ = _last_place(_plain(right_key), _plain(meant), order)
            place = np.where(place < 0, corrected, place)
        for name in plan.needed()[join.prefix]:
            words[f"{join.prefix}.{name}"] = right.words[name].take(place)
        counts[join.prefix] = {
            "rows matched": int((place >= 0).sum()),
            "rows without a match": int((place < 0).sum()),
            f"repeated keys (the {'last' if order is None else 'newest'} is taken)": repeated,
        }
    return JoinedSource(words, main.row), counts


def _key(parts: list[WordColumn]) -> WordColumn:
    return trimmed(parts[0]) if len(parts) == 1 else together([trimmed(p) for p in parts])


def _corrected(key: WordColumn, column: str, plan: ReadPlan) -> WordColumn:
    """A join's key as the mapping corrects the words of its column (``values``)."""
    specs = (spec for found in plan.columns.values() for spec in found)
    said = {w: to for spec in specs if spec.source == (column,) for w, to in spec.values if to}
    words = [said.get(str(w).lower(), w) for w in key.values.to_pylist()] if said else []
    return key.recoded(pa.array(words, pa.string()), np.zeros(len(words), bool)) if said else key


def _plain(words: WordColumn) -> WordColumn:
    return words.recoded(plain_of(words.values), np.zeros(len(words.values), bool))


def _last_place(right: WordColumn, left: WordColumn, order: Ints | None) -> tuple[Ints, int]:
    """Where each left word stands last on the right (-1 nowhere), and the right's repetitions."""
    last = np.full(len(right.values) + 1, -1, np.int64)
    present = np.flatnonzero(right.codes >= 0)
    if order is not None:
        present = present[np.argsort(order[present], kind="stable")]
    last[right.codes[present]] = present
    last[-1] = -1
    found = pc.index_in(left.values, right.values).fill_null(-1)
    lookup = np.append(np.asarray(found.to_numpy(zero_copy_only=False), np.int64), -1)
    repeated = len(present) - int((last >= 0).sum())
    return last[lookup[left.codes]], repeated


def conditions_hold(sheet: JoinedSource, conditions: Sequence[Condition]) -> Bools:
    """The records for which all conditions hold."""
    keep = np.ones(len(sheet), bool)
    for condition in conditions:
        keep &= sheet.passes(condition)
    return keep


def constant(word: str, n: int) -> WordColumn:
    """The same word ``n`` times."""
    codes: Codes = np.zeros(n, np.int32)
    return WordColumn(codes, pa.array([word]))
