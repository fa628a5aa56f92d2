"""Pipedrive: records by the cursors of API v2, each deal's changes by its flow (API v1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from features.connectors.contract import (
    Body,
    Field,
    Position,
    RawRecord,
    RecordPage,
    Staged,
    Stream,
)
from features.connectors.http import Http, RefusedError
from features.connectors.increments import Records, increments, named_history, whole_table
from features.connectors.pipedrive_objects import (
    CHANGE,
    FLOWING,
    KINDS,
    OBJECTS,
    OWN_LABEL,
    PAGE,
    SMALL,
    PipedriveObject,
)


class Pipedrive:
    """A connected Pipedrive company."""

    def __init__(
        self,
        http: Http,
        page: int = PAGE,
        overlap: timedelta = timedelta(minutes=10),
        sweep_every: timedelta = timedelta(days=1),
    ) -> None:
        self.http, self.page = http, min(page, PAGE)
        self.overlap, self.sweep_every = overlap, sweep_every

    @cached_property
    def _kinds(self) -> dict[str, _PipedriveRecords]:
        stages = {str(one["id"]): str(one["name"]) for one in self.every("stages")}
        return {o.table: _PipedriveRecords(self, o, self._fields(o, stages)) for o in OBJECTS}

    def _fields(self, kind: PipedriveObject, stages: Mapping[str, str]) -> list[Field]:
        """The id, the declared columns, then the company's own fields by their hashes."""
        fields = [Field("id", "key")]
        fields += [Field(c, "text", values=stages if c == "stage_id" else {}) for c in kind.columns]
        for one in self.fields(kind.described):
            held = KINDS.get(one["field_type"])
            if held is not None and not one["name"].startswith(OWN_LABEL):
                about = (one["key"], held, one["name"], True, bool(kind.flow), _options(one))
                fields.append(Field(*about))
        return fields

    def fields(self, path: str) -> list[Mapping[str, Any]]:
        """The descriptions of an object's own fields: key (a hash), name, type and options."""
        found: list[Mapping[str, Any]] = list(self.listed_v1(path)) if path else []
        return [f for f in found if len(f["key"]) == 40]

    def listed_v1(self, path: str, **asked: Any) -> Iterator[Mapping[str, Any]]:
        """Every item of a list of API v1, page by page."""
        start = 0
        while True:
            given = {**asked, "start": start, "limit": PAGE}
            answer = self.http.json("GET", f"v1/{path}", params=given)
            yield from answer["data"] or ()
            about = (answer.get("additional_data") or {}).get("pagination") or {}
            if not about.get("more_items_in_collection"):
                return
            start = about["next_start"]

    def listed(self, path: str, cursor: Any = None, **asked: Any) -> tuple[Records, Any]:
        """One page of a list of API v2, and the cursor of the next; None at the end."""
        more = {} if cursor is None else {"cursor": cursor}
        given = {"limit": self.page, **asked, **more}
        answer = self.http.json("GET", f"api/v2/{path}", params=given)
        return answer["data"] or [], (answer.get("additional_data") or {}).get("next_cursor")

    def every(self, path: str, **asked: Any) -> Iterator[Mapping[str, Any]]:
        """Every item of a list of API v2."""
        cursor = None
        while True:
            found, cursor = self.listed(path, cursor, **asked)
            yield from found
            if cursor is None:
                return

    def streams(self) -> Sequence[Stream]:
        """Users, pipelines and stages, then the objects."""
        small = [Stream(t, {t: [Field(c, "text") for c in names]}) for t, names in SMALL.items()]
        return small + [kind.stream for kind in self._kinds.values()]

    def pages(self, stream: Stream, position: Position, staged: Staged) -> Iterator[RecordPage]:
        """A full load by id, then what changed since, then the deals that were deleted."""
        name = stream.name
        if name in SMALL:
            found = self.listed_v1(name) if name == "users" else self.every(name)
            rows = ((str(one["id"]), {c: one.get(c) for c in SMALL[name]}) for one in found)
            yield whole_table(name, rows, staged)
        else:
            yield from increments(self._kinds[name], name, position, staged, self.overlap)

    def living(self, stream: Stream) -> Mapping[str, Iterable[str]]:
        """Every id that exists: Pipedrive tells of deleted deals only, and for 30 days."""
        if stream.name in SMALL:
            return {}
        return {stream.name: (str(one["id"]) for one in self.every(stream.name, limit=PAGE))}

    def derived(self, staged: Staged) -> Mapping[str, Iterable[Body]]:
        """The changes of deals, with the stages and choices as they are called now."""
        flow, fields = "deal_flow", self._kinds["deals"].fields
        sides = ("old_value", "new_value")
        return {"deal_changes": named_history(staged, flow, "field_key", sides, fields)}

    def clock(self) -> datetime | None:
        """The server's present instant."""
        return self.http.said_at

    def close(self) -> None:
        """End the connection."""
        self.http.close()


