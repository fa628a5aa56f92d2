"""Tryton over its JSON-RPC: records by the instant of their last change, histories by revision.

Instants are the server's own throughout, so that a wrong clock on either side moves nothing.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from features.connectors.contract import (
    Body,
    ConnectorError,
    Field,
    Position,
    RawRecord,
    RecordPage,
    Staged,
    Stream,
)
from features.connectors.http import AuthError, Http
from features.schema import Kind

KINDS: dict[str, Kind] = {
    "char": "text",
    "text": "text",
    "selection": "category",
    "integer": "number",
    "float": "number",
    "numeric": "number",
    "boolean": "boolean",
    "date": "instant",
    "datetime": "instant",
    "timestamp": "instant",
    "many2one": "category",
    "reference": "category",
}
"""Types of fields that are one value -> what they are here; fields of other types are not read."""


@dataclass(frozen=True)
class Model:
    """One Tryton model: its raw table, the fields of its own modules that are read, its history."""

    name: str
    table: str
    fields: tuple[str, ...]
    history: str = ""
    only: tuple[Any, ...] = ()


OWN_NOTE = "Embudo:"
"""How a note begins that our write-back wrote; it is nobody's activity."""

MODELS = (
    Model(
        "party.party",
        "party",
        ("name", "code", "active", "replaced_by"),
    ),
    Model("party.address", "address", ("party", "city", "country.code", "subdivision.name")),
    Model("party.contact_mechanism", "contact_mechanism", ("party", "type", "value", "name")),
    Model("company.employee", "employee", ("party.name", "start_date", "end_date", "supervisor")),
    Model(
        "sale.opportunity",
        "opportunity",
        (
            *("number", "party", "employee", "state", "amount", "currency.code", "description"),
            *("start_date", "end_date", "lost_reason", "conversion_probability"),
        ),
        history="opportunity_history",
    ),
    Model(
        "ir.note",
        "note",
        ("resource#id", "message"),
        only=(("resource", "like", "sale.opportunity,%"), ("message", "not like", f"{OWN_NOTE}%")),
    ),
    Model(
        "account.invoice",
        "invoice",
        ("party", "state", "invoice_date", "total_amount", "currency.code", "reconciled"),
        only=(("type", "=", "out"),),
    ),
)

STANDARD = re.compile(
    r"ir|res|party.*|company.*|currency.*|country.*|product.*|account.*|sale.*|stock.*|purchase.*"
    r"|project.*|timesheet.*|web.*|marketing.*|customs|bank.*|analytic.*|production.*|quality.*"
)
"""Modules of Tryton's own distribution; a field of any other module is the company's own."""

EVERYTHING = {"active_test": False}
"""Records that were archived are records too."""

ALWAYS = ("create_date", "last_modified_at")


