"""The lists as files that stand alone: for mail, for an archive, for who has no access."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from markupsafe import Markup

from features.files import own_folder
from serving.http import VERSION
from serving.store.sheets import Wanted
from serving.store.store import Store
from serving.web.csv import head, lines
from serving.web.lists import LISTINGS, Listing
from serving.web.query import Query
from serving.web.render import render, static

ROWS = 5_000
"""Rows of a file at most; what is left out the page says, and the CSV beside it has them all."""

HEADS = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def write_pages(store: Store, out: Path, lang: str) -> list[Path]:
    """One HTML file a list, with its first ``ROWS`` rows, and beside it all rows as CSV; the pages.

    Links to single records are left out: they lead to the service.
    """
    own_folder(out)
    paths = []
    for listing in LISTINGS.values():
        path = out / f"{listing.kind}.html"
        path.write_text(page(store, listing, lang), encoding="utf-8")
        path.with_suffix(".csv").write_bytes(_csv(store, listing))
        paths.append(path)
    return paths


def page(store: Store, listing: Listing, lang: str) -> str:
    """One list as a page without a link, a script or a form."""
    found = store.sheets.page(listing.kind, Wanted(limit=1))
    bodies = [] if found.sheet is None else list(islice(_rows(store, found.sheet.id), ROWS))
    values = {
        "listing": listing,
        "query": Query(listing.path),
        "sheet": found.sheet,
        "head": {} if found.sheet is None else found.sheet.head,
        "rows": [{**row, "href": ""} for row in bodies],
        "total": found.total,
        "last": 1,
        "owners": {},
        "words": {},
        "alone": {"style": Markup(static("desk.css").decode()), "policy": HEADS},
        "menu": (),
        "here": "",
        "address": "",
        "back": "",
        "languages": {},
        "version": VERSION,
        "secured": False,
    }
    return render(listing.template, lang, values)


def _rows(store: Store, sheet_id: int) -> Iterator[dict[str, Any]]:
    """Every row of a sheet, read in blocks."""
    skip = 0
    while block := store.sheets.rows(sheet_id, Wanted(skip=skip)):
        yield from block
        skip += len(block)


def _csv(store: Store, listing: Listing) -> bytes:
    sheet = store.sheets.newest(listing.kind)
    rows = iter(()) if sheet is None else _rows(store, sheet.id)
    return head(listing.exported) + lines(listing.exported, rows)
