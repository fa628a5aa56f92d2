"""From an export's files to a drafted mapping: look at all, recognise, link, and write it down."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from features.draft.asked import ask_fixed, ask_how_often, ask_leaks, flat_or_dated
from features.draft.blocks.context import Building, Export
from features.draft.blocks.entities import entity_block
from features.draft.blocks.events import event_block
from features.draft.blocks.history import history_blocks
from features.draft.blocks.lookups import (
    closings_of,
    embedded_accounts,
    join_catalogue,
    join_winners,
    winners_of,
)
from features.draft.links import Key, key_of
from features.draft.model import DraftedLine, MappingDraft
from features.draft.presets import PresetFound, date_line, preset_blocks, preset_of
from features.draft.recognise import Recognised, recognise, target_table
from features.draft.specs import usual_dates
from features.draft.values.profile import FileProfile, profiled, settled_days
from features.draft.whole import export_lines
from features.ingest.mapping import MUST_HAVE_KEY
from features.schema import OUTCOMES
from features.sources.files import find
from features.sources.packed import readable
from features.sources.words import SourceError

ORDER = ("owners", "accounts", "contacts", "leads", "deals", "subscriptions", "invoices")
"""Tables that others point to come first; then those that point."""

SURE_BESIDE_A_PRESET = 7.0
"""Points at which a file that a preset does not know is drafted beside it."""

EVENTS = ("subscriptions", "invoices", "activities", "quotas", "fx_rates")


def drafted(data: Path) -> MappingDraft:
    """The draft of an export: a folder, a file, a zip or a spreadsheet.

    A file that cannot be read is named in the draft; an export without any raises SourceError.
    """
    draft = MappingDraft(_name(data))
    with readable(Path(data)) as paths:
        files = _profiles(paths, draft)
        if not files:
            raise SourceError(
                f"{data} holds no file that can be read as a table; give the export's folder or "
                "file"
            )
        known = preset_of(files)
        taken = {f.path.name: r for f in files if (r := recognise(f, len(files) == 1)) is not None}
        if known is not None:
            return _extended(draft, files, taken, known)
        if not taken and len(files) == 1 and (flat := target_table(files[0])) is not None:
            table, why = flat
            taken = {files[0].path.name: Recognised(table, 0.0, "", 0.0, why)}
            draft.ask(
                95, f"{files[0].path.name} is read as {table}, {why}: is it?", f"{table}.outcome"
            )
        if not taken:
            raise SourceError(
                f"none of {', '.join(f.path.name for f in files)} looks like accounts, "
                "contacts, leads, "
                "deals, activities, contracts or invoices; write the mapping by hand "
                "(docs/mapping.md)"
            )
        return _draft(draft, files, taken)


def _name(data: Path) -> str:
    path = Path(data).resolve()
    return path.name if path.is_dir() else path.name.split(".")[0]


def _profiles(paths: list[Path], draft: MappingDraft) -> list[FileProfile]:
    files = []
    for path in paths:
        try:
            looked = profiled(path)
        except SourceError as problem:
            draft.not_read[path.name] = str(problem)
            continue
        if looked.n:
            files.append(looked)
        else:
            draft.not_read[path.name] = "it has no rows"
    return settled_days(files)


def _draft(
    draft: MappingDraft, files: list[FileProfile], taken: dict[str, Recognised]
) -> MappingDraft:
    used = [f for f in files if f.path.name in taken]
    dates = usual_dates(c for f in used for c in f.columns.values())
    export = Export(draft, dates)
    by_table: dict[str, list[tuple[FileProfile, Key | None]]] = {}
    for file in sorted(used, key=lambda f: -f.n):
        table = taken[file.path.name].table
        key = key_of(file, table)
        if key is None and table in MUST_HAVE_KEY:
            draft.not_read[file.path.name] = f"looks like {table}, but no column can be its key"
            continue
        same = next((f for f, k in by_table.get(table, []) if _copy(file, key, f, k)), None)
        if same is not None:
            draft.not_read[file.path.name] = f"the same records as {same.path.name}"
            continue
        by_table.setdefault(table, []).append((file, key))
    _own_keys(by_table)
    _without_closings(by_table)
    for table, listed in by_table.items():
        keys = [k for _, k in listed if k is not None and k.column is not None]
        if keys:
            others = tuple(k.column for k in keys[1:] if k.column is not None)
            export.keys[table] = replace(keys[0], more=others)
    winners = _winners(export, by_table)
    seen = {f.path for pairs in by_table.values() for f, _ in pairs}
    export.beside = [f for f in files if f.path not in seen and f is not winners]
    export_lines(draft, used, dates)
    buildings = _entities(export, by_table, taken, winners)
    for table in EVENTS:
        for file, key in by_table.get(table, []):
            building = Building.of(export, file, table, _evidence(file, taken))
            if event_block(building, key):
                draft.blocks.append(building.block)
                buildings.append(building)
    _accounts_within(export, buildings)
    for file, key in by_table.get("changes", []):
        if not history_blocks(export, file, _evidence(file, taken)):
            _log(export, file, key)
    _catalogues(buildings, export.beside)
    flat_or_dated(export)
    ask_how_often(export)
    ask_leaks(export)
    if not draft.blocks:
        why = "; ".join(f"{name}: {said}" for name, said in draft.not_read.items())
        raise SourceError(
            f"nothing can be drafted: {why}; add the column, or write the mapping by hand "
            "(docs/mapping.md)"
        )
    for file in files:
        read = any(file.path.name in (b.source, *_joined(b.head)) for b in draft.blocks)
        if not read and file.path.name not in draft.not_read:
            draft.not_read[file.path.name] = "nothing in it was recognised"
    return draft


def _extended(
    draft: MappingDraft,
    files: list[FileProfile],
    taken: dict[str, Recognised],
    known: PresetFound,
) -> MappingDraft:
    """The preset's blocks, and those of files that no preset knows, such as invoices."""
    read = {f.path: f for f in known.files.values()}
    line, ties = date_line(known)
    dates = (
        tuple(line.spec)
        if line is not None and isinstance(line.spec, list)
        else known.mapping.dates
    )
    export = Export(draft, dates)
    export_lines(draft, list(read.values()), dates)
    draft.export = [x for x in draft.export if x.name != "dates"] + ([line] if line else [])
    if ties:
        draft.ask(
            100,
            f"Does the day or the month come first in {', '.join(ties)}? No value shows it: "
            "delete the "
            "formats of the wrong order in `dates`",
            "export.dates",
            stops=True,
        )
    preset_blocks(export, known)
    filled = {known.mapping.tables[b].to for b in known.files}
    for table in EVENTS:
        for file in files:
            found = taken.get(file.path.name)
            if file.path in read or table in filled or found is None or found.table != table:
                continue
            if found.score < SURE_BESIDE_A_PRESET:
                continue
            building = Building.of(export, file, table, _evidence(file, taken))
            if event_block(building, key_of(file, table)):
                draft.blocks.append(building.block)
    ask_fixed(export)
    ask_leaks(export)
    used = {f.path.name for f in read.values()} | {b.source for b in draft.blocks}
    for file in files:
        joined = any(
            find([file.path], j.source) for b in known.mapping.tables.values() for j in b.join
        )
        if file.path.name not in used and not joined:
            draft.not_read.setdefault(file.path.name, f"no part of the preset {known.name}")
    return draft