class Tryton:
    """A connected Tryton.

    overlap   how far back an increment begins before the latest change seen: what was committed
              late, by a transaction that had begun before others, is then read after all
    """

    sweep_every = timedelta(0)

    def __init__(
        self,
        http: Http,
        user: str,
        password: str,
        page: int = 500,
        overlap: timedelta = timedelta(minutes=10),
    ) -> None:
        self.http, self.user, self.password = http, user, password
        self.page, self.overlap = page, overlap
        self.http.log_in_by(self._login)
        self._streams: list[Stream] | None = None
        self._models: dict[str, Model] = {}

    def _login(self) -> Mapping[str, str]:
        asked = {
            "id": 0,
            "method": "common.db.login",
            "params": [self.user, {"password": self.password}, "en"],
        }
        answer = self.http.json("POST", "rpc/", json=asked)
        result = answer.get("result") if isinstance(answer, dict) else None
        if not result or not result[1]:
            raise AuthError(f"Tryton does not let {self.user!r} in; check user and password")
        text = f"{self.user}:{result[0]}:{result[1]}"
        return {"authorization": f"Session {base64.b64encode(text.encode()).decode()}"}

    def call(self, method: str, *params: Any, context: Mapping[str, Any] | None = None) -> Any:
        """The result of a remote procedure; its error as ConnectorError."""
        asked = {"id": 0, "method": method, "params": [*params, dict(context or {})]}
        answer = self.http.json("POST", "rpc/", json=asked)
        if answer.get("error"):
            said = answer["error"]
            raise ConnectorError(f"Tryton refused {method}: {_first_text(said)}")
        return answer["result"]

    def search_read(
        self, model: str, domain: Sequence[Any], names: Sequence[str], **more: Any
    ) -> list[dict[str, Any]]:
        """Records of a model as Tryton gives them; ``more``: limit, order."""
        asked = [name.removesuffix("#id") for name in names]
        given = (list(domain), 0, more.get("limit"), more.get("order"), asked)
        return list(self.call(f"model.{model}.search_read", *given, context=EVERYTHING))

    def streams(self) -> Sequence[Stream]:
        """The models of the activated modules."""
        if self._streams is None:
            found = self.search_read(
                "ir.model", [("name", "in", [m.name for m in MODELS])], ["name"]
            )
            there = {row["name"] for row in found}
            self._models = {m.table: m for m in MODELS if m.name in there}
            self._streams = [self._stream(m) for m in self._models.values()]
        return self._streams

    def _stream(self, model: Model) -> Stream:
        described = self.call(f"model.{model.name}.fields_get", [], 0)
        mine = {f["name"]: f["module"] for f in self._field_records(model.name)}
        fields = [Field("id", "key"), *(Field(n, "instant") for n in ALWAYS)]
        for name in model.fields:
            first = re.split(r"[.#]", name)[0]
            if first in described:
                kind = KINDS[described[first]["type"]] if name == first else "text"
                fields.append(Field(name, kind, described[first]["string"]))
        for name, module in sorted(mine.items()):
            about = described.get(name)
            if about and about["type"] in KINDS and not STANDARD.fullmatch(module):
                fields.append(Field(name, KINDS[about["type"]], about["string"], custom=True))
        tables = {model.table: fields}
        if model.history:
            tables[model.history] = [Field("revision", "key"), Field("at", "instant"), *fields]
        return Stream(model.table, tables)

    def _field_records(self, model: str) -> list[dict[str, Any]]:
        return self.search_read("ir.model.field", [("model", "=", model)], ["name", "module"])

    def pages(self, stream: Stream, position: Position, staged: Staged) -> Iterator[RecordPage]:
        """A full load by id, then what was changed since, by the instant of the change."""
        model = self._models[stream.name]
        names = [f.name for f in stream.tables[model.table] if f.name != "id"]
        where = [list(clause) for clause in model.only]
        if "since" not in position:
            # whatever changes while the full load is read lies after this instant
            position = {"since": self._latest(model, where), "after_id": 0}
        while "after_id" in position:
            domain = [*where, ["id", ">", position["after_id"]]]
            found = self.search_read(
                model.name, domain, names, limit=self.page, order=[["id", "ASC"]]
            )
            if len(found) < self.page:
                position = {"since": position["since"]}
            else:
                position = {**position, "after_id": found[-1]["id"]}
            yield self._page(model, names, found, position, staged)
        yield from self._changes(model, names, where, position["since"], staged)

    def _changes(
        self, model: Model, names: list[str], where: list[Any], since: str, staged: Staged
    ) -> Iterator[RecordPage]:
        at, last = _shifted(since, -self.overlap) if since else "", 0
        while True:
            later = ["last_modified_at", ">", _moment(at)] if at else ["id", ">", 0]
            same = [["last_modified_at", "=", _moment(at)], ["id", ">", last]] if at else []
            domain = [*where, ["OR", [later], same] if same else later]
            order = [["last_modified_at", "ASC"], ["id", "ASC"]]
            found = self.search_read(model.name, domain, names, limit=self.page, order=order)
            if not found:
                return
            at, last = plain(found[-1]["last_modified_at"]), found[-1]["id"]
            since = max(since, at)
            yield self._page(model, names, found, {"since": since}, staged)

    def _latest(self, model: Model, where: list[Any]) -> str:
        order = [["last_modified_at", "DESC"]]
        found = self.search_read(model.name, where, ["last_modified_at"], limit=1, order=order)
        return plain(found[0]["last_modified_at"]) if found else ""

    def _page(
        self,
        model: Model,
        names: list[str],
        found: list[dict[str, Any]],
        position: Position,
        staged: Staged,
    ) -> RecordPage:
        bodies = [body(record, names) for record in found]
        rows = [RawRecord(model.table, str(b["id"]), b) for b in bodies]
        if model.history and found:
            rows += self._history(model, names, bodies, staged)
        return RecordPage(rows, position)

    def _history(
        self, model: Model, names: list[str], bodies: Sequence[Body], staged: Staged
    ) -> Iterator[RawRecord]:
        """The revisions that are not staged yet; the newest is the record itself."""
        by_id = {b["id"]: b for b in bodies}
        known = {i: staged.keys(model.history, f"{model.table}/{i}") for i in by_id}
        revisions = self.call(f"model.{model.name}.history_revisions", list(by_id))
        wanted = sorted({(plain(at), i) for at, i, _ in revisions})
        for at, group in groupby(wanted, key=lambda r: r[0]):
            ids = [i for _, i in group if f"{i}@{at}" not in known[i]]
            now = [i for i in ids if by_id[i]["last_modified_at"] == at]
            past = [i for i in ids if by_id[i]["last_modified_at"] != at]
            then = [by_id[i] for i in now]
            if past:
                context = {"_datetime": _moment(at)}
                given = self.call(f"model.{model.name}.read", past, names, context=context)
                then += [body(record, names) for record in given]
            for one in then:
                revision = f"{one['id']}@{at}"
                whole = {**one, "revision": revision, "at": at}
                yield RawRecord(model.history, revision, whole, f"{model.table}/{one['id']}")

    def living(self, stream: Stream) -> Mapping[str, Iterable[str]]:
        """Every id that exists: Tryton tells of a deleted record in no other way."""
        model = self._models[stream.name]
        return {model.table: self._ids(model)}

    def _ids(self, model: Model) -> Iterator[str]:
        last, where = 0, [list(clause) for clause in model.only]
        while True:
            domain = [*where, ["id", ">", last]]
            given = (domain, 0, 10_000, [["id", "ASC"]])
            found = self.call(f"model.{model.name}.search", *given, context=EVERYTHING)
            yield from map(str, found)
            if len(found) < 10_000:
                return
            last = found[-1]

    def derived(self, staged: Staged) -> Mapping[str, Iterable[Body]]:
        """Since when an opportunity is in its present state: nothing in Tryton says so itself."""
        return {"opportunity_since": since(staged)}

    def clock(self) -> datetime | None:
        """The server's present instant."""
        return self.http.said_at

    def close(self) -> None:
        """End the connection; the session ends by itself."""
        self.http.close()


