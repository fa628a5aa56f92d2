"""A list to take away, as CSV or as an Excel workbook: all rows that pass the page's filters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from features.tables import instant_text
from serving.http.endpoint import Endpoints
from serving.store.sheets import SheetHead
from serving.web.csv import head, lines
from serving.web.endpoints import HEADERS, Visit
from serving.web.lists import Listing
from serving.web.query import Query, read
from serving.web.spreadsheet import TYPE, workbook

Rows = Sequence[Mapping[str, Any]]


class Downloads:
    """The downloads of every list."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints

    def csv(self, listing: Listing) -> Any:
        """A list as CSV, sent while it is read."""

        async def view(visit: Visit) -> Response:
            query, sheet = await self._asked(listing, visit)

            async def parts() -> AsyncIterator[bytes]:
                yield head(listing.exported)
                async for rows in self._blocks(query, sheet):
                    yield lines(listing.exported, rows)

            headers = _attached(listing, sheet, "csv")
            return StreamingResponse(parts(), 200, headers, "text/csv; charset=utf-8")

        return view

    def xlsx(self, listing: Listing) -> Any:
        """A list as an Excel workbook."""

        async def view(visit: Visit) -> Response:
            query, sheet = await self._asked(listing, visit)
            rows = [row async for block in self._blocks(query, sheet) for row in block]
            made = await run_in_threadpool(
                workbook, listing.exported, rows, listing.kind, _day(sheet)
            )
            return Response(made, 200, _attached(listing, sheet, "xlsx"), TYPE)

        return view

    async def _asked(self, listing: Listing, visit: Visit) -> tuple[Query, SheetHead | None]:
        given = dict(visit.request.query_params)
        query = read(listing.path, given, listing.columns, listing.numbers)
        return query, await self.endpoints.in_store(
            self.endpoints.store.sheets.newest, listing.kind
        )

    async def _blocks(self, query: Query, sheet: SheetHead | None) -> AsyncIterator[Rows]:
        """The rows of a query, a block at a time."""
        skip = 0
        while sheet is not None:
            wanted = replace(query.wanted, skip=skip)
            rows = await self.endpoints.in_store(self.endpoints.store.sheets.rows, sheet.id, wanted)
            if not rows:
                return
            yield rows
            skip += len(rows)


def _day(sheet: SheetHead | None) -> str:
    return "" if sheet is None else instant_text(sheet.as_of)[:10]


def _attached(listing: Listing, sheet: SheetHead | None, ending: str) -> dict[str, str]:
    """Headers that name the file by its list and as-of day."""
    name = "-".join(filter(None, (listing.kind, _day(sheet))))
    return HEADERS | {"content-disposition": f'attachment; filename="{name}.{ending}"'}
