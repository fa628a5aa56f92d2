"""Pipedrive's APIs v1 and v2 as their documentation says: cursors, flows, fields by hashes."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from tests.helpers.standins.service import Answer, Call, Route, StandIn

PLAN, SEATS = "a1" * 20, "b2" * 20
FIELDS: dict[str, list[dict[str, Any]]] = {
    "dealFields": [
        {"key": "title", "name": "Title", "field_type": "varchar"},
        {
            "key": PLAN,
            "name": "Plan of the customer",
            "field_type": "enum",
            "options": [{"id": 1, "label": "team"}, {"id": 2, "label": "firm"}],
        },
        {"key": SEATS, "name": "Seats", "field_type": "double"},
    ],
    "personFields": [],
    "organizationFields": [],
}
FIXED = {"pipeline_id": 1, "owner_id": 7, "currency": "EUR", "expected_close_date": "2025-05-01"}
TYPES = ("organizations", "persons", "deals", "activities")


class PipedriveStandIn(StandIn):
    """A company's account; instants are whole seconds, and a cursor stands at a record."""

    def __init__(self) -> None:
        super().__init__()
        self.things: dict[str, dict[int, dict[str, Any]]] = {t: {} for t in TYPES}
        self.flows: dict[int, list[dict[str, Any]]] = {}
        self.fields = json.loads(json.dumps(FIELDS))
        self.stages = {1: "Contact made", 2: "Offer sent"}
        self.number = 0

    def authorised(self, call: Call) -> bool:
        return call.headers.get("x-api-token") == self.token

    def routes(self) -> Mapping[str, Route]:
        return {
            "GET /api/v2/(organizations|persons|deals|activities)": self.listed,
            "GET /api/v2/stages": self.listed_stages,
            "GET /api/v2/pipelines": self.pipelines,
            "PATCH /api/v2/deals/([0-9]+)": self.update,
            "GET /v1/deals/([0-9]+)/flow": self.flow,
            "GET /v1/users": self.users,
            "GET /v1/([a-z]+Fields)": self.described,
            "POST /v1/([a-z]+Fields)": self.create_field,
        }

    # -- what people do -------------------------------------------------------------------------

    def stamp(self) -> str:
        return self.now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def put(self, kind: str, key: int | None = None, **values: Any) -> int:
        """Make a record or change it, as a person does; a hash is a field of the company's own."""
        if key is None:
            self.number += 1
            key = self.number
            made = {"id": key, "add_time": self.stamp(), "is_deleted": False, "custom_fields": {}}
            self.things[kind][key] = made
        thing = self.things[kind][key]
        for name, value in values.items():
            holder = thing["custom_fields"] if len(name) == 40 else thing
            before = holder.get(name)
            holder[name] = value
            if kind == "deals" and before != value:
                self._changed(key, name, before, value)
        thing["update_time"] = self.stamp()
        return key

    def _changed(self, key: int, name: str, before: Any, value: Any) -> None:
        self.number += 1
        sides = {"old_value": _text(before), "new_value": _text(value)}
        at = self.now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        about = {"id": self.number, "item_id": key, "field_key": name, **sides, "log_time": at}
        self.flows.setdefault(key, []).append({"object": "dealChange", "data": about})

    def delete(self, kind: str, key: int) -> None:
        """Deals are listed as deleted for a while; other records are gone."""
        self.put(kind, key)
        self.things[kind][key]["is_deleted"] = True

    def restore(self, kind: str, key: int) -> None:
        """Bring a deleted record back."""
        self.things[kind][key]["is_deleted"] = False
        self.put(kind, key)

    # -- the API ----------------------------------------------------------------------------------

    def listed(self, call: Call) -> Answer:
        (kind,), asked = call.found, call.query
        limit, by = int(asked.get("limit", 100)), asked.get("sort_by", "id")
        if limit > 500:
            return Answer(400, {"success": False, "error": "limit"})
        gone = asked.get("status") == "deleted"
        down = asked.get("sort_direction") == "desc"
        found = [t for t in self.things[kind].values() if t["is_deleted"] == gone]
        if asked.get("status") == "open":
            found = [t for t in found if t.get("status") == "open"]
        if "ids" in asked:
            found = [t for t in found if str(t["id"]) in asked["ids"].split(",")[:100]]
        found = [t for t in found if t["update_time"] >= asked.get("updated_since", "")]
        found.sort(key=lambda t: (t[by], t["id"]), reverse=down)
        if "cursor" in asked:
            at = tuple(json.loads(base64.b64decode(asked["cursor"])))
            found = [t for t in found if (t[by], t["id"]) > at]
        page, more = found[:limit], None
        if len(found) > limit:
            more = base64.b64encode(json.dumps([page[-1][by], page[-1]["id"]]).encode()).decode()
        return _data(page, {"next_cursor": more})

    def listed_stages(self, _: Call) -> Answer:
        rows = [{"id": k, "name": n, "pipeline_id": 1} for k, n in self.stages.items()]
        return _data(rows, {"next_cursor": None})

    def pipelines(self, _: Call) -> Answer:
        return _data([{"id": 1, "name": "Sales"}], {"next_cursor": None})

    def users(self, _: Call) -> Answer:
        mary = {"id": 7, "name": "Mary", "email": "m@example.com", "active_flag": True}
        return _data([{**mary, "created": "2024-01-01 00:00:00"}], None)

    def flow(self, call: Call) -> Answer:
        start, limit = int(call.query["start"]), int(call.query["limit"])
        found = [*reversed(self.flows.get(int(call.found[0]), []))]
        paging = {
            "more_items_in_collection": len(found) > start + limit,
            "next_start": start + limit,
        }
        return _data(found[start : start + limit], {"pagination": paging})

    def described(self, call: Call) -> Answer:
        start = int(call.query["start"])
        paging = {"more_items_in_collection": False}
        return _data(self.fields[call.found[0]][start:], {"pagination": paging})

    def create_field(self, call: Call) -> Answer:
        self.number += 1
        key = f"{self.number:040x}"
        self.fields[call.found[0]].append({**call.body, "key": key})
        return Answer(201, {"success": True, "data": {**call.body, "key": key}})

    def update(self, call: Call) -> Answer:
        key, own = int(call.found[0]), dict(call.body.get("custom_fields", {}))
        thing = self.things["deals"].get(key)
        if thing is None or thing["is_deleted"]:
            return Answer(404, {"success": False, "error": "Deal not found"})
        known = {f["key"] for f in self.fields["dealFields"]}
        if set(own) - known:
            return Answer(400, {"success": False, "error": "no such field"})
        names = {f["key"]: f["name"] for f in self.fields["dealFields"]}
        for name, value in own.items():
            if names[name] == "Embudo probability" and value is not None and value > 1:
                return Answer(400, {"success": False, "error": f"{value} is not valid"})
        self.put("deals", key, **own)
        self.written[str(key)] += 1
        return _data(self.things["deals"][key], None)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _data(data: Any, more: Any) -> Answer:
    return Answer(200, {"success": True, "data": data, "additional_data": more})