def since(staged: Staged) -> Iterator[Body]:
    """Opportunity -> the revision that brought its present state: columns id, at."""
    revisions = (body for _, body in staged.bodies("opportunity_history"))
    for key, group in groupby(revisions, key=lambda r: str(r["id"])):
        began, state = "", None
        for one in group:
            if one["state"] != state:
                began, state = one["at"], one["state"]
        yield {"id": key, "at": began}


def body(record: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A record as a raw table holds it.

    "currency.code" is the code of the record it points to; "resource#id" the id of a reference,
    which Tryton writes "model,id".
    """
    found: dict[str, Any] = {"id": record["id"]}
    for name in names:
        if name.endswith("#id"):
            found[name] = str(record.get(name[:-3]) or "").partition(",")[2]
        elif "." in name:
            first, _, rest = name.partition(".")
            found[name] = plain((record.get(f"{first}.") or {}).get(rest))
        else:
            found[name] = plain(record.get(name))
    return found


def plain(value: Any) -> Any:
    """A value of Tryton's JSON as text, number or boolean: its instants are UTC."""
    if not isinstance(value, Mapping):
        return value
    kind = value.get("__class__")
    if kind == "Decimal":
        return value["decimal"]
    if kind == "date":
        return f"{value['year']:04}-{value['month']:02}-{value['day']:02}"
    if kind == "datetime":
        names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        at = datetime(1, 1, 1, tzinfo=UTC).replace(**{n: value[n] for n in names})
        return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return None


def _moment(text: str) -> dict[str, Any]:
    at = datetime.fromisoformat(text)
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{n: getattr(at, n) for n in names}}


def _shifted(text: str, by: timedelta) -> str:
    at = datetime.fromisoformat(text) + by
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _first_text(said: Any) -> str:
    """What a Tryton error says: the first two words of a list, without its traceback."""
    parts = said if isinstance(said, list) else [said]
    return ": ".join(str(p) for p in parts[:2])[:400]
