"""The lists as files that stand alone: for mail, for an archive, for who has no access."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from serving.http import VERSION
from serving.store.sheets import MOST, Wanted
from serving.store.store import Store
from serving.web.lists import LISTINGS, Listing
from serving.web.query import Query
from serving.web.render import render, static

HEADS = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def write_pages(store: Store, out: Path, lang: str) -> list[Path]:
    """One HTML file a list, its first rows (at most 500) in it; the paths.

    Links to single records are left out: they lead to the service.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for listing in LISTINGS.values():
        path = out / f"{listing.kind}.html"
        path.write_text(page(store, listing, lang), encoding="utf-8")
        paths.append(path)
    return paths


def page(store: Store, listing: Listing, lang: str) -> str:
    """One list as a page without a link, a script or a form."""
    found = store.sheets.page(listing.kind, Wanted(limit=MOST))
    values = {
        "listing": listing,
        "query": Query(listing.path),
        "sheet": found.sheet,
        "head": {} if found.sheet is None else found.sheet.head,
        "rows": [{**row, "href": ""} for row in found.bodies],
        "total": found.total,
        "last": 1,
        "owners": {},
        "words": {},
        "alone": {"style": Markup(static("desk.css").decode()), "policy": HEADS},
        "menu": (),
        "here": "",
        "back": "",
        "languages": {},
        "version": VERSION,
        "secured": False,
    }
    return render(listing.template, lang, values)
