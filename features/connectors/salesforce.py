"""Salesforce over its REST API: SOQL by SystemModstamp, deletes by queryAll, field history beside.

No query locator is kept: each query begins at the instant and id that the one before reached, so
that a sync can be killed anywhere and nothing expires.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import httpx

from features.connectors.contract import (
    Body,
    Field,
    Position,
    RawRecord,
    RecordPage,
    Staged,
    Stream,
)
from features.connectors.http import AuthError, Http, RefusedError
from features.connectors.increments import Records, increments, moved
from features.connectors.salesforce_objects import (
    ALWAYS,
    KINDS,
    NAMED,
    OBJECTS,
    OWN_PREFIX,
    PAGE,
    SalesforceObject,
)

VERSION = "v62.0"


class Salesforce:
    """A connected org, by the client-credentials flow of a connected app."""

    def __init__(
        self,
        http: Http,
        client: str,
        secret: str,
        page: int = PAGE,
        overlap: timedelta = timedelta(minutes=10),
        sweep_every: timedelta = timedelta(days=1),
    ) -> None:
        self.http, self.page, self.overlap = http, min(page, PAGE), overlap
        self.sweep_every, self._client, self._secret = sweep_every, client, secret
        http.log_in_by(self._login)

    def _login(self) -> Mapping[str, str]:
        asked = {
            "grant_type": "client_credentials",
            "client_id": self._client,
            "client_secret": self._secret,
        }
        try:
            answer = self.http.json("POST", "services/oauth2/token", data=asked)
        except RefusedError as refused:
            raise AuthError(f"{refused}; check client and secret of the connected app") from refused
        return {"authorization": f"Bearer {answer['access_token']}"}

    def query(self, soql: str, deleted: bool = False) -> list[Mapping[str, Any]]:
        """Every record of a query; ``deleted``: those in the recycle bin too."""
        path = f"services/data/{VERSION}/{'queryAll' if deleted else 'query'}"
        answer = self.http.json("GET", path, params={"q": soql})
        found = list(answer["records"])
        while not answer["done"]:
            answer = self.http.json("GET", answer["nextRecordsUrl"].lstrip("/"))
            found += answer["records"]
        return found

    @cached_property
    def _objects(self) -> dict[str, _SalesforceRecords]:
        listed = self.http.json("GET", f"services/data/{VERSION}/sobjects")["sobjects"]
        there = {one["name"] for one in listed if one.get("queryable", True)}
        return {o.name: self._records(o, there) for o in OBJECTS if o.name in there}

    def _records(self, kind: SalesforceObject, there: set[str]) -> _SalesforceRecords:
        described = self.http.json("GET", f"services/data/{VERSION}/sobjects/{kind.name}/describe")
        names = {one["name"] for one in described["fields"]}
        histories = {h: about for h, about in kind.histories.items() if h in there}
        kept = any("NewValue" in columns for _, columns in histories.values())
        fields = []
        for one in described["fields"]:
            name = one["name"]
            mine = one["custom"] and not name.startswith(OWN_PREFIX)
            if one["type"] in KINDS and (mine or name in (*ALWAYS, *kind.fields)):
                fields.append(Field(name, KINDS[one["type"]], one["label"], mine, mine and kept))
        return _SalesforceRecords(self, kind.name, fields, histories, "IsDeleted" in names)

    def streams(self) -> Sequence[Stream]:
        """The objects that the org has and the user may read."""
        return [records.stream for records in self._objects.values()]

    def pages(self, stream: Stream, position: Position, staged: Staged) -> Iterator[RecordPage]:
        """A full load by id, then what changed since, then what was deleted or merged away."""
        records = self._objects[stream.name]
        yield from increments(records, stream.name, position, staged, self.overlap)

    def living(self, stream: Stream) -> Mapping[str, Iterable[str]]:
        """Every id that exists: the recycle bin forgets after 15 days."""
        return {stream.name: self._objects[stream.name].ids()}

    def derived(self, staged: Staged) -> Mapping[str, Iterable[Body]]:  # noqa: ARG002
        """None."""
        return {}

    def clock(self) -> datetime | None:
        """The server's present instant."""
        return self.http.said_at

    def close(self) -> None:
        """End the connection; the token ends by itself."""
        self.http.close()


