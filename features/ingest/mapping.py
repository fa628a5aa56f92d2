"""The mapping: which source column is which canonical one. One TOML file, read strictly."""

from __future__ import annotations

import codecs
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from features.files import read_toml
from features.ingest.merge import merged, normal
from features.ingest.spec import check_format, zone_name
from features.ingest.strict import MappingError, TomlTable, known
from features.ingest.table import TableSpec, table_spec
from features.questions.event import Event, known_entity
from features.schema import OUTCOMES, QUESTIONS, TABLES, Kind
from features.tables import CustomField

__all__ = ["PRESETS", "QUESTIONS", "Mapping", "TableSpec", "load", "parse", "presets"]

PRESETS = Path(__file__).parent / "mappings"
MUST_HAVE_KEY = ("accounts", "contacts", "leads", "deals", "owners")
"""Tables that others refer to: their key must be mapped; elsewhere a row number will do."""


@dataclass(frozen=True)
class Mapping:
    """A whole mapping; ``files`` are the TOML files it was read from, the user's own first.

    dates_of_preset  the date formats are a preset's: nobody has said how this export writes them
    """

    name: str
    as_of: str
    zone: str
    company_zone: str
    fiscal_start: int
    dates: tuple[str, ...]
    missing: tuple[str, ...]
    decimal: str
    thousands: str | None
    currency: str
    delimiter: str
    encoding: str
    tables: dict[str, TableSpec]
    fixed: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)
    questions: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    dates_of_preset: bool = False

    def custom(self) -> dict[str, list[CustomField]]:
        """Table -> its custom fields, in the mapping's order."""
        found: dict[str, dict[str, CustomField]] = {}
        for spec in self.tables.values():
            found.setdefault(spec.to, {}).update(spec.custom_fields)
        for spec in self.tables.values():  # a column says more of a field than its history
            for name, declared in spec.field_kinds.items():
                found.setdefault(spec.of, {}).setdefault(name, declared)
        return {t: list(fields.values()) for t, fields in found.items() if fields}

    def kind(self, table: str, column: str) -> Kind | None:
        """Kind of a canonical or custom column, None where there is no such column."""
        declared = TABLES[table].column(column)
        if declared is not None:
            return declared.kind
        return next((f.kind for f in self.custom().get(table, []) if f.name == column), None)


def presets() -> list[str]:
    """Names of the mappings that come with the product."""
    return sorted(p.stem for p in PRESETS.glob("*.toml"))


def load(mapping: Path | str) -> Mapping:
    """The mapping in a TOML file, or the preset of that name; whatever is wrong is an error."""
    preset = PRESETS / f"{mapping}.toml"
    path = preset if str(mapping) in presets() else Path(mapping)
    if not path.is_file():
        raise MappingError(
            f"no mapping file {path}, and no preset of that name; presets: {', '.join(presets())}"
        )
    raw, files = _with_base(path, ())
    made = parse(raw, path.parent.name if path.stem == "mapping" else path.stem, files)
    return replace(made, dates_of_preset=_preset_states_dates(files))


def _preset_states_dates(files: tuple[Path, ...]) -> bool:
    """Whether the first file that states date formats, the user's own before its base, is ours."""
    for path in files:
        if "dates" in read_toml(path, MappingError).get("export", {}):
            return path.parent == PRESETS
    return False


def _with_base(path: Path, above: tuple[Path, ...]) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """The file's tables over those of the file it extends."""
    raw = read_toml(path, MappingError)
    base = raw.pop("extends", "")
    own = normal(raw, path.name)
    if not base:
        return own, (*above, path)
    below = PRESETS / f"{base}.toml" if base in presets() else path.parent / str(base)
    if not below.is_file() or below in (*above, path):
        raise MappingError(
            f"{path.name}: extends {base!r}, which is neither a preset ({', '.join(presets())}) "
            f"nor another file beside it"
        )
    inherited, files = _with_base(below, (*above, path))
    return merged(inherited, own), files


def parse(raw: Dict[str, Any], name: str, files: tuple[Path, ...] = ()) -> Mapping:
    """The mapping in normalised TOML tables (``merge.normal``)."""
    top = TomlTable(raw, "mapping")
    export = TomlTable(top.table("export"), "[export]")
    tables = {n: table_spec(n, block) for n, block in top.table("tables").items()}
    if not tables:
        raise MappingError("mapping: no [tables.…]; name at least one, such as [tables.deals]")
    result = Mapping(
        name=export.text("name", name),
        as_of=export.text("as_of"),
        zone=zone_name(export.text("zone", "UTC"), "[export].zone"),
        company_zone=zone_name(
            export.text("company_zone", export.text("zone", "UTC")), "[export].company_zone"
        ),
        fiscal_start=_month(export),
        dates=export.words("dates", ("iso",)),
        missing=export.words("missing"),
        decimal=export.text("decimal"),
        thousands=export.text("thousands") if export.has("thousands") else None,
        currency=export.text("currency"),
        delimiter=export.text("delimiter"),
        encoding=export.text("encoding"),
        tables=tables,
        acknowledged=list(export.words("acknowledged")),
        fixed=_listed(top, "fixed"),
        left_out=_listed(top, "left_out"),
        questions={q: dict(v) for q, v in top.table("questions").items()},
        files=files,
    )
    export.done()
    top.done()
    _check(result)
    return result


