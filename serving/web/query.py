"""What a list is asked for in its address: search, owner, word, order, page; and its links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from serving.store.sheets import Sort, Wanted

SIZE = 50
"""Rows of a page."""
LAST_PAGE = 100_000
COLUMNS_OF_NUMBERS: tuple[Sort, ...] = ("first", "second", "third")
LONGEST = 200
"""Characters of a search that count."""


@dataclass(frozen=True)
class ListColumn:
    """A column of a list.

    name   the field of a row's body; title its heading, an id of the pages' words
    sort   what the store sorts by, "" where it cannot; kind: how a cell is written
    """

    name: str
    title: str
    sort: str = ""
    kind: str = "text"


@dataclass(frozen=True)
class Query:
    """A list's address, read; ``path`` without its query."""

    path: str
    search: str = ""
    owner: str = ""
    word: str = ""
    sort: str = ""
    falling: bool = False
    page: int = 1
    numbers: tuple[str, ...] = ()

    @property
    def wanted(self) -> Wanted:
        """What the store is asked."""
        return Wanted(
            search=self.search,
            owner_id=self.owner or None,
            words=(self.word,) if self.word else (),
            sort=self._column,
            falling=self.falling,
            limit=SIZE,
            skip=(self.page - 1) * SIZE,
        )

    @property
    def _column(self) -> Sort:
        """The store's column of what is sorted by: a list's own numbers stand in three of them."""
        if self.sort in self.numbers:
            return COLUMNS_OF_NUMBERS[self.numbers.index(self.sort)]
        return self.sort or "position"  # type: ignore[return-value]  # read() admits no other

    @property
    def narrowed(self) -> bool:
        """Whether anything is filtered away."""
        return bool(self.search or self.owner or self.word)

    def link(self, path: str = "", **changes: str | int | bool) -> str:
        """The address of the same list with some things changed."""
        changed = replace(self, **changes)  # type: ignore[arg-type]
        parameters = {
            "q": changed.search,
            "owner": changed.owner,
            "word": changed.word,
            "sort": changed.sort,
            "dir": "down" if changed.falling else "",
            "page": "" if changed.page == 1 else str(changed.page),
        }
        query = urlencode({k: v for k, v in parameters.items() if v})
        return (path or self.path) + (f"?{query}" if query else "")

    def by(self, column: ListColumn) -> str:
        """The address sorted by a column: the other way round if it is sorted by it already."""
        first_down = column.kind in ("money", "percent", "number", "days")
        falling = not self.falling if self.sort == column.sort else first_down
        return self.link(sort=column.sort, falling=falling, page=1)

    def order(self, column: ListColumn) -> str:
        """The word for ``aria-sort``."""
        if not column.sort or self.sort != column.sort:
            return ""
        return "descending" if self.falling else "ascending"


def read(
    path: str,
    given: Mapping[str, str],
    columns: Sequence[ListColumn],
    numbers: tuple[str, ...] = (),
) -> Query:
    """A list's address, leniently: people edit addresses, and what is odd counts as not said.

    numbers  the list's own numbers that the store sorts by (``NUMBERS`` of its kind)
    """
    sorts = {c.sort for c in columns if c.sort}
    sort = given.get("sort", "")
    page = given.get("page", "1")
    number = int(page) if page.isascii() and page.isdecimal() and len(page) < 7 else 1
    clean = {k: given.get(k, "").replace("\0", "")[:LONGEST] for k in ("q", "owner", "word")}
    return Query(
        path,
        clean["q"].strip(),
        clean["owner"],
        clean["word"],
        sort if sort in sorts else "",
        given.get("dir") == "down" and sort in sorts,
        min(max(number, 1), LAST_PAGE),
        numbers,
    )