def live(crm: PipedriveStandIn, chance: random.Random) -> None:
    """One thing that people do."""
    crm.pass_time(chance.choice([0, 0, 1, 30, -20]))
    kind = chance.choice(["deals", "deals", "persons", "organizations", "activities"])
    alive = sorted(k for k, t in crm.things[kind].items() if not t["is_deleted"])
    act = chance.choice("mmmccccar")
    if act == "m" or len(alive) < 4:
        about: dict[str, dict[str, Any]] = {
            "deals": {"title": "New", "stage_id": 1, "status": "open", "value": 100, **FIXED},
            "activities": {
                "type": "call",
                "done": True,
                "due_date": "2025-02-01",
                "duration": "00:30",
            },
            "persons": {"emails": [{"value": "a@example.com", "primary": True}]},
        }
        values = about.get(kind, {"name": "Customer"})
        if kind in ("deals", "persons") and crm.things["organizations"]:
            values["org_id"] = chance.choice(sorted(crm.things["organizations"]))
        if kind == "activities" and crm.things["deals"]:
            values["deal_id"] = chance.choice(sorted(crm.things["deals"]))
        crm.put(kind, **values)
    elif act == "c":
        choices: dict[str, dict[str, list[Any]]] = {
            "deals": {"stage_id": [1, 2], "value": [5, 7.5], PLAN: [1, 2], "status": ["open"]},
            "activities": {"done": [True, False]},
        }
        name = chance.choice(sorted(choices.get(kind, {"name": []})))
        value = chance.choice(choices.get(kind, {}).get(name) or ["Renamed", "Again"])
        crm.put(kind, chance.choice(alive), **{name: value})
        if kind == "deals" and chance.random() < 0.2:
            won = chance.random() < 0.5
            when = {"won_time" if won else "lost_time": crm.stamp()}
            crm.put(kind, chance.choice(alive), status="won" if won else "lost", **when)
    elif act == "a":
        crm.delete(kind, chance.choice(alive))
    elif act == "r":
        away = sorted(k for k, t in crm.things[kind].items() if t["is_deleted"])
        if away:
            crm.restore(kind, chance.choice(away))
