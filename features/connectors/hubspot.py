"""A connected HubSpot account, over its CRM API v3."""

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
    RecordPage,
    Staged,
    Stream,
)
from features.connectors.http import Http
from features.connectors.hubspot_objects import (
    KINDS,
    OBJECTS,
    OWN_PREFIX,
    OWNERS,
    SEARCHED,
    SMALL,
    STAGES,
    TEAMS,
    HubSpotObject,
)
from features.connectors.hubspot_records import HubSpotRecords, listed
from features.connectors.increments import increments, named_history, whole_table


class HubSpot:
    """A connected HubSpot account.

    histories  tables whose property history is read: a call for every 50 records
    """

    def __init__(
        self,
        http: Http,
        page: int = SEARCHED,
        overlap: timedelta = timedelta(minutes=10),
        histories: Sequence[str] = ("contacts", "deals"),
        sweep_every: timedelta = timedelta(days=1),
    ) -> None:
        self.http, self.page, self.overlap = http, min(page, SEARCHED), overlap
        self.histories, self.sweep_every = tuple(histories), sweep_every

    @cached_property
    def _kinds(self) -> dict[str, HubSpotRecords]:
        stages = {key: str(stage["label"]) for key, stage in self._stages}
        return {
            o.table: HubSpotRecords(self.http, self.page, o, self._fields(o), stages)
            for o in OBJECTS
        }

    def _fields(self, kind: HubSpotObject) -> list[Field]:
        described = self.http.json("GET", f"crm/v3/properties/{kind.table}")["results"]
        found = [Field("hs_object_id", "key")]
        for one in sorted(described, key=lambda d: str(d["name"])):
            name, mine = one["name"], not one.get("hubspotDefined", False)
            wanted = name in kind.properties or (mine and not name.startswith(OWN_PREFIX))
            if not wanted or one.get("archived") or one["type"] not in KINDS:
                continue
            stated = name in kind.histories or (
                mine and kind.histories and not one.get("calculated")
            )
            past = kind.table in self.histories and bool(stated)
            found.append(Field(name, KINDS[one["type"]], one["label"], mine, past))
        return found

    def streams(self) -> Sequence[Stream]:
        """Owners and stages, then the objects."""
        small = {t: [Field(c, "text") for c in columns] for t, columns in SMALL.items()}
        first = [Stream("pipelines", {STAGES: small[STAGES]})]
        first.append(Stream("owners", {t: small[t] for t in (OWNERS, TEAMS)}))
        return first + [kind.stream for kind in self._kinds.values()]

    def pages(self, stream: Stream, position: Position, staged: Staged) -> Iterator[RecordPage]:
        """A full load by id, then what changed since, then what was archived."""
        if stream.name == "pipelines":
            yield whole_table(STAGES, self._stages, staged)
        elif stream.name == "owners":
            owners = list(self._owners())
            yield whole_table(
                OWNERS, ((str(o["id"]), _of(o, SMALL[OWNERS])) for o in owners), staged
            )
            yield whole_table(TEAMS, _teams(owners), staged)
        else:
            kind = self._kinds[stream.name]
            yield from increments(kind, stream.name, position, staged, self.overlap)

    @cached_property
    def _stages(self) -> list[tuple[str, Body]]:
        found: list[tuple[str, Body]] = []
        for pipeline in self.http.json("GET", "crm/v3/pipelines/deals")["results"]:
            for stage in pipeline["stages"]:
                about = stage.get("metadata", {})
                closed, probability = about.get("isClosed"), about.get("probability")
                values = (stage["id"], pipeline["id"], stage["label"], closed, probability)
                found.append((str(stage["id"]), dict(zip(SMALL[STAGES], values, strict=True))))
        return found

    def _owners(self) -> Iterator[Mapping[str, Any]]:
        for archived in ("false", "true"):
            asked = {"limit": 500, "archived": archived}
            yield from listed(self.http, "crm/v3/owners", asked)

    def living(self, stream: Stream) -> Mapping[str, Iterable[str]]:
        """Every id that exists: what was deleted for good stands in no list of deletes."""
        kind = self._kinds.get(stream.name)
        return {} if kind is None else {stream.name: kind.ids()}

    def derived(self, staged: Staged) -> Mapping[str, Iterable[Body]]:
        """The history of deals, with the stages as they are called now."""
        stage = Field("dealstage", "text", values=self._kinds["deals"].stages)
        versions = named_history(staged, "deal_versions", "name", ("value",), [stage])
        return {"deal_property_history": versions}

    def clock(self) -> datetime | None:
        """The server's present instant."""
        return self.http.said_at

    def close(self) -> None:
        """End the connection."""
        self.http.close()


def _teams(owners: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Body]]:
    for owner in owners:
        for team in owner.get("teams", []):
            if team.get("primary", True):
                values = (str(owner["id"]), str(team["id"]), team["name"])
                yield f"{owner['id']}-{team['id']}", dict(zip(SMALL[TEAMS], values, strict=True))


def _of(record: Mapping[str, Any], names: Sequence[str]) -> Body:
    return {name: record.get(name) for name in names}


def spent(answer: httpx.Response) -> bool:
    """Whether HubSpot says that the account's calls of the day are spent."""
    return answer.status_code == 429 and '"DAILY"' in answer.text.replace(" ", "")
