"""Sheets go into the store, each whole or not at all."""

from __future__ import annotations

from serving.analytics.lists.sheets import Item, Sheet
from serving.store.sheets import ItemRow
from serving.store.store import Store


def keep(store: Store, sheet: Sheet, as_of: int, at: int) -> int:
    """Write a sheet as of an instant, made at another (microseconds); its id in the store."""
    return store.sheets.write(
        sheet.kind, as_of, [_row(item) for item in sheet.items], sheet.head, at
    )


def _row(item: Item) -> ItemRow:
    return ItemRow(
        item.id,
        item.label,
        item.entity,
        item.about,
        item.owner,
        item.word,
        item.first,
        item.second,
        item.third,
        item.body,
    )
