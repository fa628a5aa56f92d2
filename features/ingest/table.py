"""What a mapping says of one block: its source, joins, filters and columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from features.ingest.spec import ColumnSpec, Condition, Names, column_specs, conditions
from features.ingest.strict import MappingError, TomlTable, known
from features.schema import CUSTOM_KINDS, OUTCOMES, TABLES, Kind
from features.tables import CustomField


@dataclass(frozen=True)
class JoinSpec:
    """Columns of a second file beside each row, by key; they are named ``prefix.column``.

    ``on`` holds alternatives, each of pairs (column here, column there); the first that both
    files have is meant. ``newest`` is a column there: of rows with one key the greatest is taken.
    """

    prefix: str
    source: tuple[str, ...]
    on: tuple[tuple[tuple[str, str], ...], ...]
    optional: bool
    newest: Names = ()


@dataclass(frozen=True)
class MergeSpec:
    """Where an export says which records were merged: ids that are gone, and their survivor's.

    source  the file, () the block's own; a cell of ``gone`` may hold several ids
    """

    gone: Names
    into: Names
    source: Names
    optional: bool


@dataclass(frozen=True)
class TableSpec:
    """How one source becomes rows of one canonical table.

    name    the block's own name; ``to`` the canonical table
    source  alternative file names, without suffix or as a glob; the first that is there is read
    fields  for ``changes``: field -> where its values are (``is``: rows of a long history that
            name the field so; else a column of a wide one), of table ``of``
    newest  of several rows with one key the greatest here is kept; else the last read
    add_up  numbers that are added up over the rows with one key: an invoice of several lines
    custom_dates  custom fields that the mapping calls dates
    fill_down  source columns whose empty cells repeat the row above
    each    a source column of which every value of a list in a cell is a row of its own
    merged  where the export says which records of the table were merged
    """

    name: str
    to: str
    source: tuple[str, ...]
    optional: bool
    where: tuple[Condition, ...]
    join: tuple[JoinSpec, ...]
    columns: dict[str, tuple[ColumnSpec, ...]]
    custom: dict[str, tuple[ColumnSpec, ...]]
    custom_fields: dict[str, CustomField]
    fields: dict[str, tuple[ColumnSpec, ...]]
    field_kinds: dict[str, CustomField]
    of: str
    newest: tuple[ColumnSpec, ...]
    require: tuple[str, ...]
    add_up: tuple[str, ...] = ()
    custom_dates: tuple[str, ...] = ()
    fill_down: tuple[str, ...] = ()
    each: Names = ()
    merged: tuple[MergeSpec, ...] = ()


def table_spec(name: str, raw: Any) -> TableSpec:
    """One block from its normalised TOML table."""
    keys = TomlTable(raw, f"[tables.{name}]")
    to = known(keys.text("to", name), TABLES, "canonical table", keys.where)
    of = keys.text("of")
    columns = {
        known(c, (x.name for x in TABLES[to].columns), f"column of {to}", keys.where): column_specs(
            spec, f"{keys.where} {c}"
        )
        for c, spec in keys.table("columns").items()
    }
    every = keys.flag("custom_fixed")
    custom = {
        c: _custom(c, spec, to, every, keys.where) for c, spec in keys.table("custom").items()
    }
    own, stated = keys.table("fields"), {}
    for c, specs in own.items():
        if specs and specs[0].get("kind"):  # a custom field that only its history holds
            entity = known(of, OUTCOMES, "entity table for `of`", keys.where)
            stated[c] = _custom(c, specs, entity, False, keys.where)
    fields = {
        c: stated[c][1] if c in stated else column_specs(s, f"{keys.where} {c}")
        for c, s in own.items()
    }
    result = TableSpec(
        name=name,
        to=to,
        source=keys.words("from", (name,)),
        optional=keys.flag("optional"),
        where=conditions(keys.raw.get("where", {}) if keys.has("where") else {}, keys.where),
        join=tuple(_join(j, keys.where) for j in keys.items("join")),
        columns=columns,
        custom={c: specs for c, (_, specs) in custom.items()},
        custom_fields={c: declared for c, (declared, _) in custom.items()},
        fields=fields,
        field_kinds={c: declared for c, (declared, _) in stated.items()},
        of=of,
        newest=column_specs(keys.raw["newest"], f"{keys.where} newest")
        if keys.has("newest")
        else (),
        require=keys.words("require"),
        add_up=keys.words("add_up"),
        fill_down=keys.words("fill_down"),
        each=keys.words("each"),
        merged=tuple(_merge(m, keys.where) for m in keys.items("merged")),
        custom_dates=tuple(
            c for c, spec in keys.table("custom").items() if spec[0].get("kind") == "date"
        ),
    )
    keys.done()
    return result


def _custom(
    name: str, specs: Any, table: str, every_fixed: bool, where: str
) -> tuple[CustomField, tuple[ColumnSpec, ...]]:
    where = f"{where} custom {name}"
    if TABLES[table].column(name) is not None:
        raise MappingError(f"{where}: {name!r} is a canonical column of {table}; map it there")
    if not name.isidentifier() or name != name.lower():
        raise MappingError(f"{where}: write the name as lower_case letters, digits and _")
    keys = TomlTable(specs[0], where)
    kind = known(keys.text("kind"), CUSTOM_KINDS, "kind", where)
    declared = CustomField(
        name=name,
        kind=cast(Kind, "instant" if kind == "date" else kind),
        fixed=keys.flag("fixed", every_fixed),
        unit=keys.text("unit"),
        label=keys.text("label"),
    )
    described = {"kind", "fixed", "label"}
    plain = [{k: v for k, v in spec.items() if k not in described} for spec in specs]
    return declared, column_specs(plain, where)


def _join(raw: Any, where: str) -> JoinSpec:
    keys = TomlTable(raw, f"{where} join")
    on = keys.raw.get("on") if keys.has("on") else None
    choices = [TomlTable(o, f"{keys.where} on") for o in (on if isinstance(on, list) else [on])]
    result = JoinSpec(
        prefix=keys.text("prefix") or (*keys.words("from"), "")[0],
        source=keys.words("from"),
        on=tuple(tuple((left, o.text(left)) for left in o.raw) for o in choices),
        optional=keys.flag("optional"),
        newest=keys.words("newest"),
    )
    if not all(result.on) or not result.source:
        raise MappingError(f"{where} join: needs `from` (a file) and `on` (column = column)")
    keys.done()
    return result


def _merge(raw: Any, where: str) -> MergeSpec:
    keys = TomlTable(raw, f"{where} merged")
    result = MergeSpec(
        gone=keys.words("gone"),
        into=keys.words("into"),
        source=keys.words("from"),
        optional=keys.flag("optional"),
    )
    keys.done()
    if not result.gone or not result.into:
        raise MappingError(f"{keys.where}: needs `gone` and `into`, columns of ids")
    return result
