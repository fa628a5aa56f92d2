"""HubSpot's records: by search, their property history by batch, their associations by API v4.

A search gives at most 10,000 results and counts its pages by offset, so that a record which
changes meanwhile moves all behind it. Here no page is counted: each search begins at the id, or
the instant, that the one before reached.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from features.connectors.contract import Body, Field, Position, RawRecord, RecordPage, Stream
from features.connectors.http import Http
from features.connectors.hubspot_objects import (
    ASSOCIATED,
    HISTORIES,
    LISTED,
    SEARCHED,
    HubSpotObject,
)
from features.connectors.increments import Records


class HubSpotRecords:
    """The records of one kind of object."""

    def __init__(
        self,
        http: Http,
        page: int,
        kind: HubSpotObject,
        fields: list[Field],
        stages: Mapping[str, str],
    ) -> None:
        self.http, self.size, self.kind, self.stages = http, page, kind, stages
        self.names = [f.name for f in fields if f.name != "hs_object_id"]
        self.past = [f.name for f in fields if f.history]
        copies = [Field(c, "text", values=stages if "label" in c else {}) for c in kind.also]
        tables = {kind.table: [*fields, *copies]}
        if self.past:
            columns = (kind.key, "name", "value", "timestamp")
            tables[kind.history] = [Field(c, "text") for c in columns]
        for to, table in kind.links.items():
            tables[table] = [Field(kind.key, "text"), Field(_id_of(to), "text")]
        self.stream = Stream(kind.table, tables, frozenset({"deal_versions"}))

    def latest(self) -> str:
        found = self._search([], self.kind.changed, "DESCENDING", 1)
        return self._instant(found[-1]) if found else ""

    def whole(self, after: Any) -> tuple[Records, Any]:
        """The records above an id; ids grow, so that what is made meanwhile comes at the end."""
        found = self._search([("hs_object_id", "GT", after or 0)], "hs_object_id")
        return found, found[-1]["id"] if len(found) == self.size else None

    def changed(self, since: str) -> Iterator[tuple[Records, str]]:
        """Each search begins at the instant that the last one reached, that instant included."""
        operator, at = "GTE", since
        while True:
            where = [(self.kind.changed, operator, at)] if at else []
            found = self._search(where, self.kind.changed)
            if not found:
                return
            newest = self._instant(found[-1])
            yield found, newest
            if len(found) < self.size:
                return
            if newest == at:  # more records of one instant than a page has, as after an import
                for some in self._of_one_instant(at):
                    yield some, at
                operator = "GT"
            else:
                operator, at = "GTE", newest

    def _of_one_instant(self, at: str) -> Iterator[Records]:
        last: Any = 0
        while True:
            where = [(self.kind.changed, "EQ", at), ("hs_object_id", "GT", last)]
            found = self._search(where, "hs_object_id")
            if found:
                yield found
            if len(found) < self.size:
                return
            last = found[-1]["id"]

    def ids(self) -> Iterator[str]:
        last: Any = 0
        while True:
            where = [("hs_object_id", "GT", last)]
            found = self._search(where, "hs_object_id", limit=SEARCHED, properties=())
            yield from (str(r["id"]) for r in found)
            if len(found) < SEARCHED:
                return
            last = found[-1]["id"]

    def gone(self, since: str) -> Iterator[Sequence[str]]:  # noqa: ARG002
        """All archived records: HubSpot keeps them for 90 days and sorts them by id only."""
        asked = {"limit": LISTED, "archived": "true"}
        path = f"crm/v3/objects/{self.kind.table}"
        yield from _batches([str(r["id"]) for r in listed(self.http, path, asked)], 500)

    def _search(
        self,
        where: Sequence[tuple[str, str, Any]],
        sort: str,
        direction: str = "ASCENDING",
        limit: int = 0,
        properties: Sequence[str] | None = None,
    ) -> list[Mapping[str, Any]]:
        filters = [{"propertyName": p, "operator": o, "value": str(v)} for p, o, v in where]
        asked = {
            "filterGroups": [{"filters": filters}] if filters else [],
            "sorts": [{"propertyName": sort, "direction": direction}],
            "limit": limit or self.size,
            "properties": [*self.names, self.kind.changed] if properties is None else [*properties],
        }
        path = f"crm/v3/objects/{self.kind.table}/search"
        return list(self.http.json("POST", path, json=asked)["results"])

    def _instant(self, record: Mapping[str, Any]) -> str:
        return str(record["properties"][self.kind.changed])

    def page(self, records: Records, position: Position) -> RecordPage:
        """The records with their history and associations, all as they are after the search."""
        kind, ids = self.kind, [str(r["id"]) for r in records]
        rows = [RawRecord(kind.table, i, self._body(r)) for i, r in zip(ids, records, strict=True)]
        rows += self._histories(ids)
        replaced = []
        for to, table in kind.links.items():
            rows += self._links(ids, to, table)
            replaced += [(table, f"{kind.table}/{i}") for i in ids]
        merged = [r["properties"].get("hs_merged_object_ids") or "" for r in records]
        gone = [(kind.table, i) for text in merged for i in text.split(";") if i]
        return RecordPage(rows, position, gone, replaced)

    def _body(self, record: Mapping[str, Any]) -> Body:
        given = {**record["properties"], "id": str(record["id"])}
        copies = {column: given.get(name) for column, name in self.kind.also.items()}
        return {"hs_object_id": given["id"], **{n: given.get(n) for n in self.names}, **copies}

    def _histories(self, ids: Sequence[str]) -> Iterator[RawRecord]:
        path = f"crm/v3/objects/{self.kind.table}/batch/read"
        for some in _batches(ids, HISTORIES) if self.past else ():
            asked = {
                "properties": [],
                "propertiesWithHistory": self.past,
                "inputs": [{"id": i} for i in some],
            }
            for record in self.http.json("POST", path, json=asked)["results"]:
                yield from self._versions(str(record["id"]), record["propertiesWithHistory"])

    def _versions(self, key: str, histories: Mapping[str, Any]) -> Iterator[RawRecord]:
        for name, versions in histories.items():
            for one in versions:
                at = one["timestamp"]
                body = {self.kind.key: key, "name": name, "value": one["value"], "timestamp": at}
                parent = f"{self.kind.table}/{key}"
                yield RawRecord(self.kind.history, f"{key}@{name}@{at}", body, parent)

    def _links(self, ids: Sequence[str], to: str, table: str) -> Iterator[RawRecord]:
        path = f"crm/v4/associations/{self.kind.table}/{to}/batch/read"
        for some in _batches(ids, ASSOCIATED):
            asked = {"inputs": [{"id": i} for i in some]}
            for found in self.http.json("POST", path, json=asked)["results"]:
                key = str(found["from"]["id"])
                for other in _primary(found["to"]):
                    body = {self.kind.key: key, _id_of(to): other}
                    yield RawRecord(table, f"{key}-{other}", body, f"{self.kind.table}/{key}")


def listed(http: Http, path: str, asked: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every result of a list, page by page."""
    after: str | None = None
    while True:
        more = {} if after is None else {"after": after}
        answer = http.json("GET", path, params={**asked, **more})
        yield from answer["results"]
        after = answer.get("paging", {}).get("next", {}).get("after")
        if after is None:
            return


def _primary(linked: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ids of associated objects: of several only the primary one, where one is."""
    first = [
        str(one["toObjectId"])
        for one in linked
        if any(t.get("label") == "Primary" for t in one["associationTypes"])
    ]
    return first or [str(one["toObjectId"]) for one in linked]


def _id_of(objects: str) -> str:
    return {"companies": "company_id"}.get(objects, f"{objects.removesuffix('s')}_id")


def _batches(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (items[i : i + size] for i in range(0, len(items), size))
