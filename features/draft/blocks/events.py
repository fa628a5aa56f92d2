"""Blocks of activities, invoices, subscriptions, quotas and exchange rates."""

from __future__ import annotations

from features.draft.blocks.context import Building
from features.draft.blocks.custom import custom_lines
from features.draft.blocks.money import invoice_amount, per_month, way_of_rates
from features.draft.links import Key, fits_key, prefixes
from features.draft.model import DraftedLine, Spec, Sureness
from features.draft.outcomes import true_words
from features.draft.recognise import fit
from features.draft.specs import activity_kind, directions, unit_of_time
from features.draft.values.names import concepts, lexicon
from features.draft.values.profile import ColumnProfile
from features.schema import TABLES

_KIND_OF = {"ticket": "support"}


def event_block(building: Building, key: Key | None) -> bool:
    """Fill a block of events; False where a column is missing without which no row is kept."""
    own = _key(building, key)
    if building.table == "activities":
        _several_targets(building)
    building.references(own)
    if building.table == "activities":
        _only_done(building)
        _activity(building)
    elif building.table == "invoices":
        invoice_amount(building, key)
    building.assign(building.rest(("instant",)))
    _only_date(building)
    building.assign(
        [
            n
            for n in building.rest(("category", "number", "text"))
            if n != "outcome" or building.table == "activities"
        ]
    )
    if not _complete(building):
        return False
    per_month(building)
    if building.table == "fx_rates":
        way_of_rates(building)
    if building.table in ("activities", "subscriptions"):
        lines, notes = custom_lines(
            [c for c in building.free.values() if c.heading not in own],
            building.table,
            None,
            building.export.dates,
            fixed="what has happened does not change" if building.table == "activities" else "",
        )
        building.block.custom += [line for line in lines if not line.left_out]
        building.block.notes += notes
    return True


def _only_date(building: Building) -> None:
    """A required day that no heading names: the first day of the file that is free."""
    wanted = next(
        (c.name for c in TABLES[building.table].columns if c.required and c.kind == "instant"), ""
    )
    dates = [
        c
        for c in building.free.values()
        if c.held == "instant" and not c.concepts & {"available", "modified", "due", "paid", "end"}
    ]
    if wanted and building.block.column(wanted) is None and dates:
        best = max(dates, key=lambda c: c.filled)
        said = "the only day" if len(dates) == 1 else f"one of {len(dates)} days"
        building.map(wanted, best, "likely" if len(dates) == 1 else "unsure", said)
        if len(dates) > 1:
            building.export.draft.ask(
                45,
                f"Which day of {building.file.path.name} is its own: "
                f"{' or '.join(c.heading for c in dates)}?",
                f"{building.block.name}.{wanted}",
            )


def _key(building: Building, key: Key | None) -> tuple[str, ...]:
    """The key's line; without one rows are numbered."""
    if key is None or key.column is None:
        return ()
    if not key.unique and building.table != "invoices" and key.distinct < 0.5 * building.file.n:
        return ()
    if _is_required(key.column, building.table):
        return ()
    if not (key.named or fits_key(key.column, building.table) or key.column.unique):
        return ()
    sure: Sureness = "sure" if key.named else "likely"
    building.map(TABLES[building.table].key, key.column, sure, key.evidence, key.column.heading)
    return key.columns


def _is_required(column: ColumnProfile, table: str) -> bool:
    """Whether a column is what every row must have, such as a rate's currency, and no key."""
    needed = [c.name for c in TABLES[table].columns if c.required and c.kind != "key"]
    return any(fit(column, table, name) >= 0.9 for name in needed)


def _several_targets(building: Building) -> None:
    """One column whose ids belong to several tables, told apart by how they begin."""
    for column in list(building.free.values()):
        if column.held not in ("category", "text"):
            continue
        found = prefixes(column, building.export.keys)
        for table, begin in found.items():
            name = TABLES[table].key
            if building.block.column(name) is None:
                spec = {"from": column.heading, "starts": begin}
                evidence = f"ids of {table} begin with {begin}"
                building.map(name, column, "sure", evidence, spec, keep=True)
        if found:
            building.free.pop(column.heading)