class _PipedriveRecords:
    """The records of one kind of object."""

    def __init__(self, company: Pipedrive, kind: PipedriveObject, fields: list[Field]) -> None:
        self.company, self.kind, self.fields = company, kind, fields
        self.own = [f.name for f in fields if f.custom]
        self.limit = min(company.page, FLOWING) if kind.flow else company.page
        tables = {kind.table: fields}
        if kind.flow:
            tables[kind.flow] = [Field(c, "text") for c in ("id", *CHANGE)]
        self.stream = Stream(kind.table, tables, frozenset({kind.flow} - {""}))

    def latest(self) -> str:
        found, _ = self._sorted("update_time", "desc", limit=1)
        return str(found[0]["update_time"]) if found else ""

    def whole(self, after: Any) -> tuple[Records, Any]:
        """The page after a cursor; from the beginning where it has expired since a kill."""
        try:
            return self._sorted("id", "asc", cursor=after)
        except RefusedError:
            if after is None:
                raise
            return self._sorted("id", "asc")

    def changed(self, since: str) -> Iterator[tuple[Records, str]]:
        """By instant of change; a cursor stands at a record, so that none is passed over."""
        cursor, asked = None, _since(since)
        while True:
            found, cursor = self._sorted("update_time", "asc", cursor=cursor, **asked)
            if found:
                yield found, str(found[-1]["update_time"])
            if cursor is None:
                return

    def gone(self, since: str) -> Iterator[Sequence[str]]:
        """Deleted deals; other deleted records are found by the sweep."""
        if self.kind.deleted:
            found = self.company.every(self.kind.table, status="deleted", **_since(since))
            yield [str(one["id"]) for one in found]

    def _sorted(self, by: str, direction: str, **asked: Any) -> tuple[Records, Any]:
        given = {"sort_by": by, "sort_direction": direction, "limit": self.limit, **asked}
        return self.company.listed(self.kind.table, **given)

    def page(self, records: Records, position: Position) -> RecordPage:
        """The records, and of each deal every change that is not read yet."""
        rows = [RawRecord(self.kind.table, str(r["id"]), self._body(r)) for r in records]
        for record in records if self.kind.flow else ():
            rows += self._changes(str(record["id"]))
        return RecordPage(rows, position)

    def _body(self, record: Mapping[str, Any]) -> Body:
        own = record.get("custom_fields") or {}
        found = {c: _plain(_at(record, c)) for c in ("id", *self.kind.columns)}
        return found | {key: _plain(own.get(key)) for key in self.own}

    def _changes(self, key: str) -> Iterator[RawRecord]:
        for one in self.company.listed_v1(f"deals/{key}/flow", all_changes=1, items="change"):
            if one["object"] == "dealChange":
                about = one["data"]
                body = {"id": str(about["id"]), "deal_id": key}
                body |= {c: _plain(about[c]) for c in CHANGE if c != "deal_id"}
                parent = f"{self.kind.table}/{key}"
                yield RawRecord(self.kind.flow, body["id"], body, parent)


def _options(field: Mapping[str, Any]) -> dict[str, str]:
    return {str(o["id"]): str(o["label"]) for o in field.get("options") or ()}


def _since(instant: str) -> dict[str, str]:
    return {"updated_since": instant} if instant else {}


def _at(record: Mapping[str, Any], path: str) -> Any:
    """The value at a path such as "address.country"."""
    first, _, rest = path.partition(".")
    value = record.get(first)
    return (value or {}).get(rest) if rest else value


def _plain(value: Any) -> Any:
    """A value as one text, number or boolean: of a list of choices their ids, else the primary."""
    if isinstance(value, Mapping):
        return value.get("value", value.get("id"))
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return next((v for v in value if v.get("primary")), value[0])["value"]
    if isinstance(value, list):
        return ";".join(sorted(map(str, value))) or None
    return value