def _own_keys(by_table: dict[str, list[tuple[FileProfile, Key | None]]]) -> None:
    """Where one file's key is named after the table, those whose keys are not are something "
    "else."""
    for table, listed in by_table.items():
        if table in MUST_HAVE_KEY and any(k is not None and k.named for _, k in listed):
            by_table[table] = [(f, k) for f, k in listed if k is not None and k.named]


def _without_closings(by_table: dict[str, list[tuple[FileProfile, Key | None]]]) -> None:
    """A file that repeats the ids of another of its table lists closings, and no records."""
    for table in OUTCOMES:
        listed = by_table.get(table, [])
        keys = [k for _, k in listed if k is not None and k.unique]
        if len(listed) > 1 and keys:
            by_table[table] = [
                (f, k) for f, k in listed if not any(closings_of(f, key) for key in keys)
            ]


def _log(export: Export, file: FileProfile, key: Key | None) -> None:
    """A log without old and new values is one of activities, if it has a day and whose it is."""
    if any(c.concepts & {"field", "old", "new"} for c in file.columns.values()):
        return
    why = export.draft.not_read.pop(file.path.name)
    said = f"{file.path.name}, {file.n:,} rows: activities, a log without values of fields."
    building = Building.of(export, file, "activities", said)
    if event_block(building, key):
        export.draft.blocks.append(building.block)
    else:
        export.draft.not_read[file.path.name] = why


def _copy(file: FileProfile, key: Key | None, other: FileProfile, other_key: Key | None) -> bool:
    """Whether two files have the same records under the same headings, or all but a few "
    "headings."""
    if key is None or other_key is None or key.words != other_key.words or not key.words:
        return False
    shared = set(file.columns) & set(other.columns)
    return len(shared) >= 0.8 * max(len(file.columns), len(other.columns))


def _joined(head: list[DraftedLine]) -> list[str]:
    return [
        j["from"] for h in head if h.name == "join" and isinstance(h.spec, list) for j in h.spec
    ]


def _evidence(file: FileProfile, taken: dict[str, Recognised]) -> str:
    found = taken[file.path.name]
    return f"{file.path.name}, {file.n:,} rows: {found.table}, by {found.evidence}."


def _winners(
    export: Export, by_table: dict[str, list[tuple[FileProfile, Key | None]]]
) -> FileProfile | None:
    """A file taken for deals that only lists the leads that were won."""
    leads = export.keys.get("leads")
    for file, key in by_table.get("deals", []):
        if leads is not None and key is not None and not key.named and winners_of(file, leads):
            by_table["deals"] = [d for d in by_table["deals"] if d[0] is not file]
            if not by_table["deals"]:
                del export.keys["deals"]
            return file
    return None


def _entities(
    export: Export,
    by_table: dict[str, list[tuple[FileProfile, Key | None]]],
    taken: dict[str, Recognised],
    winners: FileProfile | None,
) -> list[Building]:
    made = []
    for table in ORDER[:5]:
        for file, key in by_table.get(table, []):
            assert key is not None
            building = Building.of(export, file, table, _evidence(file, taken))
            if table == "leads" and winners is not None:
                found = winners_of(winners, export.keys["leads"])
                assert found is not None
                join_winners(building, winners, *found)
            entity_block(building, key)
            export.draft.blocks.append(building.block)
            made.append(building)
    return made


def _accounts_within(export: Export, buildings: list[Building]) -> None:
    for building in buildings:
        if building.table in ("deals", "invoices", "subscriptions"):
            made = embedded_accounts(export, building)
            if made is not None:
                export.draft.blocks.append(made.block)
                return


def _catalogues(buildings: list[Building], files: list[FileProfile]) -> None:
    """Join small files that no table was seen in, such as lists of products."""
    for file in files:
        if file.n > 50_000:
            continue
        for building in buildings:
            if building.table in ("deals", "leads", "accounts") and join_catalogue(building, file):
                break
