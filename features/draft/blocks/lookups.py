"""Files beside the tables: winners of a funnel, catalogues, lists of stages; they are joined in."""

from __future__ import annotations

import numpy as np

from features.draft.blocks.context import Building, Export
from features.draft.blocks.custom import custom_lines
from features.draft.links import Key, determined
from features.draft.model import DraftedLine
from features.draft.outcomes import OutcomeFound
from features.draft.recognise import fit
from features.draft.specs import source_of, spec_of, with_keys
from features.draft.values.names import slug
from features.draft.values.profile import ColumnProfile, FileProfile, contained, rows_of
from features.schema import TABLES


def winners_of(file: FileProfile, leads: Key) -> tuple[ColumnProfile, ColumnProfile] | None:
    """The id and the day of a file that lists the leads that converted, None where it is none.

    Its every row is one lead of the leads' file, and it has a day of the win or conversion.
    """
    if leads.column is None or file.path == leads.file.path:
        return None
    ids = [
        c
        for c in file.columns.values()
        if c.unique and c.n < leads.distinct and contained(c, leads.column) > 0.95
    ]
    days = [
        c
        for c in file.columns.values()
        if c.held == "instant"
        and c.concepts & {"won", "convert", "close"}
        and c.filled > 0.95 * c.n
    ]
    return (ids[0], days[0]) if ids and days else None


def join_winners(
    building: Building, file: FileProfile, column: ColumnProfile, day: ColumnProfile
) -> None:
    """The leads' outcome and its day from the list of winners."""
    key = building.export.keys["leads"].column
    assert key is not None
    join: dict[str, object] = {
        "from": file.path.name,
        "on": {key.heading: column.heading},
        "prefix": "win",
    }
    n = f"{file.n:,} of {building.file.n:,} leads are in {file.path.name}"
    building.join(join, n)
    name = f"win.{day.heading}"
    when = {"const": "converted", "when": {name: True}}
    building.block.columns += [
        DraftedLine("outcome", when, "sure", f"{n}: a day of the win is there"),
        DraftedLine(
            "closed_at", spec_of(day, building.export.dates, name), "sure", "the day of the win"
        ),
    ]
    building.block.notes.append(
        f"the other columns of {file.path.name}: they exist for winners only"
    )
    rows = rows_of(key, list(column.counts))
    found = OutcomeFound("", np.where(rows, "converted", "").astype(object), (), "sure", n)
    building.export.ends[building.block.name] = found


def closings_of(file: FileProfile, key: Key) -> bool:
    """Whether a file lists closings of another file's records: their ids, some of them twice."""
    if key.column is None or file.path == key.file.path or not key.unique:
        return False
    return len(_closing_days(file)) == 1 and _id_column(file, key) is not None


def _closing_days(file: FileProfile) -> list[ColumnProfile]:
    """The days of an end in a file; its one day where the file is called after the end."""
    ends = {"close", "end", "won", "lost"}
    days = [c for c in file.columns.values() if c.held == "instant"]
    named = [c for c in days if c.concepts & ends]
    return named or (days if file.concepts & ends else [])


def _id_column(file: FileProfile, key: Key) -> ColumnProfile | None:
    """The column of ids of the other file, in which some stand twice."""
    return next(
        (
            c
            for c in file.columns.values()
            if c.held in ("category", "number", "text")
            and not c.unique
            and c.concepts & (key.column.concepts if key.column else frozenset())
            and key.share(c) == 1.0
        ),
        None,
    )


def join_closings(building: Building, key: Key) -> None:
    """The day of the end from a list of closings, of several of one record the newest."""
    block = building.block
    if block.column("closed_at") is not None or key.column is None:
        return
    for file in building.export.beside:
        column = _id_column(file, key)
        days = _closing_days(file)
        if column is None or len(days) != 1:
            continue
        join: dict[str, object] = {
            "from": file.path.name,
            "on": {key.column.heading: column.heading},
            "prefix": "close",
            "newest": days[0].heading,
        }
        building.join(join, f"{file.path.name} lists closings, the newest counts")
        spec = with_keys(
            spec_of(days[0], building.export.dates, f"close.{days[0].heading}"),
            when=[{"from": "@outcome", "present": True}],
        )
        block.columns.append(
            DraftedLine("closed_at", spec, "likely", "the day of the last closing")
        )
        return