def _activity(building: Building) -> None:
    words = max(
        (
            (len(activity_kind(c.counts)) / len(c.counts), c.heading)
            for c in building.free.values()
            if c.held == "category" and len(c.counts) <= 40
        ),
        default=(0.0, ""),
    )
    if words[0] > 0.5:
        column = building.file.columns[words[1]]
        known = activity_kind(column.counts)
        rest = [w for w in column.counts if w not in known]
        spec = {"from": column.heading, "values": known}
        if rest:
            spec["default"] = "other"
        said = f"; {', '.join(rest[:4])} are other" if rest else ""
        building.map("kind", column, "sure", f"words of activities{said}", spec)
    else:
        _kind_of_file(building)
    for column in list(building.free.values()):
        known = directions(column.counts) if column.held == "category" else {}
        if known and len(known) >= 0.5 * len(column.counts) and len(column.counts) <= 6:
            spec = {"from": column.heading, "values": known, "default": ""}
            building.map("direction", column, "sure", "words for in and out", spec)
            break
    for column in list(building.free.values()):
        if column.held == "number" and fit(column, "activities", "duration") >= 0.5:
            unit = unit_of_time(column.heading)
            plain = unit == "minutes" and not column.lasting
            spec_unit: Spec = column.heading if plain else {"from": column.heading, "unit": unit}
            said = "durations such as 1h30" if column.lasting else f"in {unit}, by its name"
            building.map("duration", column, "likely", said, spec_unit)
            break


def _only_done(building: Building) -> None:
    """A task that is not done has not happened."""
    for column in building.file.columns.values():
        if not column.concepts & {"done", "status"} or not 1 < len(column.counts) <= 10:
            continue
        if column.held == "boolean" and "done" in column.concepts:
            done = true_words(column)
        else:
            done = [w for w in column.counts if concepts(w) == {"done"}]
        if done and len(done) < len(column.counts):
            said = "what is not done has not happened"
            building.block.head.append(DraftedLine("where", {column.heading: done}, "likely", said))
            building.free.pop(column.heading, None)
            return


def _kind_of_file(building: Building) -> None:
    """One kind for every row, from the file's name or the headings."""
    for meaning in (
        building.file.concepts,
        frozenset().union(*(c.concepts for c in building.file.columns.values())),
    ):
        kinds = [
            c for c in meaning if lexicon()["tables"].get(c) == "activities" and c != "activity"
        ]
        if kinds:
            kind = _KIND_OF.get(kinds[0], kinds[0])
            line = DraftedLine(
                "kind", {"const": kind}, "likely", "by the names of the file and its columns"
            )
            building.block.columns.append(line)
            if kind in ("web", "form"):
                inbound = DraftedLine(
                    "direction", {"const": "inbound"}, "likely", "they move, not we"
                )
                building.block.columns.append(inbound)
            return
    building.block.columns.append(
        DraftedLine("kind", {"const": "other"}, "unsure", "nothing says which")
    )
    building.export.draft.ask(
        35,
        f"What kind of activity does {building.file.path.name} hold (call, email, meeting, web …)?",
        f"{building.block.name}.kind",
    )


def _complete(building: Building) -> bool:
    """Whether every required column is mapped; a block without is not drafted, and said."""
    lacking = [
        c.name
        for c in TABLES[building.table].columns
        if c.required and c.kind != "key" and building.block.column(c.name) is None
    ]
    refs = [c.name for c in TABLES[building.table].columns if c.kind == "ref"]
    orphan = building.table == "activities" and not any(
        building.block.column(r) for r in refs if r != "owner_id"
    )
    if not lacking and not orphan:
        return True
    missing = ", ".join(lacking) or "the lead, deal or account"
    why = f"looks like {building.table}, but has no column for {missing}"
    building.export.draft.not_read[building.file.path.name] = why
    return False
