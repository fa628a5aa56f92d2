"""Sheets go into the store, each whole or not at all."""

from __future__ import annotations

from serving.analytics.lists.sheets import Item, Sheet, number
from serving.store.sheets import NUMBERS, ItemRow
from serving.store.store import Store


def keep(store: Store, sheet: Sheet, as_of: int, at: int) -> int:
    """Write a sheet as of an instant, made at another (microseconds); its id in the store."""
    rows = [_row(item, NUMBERS[sheet.kind]) for item in sheet.items]
    return store.sheets.write(sheet.kind, as_of, rows, sheet.head, at)


def _row(item: Item, names: tuple[str, ...]) -> ItemRow:
    """The item with its numbers in the store's three columns, in the order of their names."""
    first, second, third = ([number(item.body.get(n)) for n in names] + [None] * 3)[:3]
    return ItemRow(
        item.id,
        item.label,
        item.entity,
        item.about,
        item.owner,
        item.word,
        first,
        second,
        third,
        item.body,
    )