def _month(export: TomlTable) -> int:
    """The month the fiscal year begins in, 1 to 12."""
    month = export.number("fiscal_start", 1)
    if month not in range(1, 13):
        raise MappingError(f"[export].fiscal_start: a month from 1 to 12, got {month:g}")
    return int(month)


def _listed(top: TomlTable, part: str) -> dict[str, list[str]]:
    """A block of table -> columns."""
    tables = top.table(part)
    return {t: list(TomlTable(tables, f"[{part}]").words(t)) for t in tables}


def _check(mapping: Mapping) -> None:
    """What single blocks cannot see: keys, custom kinds, questions, outcomes without a time."""
    _check_text(mapping)
    for name, stated in mapping.questions.items():
        _check_question(name, stated)
    for part, listed in (("fixed", mapping.fixed), ("left_out", mapping.left_out)):
        for table, columns in listed.items():
            known(table, TABLES, "canonical table", f"[{part}]")
            names = [c.name for c in TABLES[table].columns]
            if part == "left_out":
                names += [f.name for f in mapping.custom().get(table, [])]
            for column in columns:
                known(column, names, "column", f"[{part}] {table}")
    kinds: dict[tuple[str, str], Kind] = {}
    for spec in mapping.tables.values():
        _check_table(spec, mapping)
        for name, custom in spec.custom_fields.items():
            if kinds.setdefault((spec.to, name), custom.kind) != custom.kind:
                raise MappingError(f"[tables.{spec.name}]: custom {name} has two kinds; choose one")


def _check_question(name: str, stated: Dict[str, Any]) -> None:
    """A question every company asks, or one of this company's own with an entity and an event."""
    if name in QUESTIONS:
        return
    if "event" not in stated:
        known(name, QUESTIONS, "question (one of your own states an event)", "[questions]")
    if not name.isidentifier() or name != name.lower() or name in TABLES:
        raise MappingError(
            f"[questions]: write the name {name!r} as lower_case letters, digits and _, and not "
            f"as that of a table"
        )
    try:
        Event.of(stated["event"], known_entity(stated.get("entity"), name), name)
    except ValueError as wrong:
        raise MappingError(f"[questions.{name}]: {wrong}") from None


def _check_text(mapping: Mapping) -> None:
    """How text is written: an encoding there is, marks of one character, formats for dates."""
    try:
        codecs.lookup(mapping.encoding or "utf-8")
    except LookupError as problem:
        raise MappingError(f"[export].encoding: {problem}; write utf-8, cp1252 …") from problem
    for key, mark in (("delimiter", mapping.delimiter), ("decimal", mapping.decimal)):
        if len(mark) > 1 or (key == "decimal" and mark.isdigit()):
            raise MappingError(f"[export].{key}: expected one character, got {mark!r}")
    for pattern in mapping.dates:
        check_format(pattern, "[export].dates")


def _check_table(spec: TableSpec, mapping: Mapping) -> None:
    where, key = f"[tables.{spec.name}]", TABLES[spec.to].key
    if spec.to in MUST_HAVE_KEY and key not in spec.columns:
        raise MappingError(f"{where}: {key} is not mapped; every row of {spec.to} needs its key")
    dated = "created_at" in spec.columns and "closed_at" not in spec.columns
    if spec.to in OUTCOMES and "outcome" in spec.columns and dated:
        raise MappingError(
            f"{where}: outcome and created_at are mapped but closed_at is not; map it, or leave "
            f"created_at out and the table is read as flat"
        )
    for column in spec.require:
        known(column, [*spec.columns, *spec.custom], "mapped column", f"{where} require")
    for column in spec.add_up:
        known(column, [*spec.columns, *spec.custom], "mapped column", f"{where} add_up")
        if mapping.kind(spec.to, column) != "number":
            raise MappingError(f"{where}: add_up is for numbers, and {column} is none")
    times = [(c, s) for c, specs in (spec.columns | spec.custom).items() for s in specs if s.times]
    for column, _ in times:
        if mapping.kind(spec.to, column) != "number":
            raise MappingError(f"{where} {column}: `times` is for numbers, and {column} is none")
    if spec.fields and spec.to != "changes":
        raise MappingError(f"{where}: `fields` is for changes, this block is for {spec.to}")
    for column in spec.fields:
        known(spec.of, OUTCOMES, "entity table for `of`", where)
        names = [c.name for c in TABLES[spec.of].columns]
        names += [f.name for f in mapping.custom().get(spec.of, [])]
        known(column, names, f"column of {spec.of}", f"{where} fields")