class _SalesforceRecords:
    """The records of one object; ``bin``: deleted ones stay in the recycle bin for 15 days."""

    def __init__(
        self,
        org: Salesforce,
        name: str,
        fields: list[Field],
        histories: Mapping[str, tuple[str, tuple[str, ...]]],
        bin: bool,
    ) -> None:
        self.org, self.name, self.histories, self.bin = org, name, histories, bin
        self.names = [f.name for f in fields]
        tables = {name: fields}
        for history, (column, columns) in histories.items():
            tables[history] = [Field(c, "text") for c in ("Id", column, *columns)]
        self.stream = Stream(name, tables)

    def latest(self) -> str:
        found = self._ask("", "SystemModstamp DESC", 1, ["SystemModstamp"])
        return instant(found[0]["SystemModstamp"]) if found else ""

    def whole(self, after: Any) -> tuple[Records, Any]:
        """The records above an id."""
        found = self._ask(f"Id > '{after}'" if after else "", "Id", self.org.page)
        return found, found[-1]["Id"] if len(found) == self.org.page else None

    def changed(self, since: str) -> Iterator[tuple[Records, str]]:
        """By instant and id: instants are whole seconds, of which an import fills one with many."""
        at, last = since, ""
        while True:
            where = f"SystemModstamp >= {at}" if at else ""
            if last:
                where = f"SystemModstamp > {at} OR (SystemModstamp = {at} AND Id > '{last}')"
            found = self._ask(where, "SystemModstamp, Id", self.org.page)
            if found:
                at, last = instant(found[-1]["SystemModstamp"]), found[-1]["Id"]
                yield found, at
            if len(found) < self.org.page:
                return

    def ids(self) -> Iterator[str]:
        after = ""
        while True:
            found = self._ask(f"Id > '{after}'" if after else "", "Id", PAGE, ["Id"])
            yield from (str(one["Id"]) for one in found)
            if len(found) < PAGE:
                return
            after = found[-1]["Id"]

    def gone(self, since: str) -> Iterator[Sequence[str]]:
        """What was deleted or merged away, as long as the recycle bin has it."""
        if self.bin and since:
            where = f"IsDeleted = true AND SystemModstamp >= {since}"
            soql = f"SELECT Id FROM {self.name} WHERE {where}"
            yield [str(one["Id"]) for one in self.org.query(soql, deleted=True)]

    def page(self, records: Records, position: Position) -> RecordPage:
        """The records, and every change of them that the org remembers."""
        rows = [RawRecord(self.name, r["Id"], {n: r.get(n) for n in self.names}) for r in records]
        ids = [r.key for r in rows]
        for history, (column, columns) in self.histories.items():
            for some in (ids[i : i + NAMED] for i in range(0, len(ids), NAMED)):
                rows += self._changes(history, column, columns, some)
        return RecordPage(rows, position)

    def _changes(
        self, history: str, column: str, columns: Sequence[str], ids: Sequence[str]
    ) -> Iterator[RawRecord]:
        named, wanted = ", ".join(f"'{i}'" for i in ids), ("Id", column, *columns)
        soql = f"SELECT {', '.join(wanted)} FROM {history} WHERE {column} IN ({named})"
        for one in self.org.query(soql):
            body = {name: one.get(name) for name in wanted}
            yield RawRecord(history, one["Id"], body, f"{self.name}/{one[column]}")

    def _ask(
        self, where: str, order: str, limit: int, names: Sequence[str] = ()
    ) -> list[Mapping[str, Any]]:
        condition = f" WHERE {where}" if where else ""
        asked = ", ".join(names or [*self.names, "SystemModstamp"])
        return self.org.query(
            f"SELECT {asked} FROM {self.name}{condition} ORDER BY {order} LIMIT {limit}"
        )


def instant(text: str) -> str:
    """An instant of an answer ("2026-01-31T09:00:00.000+0000") as SOQL writes it, in UTC."""
    return moved(text, timedelta(0))


def spent(answer: httpx.Response) -> bool:
    """Whether Salesforce says that the org's calls of the last 24 hours are spent."""
    return answer.status_code == 403 and "REQUEST_LIMIT_EXCEEDED" in answer.text