def join_catalogue(building: Building, file: FileProfile) -> bool:
    """Fields of a small file that a column of the block points into, such as a list of products."""
    keys = [
        c for c in file.columns.values() if c.unique and c.held in ("category", "text", "number")
    ]
    for line in list(building.block.columns):
        column = building.file.columns.get(source_of(line.spec))
        declared = TABLES[building.table].column(line.name)
        if column is None or declared is None or declared.kind not in ("category", "ref"):
            continue
        for key in keys:
            share = _share(column, key)
            if (
                share < 0.6
                or len(column.counts) < 2
                or (key.held == "number" and key.concepts.isdisjoint(column.concepts))
            ):
                continue
            _join(building, file, line, column, key, share, declared.mutable)
            return True
    return False


def _share(column: ColumnProfile, key: ColumnProfile) -> float:
    known = {_plain(w) for w in key.counts}
    return float(np.mean([_plain(w) in known for w in column.counts]))


def _plain(word: str) -> str:
    return "".join(ch for ch in word.casefold() if ch.isalnum())


def _join(
    building: Building,
    file: FileProfile,
    line: DraftedLine,
    column: ColumnProfile,
    key: ColumnProfile,
    share: float,
    mutable: bool,
) -> None:
    prefix = slug(file.name)
    join: dict[str, object] = {
        "from": file.path.name,
        "on": {column.heading: key.heading},
        "prefix": prefix,
    }
    building.join(
        join, f"{share:.0%} of the words of “{column.heading}” are in its “{key.heading}”"
    )
    repaired = _respelled(column, key)
    if repaired:
        building.block.columns = [
            DraftedLine(c.name, {"from": column.heading, "values": repaired}, c.sure,
                        f"{c.evidence}; written as in {file.path.name}")
            if c is line and isinstance(c.spec, str) else c
            for c in building.block.columns
        ]  # fmt: skip
    others = [c for c in file.columns.values() if c is not key]
    why = "" if mutable else f"told by “{column.heading}”, which does not change"
    lines, _ = custom_lines(
        [c for c in others if determined(key, c) == 1.0],
        building.table,
        None,
        building.export.dates,
        fixed=why,
        prefix=prefix,
        taken=[c.name for c in building.block.custom],
    )
    building.block.custom += lines


def _respelled(column: ColumnProfile, key: ColumnProfile) -> dict[str, str]:
    """Words that are a key's but for spaces, marks and capitals -> the key: GTXPro is GTX Pro."""
    known: dict[str, list[str]] = {}
    for word in key.counts:
        known.setdefault(_plain(word), []).append(word)
    return {
        w: known[_plain(w)][0]
        for w in column.counts
        if w not in key.counts and len(known.get(_plain(w), [])) == 1
    }


def embedded_accounts(export: Export, building: Building) -> Building | None:
    """Accounts that have no file of their own: the columns that one account never has two of."""
    line = building.block.column("account_id")
    if line is None or "accounts" in export.keys or not isinstance(line.spec, str):
        return None
    by = building.file.columns[line.spec]
    mine = [
        c
        for c in building.file.columns.values()
        if c is not by and c.held in ("category", "number", "instant") and len(c.counts) > 1
        and determined(by, c) > 0.97
        and (c.heading in building.free or "account" in c.concepts)
    ]  # fmt: skip
    wanted = (
        "owner_id",
        "country",
        "industry",
        "region",
        "segment",
        "created_at",
        "employees",
        "annual_revenue",
    )
    own = [
        c
        for c in mine
        if "account" in c.concepts or any(fit(c, "accounts", n) >= 0.9 for n in wanted)
    ]
    if not own or len(by.counts) > 0.8 * by.filled:
        return None
    listed = ", ".join(c.heading for c in own[:4])
    rows = f"{len(by.counts):,} accounts in {by.filled:,} rows, each with one value of {listed}"
    made = Building.of(
        export, building.file, "accounts", f"Accounts of {building.file.path.name}: {rows}."
    )
    made.free = {c.heading: c for c in own}
    made.block.columns.append(DraftedLine("account_id", by.heading, "likely", rows))
    made.assign(list(wanted), least=0.45)
    if "name" in by.concepts:
        made.map("name", by, "likely", "records are known by their names", by.heading)
    lines, _ = custom_lines(
        [c for c in made.free.values() if c.heading != by.heading], "accounts", None, export.dates
    )
    made.block.custom += [x for x in lines if not x.left_out]
    for column in own:  # what tells of the account is no field of the deal
        building.free.pop(column.heading, None)
        building.block.custom = [
            x for x in building.block.custom if source_of(x.spec) != column.heading
        ]
        if "account" in column.concepts:
            building.block.columns = [
                x for x in building.block.columns
                if source_of(x.spec) != column.heading or x.name == "account_id"
            ]  # fmt: skip
    return made
