"""A stream read whole by key once, then by the CRM's own instant of each change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from features.connectors.contract import Body, Field, Position, RawRecord, RecordPage, Staged

Records = Sequence[Mapping[str, Any]]


class ChangingRecords(Protocol):
    """One kind of record of a CRM."""

    def latest(self) -> str:
        """The instant of the newest change there is, as the CRM writes it; "" where none is."""
        ...

    def whole(self, after: Any) -> tuple[Records, Any]:
        """The page after a key (None: the first), and the key to go on from; None at the end."""
        ...

    def changed(self, since: str) -> Iterator[tuple[Records, str]]:
        """Pages of what changed at ``since`` or later, oldest first, each with its newest instant.

        A record that changes while the pages are read must come again, and none may be left out.
        """
        ...

    def page(self, records: Records, position: Position) -> RecordPage:
        """The page with the rows of some records, and what belongs to them."""
        ...

    def gone(self, since: str) -> Iterator[Sequence[str]]:
        """Keys that the CRM says were deleted or merged away at ``since`` or later."""
        ...


def increments(
    records: ChangingRecords, table: str, position: Position, staged: Staged, overlap: timedelta
) -> Iterator[RecordPage]:
    """Pages since ``position``: what is left of the full load, then the changes, then deletes.

    ``overlap`` is how far the changes begin before the latest that was seen, for what was
    committed, or found by the CRM's search, late.
    """
    if "since" not in position:
        # whatever changes while the full load is read lies after this instant
        latest = records.latest()
        position = {"since": latest, "checked": latest, "after": None}
    kept = {"checked": position["checked"]}
    while "after" in position:
        found, after = records.whole(position["after"])
        position = {**kept, "since": position["since"]} | (
            {} if after is None else {"after": after}
        )
        yield records.page(found, position)
    since = position["since"]
    for found, newest in records.changed(_before(since, overlap)):
        since = max(since, newest)
        yield records.page(found, {**kept, "since": since})
    for keys in records.gone(_before(kept["checked"], overlap)):
        lost = [(table, key) for key in sorted(staged.among(table, keys))]
        yield RecordPage((), {**kept, "since": since}, gone=lost)
    # what is deleted from now on is deleted later than the newest change that was seen
    yield RecordPage((), {"since": since, "checked": since})


def _before(since: str, overlap: timedelta) -> str:
    return moved(since, -overlap) if since else ""


def moved(instant: str, by: timedelta) -> str:
    """An ISO instant, moved; in UTC, to the microsecond where it is not whole."""
    at = (datetime.fromisoformat(instant) + by).astimezone(UTC)
    parts = "milliseconds" if at.microsecond else "seconds"
    return at.isoformat(timespec=parts).replace("+00:00", "Z")


def whole_table(table: str, rows: Iterable[tuple[str, Body]], staged: Staged) -> RecordPage:
    """A small table that is read whole at every sync, by key."""
    found = [RawRecord(table, key, body) for key, body in rows]
    lost = staged.keys(table) - {r.key for r in found}
    return RecordPage(found, {}, gone=[(table, key) for key in sorted(lost)])


def named_history(
    staged: Staged, table: str, name: str, sides: Sequence[str], fields: Iterable[Field]
) -> Iterator[Body]:
    """A long history with names for ids: in column ``name`` the field, in ``sides`` its values."""
    known = {f.name: f for f in fields if f.values}
    for _, body in staged.bodies(table):
        field = known.get(body[name])
        yield body if field is None else {**body, **{s: field.shown(body[s]) for s in sides}}
