"""Salesforce's REST API as its documentation says; its SOQL is answered by SQLite."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.helpers.standins.service import Answer, Call, Route, StandIn

DATA = "/services/data/v[0-9.]+"
OBJECTS: dict[str, dict[str, str]] = {
    "Account": {"Name": "string", "Industry": "picklist", "OwnerId": "reference"},
    "Contact": {"AccountId": "reference", "Email": "email", "Title": "string"},
    "Lead": {"Name": "string", "Status": "picklist", "IsConverted": "boolean"},
    "Opportunity": {
        "AccountId": "reference",
        "OwnerId": "reference",
        "Name": "string",
        "StageName": "picklist",
        "Amount": "currency",
        "Probability": "percent",
        "CloseDate": "date",
        "IsClosed": "boolean",
        "IsWon": "boolean",
        "Plan__c": "picklist",
        "Site__c": "location",
        "Embudo_Probability__c": "percent",
        "Embudo_Grade__c": "string",
        "Embudo_Expected__c": "date",
        "Embudo_Reasons__c": "textarea",
        "Embudo_Scored_At__c": "datetime",
        "Embudo_Model__c": "string",
    },
    "Task": {
        "WhatId": "reference",
        "WhoId": "reference",
        "ActivityDate": "date",
        "IsClosed": "boolean",
        "TaskSubtype": "picklist",
    },
    "User": {"Name": "string"},
}
PREFIX = {"Account": "001", "Contact": "003", "Lead": "00Q", "Opportunity": "006", "Task": "00T"}
PREFIX |= {"User": "005"}
HISTORY = {
    "OpportunityHistory": "Id, OpportunityId, StageName, Amount, CloseDate, Probability, "
    "ForecastCategory, CreatedDate",
    "OpportunityFieldHistory": "Id, OpportunityId, Field, OldValue, NewValue, CreatedDate",
    "LeadHistory": "Id, LeadId, Field, OldValue, NewValue, CreatedDate",
}
STAGES = {"Prospecting": 10, "Proposal": 50, "Closed Won": 100, "Closed Lost": 0}
ALWAYS = {"Id": "id", "CreatedDate": "datetime", "SystemModstamp": "datetime"}
BATCH = 50
"""Records of one answer of a query; the real one gives up to 2,000."""


class SalesforceStandIn(StandIn):
    """An org; instants are whole seconds."""

    client, secret = "the-client", "the-secret"

    def __init__(self) -> None:
        super().__init__()
        self.tables = sqlite3.connect(":memory:", check_same_thread=False)
        self.tables.row_factory = sqlite3.Row
        for name, fields in OBJECTS.items():
            columns = ", ".join(f"{c} COLLATE BINARY" for c in (*ALWAYS, *fields))
            merged = "" if name == "User" else ", IsDeleted DEFAULT 'false', MasterRecordId"
            self.tables.execute(f"CREATE TABLE {name} ({columns}{merged}, PRIMARY KEY (Id))")
        for name, columns in HISTORY.items():
            self.tables.execute(f"CREATE TABLE {name} ({columns}, PRIMARY KEY (Id))")
        self.number, self.sessions, self.logins = 0, set[str](), 0
        self.locators: dict[str, list[dict[str, Any]]] = {}

    def authorised(self, call: Call) -> bool:
        said = call.headers.get("authorization", "")
        return call.path.endswith("/token") or said.removeprefix("Bearer ") in self.sessions

    def routes(self) -> Mapping[str, Route]:
        return {
            "POST /services/oauth2/token": self.log_in,
            f"GET {DATA}/sobjects": self.listed,
            f"GET {DATA}/sobjects/([A-Za-z]+)/describe": self.described,
            f"GET {DATA}/(query|queryAll)": self.queried,
            f"GET {DATA}/query/([a-z0-9]+)": self.further,
            f"PATCH {DATA}/composite/sobjects": self.update,
        }

    # -- what people do -------------------------------------------------------------------------

    def stamp(self) -> str:
        return self.now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def key(self, prefix: str) -> str:
        """Ids of a kind grow; they are told apart by case."""
        self.number += 1
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        first, second = divmod(self.number, len(letters))
        return f"{prefix}{first:010}{letters[second]}0AAA"

    def put(self, kind: str, key: str | None = None, **values: Any) -> str:
        """Make a record or change it, as a person does."""
        at = self.stamp()
        if key is None:
            key, before = self.key(PREFIX[kind]), {}
            head = (key, at, at)
            self.run(
                f"INSERT INTO {kind} (Id, CreatedDate, SystemModstamp) VALUES (?, ?, ?)", *head
            )
        else:
            before = self.rows(f"SELECT * FROM {kind} WHERE Id = ?", key)[0]
        if kind == "Opportunity" and "StageName" in values:
            stage = values["StageName"]
            closed = str(stage.startswith("Closed")).lower()
            won = str(stage == "Closed Won").lower()
            values |= {"Probability": STAGES[stage], "IsClosed": closed, "IsWon": won}
        given = {**values, "SystemModstamp": at}
        names = ", ".join(f"{n} = ?" for n in given)
        self.run(f"UPDATE {kind} SET {names} WHERE Id = ?", *given.values(), key)
        self._remember(kind, key, before, values)
        return key

    def _remember(
        self, kind: str, key: str, before: Mapping[str, Any], values: Mapping[str, Any]
    ) -> None:
        at = self.stamp()
        changed = {n for n, v in values.items() if before and before[n] != v}
        if kind in ("Opportunity", "Lead"):
            table = {"Opportunity": "OpportunityFieldHistory", "Lead": "LeadHistory"}[kind]
            for name in sorted(changed & {"StageName", "Amount", "Plan__c", "Status"}):
                row = (self.key("017"), key, name, before[name], values[name], at)
                self.run(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?)", *row)
        if kind == "Opportunity" and (not before or changed & {"StageName", "Amount", "CloseDate"}):
            now = self.rows("SELECT * FROM Opportunity WHERE Id = ?", key)[0]
            row = tuple(now[n] for n in ("StageName", "Amount", "CloseDate", "Probability"))
            marks = "?, ?, ?, ?, ?, ?, NULL, ?"
            self.run(
                f"INSERT INTO OpportunityHistory VALUES ({marks})", self.key("008"), key, *row, at
            )

    def delete(self, kind: str, key: str, master: str | None = None) -> None:
        """Into the recycle bin; ``master``: merged into that record."""
        at = self.stamp()
        self.run(
            f"UPDATE {kind} SET IsDeleted = 'true', MasterRecordId = ?, SystemModstamp = ? "
            "WHERE Id = ?",
            *(master, at, key),
        )

    def undelete(self, kind: str, key: str) -> None:
        """Out of the recycle bin."""
        self.run(f"UPDATE {kind} SET IsDeleted = 'false', MasterRecordId = NULL WHERE Id = ?", key)
        self.put(kind, key)

    def purge(self, kind: str, key: str) -> None:
        """Delete for good."""
        self.run(f"DELETE FROM {kind} WHERE Id = ?", key)

    def run(self, sql: str, *given: Any) -> None:
        with self.lock:
            self.tables.execute(sql, given)

    def rows(self, sql: str, *given: Any) -> list[dict[str, Any]]:
        with self.lock:
            return [dict(row) for row in self.tables.execute(sql, given)]

    # -- the API ----------------------------------------------------------------------------------

    def log_in(self, call: Call) -> Answer:
        given = (call.body.get("client_id"), call.body.get("client_secret"))
        if given != (self.client, self.secret):
            return Answer(400, {"error": "invalid_client", "error_description": "wrong"})
        self.logins += 1
        self.sessions.add(f"session-{self.logins}")
        return Answer(200, {"access_token": f"session-{self.logins}", "instance_url": self.url})

    def listed(self, _: Call) -> Answer:
        names = [*OBJECTS, *HISTORY]
        return Answer(200, {"sobjects": [{"name": n, "queryable": True} for n in names]})

    def described(self, call: Call) -> Answer:
        (kind,) = call.found
        fields = {**ALWAYS, **OBJECTS[kind]}
        if kind != "User":
            fields |= {"IsDeleted": "boolean", "MasterRecordId": "reference"}
        about = [
            {"name": n, "type": t, "label": n.replace("__c", ""), "custom": n.endswith("__c")}
            for n, t in fields.items()
        ]
        return Answer(200, {"fields": about})

    def queried(self, call: Call) -> Answer:
        (how,), soql = call.found, call.query["q"]
        if len(soql) > 16_000:
            return Answer(414, [{"message": "URI too long"}])
        (name,) = re.findall(r" FROM (\w+)", soql)
        # SOQL is SQL here but for its literals: instants bare, truth values words
        sql = re.sub(r"(?<!')\b(\d{4}-\d\d-\d\dT[\d:.]+Z)", r"'\1'", soql)
        sql = re.sub(r"= (true|false)", r"= '\1'", sql)
        if name in OBJECTS and name != "User" and how == "query":
            view = f"(SELECT * FROM {name} WHERE IsDeleted = 'false') AS {name}"
            sql = sql.replace(f" FROM {name}", f" FROM {view}")
        types = {**ALWAYS, **OBJECTS.get(name, {}), "IsDeleted": "boolean"}
        if name in HISTORY:
            types = {"CreatedDate": "datetime"}
        try:
            found = [_shown(name, row, types) for row in self.rows(sql)]
        except sqlite3.Error as wrong:
            return Answer(400, [{"errorCode": "MALFORMED_QUERY", "message": str(wrong)}])
        return self._batch(found)

    def _batch(self, found: list[dict[str, Any]]) -> Answer:
        body = {"totalSize": len(found), "done": len(found) <= BATCH, "records": found[:BATCH]}
        if len(found) > BATCH:
            locator = f"0r{len(self.locators)}"
            self.locators[locator] = found[BATCH:]
            body["nextRecordsUrl"] = f"/services/data/v62.0/query/{locator}"
        return Answer(200, body, {"sforce-limit-info": f"api-usage={len(self.calls)}/15000"})

    def further(self, call: Call) -> Answer:
        return self._batch(self.locators[call.found[0]])

    def update(self, call: Call) -> Answer:
        """Each record by itself: what is wrong is said of the record."""
        records = call.body["records"]
        if len(records) > 200 or call.body["allOrNone"] is not False:
            return Answer(400, [{"message": "at most 200 records, allOrNone false"}])
        return Answer(200, [self._updated(r) for r in records])

    def _updated(self, record: Mapping[str, Any]) -> dict[str, Any]:
        kind, key = record["attributes"]["type"], record.get("Id") or record["id"]
        values = {n: v for n, v in record.items() if n not in ("attributes", "id", "Id")}
        unknown = sorted(set(values) - set(OBJECTS[kind]))
        there = self.rows(f"SELECT IsDeleted FROM {kind} WHERE Id = ?", key)
        if unknown:
            return _failed("INVALID_FIELD", f"no field {unknown[0]}")
        if not there or there[0]["IsDeleted"] == "true":
            return _failed("ENTITY_IS_DELETED", "entity is deleted")
        if (values.get("Embudo_Probability__c") or 0) > 100:
            return _failed("FIELD_INTEGRITY_EXCEPTION", "Embudo_Probability__c: too large")
        self.put(kind, key, **values)
        self.written[key] += 1
        return {"id": key, "success": True, "errors": []}


def _failed(code: str, said: str) -> dict[str, Any]:
    return {"success": False, "errors": [{"statusCode": code, "message": said, "fields": []}]}


def _shown(name: str, row: Mapping[str, Any], types: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"attributes": {"type": name}}
    for column, value in row.items():
        kind = types.get(column)
        if kind == "datetime" and value:
            found[column] = value.replace("Z", ".000+0000")
        elif kind == "boolean":
            found[column] = value == "true"
        else:
            found[column] = value
    return found


def live(crm: SalesforceStandIn, chance: random.Random) -> None:
    """One thing that people do."""
    crm.pass_time(chance.choice([0, 0, 1, 30, -20]))
    kind = chance.choice(["Opportunity", "Opportunity", "Lead", "Account", "Contact", "Task"])
    alive = [r["Id"] for r in crm.rows(f"SELECT Id FROM {kind} WHERE IsDeleted = 'false'")]
    deals = [r["Id"] for r in crm.rows("SELECT Id FROM Opportunity ORDER BY Id")]
    accounts = [r["Id"] for r in crm.rows("SELECT Id FROM Account ORDER BY Id")]
    act = chance.choice("mmmccccadru")
    if act == "m" or len(alive) < 4:
        day = str(datetime(2025, 4, chance.randint(1, 30), tzinfo=UTC).date())
        about: dict[str, dict[str, Any]] = {
            "Opportunity": {"StageName": "Prospecting", "Amount": 100.5, "CloseDate": day},
            "Lead": {"Status": "Open", "IsConverted": "false"},
            "Task": {
                "IsClosed": "true",
                "TaskSubtype": "Call",
                "ActivityDate": day,
                "WhatId": chance.choice([*deals, None]),
            },
        }
        values = about.get(kind, {})
        if kind in ("Opportunity", "Contact") and accounts:
            values["AccountId"] = chance.choice(accounts)
        crm.put(kind, **values)
    elif act == "c":
        choices: dict[str, dict[str, list[Any]]] = {
            "Opportunity": {"StageName": [*STAGES], "Amount": [1, 2.5], "Plan__c": ["a", "b"]},
            "Lead": {"Status": ["Open", "Working", "Closed - Not Converted"]},
            "Account": {"Industry": ["retail", "health"]},
            "Contact": {"Title": ["CEO", "CFO"]},
            "Task": {"ActivityDate": ["2025-02-01", "2025-02-02"]},
        }
        name = chance.choice(sorted(choices[kind]))
        crm.put(kind, chance.choice(alive), **{name: chance.choice(choices[kind][name])})
    elif act == "a":
        crm.delete(kind, chance.choice(alive))
    elif act == "d" and kind in ("Account", "Contact", "Lead"):
        loser, winner = chance.sample(alive, 2)
        for child in ("Contact", "Opportunity") if kind == "Account" else ():
            for row in crm.rows(f"SELECT Id FROM {child} WHERE AccountId = ?", loser):
                crm.put(child, row["Id"], AccountId=winner)
        crm.delete(kind, loser, winner)
    elif act in "ru":
        away = crm.rows(
            f"SELECT Id FROM {kind} WHERE IsDeleted = 'true' AND MasterRecordId IS NULL"
        )
        if away:
            key = chance.choice([r["Id"] for r in away])
            (crm.undelete if act == "r" else crm.purge)(kind, key)
