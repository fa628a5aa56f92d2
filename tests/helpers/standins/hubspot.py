"""HubSpot's CRM API as its documentation says: search with its limits, histories, associations."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.helpers.standins.service import Answer, Call, Route, StandIn

MODIFIED = {"contacts": "lastmodifieddate"}
TYPES = ("companies", "contacts", "deals", "calls", "emails", "meetings", "notes", "tasks")
STAGES = {
    "10": ("Qualified", "false", "0.2"),
    "20": ("Offer", "false", "0.6"),
    "30": ("Won", "true", "1.0"),
    "40": ("Lost", "true", "0.0"),
}
CUSTOM = {
    "deals": {"plan": ("enumeration", "Plan of the customer"), "seats": ("number", "Seats")},
    "contacts": {"campaign": ("string", "Campaign")},
    "companies": {"tier": ("enumeration", "Tier")},
}


@dataclass
class Thing:
    """One record."""

    id: int
    properties: dict[str, str | None]
    modified: datetime
    archived: bool = False
    past: dict[str, list[tuple[str | None, datetime]]] = field(default_factory=dict)


class HubSpotStandIn(StandIn):
    """An account with its objects; ``stale``: what the search still says of changed records."""

    def __init__(self) -> None:
        super().__init__()
        self.things: dict[str, dict[int, Thing]] = {t: {} for t in TYPES}
        self.links: dict[tuple[str, str], dict[int, dict[int, bool]]] = {}
        self.stale: dict[tuple[str, int], Thing | None] = {}
        self.lagging = False
        self.number = 100
        self.own: dict[str, dict[str, Any]] = {t: {} for t in TYPES}
        self.stage_names = {key: label for key, (label, _, _) in STAGES.items()}

    def authorised(self, call: Call) -> bool:
        return call.headers.get("authorization") == f"Bearer {self.token}"

    def routes(self) -> Mapping[str, Route]:
        objects = "/crm/v3/objects/([a-z]+)"
        return {
            f"POST {objects}/search": self.search,
            f"GET {objects}": self.listed,
            f"POST {objects}/batch/read": self.read,
            f"POST {objects}/batch/update": self.update,
            "POST /crm/v4/associations/([a-z]+)/([a-z]+)/batch/read": self.associated,
            "GET /crm/v3/properties/([a-z]+)": self.properties,
            "POST /crm/v3/properties/([a-z]+)": self.create_property,
            "POST /crm/v3/properties/([a-z]+)/groups": self.create_group,
            "GET /crm/v3/pipelines/deals": self.pipelines,
            "GET /crm/v3/owners": self.owners,
        }

    # -- what people do -------------------------------------------------------------------------

    def put(self, kind: str, key: int | None = None, **values: str | None) -> int:
        """Make a record or change it, as a person does."""
        if key is None:
            self.number += 1
            key = self.number
            self._keep_stale(kind, key, None)
            self.things[kind][key] = Thing(key, {"createdate": _iso(self.now)}, self.now)
        else:
            self._keep_stale(kind, key, self.things[kind][key])
        thing = self.things[kind][key]
        thing.modified = self.now
        for name, value in values.items():
            if thing.properties.get(name) != value:
                thing.properties[name] = value
                thing.past.setdefault(name, []).append((value, self.now))
        return key

    def _keep_stale(self, kind: str, key: int, before: Thing | None) -> None:
        if self.lagging and (kind, key) not in self.stale:
            self.stale[kind, key] = copy.deepcopy(before)

    def settle(self) -> None:
        """The search has caught up."""
        self.stale, self.lagging = {}, False

    def archive(self, kind: str, key: int) -> None:
        """Delete a record as people do: it can be restored for 90 days."""
        self.things[kind][key].archived = True

    def restore(self, kind: str, key: int) -> None:
        """Bring an archived record back."""
        self.things[kind][key].archived = False
        self.put(kind, key)

    def purge(self, kind: str, key: int) -> None:
        """Delete for good: no list of deletes has it."""
        del self.things[kind][key]

    def merge(self, kind: str, loser: int, winner: int) -> None:
        """The loser becomes the winner, with what was associated to it."""
        before = self.things[kind][winner].properties.get("hs_merged_object_ids")
        ids = f"{before};{loser}" if before else str(loser)
        for (a, _), pairs in self.links.items():
            if a == kind and loser in pairs:
                pairs.setdefault(winner, {}).update(pairs.pop(loser))
        del self.things[kind][loser]
        self.put(kind, winner, hs_merged_object_ids=ids)

    def link(self, a: str, key: int, b: str, other: int, primary: bool = False) -> None:
        """Associate two records, which changes the first."""
        self.links.setdefault((a, b), {}).setdefault(key, {})[other] = primary
        self.put(a, key)

    # -- the API ----------------------------------------------------------------------------------

    def _seen(self, kind: str) -> dict[int, Thing]:
        """The records as the search's index has them."""
        found = dict(self.things[kind])
        for (k, key), thing in self.stale.items():
            if k == kind and key in found:
                if thing is None:
                    del found[key]
                else:
                    found[key] = thing
        return {key: t for key, t in found.items() if not t.archived}

    def search(self, call: Call) -> Answer:
        (kind,), asked = call.found, call.body
        limit, after = asked.get("limit", 10), int(asked.get("after") or 0)
        if limit > 200 or len(asked["sorts"]) > 1 or len(asked["filterGroups"]) > 5:
            return _wrong("limit, sorts or filterGroups")
        if after + limit > 10_000:
            return _wrong("there is no result beyond the 10,000th")
        groups = asked["filterGroups"]
        things = [
            t
            for t in self._seen(kind).values()
            if not groups or any(all(self._meets(kind, t, f) for f in g["filters"]) for g in groups)
        ]
        sort = asked["sorts"][0]
        # records that are equal by the one sort come in no order that can be relied on
        things.sort(key=lambda t: (self._value(kind, t, sort["propertyName"]), -t.id % 7, t.id))
        if sort["direction"] == "DESCENDING":
            things.reverse()
        page = things[after : after + limit]
        results = [self._shown(kind, t, asked["properties"]) for t in page]
        body: dict[str, Any] = {"total": len(things), "results": results}
        if len(things) > after + limit:
            body["paging"] = {"next": {"after": str(after + limit)}}
        return Answer(200, body)

    def _value(self, kind: str, thing: Thing, name: str) -> Any:
        if name == "hs_object_id":
            return thing.id
        if name == MODIFIED.get(kind, "hs_lastmodifieddate"):
            return thing.modified
        raise AssertionError(name)

    def _meets(self, kind: str, thing: Thing, test: Mapping[str, str]) -> bool:
        value = self._value(kind, thing, test["propertyName"])
        wanted = (
            type(value).fromisoformat(test["value"])
            if value is thing.modified
            else int(test["value"])
        )
        tests = {"GT": value > wanted, "GTE": value >= wanted, "EQ": value == wanted}
        return bool(tests[test["operator"]])

    def _shown(self, kind: str, thing: Thing, names: Sequence[str]) -> dict[str, Any]:
        changed = MODIFIED.get(kind, "hs_lastmodifieddate")
        values = {**thing.properties, changed: _iso(thing.modified)}
        if kind == "deals":
            about = STAGES.get(thing.properties.get("dealstage") or "", ("", "false", "0"))
            values |= {"hs_is_closed": about[1], "hs_deal_stage_probability": about[2]}
            values["hs_is_closed_won"] = str(about[0] == "Won").lower()
        shown = {n: values.get(n) for n in (*names, "createdate", changed, "hs_object_id")}
        return {"id": str(thing.id), "properties": shown, "archived": thing.archived}

    def listed(self, call: Call) -> Answer:
        (kind,) = call.found
        limit, after = int(call.query["limit"]), int(call.query.get("after", 0))
        archived = call.query.get("archived") == "true"
        if limit > 100:
            return _wrong("limit")
        found = [t for k, t in sorted(self.things[kind].items()) if t.archived == archived]
        page = [t for t in found if t.id >= after]
        body: dict[str, Any] = {"results": [self._shown(kind, t, []) for t in page[:limit]]}
        if len(page) > limit:
            body["paging"] = {"next": {"after": str(page[limit].id)}}
        return Answer(200, body)

    def read(self, call: Call) -> Answer:
        (kind,), asked = call.found, call.body
        if len(asked["inputs"]) > (50 if asked.get("propertiesWithHistory") else 100):
            return _wrong("inputs")
        results = []
        for one in asked["inputs"]:
            thing = self.things[kind].get(int(one["id"]))
            if thing is not None and not thing.archived:
                shown = self._shown(kind, thing, asked["properties"])
                shown["propertiesWithHistory"] = {
                    name: [
                        {"value": v, "timestamp": _iso(at), "sourceType": "CRM_UI"}
                        for v, at in reversed(thing.past.get(name, []))
                    ]
                    for name in asked.get("propertiesWithHistory", [])
                }
                results.append(shown)
        status = 200 if len(results) == len(asked["inputs"]) else 207
        return Answer(status, {"status": "COMPLETE", "results": results})

    def associated(self, call: Call) -> Answer:
        a, b = call.found
        if len(call.body["inputs"]) > 1_000:
            return _wrong("inputs")
        results = []
        for one in call.body["inputs"]:
            others = self.links.get((a, b), {}).get(int(one["id"]), {})
            to = [
                {
                    "toObjectId": other,
                    "associationTypes": [
                        {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": None},
                        *([{"typeId": 5, "label": "Primary"}] if primary else []),
                    ],
                }
                for other, primary in others.items()
                if other in self.things[b] and not self.things[b][other].archived
            ]
            if to:
                results.append({"from": {"id": one["id"]}, "to": to})
        complete = len(results) == len(call.body["inputs"])
        return Answer(200 if complete else 207, {"status": "COMPLETE", "results": results})

    def properties(self, call: Call) -> Answer:
        (kind,) = call.found
        standard = {"dealname", "dealstage", "amount", "closedate", "pipeline", "name", "country"}
        standard |= {"email", "jobtitle", "hs_lead_status", "hs_merged_object_ids", "createdate"}
        standard |= {"hs_timestamp", "associatedcompanyid", "hs_lifecyclestage_customer_date"}
        standard |= {"hs_is_closed", "hs_is_closed_won", "hs_deal_stage_probability"}
        found = [_property(n, "string", n, True) for n in sorted(standard)]
        for name, (type_, label) in CUSTOM.get(kind, {}).items():
            found.append(_property(name, type_, label, False))
        return Answer(200, {"results": [*found, *self.own[kind].values()]})

    def create_property(self, call: Call) -> Answer:
        (kind,), asked = call.found, call.body
        if asked["name"] in self.own[kind]:
            return Answer(409, {"status": "error", "message": "it exists already"})
        if {"name", "label", "type", "fieldType", "groupName"} - set(asked):
            return _wrong("a key is missing")
        self.own[kind][asked["name"]] = {**asked, "hubspotDefined": False, "archived": False}
        return Answer(201, asked)

    def create_group(self, call: Call) -> Answer:
        return Answer(201, call.body)

    def update(self, call: Call) -> Answer:
        """All or nothing where a value is not valid; a record that is not there is named."""
        (kind,), inputs = call.found, call.body["inputs"]
        if len(inputs) > 100:
            return _wrong("inputs")
        for one in inputs:
            for name, value in one["properties"].items():
                if name not in self.own[kind]:
                    return _wrong(f"Property {name} does not exist")
                if value and name == "embudo_probability" and float(value) > 1.0:
                    return _wrong(f"{value} is not valid for {name} of {one['id']}")
        errors, results = [], []
        for one in inputs:
            thing = self.things[kind].get(int(one["id"]))
            if thing is None or thing.archived:
                about = {"ids": [one["id"]]}
                errors.append({"status": "error", "message": "not found", "context": about})
            else:
                self.put(kind, thing.id, **one["properties"])
                self.written[str(thing.id)] += 1
                results.append({"id": one["id"]})
        return Answer(207 if errors else 200, {"results": results, "errors": errors})

    def pipelines(self, _: Call) -> Answer:
        stages = [
            {
                "id": key,
                "label": self.stage_names[key],
                "metadata": {"isClosed": closed, "probability": probability},
            }
            for key, (_, closed, probability) in STAGES.items()
        ]
        return Answer(200, {"results": [{"id": "default", "label": "Sales", "stages": stages}]})

    def owners(self, call: Call) -> Answer:
        team = [{"id": "9", "name": "North", "primary": True}]
        mary = {"id": "7", "firstName": "Mary", "lastName": "Major", "email": "m@example.com"}
        known = {**mary, "createdAt": "2024-01-01T00:00:00.000Z", "teams": team}
        return Answer(200, {"results": [] if call.query["archived"] == "true" else [known]})


def _property(name: str, kind: str, label: str, defined: bool) -> dict[str, Any]:
    return {"name": name, "type": kind, "label": label, "hubspotDefined": defined}


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _wrong(said: str) -> Answer:
    return Answer(400, {"status": "error", "category": "VALIDATION_ERROR", "message": said})


def live(crm: HubSpotStandIn, chance: random.Random) -> None:
    """One thing that people do."""
    # half of all changes share an instant with another; some were committed late
    crm.pass_time(chance.choice([0, 0, 1, 30, -20]))
    kind = chance.choice(["deals", "deals", "contacts", "companies", "notes", "calls"])
    alive = sorted(k for k, t in crm.things[kind].items() if not t.archived)
    act = chance.choice("mmmcccclladr")
    if act == "m" or len(alive) < 4:
        values: dict[str, dict[str, str | None]] = {
            "deals": {"dealname": "New", "dealstage": "10", "amount": "100"}
        }
        crm.put(kind, None, **values.get(kind, {"hs_timestamp": "2025-02-01T10:00:00.000Z"}))
    elif act == "c":
        names = {
            "deals": ("dealstage", "dealstage", "amount", "plan", "closedate"),
            "contacts": ("hs_lead_status", "campaign", "hs_lifecyclestage_customer_date"),
        }
        name = chance.choice(names.get(kind, ("name",)))
        value = chance.choice(["10", "20", "30", "40"])
        if name.endswith("date"):
            value = _iso(crm.now)
        crm.put(kind, chance.choice(alive), **{name: value})
    elif act == "l" and kind in ("deals", "notes", "calls"):
        other = chance.choice(["companies", "contacts", *(["deals"] if kind != "deals" else [])])
        ids = sorted(crm.things[other])
        if ids:
            first = chance.random() < 0.3
            crm.link(kind, chance.choice(alive), other, chance.choice(ids), first)
    elif act == "a":
        crm.archive(kind, chance.choice(alive))
    elif act == "d" and kind in ("deals", "contacts", "companies"):
        loser, winner = chance.sample(alive, 2)
        crm.merge(kind, loser, winner)
    elif act == "r":
        away = sorted(k for k, t in crm.things[kind].items() if t.archived)
        if away:
            crm.restore(kind, chance.choice(away))
